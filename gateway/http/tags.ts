/**
 * Tags of buckets and objects, as requests write them: the XML of the tagging operations and of CreateBucket, and the
 * header x-amz-tagging. Tags keep the order in which the client sent them.
 */

import type { Tag } from '../port/bucket-documents.ts'
import { S3Error } from './errors.ts'
import { childText, tag, type XmlElement, type XmlLimits } from './xml.ts'

/** What may have tags. */
export type Tagged = 'Bucket' | 'Object'

/** AWS's limits. Lengths are in UTF-16 units, as AWS counts them. */
const TAGS_MAX = { Bucket: 50, Object: 10 } as const
const KEY_CHARACTERS_MAX = 128
const VALUE_CHARACTERS_MAX = 256
/** Letters, digits and separators of any script, and the signs that AWS allows. */
const ALLOWED = /^[\p{L}\p{N}\p{Z}_.:/=+\-@]*$/u
/** The beginning of tags that only AWS itself makes. */
const RESERVED = /^aws:/i
const RESERVED_TEXTS = {
  Bucket: 'System tags cannot be added/updated by requester',
  Object: 'Your TagKey cannot be prefixed with aws:',
} as const
/** Room for more and longer tags than are accepted, so that the refusal can say what is wrong. */
export const TAGGING_LIMITS: XmlLimits = { maxBytes: 128 * 1024, maxElements: 1_000, maxDepth: 4 }

/**
 * The tags of a `<Tagging>` document. A set without tags is valid, and means none. Throws MalformedXML, InvalidTag,
 * BadRequest for too many.
 */
export function parseTags(root: XmlElement, tagged: Tagged): Tag[] {
  const [set] = root.children
  const isTagging = root.name === 'Tagging' && root.children.length === 1
  if (!isTagging || set?.name !== 'TagSet') throw new S3Error('MalformedXML')
  return parseTagSet(set, tagged)
}

/** The tags in an element that has only `<Tag>` in it. Throws what `parseTags` throws. */
export function parseTagSet(set: XmlElement, tagged: Tagged): Tag[] {
  return checkedTags(set.children.map(tagOf), tagged)
}

function tagOf(element: XmlElement): Tag {
  const { name, children } = element
  if (name !== 'Tag' || children.length !== 2) throw new S3Error('MalformedXML')
  const key = childText(element, 'Key')
  const value = childText(element, 'Value')
  if (key === undefined || value === undefined) throw new S3Error('MalformedXML')
  return { key, value }
}

/** AWS's text for a header that is not understood. */
const HEADER_TEXT =
  "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."

/**
 * The tags of an x-amz-tagging header, which has the form of a query: `team=storage&colour=`. A plus is a space, and the
 * first `=` ends the key. Throws InvalidArgument for another form or a key twice, InvalidTag, BadRequest for too many.
 */
export function parseTagHeader(header: string): Tag[] {
  // As everywhere, an empty value counts as absent.
  if (header === '') return []
  const tags = header.split('&', TAGS_MAX.Object + 1).map((pair) => {
    const equals = pair.indexOf('=')
    const [key, value] = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
    return { key: decoded(key, header), value: decoded(value, header) }
  })
  if (tags.some(({ key }) => key === '')) throw badHeader(header)
  const keys = new Set(tags.map(({ key }) => key))
  if (keys.size < tags.length) throw badHeader(header)
  return checkedTags(tags, 'Object')
}

function decoded(text: string, header: string): string {
  // A header may only have ASCII characters here: others have to be encoded.
  // oxlint-disable-next-line no-control-regex
  if (!/^[\x20-\x7e]*$/.test(text)) throw badHeader(header)
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw badHeader(header)
  }
}

function badHeader(header: string): S3Error {
  return new S3Error('InvalidArgument', HEADER_TEXT, {
    details: { ArgumentName: 'x-amz-tagging', ArgumentValue: header },
  })
}

/** `<TagSet>`, as the tagging operations show it. */
export function tagSetXml(tags: readonly Tag[]): string {
  const inner = tags.map(({ key, value }) => `<Tag>${tag('Key', key)}${tag('Value', value)}</Tag>`)
  return `<TagSet>${inner.join('')}</TagSet>`
}

/** Throws BadRequest for too many, InvalidTag. */
function checkedTags(tags: Tag[], tagged: Tagged): Tag[] {
  if (tags.length > TAGS_MAX[tagged]) {
    throw new S3Error('BadRequest', `${tagged} tags cannot be greater than ${TAGS_MAX[tagged]}`)
  }
  const keys = new Set<string>()
  for (const { key, value } of tags) {
    checkTag(key, value, tagged)
    if (keys.has(key)) {
      throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key', {
        details: { TagKey: key },
      })
    }
    keys.add(key)
  }
  return tags
}

function checkTag(key: string, value: string, tagged: Tagged): void {
  if (key === '' || key.length > KEY_CHARACTERS_MAX || !ALLOWED.test(key)) {
    throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid', {
      details: { TagKey: key },
    })
  }
  if (value.length > VALUE_CHARACTERS_MAX || !ALLOWED.test(value)) {
    throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid', {
      details: { TagKey: key, TagValue: value },
    })
  }
  if (RESERVED.test(key)) {
    throw new S3Error('InvalidTag', RESERVED_TEXTS[tagged], { details: { TagKey: key } })
  }
}
