import { expect, test } from 'vitest'
import { InputError } from '../../protocol/input.ts'
import { MadeValues } from './register-change.ts'

test('the origin of a value is known, unless a peer has put it under our operation', () => {
  const made = new MadeValues()
  made.add(undefined, Uint8Array.of(1))
  expect(made.origin(Uint8Array.of(1), undefined)).toBeUndefined()
  expect(() => made.origin(Uint8Array.of(2), undefined)).toThrow(InputError)
})
