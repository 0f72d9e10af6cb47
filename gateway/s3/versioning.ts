/** PutBucketVersioning and GetBucketVersioning. */

import { readBody } from '../body.ts'
import type { Versioning } from '../backend.ts'
import { S3Error } from '../errors.ts'
import type { Call } from '../operation.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../response.ts'
import { childText, parseXml, tag } from '../xml.ts'

const MAX_BODY_BYTES = 16 * 1024

export async function getBucketVersioning(call: Call): Promise<S3Response> {
  const { versioning } = await call.store.getBucketSettings(call.context, call.bucket)
  return xmlResponse('VersioningConfiguration', tag('Status', versioning))
}

export async function putBucketVersioning(call: Call): Promise<S3Response> {
  const versioning = parseVersioning(await settingBody(call, MAX_BODY_BYTES))
  await call.store.changeBucket(call.context, { bucket: call.bucket, change: { versioning } })
  return emptyResponse(200)
}

/** The whole body of a setting. Throws MissingRequestBodyError when there is none. */
export async function settingBody(call: Call, maxBytes: number): Promise<Uint8Array> {
  call.wantBody(maxBytes)
  const { bytes } = await readBody(call.request, call.auth, {
    maxBytes,
    onBytes: (count) => call.onBytes(count),
  })
  if (bytes.length === 0) throw new S3Error('MissingRequestBodyError')
  return bytes
}

/** Throws MalformedXML, IllegalVersioningConfigurationException, NotImplemented (MFA delete). */
export function parseVersioning(bytes: Uint8Array): Versioning {
  const root = parseXml(bytes, { maxBytes: MAX_BODY_BYTES, maxDepth: 3 })
  if (root.name !== 'VersioningConfiguration') throw new S3Error('MalformedXML')
  const known = ['Status', 'MfaDelete']
  if (root.children.some((child) => !known.includes(child.name))) throw new S3Error('MalformedXML')
  const mfaDelete = childText(root, 'MfaDelete')?.trim()
  if (mfaDelete === 'Enabled') {
    throw new S3Error('NotImplemented', 'MFA delete is not implemented')
  }
  if (mfaDelete !== undefined && mfaDelete !== 'Disabled') throw new S3Error('MalformedXML')
  const status = childText(root, 'Status')?.trim()
  if (status === undefined) throw new S3Error('IllegalVersioningConfigurationException')
  if (status !== 'Enabled' && status !== 'Suspended') throw new S3Error('MalformedXML')
  return status
}
