/** The filter of a lifecycle rule: prefix, tags and sizes, one alone or several within `<And>`. */

import type { LifecycleRule } from '../../protocol/lifecycle/rule.ts'
import { trimXml } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import { childOf, childText, tag, type XmlElement } from '../http/xml.ts'

/** AWS's limits. */
const MAX_PREFIX_BYTES = 1024
const MAX_TAG_KEY = 128
const MAX_TAG_VALUE = 256
const MAX_TAGS = 10
/** AWS's text says 5 TiB for both; larger objects exist by now. */
const MAX_SIZE = Number.MAX_SAFE_INTEGER

type Filter = Pick<LifecycleRule, 'prefix' | 'tags' | 'sizeAbove' | 'sizeBelow' | 'and'>

const SIZES = ['ObjectSizeGreaterThan', 'ObjectSizeLessThan'] as const
const CONDITIONS: ReadonlySet<string> = new Set(['Prefix', 'Tag', ...SIZES])

/**
 * From `<Filter>`, or from the older `<Prefix>`. One of them is required. A filter has at most one condition, or several
 * within `<And>`. Throws MalformedXML, InvalidRequest.
 */
export function filterOf(rule: XmlElement): Filter {
  const filter = childOf(rule, 'Filter')
  const older = childText(rule, 'Prefix')
  if (filter === undefined) {
    if (older === undefined) throw new S3Error('MalformedXML')
    return { prefix: checkedPrefix(older) }
  }
  if (older !== undefined || filter.children.length > 1) throw new S3Error('MalformedXML')
  const and = childOf(filter, 'And')
  if (and !== undefined) return { ...conditionsOf(and), and: true }
  return filter.children.length === 0 ? { prefix: '' } : conditionsOf(filter)
}

function conditionsOf(parent: XmlElement): Filter {
  if (parent.children.some(({ name }) => !CONDITIONS.has(name))) throw new S3Error('MalformedXML')
  const prefix = childText(parent, 'Prefix')
  const [sizeAbove, sizeBelow] = SIZES.map((name) => sizeOf(childText(parent, name)))
  const tags = parent.children.filter(({ name }) => name === 'Tag').map(tagOf)
  if (tags.length > MAX_TAGS || new Set(tags.map(({ key }) => key)).size < tags.length) {
    throw new S3Error('InvalidRequest', 'Duplicate Tag Keys are not allowed.')
  }
  if (sizeAbove !== undefined && sizeBelow !== undefined && sizeAbove >= sizeBelow) {
    throw new S3Error(
      'InvalidRequest',
      'ObjectSizeLessThan has to be a value greater than ObjectSizeGreaterThan',
    )
  }
  return {
    ...(prefix !== undefined && { prefix: checkedPrefix(prefix) }),
    ...(tags.length > 0 && { tags }),
    ...(sizeAbove !== undefined && { sizeAbove }),
    ...(sizeBelow !== undefined && { sizeBelow }),
  }
}

/** The filter as GetBucketLifecycleConfiguration shows it. */
export function filterXml({ prefix, tags = [], sizeAbove, sizeBelow, and }: Filter): string {
  const conditions =
    tag('ObjectSizeGreaterThan', sizeAbove) +
    tag('ObjectSizeLessThan', sizeBelow) +
    tag('Prefix', prefix) +
    tags.map(({ key, value }) => `<Tag>${tag('Key', key)}${tag('Value', value)}</Tag>`).join('')
  return `<Filter>${and === true ? `<And>${conditions}</And>` : conditions}</Filter>`
}

function checkedPrefix(prefix: string): string {
  if (Buffer.byteLength(prefix) > MAX_PREFIX_BYTES) {
    throw new S3Error(
      'InvalidRequest',
      `The maximum size of a prefix is ${MAX_PREFIX_BYTES}. Please reduce the size of the prefix.`,
    )
  }
  return prefix
}

function tagOf(element: XmlElement): { key: string; value: string } {
  const key = childText(element, 'Key')
  const value = childText(element, 'Value')
  if (key === undefined || value === undefined || element.children.length !== 2) {
    throw new S3Error('MalformedXML')
  }
  if (key === '' || key.length > MAX_TAG_KEY) {
    throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid')
  }
  if (value.length > MAX_TAG_VALUE) {
    throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid')
  }
  return { key, value }
}

/** Bytes, at least 0. */
function sizeOf(given: string | undefined): number | undefined {
  const text = trimXml(given)
  if (text === undefined) return undefined
  const size = Number(text)
  if (!/^\d{1,16}$/.test(text) || size > MAX_SIZE) throw new S3Error('MalformedXML')
  return size
}
