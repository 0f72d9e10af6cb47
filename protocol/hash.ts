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
  const plain = (digest: Uint8Array): Uint8Array<ArrayBuffer> =>
    new Uint8Array(digest.buffer as ArrayBuffer, digest.byteOffset, digest.length)
  return {
    name: 'native',
    hash(parts) {
      if (parts.length === 1) return plain(native.blake3(parts[0] as Uint8Array))
      shared.reset()
      for (const part of parts) shared.update(part)
      return plain(shared.digestBuffer())
    },
    create() {
      const hasher = new native.Blake3Hasher()
      return {
        update: (bytes) => void hasher.update(bytes),
        digest: () => plain(hasher.digestBuffer()),
      }
    },
  }
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
