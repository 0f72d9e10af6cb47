import { afterEach, beforeEach, expect, test } from 'vitest'
import { BufferPool } from './buffer-pool.ts'
import { POISON, poisonPools } from './poison.ts'

beforeEach(() => poisonPools(true))
afterEach(() => poisonPools(false))

test('a buffer that is given back is overwritten while pools are poisoned', () => {
  const pool = new BufferPool(8)
  const buffer = pool.take().fill(7)
  pool.give(buffer.subarray(2, 4))
  expect([...buffer]).toEqual(Array(8).fill(POISON))
  expect(pool.take().buffer).toBe(buffer.buffer)

  poisonPools(false)
  buffer.fill(7)
  pool.give(buffer)
  expect([...buffer]).toEqual(Array(8).fill(7))
})

test('a buffer is given back once, and memory from elsewhere not at all', () => {
  const pool = new BufferPool(8)
  const buffer = pool.take()
  pool.give(buffer)
  pool.give(buffer)
  const foreign = new Uint8Array(8).fill(7)
  pool.give(foreign)
  const taken = [pool.take(), pool.take()]
  expect(taken[0]!.buffer).toBe(buffer.buffer)
  expect([buffer.buffer, foreign.buffer]).not.toContain(taken[1]!.buffer)
  expect([...foreign]).toEqual(Array(8).fill(7))
})
