/**
 * BLAKE3-256, synchronous. The native module does about 5 GB/s. Where its binary does not exist, the pure one (0.04
 * GB/s) is used instead. This module chooses once, when it is loaded; a test shows that both give equal digests.
 */

import { blake3 as pureBlake3 } from '@noble/hashes/blake3.js'

export const BLAKE3_BYTES = 32

/** Hash of a message that arrives in pieces. */
export interface Blake3 {
  update(bytes: Uint8Array): void
  /** 32 bytes. The hasher is used up. */
  digest(): Uint8Array<ArrayBuffer>
}

export interface Blake3Implementation {
  readonly name: 'native' | 'pure'
  hash(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer>
  create(): Blake3
}

type NativeModule = typeof import('@napi-rs/blake-hash')

export const pureImplementation: Blake3Implementation = {
  name: 'pure',
  hash(parts) {
    const hasher = pureBlake3.create()
    for (const part of parts) hasher.update(part)
    return new Uint8Array(hasher.digest())
  },
  create() {
    const hasher = pureBlake3.create()
    return {
      update: (bytes) => void hasher.update(bytes),
      digest: () => new Uint8Array(hasher.digest()),
    }
  },
}

export function nativeImplementation(native: NativeModule): Blake3Implementation {
  // Making a native hasher costs ten times as much as hashing a header, so one is used over and over.
  const shared = new native.Blake3Hasher()
  return {
    name: 'native',
    hash(parts) {
      if (parts.length === 1) return digestOf(native.blake3UrlSafeBase64(parts[0] as Uint8Array))
      shared.reset()
      for (const part of parts) shared.update(part)
      return digestOf(shared.digest('base64'))
    },
    create() {
      const hasher = new native.Blake3Hasher()
      return {
        update: (bytes) => void hasher.update(bytes),
        digest: () => digestOf(hasher.digest('base64')),
      }
    },
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** By the code of the character, in both alphabets of base64. */
const SIX_BITS = new Uint8Array(128)
for (let i = 0; i < ALPHABET.length; i++) SIX_BITS[ALPHABET.charCodeAt(i)] = i
SIX_BITS['+'.charCodeAt(0)] = 62
SIX_BITS['/'.charCodeAt(0)] = 63

/** The native module gives digests as text too: memory that it owns costs three times as much as hashing a header. */
function digestOf(text: string): Uint8Array<ArrayBuffer> {
  const digest = new Uint8Array(BLAKE3_BYTES)
  const bits = (at: number): number => SIX_BITS[text.charCodeAt(at)] as number
  let at = 0
  for (let i = 0; i < 30; i += 3, at += 4) {
    const word = (bits(at) << 18) | (bits(at + 1) << 12) | (bits(at + 2) << 6) | bits(at + 3)
    digest[i] = word >>> 16
    digest[i + 1] = word >>> 8
    digest[i + 2] = word
  }
  const last = (bits(at) << 12) | (bits(at + 1) << 6) | bits(at + 2)
  digest[30] = last >>> 10
  digest[31] = last >>> 2
  return digest
}

async function choose(): Promise<Blake3Implementation> {
  try {
    const native = await import('@napi-rs/blake-hash')
    return nativeImplementation(native)
  } catch {
    return pureImplementation
  }
}

export const blake3Implementation: Blake3Implementation = await choose()

/** BLAKE3-256 of the parts, one behind the other: 32 bytes. */
export function blake3(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return blake3Implementation.hash(parts)
}

export function createBlake3(): Blake3 {
  return blake3Implementation.create()
}
