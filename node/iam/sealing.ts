/**
 * Secrets at rest: AES-256-GCM under a key derived from the cluster secret. Synchronous and with the
 * nonce as an argument, so that a simulation's order and bytes are its seed's.
 */

import { createCipheriv, createDecipheriv } from 'node:crypto'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16

function keyOf(clusterSecret: Uint8Array): Uint8Array {
  return blake3(utf8('shoal seal 1'), clusterSecret)
}

/** Base64 of nonce ‖ tag ‖ ciphertext. */
export function seal(clusterSecret: Uint8Array, nonce: Uint8Array, secret: string): string {
  const cipher = createCipheriv('aes-256-gcm', keyOf(clusterSecret), nonce)
  const text = Buffer.concat([cipher.update(utf8(secret)), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64')
}

/** Throws when it was sealed by another cluster, or altered. */
export function unseal(clusterSecret: Uint8Array, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64')
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const tag = bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', keyOf(clusterSecret), nonce, {
    authTagLength: TAG_BYTES,
  })
  decipher.setAuthTag(tag)
  const text = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
  return utf8Text(Buffer.concat([text, decipher.final()]))
}
