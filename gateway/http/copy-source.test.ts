import { expect, test } from 'vitest'
import { parseCopySource } from './copy-source.ts'

test.each([
  ['bucket/key', 'bucket', 'key', undefined],
  ['/bucket/a/b', 'bucket', 'a/b', undefined],
  // A form encodes a space as a plus sign, and a plus sign as %2B.
  ['bucket/a+b', 'bucket', 'a b', undefined],
  ['bucket/a%2Bb', 'bucket', 'a+b', undefined],
  ['bucket/a%20b%2520+', 'bucket', 'a b%20 ', undefined],
  ['bucket%2Fa%2Fb+c', 'bucket', 'a/b c', undefined],
  ['bucket/caf\u00c3\u00a9', 'bucket', 'café', undefined],
  ['bucket/a?b', 'bucket', 'a?b', undefined],
  ['bucket/a?versionId=v', 'bucket', 'a', 'v'],
  ['bucket/a%3FversionId=w?versionId=v', 'bucket', 'a?versionId=w', 'v'],
  ['bucket/a+b?versionId=v+w', 'bucket', 'a b', 'v+w'],
  ['bucket/a?versionId=', 'bucket', 'a', ''],
])('%s', (header, bucket, key, versionId) => {
  expect(parseCopySource(header)).toEqual({ bucket, key, versionId })
})

test.each(['', '/', 'bucket', 'bucket/', '//key', 'b b/key', 'b+b/key', 'bucket/%', 'bucket/%00'])(
  '%j names no object',
  (header) => {
    expect(() => parseCopySource(header)).toThrow(
      expect.objectContaining({ code: 'InvalidArgument' }),
    )
  },
)

test('access points are not implemented', () => {
  expect(() => parseCopySource('arn:aws:s3:us-east-1:1:accesspoint/a/object/b')).toThrow(
    expect.objectContaining({ code: 'NotImplemented' }),
  )
})
