import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32Of } from './crc32.ts'

test('the CRC of a part is the one of zlib', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(200),
      fc.nat(200),
      fc.nat(0xffffffff),
      (bytes, a, b, before) => {
        const [start, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)]
        expect(crc32Of(bytes, start, end, before)).toBe(crc32(bytes.subarray(start, end), before))
      },
    ),
  )
})
