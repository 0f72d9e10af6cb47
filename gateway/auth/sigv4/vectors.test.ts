/** AWS's published examples for S3 ("Authenticating Requests", Signature Version 4). */

import { expect, test } from 'vitest'

import { decodeBody } from '../../body/decode.ts'
import { EXAMPLE_CREDENTIAL, fakeRequest } from '../../testing/requests.ts'
import type { FakeMessage } from '../../testing/requests.ts'
import { authenticate } from '../authenticate.ts'
import type { AuthResult } from '../auth.ts'

const HOST = 'examplebucket.s3.amazonaws.com'
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const NOW_MS = Date.UTC(2013, 4, 24)

function authorization(signedHeaders: string, signature: string): string {
  return `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signedHeaders},Signature=${signature}`
}

async function verify(fake: FakeMessage, region = 'us-east-1'): Promise<AuthResult> {
  return authenticate(fakeRequest(fake, ['s3.amazonaws.com']), {
    lookup: async () => EXAMPLE_CREDENTIAL,
    nowMs: NOW_MS,
    region,
  })
}

const GET_OBJECT: FakeMessage = {
  url: '/test.txt',
  headers: {
    Host: HOST,
    Authorization: authorization(
      'host;range;x-amz-content-sha256;x-amz-date',
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ),
    Range: 'bytes=0-9',
    'x-amz-content-sha256': EMPTY,
    'x-amz-date': '20130524T000000Z',
  },
}

const PUT_OBJECT: FakeMessage = {
  method: 'PUT',
  url: '/test$file.text',
  headers: {
    Host: HOST,
    Date: 'Fri, 24 May 2013 00:00:00 GMT',
    Authorization: authorization(
      'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    ),
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
  },
}

const LIFECYCLE: FakeMessage = {
  url: '/?lifecycle',
  headers: {
    Host: HOST,
    Authorization: authorization(
      'host;x-amz-content-sha256;x-amz-date',
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ),
    'x-amz-date': '20130524T000000Z',
    'x-amz-content-sha256': EMPTY,
  },
}

const LIST: FakeMessage = {
  url: '/?max-keys=2&prefix=J',
  headers: {
    Host: HOST,
    Authorization: authorization(
      'host;x-amz-content-sha256;x-amz-date',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ),
    'x-amz-date': '20130524T000000Z',
    'x-amz-content-sha256': EMPTY,
  },
}

const PRESIGNED: FakeMessage = {
  url: '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  headers: { Host: HOST },
}

test.each([
  ['GET Object', GET_OBJECT],
  ['PUT Object', PUT_OBJECT],
  ['GET Bucket Lifecycle', LIFECYCLE],
  ['GET Bucket (List Objects)', LIST],
  ['presigned GET', PRESIGNED],
])('%s', async (_name, fake) => {
  const auth = await verify(fake)
  expect(auth.credential?.accessKeyId).toBe('AKIAIOSFODNN7EXAMPLE')
})

const A = Buffer.alloc(65_536, 'a')

const CHUNKED: FakeMessage = {
  method: 'PUT',
  url: '/examplebucket/chunkObject.txt',
  headers: {
    Host: 's3.amazonaws.com',
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    Authorization: authorization(
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
      '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    ),
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'Content-Encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '66560',
    'Content-Length': '66824',
  },
  body: [
    Buffer.from(
      '10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n',
    ),
    A,
    Buffer.from(
      '\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n',
    ),
    A.subarray(0, 1024),
    Buffer.from(
      '\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n',
    ),
  ],
}

test('PUT with signed chunks: the signatures of the request and of every chunk', async () => {
  const request = fakeRequest(CHUNKED)
  const auth = await verify(CHUNKED)
  const bytes = await decodeBody(request, auth).gather()
  expect(bytes.length).toBe(66_560)
  expect(bytes.every((byte) => byte === 97)).toBe(true)
})

/** AWS's page "Signature calculations for trailing headers". Its upload has no storage class. */
const TRAILER: FakeMessage = {
  method: 'PUT',
  url: '/examplebucket/chunkObject.txt',
  headers: {
    Host: 's3.amazonaws.com',
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    Authorization: authorization(
      'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer',
      '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
    ),
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'Content-Encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '66560',
    'x-amz-trailer': 'x-amz-checksum-crc32c',
    'Transfer-Encoding': 'chunked',
  },
  body: [
    Buffer.from(
      '10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n',
    ),
    A,
    Buffer.from(
      '\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n',
    ),
    A.subarray(0, 1024),
    Buffer.from(
      '\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n',
    ),
    Buffer.from(
      'x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n',
    ),
  ],
}

test('PUT with signed chunks and trailer: the signatures of the request, the chunks and the trailer', async () => {
  const request = fakeRequest(TRAILER)
  const auth = await verify(TRAILER)
  const decoded = decodeBody(request, auth)
  const bytes = await decoded.gather()
  expect(bytes.length).toBe(66_560)
  expect([...decoded.trailers()]).toEqual([['x-amz-checksum-crc32c', 'sOO8/Q==']])
})
