/** F23 and F24: bodies in chunks, bodies that end early, bodies that are changed on the way. */

import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openBody } from './body.ts'
import { decodeBody, type DecodedBody } from './decode.ts'
import type { S3Request } from '../http/request.ts'
import {
  authorizedPut,
  BODY_SIZES,
  type BodyPut,
  crc32Base64,
  expectPutRefused,
  LARGE_BODY,
  readPut,
  SMALL_BODY,
} from '../testing/body-puts.ts'
import { cut, encodeChunks } from '../testing/chunks.ts'
import { fakeRequest } from '../testing/requests.ts'
import { signHeader } from '../testing/signer.ts'

/** PUT of a body in unsigned chunks, as SDKs send it. */
const inChunks = (
  bytes: Uint8Array,
  trailer: string | undefined,
  checksum = crc32Base64(bytes),
): BodyPut => ({
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

describe.each(BODY_SIZES)('%s, in chunks', (_name, bytes) => {
  test('unsigned chunks with CRC32 in the trailer, as SDKs send them, are accepted', async () => {
    const { bytes: got, finished } = await readPut(inChunks(bytes, 'x-amz-checksum-crc32'))
    expect(got.equals(bytes)).toBe(true)
    expect(finished.checksums).toEqual({ CRC32: crc32Base64(bytes) })
    await readPut(inChunks(bytes, undefined))
  })

  test('a wrong or missing trailer is refused', async () => {
    await expectPutRefused(inChunks(bytes, 'x-amz-checksum-crc32', 'AAAAAQ=='), 'BadDigest')
    await expectPutRefused(inChunks(bytes, 'x-amz-checksum-crc32', 'AAA'), 'InvalidRequest')
    await expectPutRefused(inChunks(bytes, 'x-amz-checksum-crc32c'), 'MalformedTrailerError')
  })
})

describe.each(BODY_SIZES)('%s, incomplete', (name, bytes) => {
  const pieces = cut(bytes, [0.1, 0.5, 0.9])

  test('a body that is cut short is refused', async () => {
    const put = inChunks(bytes, 'x-amz-checksum-crc32')
    await expectPutRefused({ ...put, pieces: put.pieces.slice(0, -1) }, 'IncompleteBody')
    if (name !== 'empty') {
      await expectPutRefused(
        {
          pieces: pieces.slice(0, -1),
          headers: { 'content-length': String(bytes.length) },
        },
        'IncompleteBody',
      )
    }
    await expectPutRefused(
      { pieces, headers: { 'content-length': String(bytes.length + 1) } },
      'IncompleteBody',
    )
  })

  test('a client that disconnects gets IncompleteBody', async () => {
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
    await expectPutRefused({ pieces, headers, edit: failing(gone) }, 'IncompleteBody')
    const closed = (request: S3Request) => {
      const body = new Readable({ read() {} })
      setImmediate(() => body.destroy())
      return { ...request, body }
    }
    await expectPutRefused({ pieces, headers, edit: closed }, 'IncompleteBody')
    const already = (request: S3Request) => {
      request.body.destroy()
      return request
    }
    await expectPutRefused({ pieces, headers, edit: already }, 'IncompleteBody')
    const { request, auth } = await authorizedPut({
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

test('signed chunks are verified', async () => {
  const headers = {
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'x-amz-decoded-content-length': String(LARGE_BODY.length),
    'x-amz-trailer': 'x-amz-checksum-crc32',
    'content-length': '302000',
  }
  const signed = signHeader({ method: 'PUT', path: '/b/k', headers })
  const body = encodeChunks([LARGE_BODY.subarray(0, 200_000), LARGE_BODY.subarray(200_000)], {
    signed,
    trailers: [['x-amz-checksum-crc32', crc32Base64(LARGE_BODY)]],
  })
  const { bytes } = await readPut({ headers, pieces: [body] })
  expect(bytes.equals(LARGE_BODY)).toBe(true)
  body[100_000] = (body[100_000] as number) ^ 1
  await expectPutRefused({ headers, pieces: [body] }, 'SignatureDoesNotMatch')
})

test('a body that is changed on the way is never accepted with wrong bytes', async () => {
  const headers = {
    'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'x-amz-decoded-content-length': String(SMALL_BODY.length),
    'x-amz-trailer': 'x-amz-checksum-crc32',
    'content-length': '100',
  }
  const body = encodeChunks([SMALL_BODY], {
    trailers: [['x-amz-checksum-crc32', crc32Base64(SMALL_BODY)]],
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
          const { bytes } = await readPut({
            headers,
            pieces: cut(bad, fractions),
          })
          expect(bytes.equals(SMALL_BODY)).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ name: 'S3Error' })
        }
      },
    ),
    { numRuns: 300 },
  )
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

  test('are copied when the body is kept as a whole, so that no view of the input stays', async () => {
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

  test('are joined into few pieces when the body is streamed', async () => {
    const { body, decoded: stream } = decoded(3000)
    body.push(one(3000) + end)
    body.push(null)
    const pieces: number[] = []
    for await (const piece of stream.chunks) pieces.push(piece.length)
    expect(pieces).toEqual([3000])
  })
})
