/**
 * How an object is encrypted, as the store keeps it with the version: a JSON text that only the gateway reads.
 *
 *   method AES256 or aws:kms   the data key, wrapped by a key of the cluster
 *   method SSE-C               the data key follows from the client's key and a nonce; `check` tells a wrong key
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import { StoreError } from '../../protocol/errors.ts'
import type { WrappedKey } from '../port/encryption.ts'
import { derivedKey } from './data-keys.ts'

/** Wrapped by a key of the cluster: SSE-S3, or SSE-KMS when the client chose the key. */
export interface ClusterEncrypted {
  readonly v: 1
  readonly method: 'AES256' | 'aws:kms'
  readonly key: WrappedKey
  /** SSE-KMS: the key as answers show it. */
  readonly name?: string | undefined
  /** SSE-KMS: what the client gave as its encryption context, JSON. It is bound to the key. */
  readonly context?: string | undefined
  /** SSE-KMS: the client, or the bucket, asked for a bucket key. It is shown, and changes nothing. */
  readonly bucketKey?: boolean | undefined
}

export interface CustomerEncrypted {
  readonly v: 1
  readonly method: 'SSE-C'
  /** Base64. */
  readonly nonce: string
  /** Base64. */
  readonly check: string
}

export type EncryptionRecord = ClusterEncrypted | CustomerEncrypted

/** Of a version that a later program wrote, throws DataLost: nothing may be guessed. */
export function readEncryption(text: string): EncryptionRecord {
  const record = JSON.parse(text) as EncryptionRecord
  if (record.v !== 1) {
    throw new StoreError('DataLost', 'This data was encrypted by a later version of Shoal.')
  }
  return record
}

/**
 * What a wrapped data key is bound to, so that it opens for this object only. Versions of an object and the parts of an
 * upload share it.
 */
export function bindingOf(bucket: string, key: string, context = ''): string {
  return JSON.stringify(['shoal object 1', bucket, key, context])
}

/** The data key of an object that is encrypted with a client's key. */
export function customerDataKey(
  customerKey: Uint8Array,
  nonce: Uint8Array,
  binding: string,
): Uint8Array {
  return derivedKey(customerKey, 'shoal sse-c 1', nonce, Buffer.from(binding))
}

/** `nonce`: 32 random bytes. */
export function customerRecord(dataKey: Uint8Array, nonce: Uint8Array): CustomerEncrypted {
  const check = checkOf(dataKey).toString('base64')
  return { v: 1, method: 'SSE-C', nonce: Buffer.from(nonce).toString('base64'), check }
}

/** The data key, or undefined when the client gave another key than the one that encrypted the object. */
export function openWithCustomerKey(
  record: CustomerEncrypted,
  customerKey: Uint8Array,
  binding: string,
): Uint8Array | undefined {
  const dataKey = customerDataKey(customerKey, Buffer.from(record.nonce, 'base64'), binding)
  const check = Buffer.from(record.check, 'base64')
  const expected = checkOf(dataKey)
  return check.length === expected.length && timingSafeEqual(check, expected) ? dataKey : undefined
}

function checkOf(dataKey: Uint8Array): Buffer {
  return createHmac('sha256', dataKey).update('shoal sse-c check 1').digest()
}
