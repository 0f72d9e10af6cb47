/**
 * The policy of a bucket, its status, and its public access block. All changes go through `changeAccess`, like those of
 * its access control list and its ownership.
 *
 * Invariants:
 *   - a stored policy was parsed, its principals exist and are stored with their unique ids
 *   - no change gives rights that its writer does not have, or lifts a Deny (F31, policy-rights.ts)
 *   - each change is audited, also when it is refused (`audited` in the table of operations)
 */

import { lowerCase, trimXml } from '../http/ascii.ts'
import {
  isPublicPolicy,
  parsingBucketPolicy,
  type BucketPolicy,
} from '../../protocol/iam/bucket-policy.ts'
import { shownPolicy, unresolvedPrincipals } from '../../protocol/iam/named-principals.ts'
import { MalformedPolicyError } from '../../protocol/iam/policy.ts'
import type { Work } from '../../protocol/work.ts'
import type { BucketSettings, PublicAccessBlock } from '../port/buckets.ts'
import { S3Error } from '../http/errors.ts'
import type { Call } from './operation.ts'
import { resolvePrincipals } from '../port/principals.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { childText, tag, type XmlElement, type XmlLimits } from '../http/xml.ts'
import { changeAccess } from './access-change.ts'
import { bucketLacking, invalidArgument } from './common.ts'
import { settingBody, settingXml } from './versioning.ts'

/** More than the maximum size of a policy, so that the refusal of a larger one can say what is wrong. */
const MAX_POLICY_BODY_BYTES = 1024 * 1024
/** Room for the four switches. */
export const BLOCK_LIMITS: XmlLimits = { maxBytes: 16 * 1024, maxElements: 16, maxDepth: 3 }
const CONFIRM = 'x-amz-confirm-remove-self-bucket-access'

/**
 * `PUT /bucket?policy`: 204. The policy takes effect everywhere within a second (T7). It is stored exactly as it was
 * sent, and its principals are looked up once, now: later they are known by id, whatever their names (F31).
 *
 * Throws MalformedPolicy with the place of the error or with the principal that does not exist, AccessDenied for a
 * public policy that BlockPublicPolicy forbids or for rights beyond the caller's own, MissingRequestBodyError.
 */
export async function putBucketPolicy(call: Call): Promise<S3Response> {
  const { bucket } = call
  const confirm = call.request.headers[CONFIRM]
  if (confirm !== undefined && !/^(?:true|false)$/i.test(confirm)) {
    throw invalidArgument(CONFIRM, confirm)
  }
  const policy = textOf(await settingBody(call, MAX_POLICY_BODY_BYTES))
  const parsed = await call.inTurns(parsedPolicy(policy, bucket))
  const isPublic = isPublicPolicy(parsed)
  const principals = await resolvePrincipals(
    call.store,
    call.context,
    unresolvedPrincipals(parsed),
    (arn) =>
      new S3Error('MalformedPolicy', 'Invalid principal in policy', { details: { Detail: arn } }),
  )
  await changeAccess(call, ({ publicAccessBlock }) => {
    if (isPublic && publicAccessBlock?.blockPublicPolicy === true) {
      throw new S3Error(
        'AccessDenied',
        'The policy is public, and public policies are blocked by the BlockPublicPolicy setting of the bucket',
      )
    }
    return { policy, principals }
  })
  return emptyResponse(204)
}

/**
 * `GET /bucket?policy`: the JSON as it was stored, with the present ARNs of its principals. A principal that was
 * deleted is shown by its id, as in AWS. Throws NoSuchBucketPolicy.
 */
export async function getBucketPolicy(call: Call): Promise<S3Response> {
  const { policy, principals = [] } = await storedPolicy(call)
  const present = await call.store.principalArns(call.context, principals)
  const body = shownPolicy(policy, principals, present)
  return { status: 200, headers: { 'Content-Type': 'application/json' }, body }
}

/**
 * `DELETE /bucket?policy`: 204, also without a policy. This is a change of rights like any other: removing a Deny may
 * be refused with AccessDenied.
 */
export async function deleteBucketPolicy(call: Call): Promise<S3Response> {
  await changeAccess(call, () => ({ policy: null }))
  return emptyResponse(204)
}

/**
 * `GET /bucket?policyStatus`: whether the policy is public in AWS's sense (isPublicPolicy). Throws
 * NoSuchBucketPolicy.
 */
export async function getBucketPolicyStatus(call: Call): Promise<S3Response> {
  const { policy } = await storedPolicy(call)
  const isPublic = isPublicPolicy(await call.inTurns(parsedPolicy(policy, call.bucket)))
  return xmlResponse('PolicyStatus', tag('IsPublic', isPublic))
}

/** The settings of a bucket that has a policy. Throws NoSuchBucketPolicy, NoSuchBucket. */
async function storedPolicy(call: Call): Promise<BucketSettings & { readonly policy: string }> {
  const settings = await call.store.getBucketSettings(call.context, call.bucket)
  const { policy } = settings
  if (policy === undefined) {
    throw bucketLacking(call, 'NoSuchBucketPolicy')
  }
  return { ...settings, policy }
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Throws MalformedPolicy unless the bytes are UTF-8. */
function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new S3Error('MalformedPolicy', 'The policy is not UTF-8', { cause })
  }
}

/** Throws MalformedPolicy with the place of the error. */
function* parsedPolicy(text: string, bucket: string): Work<BucketPolicy> {
  try {
    return yield* parsingBucketPolicy(text, bucket)
  } catch (error) {
    if (!(error instanceof MalformedPolicyError)) throw error
    throw new S3Error('MalformedPolicy', error.message, {
      cause: error,
      details: error.place === '' ? undefined : { Place: error.place },
    })
  }
}

/** The four switches: the field that is stored, and the element of the documents, in their order. */
const SWITCHES = [
  ['blockPublicAcls', 'BlockPublicAcls'],
  ['ignorePublicAcls', 'IgnorePublicAcls'],
  ['blockPublicPolicy', 'BlockPublicPolicy'],
  ['restrictPublicBuckets', 'RestrictPublicBuckets'],
] as const satisfies readonly (readonly [keyof PublicAccessBlock, string])[]

/**
 * `PUT /bucket?publicAccessBlock`: replaces all four switches. Switching RestrictPublicBuckets off is checked as a
 * change of rights, because a public policy then counts for everyone. Throws AccessDenied, MalformedXML.
 */
export async function putPublicAccessBlock(call: Call): Promise<S3Response> {
  const publicAccessBlock = parsePublicAccessBlock(await settingXml(call, BLOCK_LIMITS))
  await changeAccess(call, () => ({ publicAccessBlock }))
  return emptyResponse(200)
}

/** `GET /bucket?publicAccessBlock`. Throws NoSuchPublicAccessBlockConfiguration, NoSuchBucket. */
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

/** `DELETE /bucket?publicAccessBlock`: 204. All four switches are off afterwards. Throws AccessDenied. */
export async function deletePublicAccessBlock(call: Call): Promise<S3Response> {
  await changeAccess(call, () => ({ publicAccessBlock: null }))
  return emptyResponse(204)
}

/** Switches that are not named are off. Throws MalformedXML. */
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

/** `true` and `false` in any case, as XML libraries write them. Throws MalformedXML for anything else. */
function isOn(root: XmlElement, name: string): boolean {
  const given = trimXml(childText(root, name))
  if (given === undefined) return false
  const text = lowerCase(given)
  if (text === 'false') return false
  if (text !== 'true') throw new S3Error('MalformedXML')
  return true
}
