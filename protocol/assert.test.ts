import { afterEach, beforeEach, expect, test } from 'vitest'
import { assert, AssertionError, onFailedAssertion, unreachable } from './assert.ts'
import { checkInput, InputError } from './input.ts'

let told: string[]
let letGo: () => void

beforeEach(() => {
  told = []
  letGo = onFailedAssertion(({ message }) => told.push(message))
})
afterEach(() => letGo())

test('an assertion that fails is reported, even if a catch hides the error', () => {
  try {
    assert(false, 'it rises')
  } catch {
    // As the RPC server does, and the gateway.
  }
  expect(() => unreachable('x' as never)).toThrow(AssertionError)
  expect(told).toEqual(['it rises', 'unreachable: x'])
})

test('what holds is not reported, and neither is what others deliver', () => {
  assert(true, 'it rises')
  checkInput(true, 'it fits')
  expect(() => checkInput(false, 'it fits')).toThrow(InputError)
  expect(told).toEqual([])
})

test('a reporter is told until it is taken away', () => {
  letGo()
  expect(() => assert(false, 'it rises')).toThrow(AssertionError)
  expect(told).toEqual([])
})
