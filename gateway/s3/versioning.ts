/**
 * PutBucketVersioning and GetBucketVersioning, and how the documents of all settings of a bucket are read.
 *
 * A bucket begins without versioning. Once it was enabled it can be suspended, and never goes back: its answers name
 * versions from then on.
 */

import { trimXml } from '../http/ascii.ts'
import type { Versioning } from '../port/buckets.ts'
import { S3Error } from '../http/errors.ts'
import { gatherBody } from './common.ts'
import type { Call } from './operation.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { childText, parsingXml, tag, type XmlElement, type XmlLimits } from '../http/xml.ts'

/** Room for the two elements of the document. */
export const VERSIONING_LIMITS: XmlLimits = { maxBytes: 16 * 1024, maxElements: 8, maxDepth: 3 }

/** `GET /bucket?versioning`: an empty document when it was never configured, as in AWS. Throws NoSuchBucket. */
export async function getBucketVersioning(call: Call): Promise<S3Response> {
  const { versioning } = await call.store.getBucketSettings(call.context, call.bucket)
  return xmlResponse('VersioningConfiguration', tag('Status', versioning))
}

/**
 * `PUT /bucket?versioning`. When it answers, every later write through any node obeys the change (T8). Throws
 * MalformedXML, IllegalVersioningConfigurationException, NotImplemented, NoSuchBucket.
 */
export async function putBucketVersioning(call: Call): Promise<S3Response> {
  const versioning = parseVersioning(await settingXml(call, VERSIONING_LIMITS))
  await call.changeBucket({ versioning })
  return emptyResponse(200)
}

/**
 * Reads the whole body of a setting, at most `maxBytes`, and verifies its digests. Throws MissingRequestBodyError
 * when there is none, MalformedXML when it is larger, SlowDown.
 */
export async function settingBody(call: Call, maxBytes: number): Promise<Uint8Array> {
  const { bytes } = await gatherBody(call, maxBytes)
  if (bytes.length === 0) throw new S3Error('MissingRequestBodyError')
  return bytes
}

/**
 * Reads the body of a setting as XML, within `limits` (F28). Parsing takes turns with other requests. Throws
 * MissingRequestBodyError, MalformedXML.
 */
export async function settingXml(call: Call, limits: XmlLimits): Promise<XmlElement> {
  return call.inTurns(parsingXml(await settingBody(call, limits.maxBytes), limits))
}

/**
 * Reads a VersioningConfiguration. MFA delete can be named as disabled, which is always the case. Throws
 * MalformedXML, IllegalVersioningConfigurationException without a status, NotImplemented for MFA delete.
 */
export function parseVersioning(root: XmlElement): Versioning {
  if (root.name !== 'VersioningConfiguration') throw new S3Error('MalformedXML')
  const known = ['Status', 'MfaDelete']
  if (root.children.some((child) => !known.includes(child.name))) throw new S3Error('MalformedXML')
  const mfaDelete = trimXml(childText(root, 'MfaDelete'))
  if (mfaDelete === 'Enabled') {
    throw new S3Error('NotImplemented', 'MFA delete is not implemented')
  }
  if (mfaDelete !== undefined && mfaDelete !== 'Disabled') throw new S3Error('MalformedXML')
  const status = trimXml(childText(root, 'Status'))
  if (status === undefined) throw new S3Error('IllegalVersioningConfigurationException')
  if (status !== 'Enabled' && status !== 'Suspended') throw new S3Error('MalformedXML')
  return status
}
