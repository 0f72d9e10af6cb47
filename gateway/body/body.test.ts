/** F23 and F24: a body is what was announced, or an error and nothing visible. */

import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { crc32 } from 'node:zlib'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { ChecksumAlgorithm, ObjectBody, SealedBody, SmallBody } from '../port/body.ts'
import { openBody, readBody, storedContentEncoding } from './body.ts'
import type { OpenBodyOptions } from './body.ts'
import { createChecksum } from './checksum.ts'
import { decodeBody, type DecodedBody } from './decode.ts'
import type { S3Request } from '../http/request.ts'
import { authenticate } from '../auth/authenticate.ts'
import { cut, encodeChunks } from '../testing/chunks.ts'
import { EXAMPLE_CREDENTIAL, fakeRequest } from '../testing/requests.ts'
import { sha256, signHeader, TEST_NOW_MS } from '../testing/signer.ts'

const md5 = (bytes: Uint8Array, form: 'hex' | 'base64' = 'hex') =>
  createHash('md5').update(bytes).digest(form)
const crc32Base64 = (bytes: Uint8Array) => {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(crc32(bytes))
  return out.toString('base64')
}

interface Put {
  readonly headers?: Record<string, string>
  readonly pieces: readonly Uint8Array[]
  readonly options?: OpenBodyOptions
  readonly edit?: (request: S3Request) => S3Request
}

async function authorized(put: Put): Promise<{
  request: S3Request
  auth: Awaited<ReturnType<typeof authenticate>>
}> {
  const sizeBytes = put.pieces.reduce((sum, piece) => sum + piece.length, 0)
  const { message } = signHeader({
    method: 'PUT',
    path: '/b/k',
    headers: { 'content-length': String(sizeBytes), ...put.headers },
    body: put.pieces,
  })
  const parsed = fakeRequest(message)
  const auth = await authenticate(parsed, {
    lookup: async () => EXAMPLE_CREDENTIAL,
    nowMs: TEST_NOW_MS,
    region: 'us-east-1',
  })
  return { request: put.edit?.(parsed) ?? parsed, auth }
}

async function open(put: Put): Promise<ObjectBody | SmallBody> {
  const { request, auth } = await authorized(put)
  return openBody(request, auth, put.options)
}

async function read(put: Put): Promise<{ bytes: Buffer; sealed: SealedBody }> {
  const body = await open(put)
  if ('bytes' in body) return { bytes: Buffer.from(body.bytes), sealed: body.seal() }
  const chunks: Buffer[] = []
  for await (const chunk of body.chunks) chunks.push(Buffer.from(chunk))
  return { bytes: Buffer.concat(chunks), sealed: body.seal() }
}

const refused = (put: Put, code: string): Promise<void> =>
  expect(read(put)).rejects.toMatchObject({ name: 'S3Error', code })

const SMALL = Buffer.from('hello, world')
const LARGE = Buffer.alloc(300_000).map((_, i) => i * 31)
const SIZES = [
  ['small', SMALL],
  ['large', LARGE],
  ['empty', Buffer.alloc(0)],
  ['64 KiB', LARGE.subarray(0, 65_536)],
  ['64 KiB and one', LARGE.subarray(0, 65_537)],
] as const

describe.each(SIZES)('%s', (name, bytes) => {
  const pieces = cut(bytes, [0.1, 0.5, 0.9])

  test('unsigned payload', async () => {
    const { bytes: got, sealed } = await read({ pieces })
    expect(got.equals(bytes)).toBe(true)
    const hasher = createChecksum('CRC64NVME')
    hasher.update(bytes)
    const CRC64NVME = Buffer.from(hasher.digest()).toString('base64')
    expect(sealed).toEqual({
      etag: md5(bytes),
      checksums: { CRC64NVME },
      checksumType: 'FULL_OBJECT',
    })
  })

  test('is whole in memory up to 64 KiB', async () => {
    expect('bytes' in (await open({ pieces }))).toBe(bytes.length <= 65_536)
  })

  test('signed payload', async () => {
    const headers = { 'x-amz-content-sha256': sha256(bytes) }
    expect((await read({ pieces, headers })).sealed.etag).toBe(md5(bytes))
    const other = { 'x-amz-content-sha256': sha256('other') }
    await refused({ pieces, headers: other }, 'XAmzContentSHA256Mismatch')
  })

  test('Content-MD5', async () => {
    await read({ pieces, headers: { 'content-md5': md5(bytes, 'base64') } })
    await refused(
      { pieces, headers: { 'content-md5': md5(Buffer.from('x'), 'base64') } },
      'BadDigest',
    )
    await refused({ pieces, headers: { 'content-md5': 'x' } }, 'InvalidDigest')
  })

  test('a checksum in the header', async () => {
    const checksum = crc32Base64(bytes)
    const { sealed } = await read({
      pieces,
      headers: { 'x-amz-checksum-crc32': checksum },
    })
    expect(sealed).toEqual({
      etag: md5(bytes),
      checksums: { CRC32: checksum },
      checksumType: 'FULL_OBJECT',
    })
    const wrong = crc32Base64(Buffer.from('wrong'))
    await refused({ pieces, headers: { 'x-amz-checksum-crc32': wrong } }, 'BadDigest')
  })

  test('SHA-256 both signed and declared', async () => {
    const digest = createHash('sha256').update(bytes).digest('base64')
    const headers = {
      'x-amz-content-sha256': sha256(bytes),
      'x-amz-checksum-sha256': digest,
    }
    expect((await read({ pieces, headers })).sealed.checksums).toEqual({
      SHA256: digest,
    })
    const wrong = createHash('sha256').update('wrong').digest('base64')
    await refused({ pieces, headers: { ...headers, 'x-amz-checksum-sha256': wrong } }, 'BadDigest')
  })

  const chunked = (trailer: string | undefined, checksum = crc32Base64(bytes)): Put => ({
    headers: {
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-decoded-content-length': String(bytes.length),
      'content-encoding': 'aws-chunked',
      ...(trailer === undefined ? {} : { 'x-amz-trailer': trailer }),
    },
    pieces: cut(
      encodeChunks([bytes], {
        trailers: trailer === undefined ? [] : [['x-amz-checksum-crc32', checksum]],
      }),
      [0.01, 0.3, 0.99],
    ),
  })

  test('what SDKs send: unsigned chunks, CRC32 in the trailer', async () => {
    const { bytes: got, sealed } = await read(chunked('x-amz-checksum-crc32'))
    expect(got.equals(bytes)).toBe(true)
    expect(sealed.checksums).toEqual({ CRC32: crc32Base64(bytes) })
    await read(chunked(undefined))
  })

  test('a wrong or missing trailer', async () => {
    await refused(chunked('x-amz-checksum-crc32', 'AAAAAQ=='), 'BadDigest')
    await refused(chunked('x-amz-checksum-crc32', 'AAA'), 'InvalidRequest')
    await refused(chunked('x-amz-checksum-crc32c'), 'MalformedTrailerError')
  })

  test('cut short', async () => {
    const put = chunked('x-amz-checksum-crc32')
    await refused({ ...put, pieces: put.pieces.slice(0, -1) }, 'IncompleteBody')
    if (name !== 'empty') {
      await refused(
        {
          pieces: pieces.slice(0, -1),
          headers: { 'content-length': String(bytes.length) },
        },
        'IncompleteBody',
      )
    }
    await refused(
      { pieces, headers: { 'content-length': String(bytes.length + 1) } },
      'IncompleteBody',
    )
  })

  test('the client goes away', async () => {
    const failing = (error: Error) => (request: S3Request) => ({
      ...request,
      body: Readable.from(
        (async function* () {
          yield bytes.subarray(0, bytes.length >> 1)
          throw error
        })(),
        { objectMode: false },
      ),
    })
    const gone = Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
    const headers = { 'content-length': String(bytes.length + 1) }
    await refused({ pieces, headers, edit: failing(gone) }, 'IncompleteBody')
    const closed = (request: S3Request) => {
      const body = new Readable({ read() {} })
      setImmediate(() => body.destroy())
      return { ...request, body }
    }
    await refused({ pieces, headers, edit: closed }, 'IncompleteBody')
    const already = (request: S3Request) => {
      request.body.destroy()
      return request
    }
    await refused({ pieces, headers, edit: already }, 'IncompleteBody')
    const { request, auth } = await authorized({
      pieces,
      headers,
      edit: already,
    })
    await new Promise((resolve) => request.body.once('close', resolve))
    const late = async () => {
      const body = await openBody(request, auth)
      if (!('bytes' in body)) for await (const _ of body.chunks) void _
    }
    await expect(late()).rejects.toMatchObject({ code: 'IncompleteBody' })
  })
})

test('signed chunks, through the whole of it', async () => {
  const headers = {
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'x-amz-decoded-content-length': String(LARGE.length),
    'x-amz-trailer': 'x-amz-checksum-crc32',
    'content-length': '302000',
  }
  const signed = signHeader({ method: 'PUT', path: '/b/k', headers })
  const body = encodeChunks([LARGE.subarray(0, 200_000), LARGE.subarray(200_000)], {
    signed,
    trailers: [['x-amz-checksum-crc32', crc32Base64(LARGE)]],
  })
  const { bytes } = await read({ headers, pieces: [body] })
  expect(bytes.equals(LARGE)).toBe(true)
  body[100_000] = (body[100_000] as number) ^ 1
  await refused({ headers, pieces: [body] }, 'SignatureDoesNotMatch')
})

test('checksums that only the store can name are computed beside the declared one', async () => {
  for (const bytes of [Buffer.from('small'), LARGE]) {
    let algorithms: readonly ChecksumAlgorithm[] = []
    const headers = { 'x-amz-checksum-crc32': crc32Base64(bytes) }
    const body = await open({
      pieces: [bytes],
      headers,
      options: { algorithms: () => algorithms },
    })
    algorithms = ['SHA256', 'CRC32']
    if (!('bytes' in body)) for await (const _ of body.chunks) void _
    expect(body.seal().checksums).toEqual({
      CRC32: crc32Base64(bytes),
      SHA256: createHash('sha256').update(bytes).digest('base64'),
    })
  }
})

test('seal before the end is refused', async () => {
  const body = await open({ pieces: [LARGE] })
  expect(() => body.seal()).toThrow(expect.objectContaining({ code: 'IncompleteBody' }))
})

describe('lengths', () => {
  test('none said: 411', async () => {
    const edit = (request: S3Request): S3Request => ({
      ...request,
      contentLength: undefined,
    })
    await refused({ pieces: [SMALL], edit }, 'MissingContentLength')
    const chunked = {
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    }
    await refused({ pieces: [SMALL], headers: chunked }, 'MissingContentLength')
  })

  test('a decoded length that is none', async () => {
    for (const length of ['', '-1', '1e3', '9999999999999999']) {
      await refused(
        {
          pieces: [],
          headers: {
            'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
            'x-amz-decoded-content-length': length,
          },
        },
        'MissingContentLength',
      )
    }
  })

  test('above the greatest: before anything is read', async () => {
    let count = 0
    const put: Put = {
      pieces: [LARGE],
      options: { maxBytes: 299_999, onBytes: (more) => void (count += more) },
    }
    await refused(put, 'EntityTooLarge')
    expect(count).toBe(0)
    const headers = { 'content-length': String(5 * 2 ** 30 + 1) }
    await refused({ pieces: [], headers }, 'EntityTooLarge')
  })

  test('framing is announced by the payload mode only', async () => {
    for (const name of ['x-amz-decoded-content-length', 'x-amz-trailer']) {
      await refused({ pieces: [SMALL], headers: { [name]: '12' } }, 'InvalidRequest')
    }
  })
})

test('F27: arriving bytes are reported, and may end the body', async () => {
  for (const bytes of [SMALL, LARGE]) {
    let count = 0
    await read({
      pieces: cut(bytes, [0.5]),
      options: { onBytes: (more) => void (count += more) },
    })
    expect(count).toBe(bytes.length)
    const tooSlow = (): never => {
      throw new Error('too slow')
    }
    await expect(read({ pieces: [bytes], options: { onBytes: tooSlow } })).rejects.toThrow(
      'too slow',
    )
  }
})

test('whatever is changed on the way, nothing wrong is sealed', async () => {
  const headers = {
    'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'x-amz-decoded-content-length': String(SMALL.length),
    'x-amz-trailer': 'x-amz-checksum-crc32',
    'content-length': '100',
  }
  const body = encodeChunks([SMALL], {
    trailers: [['x-amz-checksum-crc32', crc32Base64(SMALL)]],
  })
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: body.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }),
      async (at, change, fractions) => {
        const bad = Buffer.from(body)
        bad[at] = (bad[at] as number) ^ change
        try {
          const { bytes } = await read({
            headers,
            pieces: cut(bad, fractions),
          })
          expect(bytes.equals(SMALL)).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ name: 'S3Error' })
        }
      },
    ),
    { numRuns: 300 },
  )
})

describe('small documents', () => {
  const document = async (put: Put, maxBytes = 1000, checksumsAreOfObject = false) => {
    const { request, auth } = await authorized(put)
    return readBody(request, auth, { maxBytes, checksumsAreOfObject })
  }

  test('read whole, and whether they came with a digest', async () => {
    const { bytes, hasDigest } = await document({ pieces: cut(SMALL, [0.5]) })
    expect(Buffer.from(bytes).equals(SMALL)).toBe(true)
    expect(hasDigest).toBe(false)
    const md5Header = { 'content-md5': md5(SMALL, 'base64') }
    expect((await document({ pieces: [SMALL], headers: md5Header })).hasDigest).toBe(true)
    const crcHeader = { 'x-amz-checksum-crc32': crc32Base64(SMALL) }
    expect((await document({ pieces: [SMALL], headers: crcHeader })).hasDigest).toBe(true)
  })

  test('checked as objects are', async () => {
    const put = (headers: Record<string, string>): Put => ({
      pieces: [SMALL],
      headers,
    })
    await expect(document(put({ 'content-md5': md5(LARGE, 'base64') }))).rejects.toMatchObject({
      code: 'BadDigest',
    })
    await expect(document(put({ 'x-amz-content-sha256': sha256('x') }))).rejects.toMatchObject({
      code: 'XAmzContentSHA256Mismatch',
    })
    await expect(document(put({ 'x-amz-checksum-crc32': 'AAAAAA==' }))).rejects.toMatchObject({
      code: 'BadDigest',
    })
    expect(
      (await document(put({ 'x-amz-checksum-crc32': 'AAAAAA==' }), 1000, true)).hasDigest,
    ).toBe(false)
  })

  test('F28: too large is MalformedXML, unread', async () => {
    await expect(document({ pieces: [SMALL] }, 11)).rejects.toMatchObject({
      code: 'MalformedXML',
    })
  })

  test('none at all is empty', async () => {
    const edit = (request: S3Request): S3Request => ({
      ...request,
      contentLength: undefined,
    })
    expect((await document({ pieces: [], edit })).bytes.length).toBe(0)
  })
})

test('aws-chunked is not stored', () => {
  const stored = (value: string) =>
    storedContentEncoding(fakeRequest({ url: '/b/k', headers: { 'content-encoding': value } }))
  expect(stored('aws-chunked')).toBeUndefined()
  expect(stored('aws-chunked,gzip')).toBe('gzip')
  expect(stored('gzip, AWS-chunked')).toBe('gzip')
  expect(stored('gzip')).toBe('gzip')
  expect(storedContentEncoding(fakeRequest({ url: '/b/k' }))).toBeUndefined()
})

describe('chunks of one byte', () => {
  const one = (count: number): string => '1\r\na\r\n'.repeat(count)
  const end = '0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n'

  function decoded(sizeBytes: number): {
    body: Readable
    decoded: DecodedBody
  } {
    const body = new Readable({ read() {} })
    const headers: [string, string][] = [
      ['x-amz-decoded-content-length', String(sizeBytes)],
      ['x-amz-trailer', 'x-amz-checksum-crc32'],
    ]
    const request = fakeRequest({ method: 'PUT', url: '/b/k', headers })
    const auth = {
      credential: undefined,
      method: 'anonymous',
      payload: { type: 'chunked', signed: false, trailer: true },
      signing: undefined,
    } as const
    return { body, decoded: decodeBody({ ...request, body }, auth) }
  }

  test('are copied as they come where a body is kept whole: no view of what came stays', async () => {
    const { body, decoded: whole } = decoded(3000)
    const gathered = whole.gather()
    for (let piece = 0; piece < 3; piece++) {
      const raw = Buffer.from(one(1000))
      body.push(raw)
      while (body.readableLength > 0) await turn()
      raw.fill('!')
    }
    body.push(end)
    body.push(null)
    expect(Buffer.from(await gathered).toString()).toBe('a'.repeat(3000))
  })

  test('go on in few pieces where it streams', async () => {
    const { body, decoded: stream } = decoded(3000)
    body.push(one(3000) + end)
    body.push(null)
    const pieces: number[] = []
    for await (const piece of stream.chunks) pieces.push(piece.length)
    expect(pieces).toEqual([3000])
  })
})
