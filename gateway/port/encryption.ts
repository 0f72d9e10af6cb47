/**
 * Keys of the cluster, which wrap the data keys of objects. The gateway encrypts and decrypts; the store keeps what it is
 * given, and says with which key.
 */

import type { RequestContext } from '../../protocol/context.ts'

/** The cluster's key for objects that name none: SSE-S3. It is made when it is first needed. */
export const DEFAULT_KEY_ID = 'shoal-s3'

/** A data key as it is stored. Plain data. */
export interface WrappedKey {
  /** The key of the cluster that wrapped it. */
  readonly keyId: string
  /** Which version of that key, from 1. */
  readonly version: number
  /** Base64 (gateway/encryption/data-keys.ts). */
  readonly wrapped: string
}

/** What a read needs to decrypt an object. */
export interface DataEncryption {
  /** As it was given when the object was written (gateway/encryption/record.ts). */
  readonly record: string
  /** The bodies that the data is made of, in order: one, or one for each part. An empty object may have none. */
  readonly bodies: readonly EncryptedBody[]
}

export interface EncryptedBody {
  readonly salt: Uint8Array
  /** As it is stored, with tags. */
  readonly storedBytes: number
}

export interface KeyBackend {
  /**
   * Wraps a data key with the newest version of a key of the cluster. `binding` has to be given again to open it. Throws
   * NoSuchEncryptionKey, EncryptionKeyDisabled, Unavailable.
   */
  wrapDataKey(
    context: RequestContext,
    request: { keyId: string; dataKey: Uint8Array; binding: string },
  ): Promise<WrappedKey>
  /**
   * Throws NoSuchEncryptionKey, EncryptionKeyDisabled, Unavailable, and DataLost when key, version or binding are not those
   * that wrapped it, or the text was altered.
   */
  unwrapDataKey(
    context: RequestContext,
    request: { key: WrappedKey; binding: string },
  ): Promise<Uint8Array>
}
