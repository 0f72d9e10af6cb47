import { describe, expect, test } from 'vitest'
import { byteString, bytesOf, hex } from '../../protocol/bytes.ts'
import { bucketId } from '../../protocol/ids.ts'
import { partRegister } from '../../protocol/keyspace/register-key.ts'
import { RECORD } from '../replica/record-types.ts'
import { describeKey } from './log-inspect.ts'

const PART = partRegister(
  bucketId(byteString(new Uint8Array(16).fill(1))),
  3,
  byteString(new Uint8Array(16).fill(2)),
  7,
  15,
)

describe('keys in a segment, for people', () => {
  test('the register of a part', () => {
    expect(describeKey(RECORD.register, PART)).toBe(`part 01010101… ${'02'.repeat(16)} 7`)
  })

  test('a part whose key has another length is shown in hexadecimal, and fails no assertion', () => {
    for (const key of [PART.slice(0, -1), `${PART}x`, PART.slice(0, 3)]) {
      expect(describeKey(RECORD.register, key)).toBe(hex(bytesOf(key)))
    }
  })
})
