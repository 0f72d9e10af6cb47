/**
 * Encrypts secrets at rest: AES-256-GCM under a key derived from the cluster secret. Synchronous, with the nonce as an
 * argument, so that a simulation's order and bytes depend on its seed only.
 */

import { createCipheriv, createDecipheriv } from 'node:crypto'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { StoreError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import { secretId } from '../../protocol/layout/secret.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16

function keyOf(clusterSecret: Uint8Array): Uint8Array {
  return blake3(utf8('shoal seal 1'), clusterSecret)
}

/** Base64 of nonce ‖ tag ‖ ciphertext. */
export function encryptSecret(
  clusterSecret: Uint8Array,
  nonce: Uint8Array,
  secret: string,
): string {
  const cipher = createCipheriv('aes-256-gcm', keyOf(clusterSecret), nonce)
  const text = Buffer.concat([cipher.update(utf8(secret)), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64')
}

/** Throws when another cluster encrypted the text, or when it was altered. */
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

/** The cluster secrets that this node knows. */
export interface SealingSecrets {
  /** The secret in force, with which new texts are encrypted. */
  readonly secret: Uint8Array
  /** The one before, known until everything is encrypted again. */
  readonly previous?: { readonly secret: Uint8Array } | undefined
}

/**
 * Decrypts a record that may have been encrypted before the last rotation. Throws Unavailable while this node has not been
 * given the secret that it needs.
 */
export function unsealed(
  { secret, previous }: SealingSecrets,
  {
    sealedSecret,
    sealedWith,
  }: { readonly sealedSecret: string; readonly sealedWith?: string | undefined },
): string {
  if (sealedWith === secretId(secret)) return unseal(secret, sealedSecret)
  const before = previous?.secret
  if (before !== undefined && (sealedWith === undefined || sealedWith === secretId(before))) {
    return unseal(before, sealedSecret)
  }
  // The secret was never rotated: the first one is in force.
  if (sealedWith === undefined && before === undefined) return unseal(secret, sealedSecret)
  throw new StoreError('Unavailable', 'this node has not been given the cluster secret yet')
}
