/**
 * Objects of workloads that are encrypted as the gateway does it: the data key is wrapped by a key of the cluster, which
 * the first of them makes.
 */

import { createHash } from 'node:crypto'
import { DATA_KEY_BYTES, SALT_BYTES } from '../../gateway/encryption/data-keys.ts'
import { decryptedReader } from '../../gateway/encryption/decrypting.ts'
import { encryptedBody, type BodyKey } from '../../gateway/encryption/encrypting.ts'
import {
  bindingOf,
  readEncryption,
  type ClusterEncrypted,
} from '../../gateway/encryption/record.ts'
import type { Backend } from '../../gateway/port/backend.ts'
import { DEFAULT_KEY_ID } from '../../gateway/port/encryption.ts'
import type { ObjectReader } from '../../gateway/port/objects.ts'
import type { RequestContext } from '../../protocol/context.ts'

type Body = Parameters<Backend['putObject']>[1]['body']
interface Named {
  readonly bucket: string
  readonly key: string
}

/** How an object is encrypted. Keys and salts follow from its number, so that a seed gives the same bytes. */
export async function encryptionOf(
  backend: Backend,
  context: RequestContext,
  { bucket, key }: Named,
  tag: number,
): Promise<{ record: string; encrypted: (body: Body) => Body }> {
  const dataKey = drawn('data key', tag).subarray(0, DATA_KEY_BYTES)
  const request = { keyId: DEFAULT_KEY_ID, dataKey, binding: bindingOf(bucket, key) }
  const wrapped = await backend.wrapDataKey(context, request)
  const record: ClusterEncrypted = { v: 1, method: 'AES256', key: wrapped }
  const salt = drawn('salt', tag).subarray(0, SALT_BYTES)
  const bodyKey: BodyKey = { dataKey, salt, hidesEtag: false }
  return { record: JSON.stringify(record), encrypted: (body) => encryptedBody(body, bodyKey) }
}

/** Two of three objects are encrypted. */
export async function encryptedPut(
  backend: Backend,
  context: RequestContext,
  request: Parameters<Backend['putObject']>[1],
  tag: number,
): ReturnType<Backend['putObject']> {
  if (tag % 3 === 0) return backend.putObject(context, request)
  const { record, encrypted } = await encryptionOf(backend, context, request, tag)
  const body = encrypted(request.body)
  return backend.putObject(context, { ...request, encryption: record, body })
}

/** What an object was before it was encrypted. */
export async function decrypted(
  backend: Backend,
  context: RequestContext,
  { bucket, key }: Named,
  reader: ObjectReader,
): Promise<ObjectReader> {
  const { encryption } = reader.info
  if (encryption === undefined) return reader
  const record = readEncryption(encryption.record)
  if (record.method === 'SSE-C') throw new Error('no workload writes this')
  const request = { key: record.key, binding: bindingOf(bucket, key) }
  return decryptedReader(reader, await backend.unwrapDataKey(context, request))
}

function drawn(what: string, tag: number): Uint8Array {
  return createHash('sha256').update(`${what} ${tag}`).digest()
}
