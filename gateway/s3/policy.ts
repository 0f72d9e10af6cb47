/** A bucket's policy, its status, and the block of public access. */

import { isPublicPolicy, parseBucketPolicy } from '../../protocol/iam/bucket-policy.ts'
import { MalformedPolicyError } from '../../protocol/iam/policy.ts'
import type { PublicAccessBlock } from '../backend.ts'
import { S3Error } from '../errors.ts'
import type { Call } from '../operation.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../response.ts'
import { childText, tag, type XmlElement, type XmlLimits } from '../xml.ts'
import { invalidArgument } from './common.ts'
import { settingBody, settingXml } from './versioning.ts'

/** Larger than any policy that is taken, so that one somewhat too large is told what is wrong. */
const MAX_POLICY_BODY_BYTES = 1024 * 1024
export const BLOCK_LIMITS: XmlLimits = { maxBytes: 16 * 1024, maxElements: 16, maxDepth: 3 }
const CONFIRM = 'x-amz-confirm-remove-self-bucket-access'

export async function putBucketPolicy(call: Call): Promise<S3Response> {
  const { bucket } = call
  const confirm = call.request.headers[CONFIRM]
  if (confirm !== undefined && !/^(?:true|false)$/i.test(confirm)) {
    throw invalidArgument(CONFIRM, confirm)
  }
  const policy = textOf(await settingBody(call, MAX_POLICY_BODY_BYTES))
  const isPublic = judge(policy, bucket)
  const settings = await call.store.getBucketSettings(call.context, bucket)
  if (isPublic && settings.publicAccessBlock?.blockPublicPolicy === true) {
    throw new S3Error(
      'AccessDenied',
      'The policy is public, and public policies are blocked by the BlockPublicPolicy setting of the bucket',
    )
  }
  await call.store.changeBucket(call.context, { bucket, change: { policy } })
  return emptyResponse(204)
}

export async function getBucketPolicy(call: Call): Promise<S3Response> {
  const body = await storedPolicy(call)
  return { status: 200, headers: { 'Content-Type': 'application/json' }, body }
}

export async function deleteBucketPolicy(call: Call): Promise<S3Response> {
  const { bucket } = call
  await call.store.changeBucket(call.context, { bucket, change: { policy: null } })
  return emptyResponse(204)
}

export async function getBucketPolicyStatus(call: Call): Promise<S3Response> {
  const isPublic = judge(await storedPolicy(call), call.bucket)
  return xmlResponse('PolicyStatus', tag('IsPublic', isPublic))
}

async function storedPolicy(call: Call): Promise<string> {
  const { policy } = await call.store.getBucketSettings(call.context, call.bucket)
  if (policy === undefined) {
    throw new S3Error('NoSuchBucketPolicy', undefined, { details: { BucketName: call.bucket } })
  }
  return policy
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new S3Error('MalformedPolicy', 'The policy is not UTF-8', { cause })
  }
}

/** Checks a policy and says whether it is public. Throws MalformedPolicy with the place. */
function judge(text: string, bucket: string): boolean {
  try {
    return isPublicPolicy(parseBucketPolicy(text, bucket))
  } catch (error) {
    if (!(error instanceof MalformedPolicyError)) throw error
    throw new S3Error('MalformedPolicy', error.message, {
      cause: error,
      details: error.place === '' ? undefined : { Place: error.place },
    })
  }
}

const SWITCHES = [
  ['blockPublicAcls', 'BlockPublicAcls'],
  ['ignorePublicAcls', 'IgnorePublicAcls'],
  ['blockPublicPolicy', 'BlockPublicPolicy'],
  ['restrictPublicBuckets', 'RestrictPublicBuckets'],
] as const satisfies readonly (readonly [keyof PublicAccessBlock, string])[]

export async function putPublicAccessBlock(call: Call): Promise<S3Response> {
  const { bucket } = call
  const publicAccessBlock = parsePublicAccessBlock(await settingXml(call, BLOCK_LIMITS))
  await call.store.changeBucket(call.context, { bucket, change: { publicAccessBlock } })
  return emptyResponse(200)
}

export async function getPublicAccessBlock(call: Call): Promise<S3Response> {
  const { bucket } = call
  const { publicAccessBlock } = await call.store.getBucketSettings(call.context, bucket)
  if (publicAccessBlock === undefined) {
    throw new S3Error('NoSuchPublicAccessBlockConfiguration', undefined, {
      details: { BucketName: bucket },
    })
  }
  const content = SWITCHES.map(([field, element]) => tag(element, publicAccessBlock[field]))
  return xmlResponse('PublicAccessBlockConfiguration', content.join(''))
}

export async function deletePublicAccessBlock(call: Call): Promise<S3Response> {
  const { bucket } = call
  await call.store.changeBucket(call.context, { bucket, change: { publicAccessBlock: null } })
  return emptyResponse(204)
}

/** A switch that is not named is off. Throws MalformedXML. */
export function parsePublicAccessBlock(root: XmlElement): PublicAccessBlock {
  const known = SWITCHES.map(([, element]) => element as string)
  const odd = root.children.some((child) => !known.includes(child.name))
  if (root.name !== 'PublicAccessBlockConfiguration' || odd) throw new S3Error('MalformedXML')
  return {
    blockPublicAcls: isOn(root, 'BlockPublicAcls'),
    ignorePublicAcls: isOn(root, 'IgnorePublicAcls'),
    blockPublicPolicy: isOn(root, 'BlockPublicPolicy'),
    restrictPublicBuckets: isOn(root, 'RestrictPublicBuckets'),
  }
}

function isOn(root: XmlElement, name: string): boolean {
  const text = childText(root, name)?.trim().toLowerCase()
  if (text === undefined || text === 'false') return false
  if (text !== 'true') throw new S3Error('MalformedXML')
  return true
}
