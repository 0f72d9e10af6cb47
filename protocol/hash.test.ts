import { describe, expect, test } from 'vitest'
import * as nativeModule from '@napi-rs/blake-hash'
import { hex, utf8 } from './bytes.ts'
import {
  blake3,
  blake3Implementation,
  createBlake3,
  nativeImplementation,
  pureImplementation,
} from './hash.ts'

const native = nativeImplementation(nativeModule)

function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = i % 251
  return bytes
}

describe('BLAKE3', () => {
  test('gives the published digests', () => {
    expect(hex(blake3())).toBe('af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262')
    expect(hex(blake3(utf8('abc')))).toBe(
      '6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85',
    )
  })

  test('native and pure are equal at every length around block and chunk bounds', () => {
    const few = Array.from({ length: 200 }, (_, length) => length)
    for (const length of [...few, 1023, 1024, 1025, 2048, 4096, 70_001]) {
      const bytes = pattern(length)
      const digest = hex(pureImplementation.hash([bytes]))
      expect(hex(native.hash([bytes]))).toBe(digest)
      expect(hex(native.hash([bytes, new Uint8Array(0)]))).toBe(digest)
    }
  })

  test('parts and streams count as one message', () => {
    const bytes = pattern(5_000)
    const whole = hex(blake3(bytes))
    const parts = [bytes.subarray(0, 7), bytes.subarray(7, 7), bytes.subarray(7)]
    for (const implementation of [native, pureImplementation]) {
      expect(hex(implementation.hash(parts))).toBe(whole)
      const hasher = implementation.create()
      for (const part of parts) hasher.update(part)
      expect(hex(hasher.digest())).toBe(whole)
    }
    const hasher = createBlake3()
    hasher.update(bytes)
    expect(hex(hasher.digest())).toBe(whole)
  })

  test('the shared hasher forgets the message before', () => {
    const first = hex(blake3(pattern(10), pattern(20)))
    blake3(pattern(30), pattern(1))
    expect(hex(blake3(pattern(10), pattern(20)))).toBe(first)
  })

  test('the native one is in use where it loads', () => {
    expect(blake3Implementation.name).toBe('native')
  })
})
