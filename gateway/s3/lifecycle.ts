/**
 * The lifecycle of a bucket: PutBucketLifecycleConfiguration and its relatives. Every rule that is accepted is carried
 * out (node/lifecycle/). Transitions to other storage classes are refused with 501, and nothing changes
 * (docs/s3-compatibility.md, rule 1).
 */

import { createHash } from 'node:crypto'
import type { LifecycleRule } from '../../protocol/lifecycle/rule.ts'
import { DAY_MS } from '../../protocol/lifecycle/rule.ts'
import { trimXml } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import { parseTimestamp } from '../http/http-date.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { childOf, childText, tag, xmlDate, type XmlElement, type XmlLimits } from '../http/xml.ts'
import { filterOf, filterXml } from './lifecycle-filter.ts'
import { bucketLacking } from './common.ts'
import type { Call } from './operation.ts'
import { settingXml } from './versioning.ts'

/** AWS's limits. */
const MAX_RULES = 1000
const MAX_ID_CHARACTERS = 255
const MAX_NEWER = 100

const MIDNIGHT = '00:00:00Z'
/** Room for more and larger rules than are accepted, so that the refusal can say what is wrong. */
export const LIFECYCLE_LIMITS: XmlLimits = {
  maxBytes: 512 * 1024,
  maxElements: 40_000,
  maxDepth: 7,
}
/** It concerns only transitions, which do not exist here. Terraform waits until it can read the value it wrote. */
const MINIMUM_SIZE = 'x-amz-transition-default-minimum-object-size'
const DEFAULT_MINIMUM_SIZE = 'all_storage_classes_128K'

/**
 * `PUT /bucket?lifecycle`: replaces the whole configuration, as in AWS. Once it is answered, nothing is deleted by the
 * rules before it. Throws what `parseLifecycle` throws, NoSuchBucket.
 */
export async function putBucketLifecycle(call: Call): Promise<S3Response> {
  const lifecycle = parseLifecycle(await settingXml(call, LIFECYCLE_LIMITS))
  await call.changeBucket({ lifecycle })
  return emptyResponse(200, { [MINIMUM_SIZE]: DEFAULT_MINIMUM_SIZE })
}

/**
 * `GET /bucket?lifecycle`: the configuration in today's form, with `<Filter>` and an id for each rule, also where the
 * client sent the older form. Throws NoSuchLifecycleConfiguration, NoSuchBucket.
 */
export async function getBucketLifecycle(call: Call): Promise<S3Response> {
  const { lifecycle } = await call.store.getBucketSettings(call.context, call.bucket)
  if (lifecycle === undefined || lifecycle.length === 0) {
    throw bucketLacking(call, 'NoSuchLifecycleConfiguration')
  }
  return xmlResponse('LifecycleConfiguration', lifecycleXml(lifecycle), {
    [MINIMUM_SIZE]: DEFAULT_MINIMUM_SIZE,
  })
}

/** `DELETE /bucket?lifecycle`: 204, also when nothing was configured. Throws NoSuchBucket. */
export async function deleteBucketLifecycle(call: Call): Promise<S3Response> {
  await call.changeBucket({ lifecycle: null })
  return emptyResponse(204)
}

/** The configuration as GetBucketLifecycleConfiguration shows it. */
export function lifecycleXml(rules: readonly LifecycleRule[]): string {
  return rules.map(ruleXml).join('')
}

function ruleXml(rule: LifecycleRule): string {
  const { days, dateMs, expiredMarkers, noncurrentDays, newerNoncurrent, abortDays } = rule
  const expiration =
    tag('Days', days) +
    tag('Date', dateMs === undefined ? undefined : xmlDate(dateMs)) +
    tag('ExpiredObjectDeleteMarker', expiredMarkers)
  const noncurrent =
    tag('NoncurrentDays', noncurrentDays) + tag('NewerNoncurrentVersions', newerNoncurrent)
  const within = (name: string, content: string): string =>
    content === '' ? '' : `<${name}>${content}</${name}>`
  return `<Rule>${within('Expiration', expiration)}${tag('ID', rule.id)}${filterXml(rule)}${tag('Status', rule.enabled ? 'Enabled' : 'Disabled')}${within('NoncurrentVersionExpiration', noncurrent)}${within('AbortIncompleteMultipartUpload', tag('DaysAfterInitiation', abortDays))}</Rule>`
}

/**
 * The rules of a configuration, 1 to 1,000 with different ids. Nothing is stored unless all of them are understood: a
 * rule that would be ignored leaves data that its owner believes to expire. Throws MalformedXML, InvalidArgument,
 * InvalidRequest, NotImplemented.
 */
export function parseLifecycle(root: XmlElement): LifecycleRule[] {
  const isLifecycle = root.name === 'LifecycleConfiguration'
  if (!isLifecycle || root.children.some((child) => child.name !== 'Rule')) {
    throw new S3Error('MalformedXML')
  }
  if (root.children.length === 0) throw new S3Error('MalformedXML')
  if (root.children.length > MAX_RULES) {
    throw invalidRequest(
      `The number of lifecycle rules must not exceed the allowed limit of ${MAX_RULES} rules`,
    )
  }
  const rules = root.children.map(parseRule)
  if (new Set(rules.map((rule) => rule.id)).size < rules.length) {
    throw invalidArgument('Rule ID must be unique. Found same ID for more than one rule.')
  }
  return rules
}

/** Elements of a `<Rule>` that are read. Any other that AWS does not have either is malformed. */
const KNOWN: ReadonlySet<string> = new Set([
  'ID',
  'Filter',
  'Prefix',
  'Status',
  'Expiration',
  'NoncurrentVersionExpiration',
  'AbortIncompleteMultipartUpload',
])
/**
 * What AWS has and Shoal does not: 501 instead of MalformedXML, so that the client sees that its document is right.
 */
const OTHER_ACTIONS: ReadonlySet<string> = new Set(['Transition', 'NoncurrentVersionTransition'])

/** One rule. `index` is its place in the configuration, which becomes part of an id that is made here. */
function parseRule(rule: XmlElement, index: number): LifecycleRule {
  for (const { name } of rule.children) {
    if (OTHER_ACTIONS.has(name)) {
      throw new S3Error('NotImplemented', `${name} is not implemented in lifecycle rules`, {
        details: { Element: name },
      })
    }
    if (!KNOWN.has(name)) throw new S3Error('MalformedXML')
  }
  const status = trimXml(childText(rule, 'Status'))
  if (status !== 'Enabled' && status !== 'Disabled') throw new S3Error('MalformedXML')
  const filter = filterOf(rule)
  const actions = { ...expirationOf(rule), ...noncurrentOf(rule), ...abortOf(rule) }
  if (Object.keys(actions).length === 0) {
    throw invalidRequest('At least one action needs to be specified in a rule')
  }
  const refused = filter.tags !== undefined ? 'Tags' : hasSize(filter) ? 'Object Size' : undefined
  if (refused !== undefined && 'abortDays' in actions) {
    throw invalidRequest(`AbortIncompleteMultipartUpload cannot be specified with ${refused}.`)
  }
  if (refused !== undefined && 'expiredMarkers' in actions) {
    throw invalidRequest(`ExpiredObjectDeleteMarker cannot be specified with ${refused}.`)
  }
  if ('newerNoncurrent' in actions && childOf(rule, 'Filter') === undefined) {
    throw invalidRequest('NewerNoncurrentVersions element can only be used in Lifecycle V2.')
  }
  const given = childText(rule, 'ID')
  if (given !== undefined && given.length > MAX_ID_CHARACTERS) {
    throw invalidArgument(`ID length should not exceed allowed limit of ${MAX_ID_CHARACTERS}`)
  }
  const id = given || generatedId(JSON.stringify([index, status, filter, actions]))
  return { id, enabled: status === 'Enabled', ...filter, ...actions }
}

function hasSize({ sizeAbove, sizeBelow }: ReturnType<typeof filterOf>): boolean {
  return sizeAbove !== undefined || sizeBelow !== undefined
}

/** Exactly one of days, a date, and the removal of markers. */
function expirationOf(
  rule: XmlElement,
): Pick<LifecycleRule, 'days' | 'dateMs' | 'expiredMarkers'> | undefined {
  const action = childOf(rule, 'Expiration')
  if (action === undefined) return undefined
  if (action.children.length !== 1) throw new S3Error('MalformedXML')
  const days = trimXml(childText(action, 'Days'))
  const date = trimXml(childText(action, 'Date'))
  const markers = trimXml(childText(action, 'ExpiredObjectDeleteMarker'))
  if (days !== undefined) return { days: positive(days, 'Days', 'Expiration') }
  if (date !== undefined) return { dateMs: midnightOf(date) }
  if (markers !== 'true' && markers !== 'false') throw new S3Error('MalformedXML')
  return { expiredMarkers: markers === 'true' }
}

function noncurrentOf(
  rule: XmlElement,
): Pick<LifecycleRule, 'noncurrentDays' | 'newerNoncurrent'> | undefined {
  const name = 'NoncurrentVersionExpiration'
  const action = childOf(rule, name)
  if (action === undefined) return undefined
  const days = trimXml(childText(action, 'NoncurrentDays'))
  const newer = trimXml(childText(action, 'NewerNoncurrentVersions'))
  if (days === undefined || action.children.length !== (newer === undefined ? 1 : 2)) {
    throw new S3Error('MalformedXML')
  }
  const noncurrentDays = positive(days, 'NoncurrentDays', name)
  if (newer === undefined) return { noncurrentDays }
  const newerNoncurrent = positive(newer, 'NewerNoncurrentVersions', name)
  if (newerNoncurrent > MAX_NEWER) {
    throw invalidArgument(
      `'NewerNoncurrentVersions' for ${name} action must be an integer between 1 and ${MAX_NEWER}`,
    )
  }
  return { noncurrentDays, newerNoncurrent }
}

/** Days after the upload began. */
function abortOf(rule: XmlElement): Pick<LifecycleRule, 'abortDays'> | undefined {
  const name = 'AbortIncompleteMultipartUpload'
  const action = childOf(rule, name)
  if (action === undefined) return undefined
  const text = trimXml(childText(action, 'DaysAfterInitiation'))
  if (text === undefined || action.children.length !== 1) throw new S3Error('MalformedXML')
  return { abortDays: positive(text, 'DaysAfterInitiation', name) }
}

/** 1 to 2^31 − 1. */
function positive(text: string, name: string, action: string): number {
  const value = Number(text)
  if (!/^\d{1,10}$/.test(text) || value < 1 || value > 0x7fffffff) {
    throw invalidArgument(`'${name}' for ${action} action must be a positive integer`)
  }
  return value
}

/** A date of ISO 8601, with or without a time. It may be in the past. */
function midnightOf(text: string): number {
  const dateMs = parseTimestamp(text.includes('T') ? text : `${text}T${MIDNIGHT}`)
  if (dateMs === undefined) throw new S3Error('MalformedXML')
  if (dateMs % DAY_MS !== 0) throw invalidArgument("'Date' must be at midnight GMT")
  return dateMs
}

/** An id from the rule's content, so that sending a configuration twice gives the same ids. */
function generatedId(content: string): string {
  return createHash('sha256').update(content).digest('base64url').slice(0, 32)
}

function invalidRequest(message: string): S3Error {
  return new S3Error('InvalidRequest', message)
}

function invalidArgument(message: string): S3Error {
  return new S3Error('InvalidArgument', message)
}
