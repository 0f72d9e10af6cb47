/** What the headers of a write, or else its bucket, want of keys of the cluster: SSE-S3 and SSE-KMS. */

import { S3Error } from '../http/errors.ts'
import type { BucketEncryption } from '../port/bucket-documents.ts'
import type { BucketAccess } from '../port/buckets.ts'
import { DEFAULT_KEY_ID } from '../port/encryption.ts'
import { invalidArgument } from './common.ts'
import { namedKey } from './kms-key.ts'
import type { Call } from './operation.ts'

const METHOD = 'x-amz-server-side-encryption'
const KEY_ID = 'x-amz-server-side-encryption-aws-kms-key-id'
const CONTEXT = 'x-amz-server-side-encryption-context'
const BUCKET_KEY = 'x-amz-server-side-encryption-bucket-key-enabled'
const CUSTOMER = 'x-amz-server-side-encryption-customer-algorithm'
/** The context is kept with each version, so it is short. AWS takes 8 KiB. */
const CONTEXT_BYTES_MAX = 2_048

/** With which key of the cluster an object is encrypted. */
export interface WantedKey {
  readonly method: 'AES256' | 'aws:kms'
  readonly keyId: string
  /** The key as answers show it. SSE-S3 has none. */
  readonly name?: string | undefined
  /** JSON. */
  readonly context?: string | undefined
  readonly bucketKey: boolean
}

/**
 * Undefined when neither request nor bucket wants any. Throws InvalidArgument for what does not go together, NotImplemented
 * for two layers of encryption (aws:kms:dsse).
 */
export function wantedMethod(call: Call, { info, settings }: BucketAccess): WantedKey | undefined {
  const bucket = settings.encryption
  const { headers } = call.request
  const method = headers[METHOD]
  if (method !== undefined && headers[CUSTOMER] !== undefined) {
    throw invalidArgument(
      METHOD,
      method,
      'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
    )
  }
  if (method !== 'aws:kms') refuseKmsHeaders(call)
  if (method === undefined)
    return headers[CUSTOMER] === undefined ? ofBucket(call, bucket, info.ownerAccount) : undefined
  checkMethod(METHOD, method)
  if (method === 'AES256') return { method, keyId: DEFAULT_KEY_ID, bucketKey: false }
  const context = contextOf(headers[CONTEXT])
  const bucketKey = flagOf(headers[BUCKET_KEY]) ?? bucket?.bucketKey ?? false
  return {
    method: 'aws:kms',
    ...namedKey(call, headers[KEY_ID], call.identity.accountId),
    context,
    bucketKey,
  }
}

function ofBucket(
  call: Call,
  bucket: BucketEncryption | undefined,
  owner: string,
): WantedKey | undefined {
  const method = bucket?.algorithm
  if (method === undefined) return undefined
  if (method === 'AES256') return { method, keyId: DEFAULT_KEY_ID, bucketKey: false }
  return {
    method,
    ...namedKey(call, bucket?.kmsKeyId, owner),
    bucketKey: bucket?.bucketKey ?? false,
  }
}

/** Throws NotImplemented for two layers of encryption, InvalidArgument for what is no method. */
export function checkMethod(name: string, method: string): asserts method is 'AES256' | 'aws:kms' {
  if (method === 'AES256' || method === 'aws:kms') return
  if (method === 'aws:kms:dsse') {
    throw new S3Error('NotImplemented', `Encryption by ${method} is not implemented.`)
  }
  throw invalidArgument(name, method, 'The encryption method specified is not supported')
}

function refuseKmsHeaders(call: Call): void {
  for (const name of [KEY_ID, CONTEXT]) {
    const value = call.request.headers[name]
    if (value === undefined) continue
    throw invalidArgument(
      name,
      value,
      'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
    )
  }
}

function flagOf(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined
  if (text === 'true' || text === 'false') return text === 'true'
  throw invalidArgument(BUCKET_KEY, text)
}

/** The context as JSON with its names in order, so that the same context is the same text. Throws InvalidArgument. */
function contextOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  const wrong = invalidArgument(
    CONTEXT,
    header,
    `The header '${CONTEXT}' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map`,
  )
  if (header.length > CONTEXT_BYTES_MAX) throw wrong
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(header, 'base64').toString('utf8'))
  } catch {
    throw wrong
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong
  const entries = Object.entries(value)
  if (entries.some(([, each]) => typeof each !== 'string')) throw wrong
  return JSON.stringify(Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))))
}
