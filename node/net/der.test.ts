import { expect, it } from 'vitest'
import { decodeDer, encodeDer, OCTET_STRING, SEQUENCE } from './der.ts'

it.each([0, 1, 127, 128, 255, 256, 65_535])('reads %d bytes that it has written', (length) => {
  const contents = new Uint8Array(length).fill(7)
  const [value, next] = decodeDer(
    Buffer.concat([encodeDer(OCTET_STRING, contents), encodeDer(SEQUENCE)]),
  )
  expect(value).toMatchObject({ tag: OCTET_STRING })
  expect(Buffer.compare(value!.contents, contents)).toBe(0)
  expect(Buffer.compare(value!.whole, encodeDer(OCTET_STRING, contents))).toBe(0)
  expect(next).toMatchObject({ tag: SEQUENCE })
})

it.each([
  ['a tag alone', [4]],
  ['a length alone', [4, 0x81]],
  ['half of a length', [4, 0x82, 1]],
  ['contents that end too early', [4, 3, 1, 2]],
  ['contents of 64 KiB that are not there', [4, 0x82, 0xff, 0xff, 1]],
  ['a length of three bytes', [4, 0x83, 1, 0, 0, ...new Uint8Array(65_536)]],
  ['a length of 127 bytes', [4, 0xff, 1]],
  ['a length that is told by an end', [0x24, 0x80, 4, 1, 7, 0, 0]],
  ['a length with a byte too many', [4, 0x81, 1, 7]],
  ['a length with a zero in front', [4, 0x82, 0, 0x80, ...new Uint8Array(128)]],
  ['a tag of two bytes', [0x1f, 2, 1, 7]],
  ['a tag of two bytes in a certificate', [0xbf, 2, 1, 7]],
  ['a whole value with a byte behind it', [4, 1, 7, 4]],
])('refuses %s', (_name, bytes) => {
  expect(() => decodeDer(Uint8Array.from(bytes))).toThrow(/in a certificate|ends too early/)
})
