/**
 * Data keys: one for each encrypted object, 256 random bits, wrapped (encrypted) by a key of the cluster.
 *
 * ```
 * wrapped     salt (16) ‖ encrypted data key (32) ‖ tag (16), base64
 * its key     HMAC-SHA256(key of the cluster, 'shoal data key 1' ‖ salt)
 * ```
 *
 * Each wrapping has a key of its own, so the nonce may be 0 and a key of the cluster can wrap any number of data keys.
 * What is bound (`binding`) is authenticated with it: a wrapped key that was moved to another object does not open.
 */

import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import { StoreError } from '../../protocol/errors.ts'

export const DATA_KEY_BYTES = 32
export const SALT_BYTES = 16
const TAG_BYTES = 16
const WRAPPED_BYTES = SALT_BYTES + DATA_KEY_BYTES + TAG_BYTES
const NONCE = new Uint8Array(12)
const CIPHER = 'aes-256-gcm'

/** A key for one purpose. 32 bytes. */
export function derivedKey(key: Uint8Array, purpose: string, ...parts: Uint8Array[]): Uint8Array {
  const mac = createHmac('sha256', key).update(purpose)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

/** `salt`: 16 random bytes, drawn for this wrapping. */
export function wrapDataKey(
  clusterKey: Uint8Array,
  salt: Uint8Array,
  dataKey: Uint8Array,
  binding: string,
): string {
  const cipher = createCipheriv(CIPHER, derivedKey(clusterKey, 'shoal data key 1', salt), NONCE)
  cipher.setAAD(Buffer.from(binding))
  const parts = [salt, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]
  return Buffer.concat(parts).toString('base64')
}

/** Throws DataLost when anything differs from what was wrapped. */
export function unwrapDataKey(
  clusterKey: Uint8Array,
  wrapped: string,
  binding: string,
): Uint8Array {
  const bytes = Buffer.from(wrapped, 'base64')
  if (bytes.length !== WRAPPED_BYTES) throw notOpened()
  const salt = bytes.subarray(0, SALT_BYTES)
  const end = SALT_BYTES + DATA_KEY_BYTES
  const key = derivedKey(clusterKey, 'shoal data key 1', salt)
  const decipher = createDecipheriv(CIPHER, key, NONCE, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(binding))
  decipher.setAuthTag(bytes.subarray(end))
  const dataKey = decipher.update(bytes.subarray(SALT_BYTES, end))
  try {
    decipher.final()
  } catch {
    throw notOpened()
  }
  return new Uint8Array(dataKey)
}

function notOpened(): StoreError {
  return new StoreError('DataLost', 'The key of this data cannot be opened.')
}
