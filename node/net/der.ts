/**
 * As much of DER as a certificate of libp2p's TLS needs (certificate.ts). Reading is strict: a value has one encoding,
 * so that no two readers see different values in the same bytes.
 */

export const BOOLEAN = 0x01
export const INTEGER = 0x02
export const BIT_STRING = 0x03
export const OCTET_STRING = 0x04
export const OBJECT_ID = 0x06
export const SEQUENCE = 0x30

/** The bits of a tag that are all set when the tag's number follows in further bytes. */
const LONG_TAG = 0x1f
const LENGTH_BYTES_MAX = 2

/** One value: its tag, its contents, and both together with the length as they stand in the input. */
export interface DerValue {
  readonly tag: number
  readonly contents: Uint8Array
  readonly whole: Uint8Array
}

/** A value of this tag around the parts, which have less than 64 KiB together. */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const contents = Buffer.concat(parts)
  const { length } = contents
  if (length < 0x80) return Buffer.concat([Uint8Array.of(tag, length), contents])
  if (length < 0x100) return Buffer.concat([Uint8Array.of(tag, 0x81, length), contents])
  return Buffer.concat([Uint8Array.of(tag, 0x82, length >> 8, length & 0xff), contents])
}

/** The values that follow each other in these bytes. Throws when they are not whole values in DER. */
export function decodeDer(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = []
  for (let at = 0; at < bytes.length;) {
    const value = readValue(bytes, at)
    values.push(value)
    at += value.whole.length
  }
  return values
}

function readValue(bytes: Uint8Array, at: number): DerValue {
  const tag = bytes[at] ?? 0
  if ((tag & LONG_TAG) === LONG_TAG) throw new Error('a tag in a certificate is not valid')
  let length = byteAt(bytes, at + 1)
  let start = at + 2
  if (length >= 0x80) {
    const digits = length & 0x7f
    if (digits === 0 || digits > LENGTH_BYTES_MAX) throw invalidLength()
    length = 0
    for (let i = 0; i < digits; i++) length = length * 256 + byteAt(bytes, start++)
    // One byte less would have done.
    if (length < (digits === 1 ? 0x80 : 0x100)) throw invalidLength()
  }
  const end = start + length
  if (end > bytes.length) throw new Error('a certificate ends too early')
  return { tag, contents: bytes.subarray(start, end), whole: bytes.subarray(at, end) }
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]
  if (byte === undefined) throw new Error('a certificate ends too early')
  return byte
}

function invalidLength(): Error {
  return new Error('a length in a certificate is not valid')
}
