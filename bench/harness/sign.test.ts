import { expect, it } from 'vitest'
import { objectPath, presignUrl, queryString, signHeaders } from './sign.ts'

/** The worked examples of AWS's own documentation of SigV4 for S3. */
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}
const endpoint = 'https://examplebucket.s3.amazonaws.com'
const now = new Date('2013-05-24T00:00:00Z')

it('signs headers as the GET example', () => {
  const headers = signHeaders(
    credentials,
    { method: 'GET', endpoint, path: '/test.txt', headers: { range: 'bytes=0-9' }, now },
    new Uint8Array(0),
  )
  expect(headers['authorization']).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, ' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  )
})

it('signs a query as the list example', () => {
  const query = { prefix: 'J', 'max-keys': '2' }
  const headers = signHeaders(
    credentials,
    { method: 'GET', endpoint, path: '/', query, now },
    new Uint8Array(0),
  )
  expect(headers['authorization']).toContain(
    'Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  )
})

it('presigns as the example', () => {
  const { query } = presignUrl(credentials, { method: 'GET', endpoint, path: '/test.txt', now })
  expect(query).toMatch(
    /&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404$/,
  )
})

it('escapes keys and queries as S3 does', () => {
  expect(objectPath('b', "a//b c+d=é!'()*~")).toBe('/b/a//b%20c%2Bd%3D%C3%A9%21%27%28%29%2A~')
  expect(objectPath()).toBe('/')
  expect(queryString({ 'b b': '/', a: '' })).toBe('a=&b%20b=%2F')
})
