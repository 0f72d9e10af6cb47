/**
 * The lifecycle of a bucket, which can only abort open uploads. A configuration with any other rule is refused with
 * 501, and nothing changes (docs/s3-compatibility.md, rule 1).
 */

import { trimXml } from '../http/ascii.ts'
import { createHash } from 'node:crypto'
import type { AbortRule } from '../port/buckets.ts'
import { S3Error } from '../http/errors.ts'
import type { Call } from './operation.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { childOf, childText, tag, type XmlElement, type XmlLimits } from '../http/xml.ts'
import { settingXml } from './versioning.ts'

/** AWS's limits. */
const MAX_RULES = 1000
const MAX_ID_CHARACTERS = 255
const MAX_PREFIX_BYTES = 1024
/** Room for more and larger rules than are accepted, so that the refusal can say what is wrong. */
export const LIFECYCLE_LIMITS: XmlLimits = {
  maxBytes: 256 * 1024,
  maxElements: 10_000,
  maxDepth: 6,
}
/** It concerns only transitions, which do not exist here. Terraform waits until it can read the value it wrote. */
const MINIMUM_SIZE = 'x-amz-transition-default-minimum-object-size'
const DEFAULT_MINIMUM_SIZE = 'all_storage_classes_128K'

/**
 * `PUT /bucket?lifecycle`: replaces the whole configuration, as in AWS. What is stored takes effect with the next
 * visit of the upload sweeper. Throws what `parseLifecycle` throws, NoSuchBucket.
 */
export async function putBucketLifecycle(call: Call): Promise<S3Response> {
  const abortRules = parseLifecycle(await settingXml(call, LIFECYCLE_LIMITS))
  await call.store.changeBucket(call.context, { bucket: call.bucket, change: { abortRules } })
  return emptyResponse(200, { [MINIMUM_SIZE]: DEFAULT_MINIMUM_SIZE })
}

/**
 * `GET /bucket?lifecycle`: the configuration in today's form, with `<Filter>` and an id for each rule, also where the
 * client sent the older form. Throws NoSuchLifecycleConfiguration, NoSuchBucket.
 */
export async function getBucketLifecycle(call: Call): Promise<S3Response> {
  const { abortRules } = await call.store.getBucketSettings(call.context, call.bucket)
  if (abortRules === undefined || abortRules.length === 0) {
    throw new S3Error('NoSuchLifecycleConfiguration', undefined, {
      details: { BucketName: call.bucket },
    })
  }
  return xmlResponse('LifecycleConfiguration', lifecycleXml(abortRules), {
    [MINIMUM_SIZE]: DEFAULT_MINIMUM_SIZE,
  })
}

/** `DELETE /bucket?lifecycle`: 204, also when nothing was configured. Throws NoSuchBucket. */
export async function deleteBucketLifecycle(call: Call): Promise<S3Response> {
  const { bucket } = call
  await call.store.changeBucket(call.context, { bucket, change: { abortRules: null } })
  return emptyResponse(204)
}

/** The configuration as GetBucketLifecycleConfiguration shows it. */
export function lifecycleXml(rules: readonly AbortRule[]): string {
  return rules.map(ruleXml).join('')
}

function ruleXml(rule: AbortRule): string {
  return `<Rule>${tag('ID', rule.id)}<Filter>${tag('Prefix', rule.prefix)}</Filter>${tag('Status', rule.enabled ? 'Enabled' : 'Disabled')}<AbortIncompleteMultipartUpload>${tag('DaysAfterInitiation', rule.days)}</AbortIncompleteMultipartUpload></Rule>`
}

/**
 * The rules of a configuration, 1 to 1,000 with different ids. Nothing is stored unless all of them are understood: a
 * rule that would be ignored leaves data that its owner believes to expire. Throws MalformedXML, InvalidArgument,
 * InvalidRequest, NotImplemented.
 */
export function parseLifecycle(root: XmlElement): AbortRule[] {
  const isLifecycle = root.name === 'LifecycleConfiguration'
  if (!isLifecycle || root.children.some((child) => child.name !== 'Rule')) {
    throw new S3Error('MalformedXML')
  }
  if (root.children.length === 0) throw new S3Error('MalformedXML')
  if (root.children.length > MAX_RULES) {
    throw new S3Error(
      'InvalidRequest',
      `The number of lifecycle rules must not exceed the allowed limit of ${MAX_RULES} rules`,
    )
  }
  const rules = root.children.map(parseRule)
  if (new Set(rules.map((rule) => rule.id)).size < rules.length) {
    throw new S3Error(
      'InvalidArgument',
      'Rule ID must be unique. Found same ID for more than one rule.',
    )
  }
  return rules
}

/** Elements of a `<Rule>` that are read. Any other that AWS does not have either is malformed. */
const KNOWN: ReadonlySet<string> = new Set([
  'ID',
  'Filter',
  'Prefix',
  'Status',
  'AbortIncompleteMultipartUpload',
])
/**
 * What AWS has and Shoal does not: 501 instead of MalformedXML, so that the client sees that its document is right.
 */
const OTHER_ACTIONS: ReadonlySet<string> = new Set([
  'Expiration',
  'Transition',
  'NoncurrentVersionExpiration',
  'NoncurrentVersionTransition',
])
const OTHER_FILTERS: ReadonlySet<string> = new Set([
  'And',
  'Tag',
  'ObjectSizeGreaterThan',
  'ObjectSizeLessThan',
])

/** One rule. `index` is its place in the configuration, which becomes part of an id that is made here. */
function parseRule(rule: XmlElement, index: number): AbortRule {
  for (const { name } of rule.children) {
    if (OTHER_ACTIONS.has(name)) throw notImplemented(name)
    if (!KNOWN.has(name)) throw new S3Error('MalformedXML')
  }
  const status = trimXml(childText(rule, 'Status'))
  if (status !== 'Enabled' && status !== 'Disabled') throw new S3Error('MalformedXML')
  const prefix = prefixOf(rule)
  const days = daysOf(rule)
  const given = childText(rule, 'ID')
  if (given !== undefined && given.length > MAX_ID_CHARACTERS) {
    throw new S3Error(
      'InvalidArgument',
      `ID length should not exceed allowed limit of ${MAX_ID_CHARACTERS}`,
    )
  }
  const id = given || generatedId(`${index} ${status} ${days} ${prefix}`)
  return { id, prefix, days, enabled: status === 'Enabled' }
}

/** From `<Filter>`, empty or with a prefix, or from the older `<Prefix>`. One of them is required. */
function prefixOf(rule: XmlElement): string {
  const filter = childOf(rule, 'Filter')
  const older = childText(rule, 'Prefix')
  if ((filter === undefined) === (older === undefined)) throw new S3Error('MalformedXML')
  for (const { name } of filter?.children ?? []) {
    if (OTHER_FILTERS.has(name)) throw notImplemented(name)
    if (name !== 'Prefix') throw new S3Error('MalformedXML')
  }
  const prefix = older ?? (filter === undefined ? '' : (childText(filter, 'Prefix') ?? ''))
  if (Buffer.byteLength(prefix) > MAX_PREFIX_BYTES) {
    throw new S3Error(
      'InvalidRequest',
      `The maximum size of a prefix is ${MAX_PREFIX_BYTES}. Please reduce the size of the prefix.`,
    )
  }
  return prefix
}

/** Days after the upload began, 1 to 2^31 − 1. A rule without any action is refused, as in AWS. */
function daysOf(rule: XmlElement): number {
  const action = childOf(rule, 'AbortIncompleteMultipartUpload')
  if (action === undefined) {
    throw new S3Error('InvalidRequest', 'At least one action needs to be specified in a rule')
  }
  const text = trimXml(childText(action, 'DaysAfterInitiation'))
  if (text === undefined || action.children.length !== 1) throw new S3Error('MalformedXML')
  const days = Number(text)
  if (!/^\d{1,10}$/.test(text) || days < 1 || days > 0x7fffffff) {
    throw new S3Error(
      'InvalidArgument',
      "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
    )
  }
  return days
}

/** An id from the rule's content, so that sending a configuration twice gives the same ids. */
function generatedId(content: string): string {
  return createHash('sha256').update(content).digest('base64url').slice(0, 32)
}

function notImplemented(element: string): S3Error {
  return new S3Error('NotImplemented', `${element} is not implemented in lifecycle rules`, {
    details: { Element: element },
  })
}
