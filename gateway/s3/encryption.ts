/**
 * Encryption at rest, as requests ask for it: SSE-S3, SSE-KMS and SSE-C (docs/operations.md).
 *
 *   a write    planEncryption → the record that the store keeps, and the key of the body
 *   a part     partKey, which follows what its upload was created with
 *   a read     openReader → a reader of plain bytes
 *
 * An object is encrypted when the request asks for it, else when the bucket does. Bodies are encrypted here, before they
 * reach the store, so that neither the core, nor peers, nor disks see plain bytes.
 */

import { StoreError } from '../../protocol/errors.ts'
import { DATA_KEY_BYTES, SALT_BYTES } from '../encryption/data-keys.ts'
import { decryptedReader } from '../encryption/decrypting.ts'
import { encryptedBody, type BodyKey } from '../encryption/encrypting.ts'
import {
  bindingOf,
  customerDataKey,
  customerRecord,
  openWithCustomerKey,
  readEncryption,
  type ClusterEncrypted,
  type CustomerEncrypted,
  type EncryptionRecord,
} from '../encryption/record.ts'
import { S3Error } from '../http/errors.ts'
import type { ResponseHeaders } from '../http/response.ts'
import type { ObjectBody, SmallBody } from '../port/body.ts'
import type { ObjectInfo, ObjectReader } from '../port/objects.ts'
import type { UploadInfo } from '../port/uploads.ts'
import { customerHeaders, customerKey, otherCustomerKey, type CustomerKey } from './customer-key.ts'
import { wantedMethod, type WantedKey } from './encryption-headers.ts'
import { authorizeKey, notFound } from './kms-key.ts'
import type { Call } from './operation.ts'

const NONCE_BYTES = 32

/** How what a request writes is encrypted. */
export interface EncryptionPlan {
  /** For the store; undefined when it is not encrypted. */
  readonly encryption: string | undefined
  /** Encrypts the body, or gives back a plain one. */
  readonly encrypted: (body: ObjectBody | SmallBody) => ObjectBody | SmallBody
  /** What the answer says of it. */
  readonly headers: ResponseHeaders
}

const PLAIN: EncryptionPlan = { encryption: undefined, encrypted: (body) => body, headers: {} }

/**
 * Reads what the request, or else the bucket, wants of a new object. Throws InvalidArgument, InvalidRequest,
 * NotImplemented, AccessDenied when the bucket blocks SSE-C, and what the key throws.
 */
export async function planEncryption(call: Call): Promise<EncryptionPlan> {
  const access = await call.access(call.bucket)
  const wanted = wantedMethod(call, access)
  const customer = customerKey(call.request, 'write')
  if (customer !== undefined) {
    if (access.settings.encryption?.blocked?.includes('SSE-C') === true) throw blocked(call)
    return planOf(call, customerPlan(call, customer))
  }
  return wanted === undefined ? PLAIN : planOf(call, await clusterPlan(call, wanted))
}

interface NewKey {
  readonly record: EncryptionRecord
  readonly dataKey: Uint8Array
  readonly headers: ResponseHeaders
}

function planOf(call: Call, { record, dataKey, headers }: NewKey): EncryptionPlan {
  const key = bodyKey(call, record, dataKey)
  return {
    encryption: JSON.stringify(record),
    encrypted: (body) => encryptedBody(body, key),
    headers,
  }
}

function customerPlan(call: Call, customer: CustomerKey): NewKey {
  const nonce = call.randomBytes(NONCE_BYTES)
  const dataKey = customerDataKey(customer.key, nonce, bindingOf(call.bucket, call.key))
  return { record: customerRecord(dataKey, nonce), dataKey, headers: customerHeaders(customer) }
}

async function clusterPlan(call: Call, wanted: WantedKey): Promise<NewKey> {
  const { method, keyId, name, context, bucketKey } = wanted
  if (name !== undefined) await authorizeKey(call, 'kms:GenerateDataKey', { keyId, name })
  const dataKey = call.randomBytes(DATA_KEY_BYTES)
  const binding = bindingOf(call.bucket, call.key, context)
  const wrapping = call.store.wrapDataKey(call.context, { keyId, dataKey, binding })
  const key = await wrapping.catch((error: unknown) => {
    throw shownFailure(error, name)
  })
  const record: ClusterEncrypted = {
    v: 1,
    method,
    key,
    ...(context !== undefined && { context }),
    ...(name !== undefined && { name }),
    ...(bucketKey && { bucketKey }),
  }
  const headers = clusterHeaders(record)
  if (context !== undefined) {
    headers['x-amz-server-side-encryption-context'] = Buffer.from(context).toString('base64')
  }
  return { record, dataKey, headers }
}

function clusterHeaders({ method, name, bucketKey }: ClusterEncrypted): ResponseHeaders {
  const headers: ResponseHeaders = { 'x-amz-server-side-encryption': method }
  if (name !== undefined) headers['x-amz-server-side-encryption-aws-kms-key-id'] = name
  if (bucketKey === true) headers['x-amz-server-side-encryption-bucket-key-enabled'] = 'true'
  return headers
}

function bodyKey(call: Call, { method }: EncryptionRecord, dataKey: Uint8Array): BodyKey {
  const salt = new Uint8Array(call.randomBytes(SALT_BYTES))
  return { dataKey, salt, hidesEtag: method !== 'AES256' }
}

/** How a part is encrypted. */
export interface PartEncryption {
  /** Gives the key once it is needed: it may have to be asked for. */
  readonly key: () => Promise<BodyKey>
  readonly headers: ResponseHeaders
}

/**
 * Undefined for an upload that is not encrypted. Throws InvalidRequest when the client's key is missing,
 * is not that of the upload, or has no use. Asks nothing of the store before the key is needed.
 */
export function partEncryption(
  call: Call,
  upload: Pick<UploadInfo, 'encryption'>,
  customer: CustomerKey | undefined,
): PartEncryption | undefined {
  if (upload.encryption === undefined) {
    if (customer !== undefined) throw notOfUpload()
    return undefined
  }
  const record = readEncryption(upload.encryption)
  if (record.method !== 'SSE-C') {
    if (customer !== undefined) throw notOfUpload()
    const key = async (): Promise<BodyKey> =>
      bodyKey(call, record, await unwrapped(call, record, call.bucket, call.key))
    return { key, headers: clusterHeaders(record) }
  }
  if (customer === undefined) throw notOfUpload()
  const dataKey = openWithCustomerKey(record, customer.key, bindingOf(call.bucket, call.key))
  if (dataKey === undefined) throw otherKey()
  const key = bodyKey(call, record, dataKey)
  return { key: () => Promise.resolve(key), headers: customerHeaders(customer) }
}

/** Where a client may leave its key out, a key that it gives must be that of the upload. */
export function checkUploadKey(
  call: Call,
  upload: Pick<UploadInfo, 'encryption'>,
  customer: CustomerKey | undefined,
): void {
  if (customer !== undefined) partEncryption(call, upload, customer)
}

/**
 * A reader of the plain bytes of an object that was found. The key of SSE-C comes from the request. Without `withData`
 * only that key is checked. Throws InvalidRequest when the client's key is missing or has no use, AccessDenied when it is
 * another one, and what the cluster's key throws.
 */
export async function openReader(
  call: Call,
  reader: ObjectReader,
  withData: boolean,
  source?: { readonly bucket: string; readonly key: string },
): Promise<ObjectReader> {
  const { bucket, key } = source ?? call
  const { encryption } = reader.info
  const customer = customerKey(call.request, source === undefined ? 'read' : 'source')
  const record = encryption === undefined ? undefined : readEncryption(encryption.record)
  if (record?.method === 'SSE-C') {
    return decryptedReader(reader, customerOpened(record, customer, bucket, key))
  }
  if (customer !== undefined) throw notApplicable()
  if (record === undefined || !withData) return reader
  return decryptedReader(reader, await unwrapped(call, record, bucket, key))
}

/**
 * The record of the same data for the key of the request: its data key is wrapped again. Throws InvalidRequest for SSE-C, whose
 * data key follows from the name of the object.
 */
export async function rewrappedFor(call: Call, text: string, source: string): Promise<string> {
  const record = readEncryption(text)
  if (record.method === 'SSE-C') {
    throw new S3Error('InvalidRequest', 'Objects with SSE-C cannot be renamed. Copy them instead.')
  }
  const { name, context } = record
  const { keyId } = record.key
  const dataKey = await unwrapped(call, record, call.bucket, source)
  if (name !== undefined) await authorizeKey(call, 'kms:GenerateDataKey', { keyId, name })
  const binding = bindingOf(call.bucket, call.key, context)
  const wrapping = call.store.wrapDataKey(call.context, { keyId, dataKey, binding })
  const key = await wrapping.catch((error: unknown) => {
    throw shownFailure(error, name)
  })
  return JSON.stringify({ ...record, key })
}

function customerOpened(
  record: CustomerEncrypted,
  customer: CustomerKey | undefined,
  bucket: string,
  key: string,
): Uint8Array {
  if (customer === undefined) {
    throw new S3Error(
      'InvalidRequest',
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
    )
  }
  const dataKey = openWithCustomerKey(record, customer.key, bindingOf(bucket, key))
  if (dataKey === undefined) throw otherCustomerKey()
  return dataKey
}

async function unwrapped(
  call: Call,
  record: ClusterEncrypted,
  bucket: string,
  key: string,
): Promise<Uint8Array> {
  const binding = bindingOf(bucket, key, record.context)
  const { name } = record
  if (name !== undefined) await authorizeKey(call, 'kms:Decrypt', { ...record.key, name })
  try {
    return await call.store.unwrapDataKey(call.context, { key: record.key, binding })
  } catch (error) {
    // No key is ever removed.
    if (error instanceof StoreError && error.code === 'NoSuchEncryptionKey') {
      throw new StoreError('DataLost', `The key ${record.key.keyId} does not exist any more.`)
    }
    throw shownFailure(error, name)
  }
}

/** AWS's text for a key that cannot be used. */
function shownFailure(error: unknown, name = ''): unknown {
  if (!(error instanceof StoreError)) return error
  if (error.code === 'NoSuchEncryptionKey') return notFound(`Key '${name}' does not exist`)
  if (error.code !== 'EncryptionKeyDisabled') return error
  return new S3Error('KMS.DisabledException', `${name} is disabled.`)
}

/** What HEAD and GET say of the encryption. `openReader` has checked the key of SSE-C. */
export function encryptionHeaders(call: Call, { encryption }: ObjectInfo): ResponseHeaders {
  if (encryption === undefined) return {}
  const record = readEncryption(encryption.record)
  if (record.method !== 'SSE-C') return clusterHeaders(record)
  const customer = customerKey(call.request, 'read')
  return customer === undefined ? {} : customerHeaders(customer)
}

/** What the answer of a completion says. As in AWS, nothing of a client's key. */
export function completedHeaders(encryption: string | undefined): ResponseHeaders {
  if (encryption === undefined) return {}
  const record = readEncryption(encryption)
  return record.method === 'SSE-C' ? {} : clusterHeaders(record)
}

/** What policies ask of the upload that the request names: the headers that chose its encryption. */
export async function encryptionOfUpload(call: Call): Promise<ReadonlyMap<string, string>> {
  const { bucket, key } = call
  const uploadId = call.request.query.get('uploadId') ?? ''
  try {
    const { encryption } = await call.store.getUpload(call.context, { bucket, key, uploadId })
    return new Map(Object.entries(completedHeaders(encryption)))
  } catch (error) {
    if (error instanceof StoreError && MISSING.has(error.code)) return new Map()
    throw error
  }
}

const MISSING: ReadonlySet<string> = new Set(['NoSuchBucket', 'NoSuchUpload'])

function notApplicable(): S3Error {
  return new S3Error(
    'InvalidRequest',
    'The encryption parameters are not applicable to this object.',
  )
}

function notOfUpload(): S3Error {
  return new S3Error(
    'InvalidRequest',
    'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
  )
}

function otherKey(): S3Error {
  return new S3Error(
    'InvalidRequest',
    'The provided encryption parameters did not match the ones used originally.',
  )
}

function blocked({ identity, operation, bucket, key }: Call): S3Error {
  return new S3Error(
    'AccessDenied',
    `User: ${identity.principalArn} is not authorized to perform: ${operation.action} on resource: "arn:aws:s3:::${bucket}/${key}" because this bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type`,
  )
}
