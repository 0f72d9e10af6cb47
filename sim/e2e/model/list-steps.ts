/** Draws listings of the keys below a prefix: objects, versions and open uploads. */

import { xmlTexts } from '../../../bench/harness/s3.ts'
import type { SmallRandom } from '../../../protocol/iam/testing/cases.ts'
import type { ModelBucket } from './objects-model.ts'
import { unlike, type ModelStep } from './step.ts'

/** ListObjects or ListObjectsV2, the first page. */
export function listStep(random: SmallRandom, bucket: ModelBucket, prefix: string): ModelStep {
  const isSecond = random.chance(0.7)
  const delimiter = random.chance(0.5) ? '/' : undefined
  const maxKeys = random.pick([1000, 1, 2, 0] as const)
  const after = random.chance(0.2) ? `${prefix}b` : undefined
  const query: Record<string, string> = {
    prefix,
    'max-keys': String(maxKeys),
    'encoding-type': 'url',
  }
  if (isSecond) query['list-type'] = '2'
  if (delimiter !== undefined) query['delimiter'] = delimiter
  if (after !== undefined) query[isSecond ? 'start-after' : 'marker'] = after
  const live = bucket.keys().filter((key) => bucket.current(key) !== undefined)
  const entries = entriesOf(live, prefix, delimiter).filter((entry) => isAfter(entry, after))
  const page = entries.slice(0, maxKeys)
  return {
    name: isSecond ? 'ListObjectsV2' : 'ListObjects',
    request: { method: 'GET', bucket: bucket.name, query },
    status: 200,
    check: (reply) => {
      const xml = reply.body.toString('utf8')
      const wanted = {
        keys: page.filter((entry) => !isCommon(entry, delimiter, prefix)),
        prefixes: page.filter((entry) => isCommon(entry, delimiter, prefix)),
        truncated: maxKeys > 0 && entries.length > page.length ? 'true' : 'false',
      }
      const contents = xml.split('<Contents>').slice(1)
      const found = {
        keys: contents.map((entry) => decoded(xmlTexts(entry, 'Key')[0])),
        prefixes: xmlTexts(xml.split('<CommonPrefixes>').slice(1).join(''), 'Prefix').map(decoded),
        truncated: xmlTexts(xml, 'IsTruncated')[0],
      }
      const tags = contents.map((entry) => xmlTexts(entry, 'ETag')[0])
      const sizes = contents.map((entry) => Number(xmlTexts(entry, 'Size')[0]))
      const versions = wanted.keys.map((key) => bucket.current(key))
      return (
        unlike(found, wanted, 'page') ??
        unlike(
          tags,
          versions.map((version) => `"${version?.etag}"`),
          'ETags',
        ) ??
        unlike(
          sizes,
          versions.map((version) => version?.body.length),
          'sizes',
        )
      )
    },
  }
}

/** ListObjectVersions, the first page. */
export function listVersionsStep(
  random: SmallRandom,
  bucket: ModelBucket,
  prefix: string,
): ModelStep {
  const maxKeys = random.pick([1000, 3] as const)
  const query = { versions: '', prefix, 'max-keys': String(maxKeys), 'encoding-type': 'url' }
  const all = bucket
    .keys()
    .filter((key) => key.startsWith(prefix))
    .flatMap((key) =>
      bucket.versions(key).map(({ id, isMarker, etag }, place) => ({
        key,
        id,
        latest: String(place === 0),
        kind: isMarker ? 'DeleteMarker' : 'Version',
        etag: isMarker ? undefined : `"${etag}"`,
      })),
    )
  return {
    name: 'ListObjectVersions',
    request: { method: 'GET', bucket: bucket.name, query },
    status: 200,
    check: (reply) => {
      const xml = reply.body.toString('utf8')
      const elements = [...xml.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)]
      const found = elements.map(([, kind, entry = '']) => ({
        key: decoded(xmlTexts(entry, 'Key')[0]),
        id: xmlTexts(entry, 'VersionId')[0],
        latest: xmlTexts(entry, 'IsLatest')[0],
        kind,
        etag: xmlTexts(entry, 'ETag')[0],
      }))
      const truncated = all.length > maxKeys ? 'true' : 'false'
      return (
        unlike(found, all.slice(0, maxKeys), 'versions') ??
        unlike(xmlTexts(xml, 'IsTruncated')[0], truncated, 'IsTruncated')
      )
    },
  }
}

/** ListMultipartUploads: the open uploads of each key, oldest first. */
export function listUploadsStep(bucket: ModelBucket, prefix: string): ModelStep {
  const open = [...bucket.uploads].filter(([, { key }]) => key.startsWith(prefix))
  return {
    name: 'ListMultipartUploads',
    request: { method: 'GET', bucket: bucket.name, query: { uploads: '', prefix } },
    status: 200,
    check: (reply) => {
      const found = xmlTexts(reply.body.toString('utf8'), 'UploadId').sort()
      return unlike(found, open.map(([id]) => id).sort(), 'uploads')
    },
  }
}

/** Keys and common prefixes below the prefix, in the order of their bytes. */
function entriesOf(
  keys: readonly string[],
  prefix: string,
  delimiter: string | undefined,
): string[] {
  const entries = new Set<string>()
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue
    const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length)
    entries.add(end < 0 ? key : key.slice(0, end + 1))
  }
  return [...entries]
}

function isCommon(entry: string, delimiter: string | undefined, prefix: string): boolean {
  return delimiter !== undefined && entry.length > prefix.length && entry.endsWith(delimiter)
}

function isAfter(entry: string, after: string | undefined): boolean {
  return after === undefined || Buffer.compare(Buffer.from(entry), Buffer.from(after)) > 0
}

function decoded(text = ''): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}
