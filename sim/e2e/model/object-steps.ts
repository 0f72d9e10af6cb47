/** Draws requests about single objects: writing, reading, copying, deleting. */

import { xmlTexts, type BenchRequest } from '../../../bench/harness/s3.ts'
import type { SmallRandom } from '../../../protocol/iam/testing/cases.ts'
import { describing, drawBody, drawDescribed, pickAny } from './draws.ts'
import {
  md5,
  UNDESCRIBED,
  type Described,
  type ModelBucket,
  type ModelVersion,
} from './objects-model.ts'
import { shownHeaders, unlike, type ModelStep } from './step.ts'

/** A well-formed ETag, and a version id, that nothing has. */
const NO_ETAG = '00000000000000000000000000000000'

interface Target {
  readonly bucket: ModelBucket
  readonly key: string
}

const at = ({ bucket, key }: Target): Pick<BenchRequest, 'bucket' | 'key'> => ({
  bucket: bucket.name,
  key,
})

/** The id in the answer to a write: none without versioning. */
function writtenId(bucket: ModelBucket): Record<string, string | undefined> {
  if (bucket.versioning === 'Enabled') return {}
  return { 'x-amz-version-id': bucket.versioning === 'Suspended' ? 'null' : undefined }
}

/** The version that a successful write made. */
export function applyWrite(
  { bucket, key }: Target,
  content: { body: Buffer; etag: string; described: Described },
  id: string | string[] | undefined,
): void {
  const { described, body, etag } = content
  bucket.put(key, { ...described, id: String(id ?? 'null'), isMarker: false, body, etag })
}

/** PutObject, often with a condition. */
export function putStep(random: SmallRandom, target: Target): ModelStep {
  const { bucket, key } = target
  const current = bucket.current(key)
  const body = drawBody(random)
  const described = drawDescribed(random)
  const { condition, ...ending } = drawCondition(random, current)
  const headers = { ...describing(described), ...condition }
  const etag = md5(body)
  const put = { ...at(target), method: 'PUT' as const, body }
  // Only where nothing else is wrong: which of two errors comes first is not documented.
  if (ending.status === 200 && random.chance(0.03)) {
    const wrong = { ...headers, 'content-md5': Buffer.from(NO_ETAG, 'hex').toString('base64') }
    const request = { ...put, headers: wrong }
    return { name: 'PutObject', request, status: 400, code: 'BadDigest' }
  }
  const step = { name: 'PutObject', request: { ...put, headers }, ...ending }
  if (ending.status !== 200) return step
  return {
    ...step,
    headers: { etag: `"${etag}"`, ...writtenId(bucket) },
    apply: (reply) =>
      applyWrite(target, { body, etag, described }, reply.headers['x-amz-version-id']),
  }
}

interface DrawnCondition {
  readonly condition: Record<string, string>
  readonly status: number
  readonly code?: string
}

/** A condition of a write on a key with this current version, and how it ends. */
function drawCondition(random: SmallRandom, current: ModelVersion | undefined): DrawnCondition {
  const failed = { status: 412, code: 'PreconditionFailed' }
  switch (random.below(8)) {
    case 0:
      return { condition: { 'if-none-match': '*' }, ...(current ? failed : { status: 200 }) }
    case 1:
      if (current === undefined) {
        const missing = { status: 404, code: 'NoSuchKey' }
        return { condition: { 'if-match': `"${NO_ETAG}"` }, ...missing }
      }
      return { condition: { 'if-match': `"${current.etag}"` }, status: 200 }
    case 2:
      if (current === undefined) return { condition: {}, status: 200 }
      return { condition: { 'if-match': `"${NO_ETAG}"` }, ...failed }
    default:
      return { condition: {}, status: 200 }
  }
}

/** GetObject or HeadObject of the current version or a named one, with a range or a condition. */
export function readStep(random: SmallRandom, target: Target): ModelStep {
  const { bucket, key } = target
  const method = random.pick(['GET', 'GET', 'HEAD'] as const)
  const name = method === 'GET' ? 'GetObject' : 'HeadObject'
  const hasVersions = bucket.versioning !== 'never'
  const named = random.chance(0.35) ? pickAny(random, bucket.versions(key)) : undefined
  const request: BenchRequest = { ...at(target), method }
  if (named !== undefined) {
    const query = { versionId: named.id }
    if (named.isMarker) {
      const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': named.id }
      const refused = { status: 405, code: 'MethodNotAllowed', headers }
      return { name, request: { ...request, query }, ...refused }
    }
    return foundStep(random, { ...request, query }, named, hasVersions)
  }
  const current = bucket.current(key)
  if (current !== undefined) return foundStep(random, request, current, hasVersions)
  const [newest] = bucket.versions(key)
  const headers = {
    'x-amz-delete-marker': newest === undefined ? undefined : 'true',
    'x-amz-version-id': newest?.id,
  }
  return { name, request, status: 404, code: 'NoSuchKey', headers }
}

/** Reads a version that exists. */
function foundStep(
  random: SmallRandom,
  plain: BenchRequest,
  version: ModelVersion,
  hasVersions: boolean,
): ModelStep {
  const name = plain.method === 'GET' ? 'GetObject' : 'HeadObject'
  const { body, etag } = version
  const shown = shownHeaders(version, hasVersions)
  const asking = (headers: Record<string, string>): Pick<ModelStep, 'name' | 'request'> => ({
    name,
    request: { ...plain, headers },
  })
  const sent = (bytes: Buffer): Buffer | undefined => (plain.method === 'GET' ? bytes : undefined)
  switch (random.below(8)) {
    case 0:
      return { ...asking({ 'if-none-match': `"${etag}"` }), status: 304 }
    case 1:
      return { ...asking({ 'if-match': `"${NO_ETAG}"` }), status: 412, code: 'PreconditionFailed' }
    case 2:
    case 3: {
      const from = random.below(body.length + 2)
      const last = from + random.below(body.length + 2)
      const range = asking({ range: `bytes=${from}-${last}` })
      if (from >= body.length) return { ...range, status: 416, code: 'InvalidRange' }
      const bytes = body.subarray(from, last + 1)
      const end = from + bytes.length - 1
      const headers = {
        ...shown,
        'content-range': `bytes ${from}-${end}/${body.length}`,
        'content-length': String(bytes.length),
      }
      return { ...range, status: 206, headers, body: sent(bytes) }
    }
    default: {
      const headers = { ...shown, 'content-length': String(body.length) }
      return { ...asking({}), status: 200, headers, body: sent(body) }
    }
  }
}

/** DeleteObject of the current version or a named one. */
export function deleteStep(random: SmallRandom, target: Target): ModelStep {
  const { bucket, key } = target
  const name = 'DeleteObject'
  const request: BenchRequest = { ...at(target), method: 'DELETE' }
  const named = random.chance(0.4) ? pickAny(random, bucket.versions(key)) : undefined
  if (named !== undefined) {
    return {
      name,
      request: { ...request, query: { versionId: named.id } },
      status: 204,
      headers: {
        // Not documented without versioning.
        ...(bucket.versioning === 'never' ? {} : { 'x-amz-version-id': named.id }),
        'x-amz-delete-marker': named.isMarker ? 'true' : undefined,
      },
      apply: () => bucket.removeVersion(key, named.id),
    }
  }
  const makesMarker = bucket.versioning !== 'never'
  return {
    name,
    request,
    status: 204,
    headers: { 'x-amz-delete-marker': makesMarker ? 'true' : undefined, ...writtenId(bucket) },
    apply: (reply) => bucket.remove(key, String(reply.headers['x-amz-version-id'] ?? 'null')),
  }
}

/** CopyObject from a version that exists, or from a key that does not. */
export function copyStep(random: SmallRandom, target: Target, sourceKey: string): ModelStep {
  const { bucket, key } = target
  const name = 'CopyObject'
  const named = random.chance(0.3) ? pickAny(random, bucket.versions(sourceKey)) : undefined
  const source = named ?? bucket.current(sourceKey)
  const path = `/${bucket.name}/${sourceKey.split('/').map(encodeURIComponent).join('/')}`
  const isOntoItself = key === sourceKey && named === undefined
  // Not documented: a missing object onto itself, and one that would only leave another storage class.
  const isUnclear = isOntoItself && source?.storageClass !== UNDESCRIBED.storageClass
  const replaces = random.chance(0.4) || isUnclear
  const described = drawDescribed(random)
  const headers: Record<string, string> = {
    'x-amz-copy-source': named === undefined ? path : `${path}?versionId=${named.id}`,
    ...(replaces ? { ...describing(described), 'x-amz-metadata-directive': 'REPLACE' } : {}),
  }
  const request: BenchRequest = { ...at(target), method: 'PUT', headers }
  if (named?.isMarker === true) return { name, request, status: 400, code: 'InvalidRequest' }
  if (source === undefined) return { name, request, status: 404, code: 'NoSuchKey' }
  // Onto itself, without a change, there is nothing to copy.
  if (isOntoItself && !replaces) {
    return { name, request, status: 400, code: 'InvalidRequest' }
  }
  if (random.chance(0.1)) {
    const conditional = { ...headers, 'x-amz-copy-source-if-match': `"${NO_ETAG}"` }
    const failed = { status: 412, code: 'PreconditionFailed' }
    return { name, request: { ...request, headers: conditional }, ...failed }
  }
  const etag = md5(source.body)
  // The storage class is not copied: the request names it.
  const copied = replaces ? described : { ...source, storageClass: UNDESCRIBED.storageClass }
  return {
    name,
    request,
    status: 200,
    headers: {
      ...writtenId(bucket),
      'x-amz-copy-source-version-id': bucket.versioning === 'never' ? undefined : source.id,
    },
    check: (reply) => unlike(xmlTexts(reply.body.toString('utf8'), 'ETag'), [`"${etag}"`], 'ETag'),
    apply: (reply) => {
      const content = { body: source.body, etag, described: copied }
      applyWrite(target, content, reply.headers['x-amz-version-id'])
    },
  }
}

/** DeleteObjects of a current version, a named version and a key that does not exist. */
export function deleteManyStep(
  random: SmallRandom,
  { bucket, key }: Target,
  missing: string,
): ModelStep {
  const named = pickAny(random, bucket.versions(key))
  const byVersion = named === undefined ? '' : `<VersionId>${named.id}</VersionId>`
  const object = (name: string, more = ''): string => `<Object><Key>${name}</Key>${more}</Object>`
  const body = Buffer.from(`<Delete>${object(key, byVersion)}${object(missing)}</Delete>`)
  const md5Base64 = Buffer.from(md5(body), 'hex').toString('base64')
  return {
    name: 'DeleteObjects',
    request: {
      bucket: bucket.name,
      method: 'POST',
      query: { delete: '' },
      headers: { 'content-md5': md5Base64 },
      body,
    },
    status: 200,
    check: (reply) => {
      const xml = reply.body.toString('utf8')
      if (xml.includes('<Error>')) return `an error in the answer: ${xml}`
      return unlike(xmlTexts(xml, 'Key'), [key, missing], 'keys that were deleted')
    },
    apply: (reply) => {
      const xml = reply.body.toString('utf8')
      const entries = xml.split('<Deleted>').slice(1)
      const markerOf = (entry = ''): string => xmlTexts(entry, 'DeleteMarkerVersionId')[0] ?? 'null'
      if (named === undefined) bucket.remove(key, markerOf(entries[0]))
      else bucket.removeVersion(key, named.id)
      bucket.remove(missing, markerOf(entries[1]))
    },
  }
}
