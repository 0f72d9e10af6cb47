/** Requests signed by AWS's own SDK are accepted. They are intercepted before the SDK sends them. */

import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

import {
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { expect, test } from 'vitest'

import type { FinishedBody } from '../../port/body.ts'
import { openBody, readBody, storedContentEncoding } from '../../body/body.ts'
import { parseRequest, userMetadata } from '../../http/request.ts'
import type { S3Request } from '../../http/request.ts'
import { EXAMPLE_CREDENTIAL, fakeRequest } from '../../testing/requests.ts'
import { authenticate } from '../authenticate.ts'
import type { AuthResult } from '../auth.ts'

const KEY = "a folder/ü €+&=(1)!*'~%2F//../x"
const LARGE = Buffer.alloc(200_000, 'abc')

interface Caught {
  readonly request: S3Request
  readonly auth: AuthResult
}

interface SdkRequest {
  readonly method: string
  readonly path: string
  readonly query: Record<string, string | string[] | null>
  readonly headers: Record<string, string>
  readonly body?: unknown
}

function messageOf(sdk: SdkRequest): IncomingMessage {
  const query = Object.entries(sdk.query).map(([name, value]) =>
    value === null
      ? encodeURIComponent(name)
      : `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  )
  const body =
    sdk.body instanceof Readable
      ? sdk.body
      : Readable.from(sdk.body === undefined ? [] : [Buffer.from(sdk.body as string)])
  return Object.assign(body, {
    method: sdk.method,
    url: query.length === 0 ? sdk.path : `${sdk.path}?${query.join('&')}`,
    rawHeaders: Object.entries(sdk.headers).flat(),
    socket: { remoteAddress: '192.0.2.1' },
  }) as unknown as IncomingMessage
}

async function accept(request: S3Request): Promise<Caught> {
  const auth = await authenticate(request, {
    lookup: async () => EXAMPLE_CREDENTIAL,
    nowMs: Date.now(),
    region: 'us-east-1',
  })
  return { request, auth }
}

type Checksums = 'WHEN_SUPPORTED' | 'WHEN_REQUIRED'

function clientOf(
  onRequest: (sdk: SdkRequest) => Promise<void>,
  checksums: Checksums,
  pathStyle = true,
): S3Client {
  return new S3Client({
    region: 'us-east-1',
    endpoint: 'https://s3.example.org:9000',
    forcePathStyle: pathStyle,
    requestChecksumCalculation: checksums,
    maxAttempts: 1,
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
    credentials: {
      accessKeyId: EXAMPLE_CREDENTIAL.accessKeyId,
      secretAccessKey: EXAMPLE_CREDENTIAL.secretAccessKey,
    },
    requestHandler: {
      handle: async (sdk: unknown) => {
        await onRequest(sdk as SdkRequest)
        throw new Error('caught')
      },
    },
  })
}

/** `use` runs while the body of the SDK's request can still be read. */
async function caught(
  send: (client: S3Client) => Promise<unknown>,
  use: (caught: Caught) => Promise<void>,
  checksums: Checksums = 'WHEN_SUPPORTED',
): Promise<void> {
  let failure: unknown = new Error('nothing was sent')
  for (const pathStyle of [true, false]) {
    const client = clientOf(
      async (sdk) => {
        try {
          const request = parseRequest(messageOf(sdk), { hostSuffixes: ['s3.example.org'] })
          expect(request.bucket).toBe('bucket')
          await use(await accept(request))
          failure = undefined
        } catch (error) {
          failure = error
        }
      },
      checksums,
      pathStyle,
    )
    await expect(send(client)).rejects.toThrow()
    if (failure !== undefined) throw failure
  }
}

async function readAll({
  request,
  auth,
}: Caught): Promise<{ bytes: Buffer; finished: FinishedBody }> {
  const body = await openBody(request, auth)
  if ('bytes' in body) return { bytes: Buffer.from(body.bytes), finished: body.finish() }
  const chunks: Buffer[] = []
  for await (const chunk of body.chunks) chunks.push(Buffer.from(chunk))
  return { bytes: Buffer.concat(chunks), finished: body.finish() }
}

test('GetObject, ListObjectsV2 and CreateMultipartUpload, with strange keys', async () => {
  await caught(
    (client) =>
      client.send(new GetObjectCommand({ Bucket: 'bucket', Key: KEY, Range: 'bytes=0-1' })),
    async ({ request }) => expect(request.key).toBe(KEY),
  )
  await caught(
    (client) =>
      client.send(
        new ListObjectsV2Command({
          Bucket: 'bucket',
          Prefix: KEY,
          Delimiter: '/',
          StartAfter: 'a b+c',
        }),
      ),
    async ({ request }) => {
      expect(request.query.get('prefix')).toBe(KEY)
      expect(request.query.get('start-after')).toBe('a b+c')
    },
  )
  await caught(
    (client) =>
      client.send(
        new CreateMultipartUploadCommand({
          Bucket: 'bucket',
          Key: KEY,
          Metadata: { a: 'b  c', d: '' },
        }),
      ),
    async ({ request }) => expect({ ...userMetadata(request) }).toEqual({ a: 'b  c', d: '' }),
  )
})

test.each(['WHEN_SUPPORTED', 'WHEN_REQUIRED'] as const)(
  'PutObject with bytes, checksums %s',
  async (when) => {
    for (const bytes of [Buffer.from('hello'), LARGE, Buffer.alloc(0)]) {
      await caught(
        (client) => client.send(new PutObjectCommand({ Bucket: 'bucket', Key: KEY, Body: bytes })),
        async (one) => {
          const { bytes: got, finished } = await readAll(one)
          expect(got.equals(bytes)).toBe(true)
          expect(finished.etag).toBe(createHash('md5').update(bytes).digest('hex'))
          expect(Object.keys(finished.checksums)).toEqual([
            when === 'WHEN_SUPPORTED' ? 'CRC32' : 'CRC64NVME',
          ])
        },
        when,
      )
    }
  },
)

test.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)(
  'streamed PutObject and UploadPart with %s in the trailer',
  async (algorithm) => {
    const stream = () => Readable.from([LARGE.subarray(0, 70_000), LARGE.subarray(70_000)])
    const body = {
      Bucket: 'bucket',
      Key: KEY,
      ContentLength: LARGE.length,
      ChecksumAlgorithm: algorithm,
    }
    for (const command of [
      () => new PutObjectCommand({ ...body, Body: stream(), ContentEncoding: 'gzip' }),
      () => new UploadPartCommand({ ...body, Body: stream(), UploadId: 'u', PartNumber: 1 }),
    ]) {
      await caught(
        (client) => client.send(command() as PutObjectCommand),
        async (one) => {
          expect(one.auth.payload).toEqual({ type: 'chunked', signed: false, trailer: true })
          const { bytes, finished } = await readAll(one)
          expect(bytes.equals(LARGE)).toBe(true)
          expect(Object.keys(finished.checksums)).toEqual([algorithm])
          expect(storedContentEncoding(one.request)).toBe(
            command() instanceof PutObjectCommand ? 'gzip' : undefined,
          )
        },
      )
    }
  },
)

test('the SDK sends a digest with DeleteObjects, and it is verified', async () => {
  await caught(
    (client) =>
      client.send(
        new DeleteObjectsCommand({ Bucket: 'bucket', Delete: { Objects: [{ Key: KEY }] } }),
      ),
    async ({ request, auth }) => {
      const { hasDigest } = await readBody(request, auth, { maxBytes: 10_000 })
      expect(hasDigest).toBe(true)
    },
  )
})

test.each(['WHEN_SUPPORTED', 'WHEN_REQUIRED'] as const)('presigned, checksums %s', async (when) => {
  const client = clientOf(async () => {}, when)
  const requestOf = (url: string, method: string, body?: Uint8Array): S3Request => {
    // Does not use URL, which would resolve the dots of the key.
    const [, host = '', target = ''] = /^https:\/\/([^/]+)(.*)$/.exec(url) ?? []
    return fakeRequest({
      method,
      url: target,
      headers: { host, ...(body === undefined ? {} : { 'content-length': String(body.length) }) },
      body: body === undefined ? [] : [body],
    })
  }
  const get = await getSignedUrl(client, new GetObjectCommand({ Bucket: 'bucket', Key: KEY }), {
    expiresIn: 60,
  })
  const got = await accept(requestOf(get, 'GET'))
  expect(got.request.key).toBe(KEY)
  expect(got.auth.method).toBe('query')
  await expect(accept(requestOf(get, 'PUT'))).rejects.toMatchObject({
    code: 'SignatureDoesNotMatch',
  })
  const put = await getSignedUrl(
    client,
    new PutObjectCommand({
      Bucket: 'bucket',
      Key: KEY,
      Metadata: { a: 'b' },
      StorageClass: 'STANDARD_IA',
    }),
    { expiresIn: 60 },
  )
  const stored = await accept(requestOf(put, 'PUT', Buffer.from('hello')))
  expect({ ...userMetadata(stored.request) }).toEqual({ a: 'b' })
  expect(stored.request.headers['x-amz-storage-class']).toBe('STANDARD_IA')
  const { bytes, finished } = await readAll(stored)
  expect(bytes.toString()).toBe('hello')
  // The checksum of an empty body in the URL is not a declaration.
  expect(finished.checksums).toEqual({ CRC64NVME: 'M3eFcAZSQlc=' })
})

test('any other checksum in a presigned URL must match', async () => {
  const client = clientOf(async () => {}, 'WHEN_REQUIRED')
  const command = new PutObjectCommand({
    Bucket: 'bucket',
    Key: 'key',
    ChecksumCRC32: Buffer.from('3610a686', 'hex').toString('base64'),
  })
  const url = await getSignedUrl(client, command, { expiresIn: 60 })
  const [, host = '', target = ''] = /^https:\/\/([^/]+)(.*)$/.exec(url) ?? []
  for (const [text, right] of [
    ['hello', true],
    ['hullo', false],
  ] as const) {
    const one = await accept(
      fakeRequest({
        method: 'PUT',
        url: target,
        headers: { host, 'content-length': '5' },
        body: [Buffer.from(text)],
      }),
    )
    if (right) expect(Object.keys((await readAll(one)).finished.checksums)).toEqual(['CRC32'])
    else await expect(readAll(one)).rejects.toMatchObject({ code: 'BadDigest' })
  }
})
