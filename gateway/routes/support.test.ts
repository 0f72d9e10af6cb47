import { describe, expect, test } from 'vitest'
import { DOCUMENTED } from '../http/documented.ts'
import { S3Error } from '../http/errors.ts'
import { OPERATIONS } from './operations.ts'
import { route } from './router.ts'
import { checkSupported } from './support.ts'
import { fakeRequest } from '../testing/requests.ts'

/** The code of the error; '' when the request is accepted. */
function codeOf(method: string, url: string, headers: Record<string, string> = {}): string {
  const request = fakeRequest({ method, url, headers })
  const operation = route(request)
  if (operation === undefined) throw new Error(`no operation for ${method} ${url}`)
  try {
    checkSupported(operation, request)
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    return error.code
  }
  return ''
}

type Case = [method: string, url: string, headers?: Record<string, string>]

describe('accepted', () => {
  const accepted: readonly Case[] = [
    ['GET', '/b/k?response-content-type=x&x-id=GetObject', { range: 'bytes=0-1' }],
    ['PUT', '/b/k', { 'x-amz-meta-a': '1', 'x-amz-acl': 'private', 'if-none-match': '*' }],
    ['GET', '/b/k', { 'if-range': '"x"' }],
    ['GET', '/b', { 'x-amz-request-payer': 'requester' }],
    ['GET', '/b', { 'x-amz-optional-object-attributes': 'RestoreStatus, RestoreStatus' }],
    ['PUT', '/b', { 'x-amz-bucket-namespace': 'global' }],
    ['GET', '/b/k?versionId=null&partNumber=1'],
  ]
  test.each(accepted)('%s %s %o', (...each) => expect(codeOf(...each)).toBe(''))
})

describe('ignored, as in AWS', () => {
  const ignored: readonly Case[] = [
    // AWS SDK for Java v2 sends these with every GetObject.
    ['GET', '/b/k', { 'x-amz-te': 'append-md5', 'x-amz-checksum-crc32': 'AAAAAA==' }],
    ['GET', '/b/k?v=2'],
    ['GET', '/b/k?utm_source=x&utm_source=y&x-anything=z'],
    ['GET', '/b/k?torrents'],
    ['GET', '/b?list-type=2&metadata=true'],
    ['GET', '/b?prefix=x&unknown'],
    ['PUT', '/b/k?v=2&customer_id=7', { 'x-amz-cf-id': 'abc' }],
    ['DELETE', '/b/k?v=2', { 'x-amzn-trace-id': 'Root=1-67891233' }],
    ['PUT', '/b/k', { 'x-amz-checksum-type': 'FULL_OBJECT' }],
    ['GET', '/b', { 'x-amz-checksum-mode': 'ENABLED' }],
    ['GET', '/b/k', { 'x-amz-meta-a': '1' }],
    ['HEAD', '/b', { 'x-amz-meta-a': '1', 'x-amz-acl': 'public-read' }],
    ['PUT', '/b/k?partNumber=1&uploadId=u', { 'x-amz-object-lock-mode': 'GOVERNANCE' }],
    ['GET', '/b/k', { 'x-amz-bypass-governance-retention': 'true' }],
    ['GET', '/b?list-type=2', { 'if-none-match': '"x"', 'if-match': '"y"' }],
    ['GET', '/b/k', { 'x-amz-tagging': 'a=b', 'x-amz-storage-class': 'GLACIER' }],
    ['DELETE', '/b/k', { 'x-amz-tagging': 'a=b' }],
    ['PUT', '/b/k?partNumber=1&uploadId=u', { 'x-amz-storage-class': 'GLACIER' }],
    // In a request that is not presigned a query parameter is not a header.
    ['GET', '/b/k?X-Amz-Foo=1'],
    ['GET', '/b?list-type=2&key-marker=x&fetch-owner=true'],
    // In S3 only buckets have these.
    ['GET', '/b/k?metrics=1&session=2'],
  ]
  test.each(ignored)('%s %s %o', (...each) => expect(codeOf(...each)).toBe(''))
})

describe('refused, because AWS documents it and Shoal does not implement it', () => {
  const refused: readonly Case[] = [
    ['PUT', '/b/k', { 'x-amz-write-offset-bytes': '5' }],
    ['PUT', '/b/k', { 'x-amz-acl': 'aws-exec-read' }],
    ['DELETE', '/b/k', { 'x-amz-mfa': '1 2' }],
    ['PUT', '/b', { 'x-amz-bucket-namespace': 'account-regional' }],
    ['DELETE', '/b/k?uploadId=u', { 'x-amz-if-match-initiated-time': 'x' }],
    // A write must not happen in spite of a condition.
    ['PUT', '/b/k', { 'if-modified-since': 'x' }],
    ['PUT', '/b/k', { 'if-unmodified-since': 'x' }],
    ['PUT', '/b/k?partNumber=1&uploadId=u', { 'if-match': 'x' }],
    ['POST', '/b/k?uploads', { 'if-none-match': '*' }],
    ['DELETE', '/b/k', { 'if-none-match': '*' }],
    ['DELETE', '/b', { 'if-match': '*' }],
  ]
  test.each(refused)('%s %s %o', (...each) => expect(codeOf(...each)).toBe('NotImplemented'))
})

describe("refused with AWS's text", () => {
  const refused: readonly [code: string, ...Case][] = [
    ['InvalidArgument', 'GET', '/b', { 'x-amz-request-payer': 'me' }],
    ['InvalidArgument', 'PUT', '/b', { 'x-amz-bucket-object-lock-enabled': 'yes' }],
    ['InvalidArgument', 'DELETE', '/b/k', { 'x-amz-bypass-governance-retention': '1' }],
    ['InvalidArgument', 'PUT', '/b/k?versionId=x'],
    ['InvalidArgument', 'PUT', '/b/k?versionId'],
    ['InvalidArgument', 'GET', '/b?versionId=x'],
    ['InvalidArgument', 'POST', '/b/k?uploadId=u&versionId=x'],
    ['InvalidArgument', 'PUT', '/b/k?partNumber=1&uploadId=u', { 'x-amz-meta-a': '1' }],
    ['InvalidArgument', 'GET', '/b/k', { 'x-amz-server-side-encryption': 'AES256' }],
    ['InvalidArgument', 'HEAD', '/b/k', { 'x-amz-server-side-encryption-aws-kms-key-id': 'x' }],
    ['InvalidArgument', 'GET', '/b?list-type=2&marker=x'],
    ['InvalidArgument', 'GET', '/b?start-after=x'],
    ['InvalidArgument', 'GET', '/b?continuation-token=x'],
    ['InvalidArgument', 'GET', '/b?prefix=a&prefix=b'],
    ['InvalidStorageClass', 'PUT', '/b/k', { 'x-amz-storage-class': 'COLD' }],
  ]
  test.each(refused)('%s: %s %s %o', (code, ...each) => expect(codeOf(...each)).toBe(code))
})

describe('a sub-resource in the wrong place is never ignored', () => {
  const refused: readonly [code: string, ...Case][] = [
    ['MethodNotAllowed', 'DELETE', '/b/k?acl'],
    ['MethodNotAllowed', 'DELETE', '/b?versioning'],
    ['MethodNotAllowed', 'DELETE', '/b?object-lock='],
    ['MethodNotAllowed', 'DELETE', '/b/k?retention'],
    ['MethodNotAllowed', 'PUT', '/b/k?uploads'],
    ['MethodNotAllowed', 'PUT', '/b?location'],
    ['MethodNotAllowed', 'GET', '/b?delete'],
    ['MethodNotAllowed', 'HEAD', '/b/k?acl'],
    ['MethodNotAllowed', 'HEAD', '/b?versions'],
    ['InvalidRequest', 'PUT', '/b/k?uploadId=u'],
    ['InvalidRequest', 'PUT', '/b/k?partNumber=1'],
    ['InvalidArgument', 'GET', '/b?acl&versioning'],
    ['InvalidArgument', 'GET', '/b/k?tagging&partNumber=1'],
    ['InvalidArgument', 'DELETE', '/b/k?uploadId=u&tagging'],
    ['InvalidRequest', 'GET', '/b?uploadId=u'],
    ['InvalidRequest', 'DELETE', '/b?uploadId=u'],
    ['InvalidRequest', 'GET', '/b?torrent'],
    ['NotImplemented', 'GET', '/b/k?location'],
    ['NotImplemented', 'DELETE', '/b/k?policy'],
    ['NotImplemented', 'PUT', '/b/k?publicAccessBlock'],
  ]
  test.each(refused)('%s: %s %s', (code, ...each) => expect(codeOf(...each)).toBe(code))
})

describe('an empty header counts as not sent', () => {
  const accepted: readonly Case[] = [
    // Velero sends it with every backup.
    ['PUT', '/b/k', { 'x-amz-tagging': '' }],
    ['PUT', '/b/k', { 'x-amz-website-redirect-location': '', 'x-amz-acl': '' }],
    ['PUT', '/b/k', { 'x-amz-storage-class': '', 'x-amz-server-side-encryption': '' }],
    ['POST', '/b/k?uploads', { 'x-amz-object-lock-mode': '', 'x-amz-tagging': '' }],
    ['GET', '/b/k', { 'x-amz-checksum-mode': '', 'x-amz-request-payer': '' }],
  ]
  test.each(accepted)('%s %s %o', (...each) => expect(codeOf(...each)).toBe(''))
})

/** Operations of other endpoints, or with the same request as another operation. */
const ELSEWHERE = new Set([
  // Object Lambda's endpoint.
  'WriteGetObjectResponse',
  // S3 Express's control endpoint.
  'ListDirectoryBuckets',
  // The same requests as GetBucket…Configuration without an id.
  'ListBucketAnalyticsConfigurations',
  'ListBucketIntelligentTieringConfigurations',
  'ListBucketInventoryConfigurations',
  'ListBucketMetricsConfigurations',
  // The same request as GetObjectAnnotation without a name.
  'ListObjectAnnotations',
])

test('the table has every operation that AWS documents, with its request', () => {
  for (const [name, [line]] of Object.entries(DOCUMENTED)) {
    if (ELSEWHERE.has(name)) continue
    const operation = OPERATIONS.find((each) => each.name === name)
    expect(operation, `${name} is not in the table`).toBeDefined()
    const [method = '', place = ''] = line.split(' ')
    const [level, mark] = place.split('?')
    expect([operation?.method, operation?.level], name).toEqual([method, level])
    // `?select&select-type=2`
    if (mark !== undefined) expect(operation?.marks, name).toContain(mark.split('&')[0])
  }
})
