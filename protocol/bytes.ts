/** Conversions between bytes and ByteStrings (ids.ts), and the few integer fields inside them. */

import type { ByteString } from './ids.ts'

export const EMPTY_BYTES = new Uint8Array(0)

export function byteString(bytes: Uint8Array): ByteString {
  if (bytes.length <= 64) return String.fromCharCode.apply(null, bytes as unknown as number[])
  let text = ''
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + 4096) as unknown as number[])
  }
  return text
}

export function bytesOf(text: ByteString): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

/** The first `length` bytes, in memory with room for `count` more and as much again. */
export function grown(bytes: Uint8Array, length: number, count: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * (length + count))
  larger.set(bytes.subarray(0, length))
  return larger
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 text as a ByteString: these compare in S3's listing order, UTF-16 strings don't. */
export function utf8ByteString(text: string): ByteString {
  // Most keys are plain ASCII, which is its own ByteString.
  // oxlint-disable-next-line no-control-regex
  return /^[\u0000-\u007f]*$/.test(text) ? text : byteString(encoder.encode(text))
}

export function textOfUtf8(bytes: ByteString): string {
  // oxlint-disable-next-line no-control-regex
  return /^[\u0000-\u007f]*$/.test(bytes) ? bytes : decoder.decode(bytesOf(bytes))
}

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text)
}

export function utf8Text(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

export function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += (byte < 16 ? '0' : '') + byte.toString(16)
  return text
}

export function bytesOfHex(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length >> 1)
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

export function u16(value: number): ByteString {
  return String.fromCharCode((value >>> 8) & 255, value & 255)
}

export function u32(value: number): ByteString {
  return String.fromCharCode(
    (value >>> 24) & 255,
    (value >>> 16) & 255,
    (value >>> 8) & 255,
    value & 255,
  )
}

export function readU16(text: ByteString, at: number): number {
  return (text.charCodeAt(at) << 8) | text.charCodeAt(at + 1)
}

export function readU32(text: ByteString, at: number): number {
  return readU16(text, at) * 0x10000 + readU16(text, at + 2)
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
