import { describe, expect, test } from 'vitest'
import { OPERATIONS } from './operations.ts'
import { route } from './router.ts'
import { fakeRequest } from '../testing/requests.ts'

function nameOf(method: string, url: string, headers: Record<string, string> = {}): string {
  return route(fakeRequest({ method, url, headers }))?.name ?? 'none'
}

describe('route', () => {
  const cases: readonly [string, string, string][] = [
    ['GET', '/', 'ListBuckets'],
    ['GET', '/?x-id=ListBuckets', 'ListBuckets'],
    ['GET', '/b', 'ListObjects'],
    ['GET', '/b/', 'ListObjects'],
    ['GET', '/b?list-type=2&prefix=x', 'ListObjectsV2'],
    ['GET', '/b?list-type=1', 'ListObjects'],
    ['GET', '/b?uploads', 'ListMultipartUploads'],
    ['GET', '/b?location', 'GetBucketLocation'],
    ['POST', '/b?delete', 'DeleteObjects'],
    ['POST', '/b', 'PostObject'],
    ['PUT', '/b/k', 'PutObject'],
    ['PUT', '/b/k?x-id=PutObject', 'PutObject'],
    ['PUT', '/b/k?partNumber=1&uploadId=u', 'UploadPart'],
    ['POST', '/b/k?uploads', 'CreateMultipartUpload'],
    ['POST', '/b/k?uploadId=u', 'CompleteMultipartUpload'],
    ['DELETE', '/b/k?uploadId=u', 'AbortMultipartUpload'],
    ['GET', '/b/k?uploadId=u', 'ListParts'],
    ['GET', '/b/k?partNumber=2', 'GetObject'],
    ['GET', '/b/k?acl', 'GetObjectAcl'],
    ['GET', '/b?acl', 'GetBucketAcl'],
    ['GET', '/b?acl=', 'GetBucketAcl'],
    ['GET', '/b?versions&list-type=2', 'ListObjectVersions'],
    ['GET', '/b?list-type=2&location', 'GetBucketLocation'],
    ['GET', '/b?Versions', 'ListObjects'],
    ['GET', '/b?v=2&list-type=2&utm_source=x', 'ListObjectsV2'],
    ['GET', '/b/k?v=2', 'GetObject'],
    ['PUT', '/b/k?utm_source=x&x-anything=y', 'PutObject'],
    ['DELETE', '/b/k?v', 'DeleteObject'],
    ['PATCH', '/b/k', 'none'],
    ['POST', '/b/k', 'none'],
    ['PUT', '/', 'none'],
  ]
  for (const [method, url, name] of cases) {
    test(`${method} ${url} is ${name}`, () => expect(nameOf(method, url)).toBe(name))
  }

  test('a copy source selects a copy', () => {
    const source = { 'x-amz-copy-source': 'b/k' }
    expect(nameOf('PUT', '/b/k', source)).toBe('CopyObject')
    expect(nameOf('PUT', '/b/k?partNumber=1&uploadId=u', source)).toBe('UploadPartCopy')
  })

  test('each operation of the table has a request of its own', () => {
    const seen = new Map<string, string>()
    for (const operation of OPERATIONS) {
      const path = { service: '/', bucket: '/b', object: '/b/k' }[operation.level]
      const url = operation.marks.length === 0 ? path : `${path}?${operation.marks.join('&')}`
      const headers: Record<string, string> =
        operation.markHeader === undefined ? {} : { [operation.markHeader]: 'b/k' }
      expect(nameOf(operation.method, url, headers)).toBe(operation.name)
      const request = `${operation.method} ${url} ${operation.markHeader ?? ''}`
      expect(seen.get(request)).toBeUndefined()
      seen.set(request, operation.name)
    }
  })
})
