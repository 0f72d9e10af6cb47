/**
 * PutBucketEncryption, GetBucketEncryption and DeleteBucketEncryption: how objects of a bucket are encrypted when their
 * request does not say. What a write makes of it: encryption.ts.
 */

import { trimXml } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { childText, tag, type XmlElement, type XmlLimits } from '../http/xml.ts'
import type { BucketEncryption } from '../port/bucket-documents.ts'
import { bucketLacking, digestedXml, invalidArgument } from './common.ts'
import { checkMethod } from './encryption-headers.ts'
import type { Call } from './operation.ts'

/** Room for one rule, and for what is wrong with others. */
export const ENCRYPTION_LIMITS: XmlLimits = { maxBytes: 16 * 1024, maxElements: 100, maxDepth: 5 }

const DEFAULT = 'ApplyServerSideEncryptionByDefault'
const BLOCKED = 'BlockedEncryptionTypes'
const MAX_KEY_ID_CHARACTERS = 2_048

/**
 * `PUT /bucket?encryption`. As in AWS, the body must have a digest. When it answers, every later write through any node
 * obeys it (T8). Throws what `parseEncryption` throws, BadDigest, NoSuchBucket.
 */
export async function putBucketEncryption(call: Call): Promise<S3Response> {
  const encryption = parseEncryption(await digestedXml(call, ENCRYPTION_LIMITS))
  await call.changeBucket({ encryption })
  return emptyResponse(200)
}

/** `GET /bucket?encryption`. Throws ServerSideEncryptionConfigurationNotFoundError, NoSuchBucket. */
export async function getBucketEncryption(call: Call): Promise<S3Response> {
  const { encryption } = await call.store.getBucketSettings(call.context, call.bucket)
  if (encryption === undefined) {
    throw bucketLacking(call, 'ServerSideEncryptionConfigurationNotFoundError')
  }
  return xmlResponse('ServerSideEncryptionConfiguration', encryptionXml(encryption))
}

/** `DELETE /bucket?encryption`: 204, also when nothing was configured. Objects stay as they are. Throws NoSuchBucket. */
export async function deleteBucketEncryption(call: Call): Promise<S3Response> {
  const change = { encryption: null }
  await call.changeBucket(change)
  return emptyResponse(204)
}

/** The configuration as GetBucketEncryption shows it. */
export function encryptionXml(encryption: BucketEncryption): string {
  const { algorithm, kmsKeyId, bucketKey, blocked } = encryption
  const byDefault = `<${DEFAULT}>${tag('KMSMasterKeyID', kmsKeyId)}${tag('SSEAlgorithm', algorithm)}</${DEFAULT}>`
  const types = blocked?.map((each) => tag('EncryptionType', each)).join('')
  const blockedXml = types === undefined ? '' : `<${BLOCKED}>${types}</${BLOCKED}>`
  return `<Rule>${byDefault}${blockedXml}${tag('BucketKeyEnabled', String(bucketKey))}</Rule>`
}

/**
 * The only rule of a configuration. Without a default it means SSE-S3, as in AWS. Throws MalformedXML, InvalidArgument,
 * NotImplemented for methods that Shoal lacks.
 */
export function parseEncryption(root: XmlElement): BucketEncryption {
  const [rule, ...others] = root.children
  if (root.name !== 'ServerSideEncryptionConfiguration') throw new S3Error('MalformedXML')
  if (rule?.name !== 'Rule' || others.length > 0) throw new S3Error('MalformedXML')
  const byDefault = onlyChild(rule, DEFAULT)
  const types = onlyChild(rule, BLOCKED)
  onlyChild(rule, 'BucketKeyEnabled')
  if (rule.children.some(({ name }) => ![DEFAULT, BLOCKED, 'BucketKeyEnabled'].includes(name))) {
    throw new S3Error('MalformedXML')
  }
  const blocked = types?.children.map(blockedType)
  return {
    ...(byDefault === undefined ? { algorithm: 'AES256' } : methodOf(byDefault)),
    bucketKey: flagOf(childText(rule, 'BucketKeyEnabled')),
    ...(blocked !== undefined && blocked.length > 0 && { blocked }),
  }
}

function methodOf(element: XmlElement): Pick<BucketEncryption, 'algorithm' | 'kmsKeyId'> {
  if (element.children.some(({ name }) => !['KMSMasterKeyID', 'SSEAlgorithm'].includes(name))) {
    throw new S3Error('MalformedXML')
  }
  onlyChild(element, 'KMSMasterKeyID')
  const algorithm = trimXml(onlyChild(element, 'SSEAlgorithm')?.text)
  if (algorithm === undefined || !METHODS.includes(algorithm)) throw new S3Error('MalformedXML')
  const kmsKeyId = trimXml(childText(element, 'KMSMasterKeyID'))
  if (kmsKeyId !== undefined && algorithm === 'AES256') {
    throw invalidArgument(
      DEFAULT,
      '',
      'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
    )
  }
  checkMethod('SSEAlgorithm', algorithm)
  if (kmsKeyId === undefined) return { algorithm }
  if (kmsKeyId === '' || kmsKeyId.length > MAX_KEY_ID_CHARACTERS) throw new S3Error('MalformedXML')
  return { algorithm, kmsKeyId }
}

/** What AWS's schema allows. */
const METHODS = ['AES256', 'aws:kms', 'aws:kms:dsse']

function blockedType({ name, text }: XmlElement): 'SSE-C' | 'NONE' {
  const type = trimXml(text)
  if (name === 'EncryptionType' && (type === 'SSE-C' || type === 'NONE')) return type
  throw new S3Error('MalformedXML')
}

function flagOf(text: string | undefined): boolean {
  const flag = trimXml(text) ?? 'false'
  if (flag !== 'true' && flag !== 'false') throw new S3Error('MalformedXML')
  return flag === 'true'
}

/** Undefined when there is none. Throws MalformedXML when there are several. */
function onlyChild(element: XmlElement, name: string): XmlElement | undefined {
  const [found, ...others] = element.children.filter((child) => child.name === name)
  if (others.length > 0) throw new S3Error('MalformedXML')
  return found
}
