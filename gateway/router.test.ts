import { describe, expect, test } from 'vitest'
import { OPERATIONS } from './operations.ts'
import { checkSupported, route } from './router.ts'
import { fakeRequest } from './testing/requests.ts'

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
    ['PATCH', '/b/k', 'none'],
    ['POST', '/b/k', 'none'],
    ['PUT', '/', 'none'],
  ]
  for (const [method, url, name] of cases) {
    test(`${method} ${url} is ${name}`, () => expect(nameOf(method, url)).toBe(name))
  }

  test('a copy source makes a copy', () => {
    const source = { 'x-amz-copy-source': 'b/k' }
    expect(nameOf('PUT', '/b/k', source)).toBe('CopyObject')
    expect(nameOf('PUT', '/b/k?partNumber=1&uploadId=u', source)).toBe('UploadPartCopy')
  })

  test('each operation of the table is reached, and no two by the same request', () => {
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

describe('checkSupported', () => {
  function check(method: string, url: string, headers: Record<string, string> = {}): void {
    const request = fakeRequest({ method, url, headers })
    const operation = route(request)
    expect(operation).toBeDefined()
    if (operation !== undefined) checkSupported(operation, request)
  }

  test('lets through what the operation understands', () => {
    check('GET', '/b/k?response-content-type=x&x-id=GetObject', { range: 'bytes=0-1' })
    check('PUT', '/b/k', { 'x-amz-meta-a': '1', 'x-amz-acl': 'private', 'if-none-match': '*' })
    check('GET', '/b/k', { 'x-amz-meta-a': '1', 'if-range': '"x"' })
    check('GET', '/b', { 'x-amz-request-payer': 'requester' })
  })

  test('refuses what it does not', () => {
    const refused: readonly [string, string, Record<string, string>][] = [
      ['GET', '/b/k?torrents', {}],
      ['GET', '/b?prefix=x&unknown', {}],
      ['PUT', '/b/k?versionId=x', {}],
      ['PUT', '/b/k?partNumber=1&uploadId=u', { 'x-amz-meta-a': '1' }],
      ['PUT', '/b/k', { 'x-amz-tagging': 'a=b' }],
      ['PUT', '/b/k', { 'if-modified-since': 'x' }],
      ['PUT', '/b/k?partNumber=1&uploadId=u', { 'if-match': 'x' }],
      ['GET', '/b', { 'x-amz-checksum-mode': 'ENABLED' }],
    ]
    for (const [method, url, headers] of refused) {
      expect(() => check(method, url, headers), url).toThrow(
        expect.objectContaining({ code: 'NotImplemented' }),
      )
    }
    expect(() => check('GET', '/b', { 'x-amz-request-payer': 'me' })).toThrow(
      expect.objectContaining({ code: 'InvalidArgument' }),
    )
  })
})
