/** F23 and F24: a body is what was announced, or an error and nothing visible. */

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { ChecksumAlgorithm } from '../port/body.ts'
import { openBody, readBody, storedContentEncoding } from './body.ts'
import { createChecksum } from './checksum.ts'
import type { S3Request } from '../http/request.ts'
import {
  authorizedPut,
  BODY_SIZES,
  type BodyPut,
  crc32Base64,
  expectPutRefused,
  LARGE_BODY,
  md5Of,
  openPut,
  readPut,
  SMALL_BODY,
} from '../testing/body-puts.ts'
import { cut } from '../testing/chunks.ts'
import { fakeRequest } from '../testing/requests.ts'
import { sha256 } from '../testing/signer.ts'

describe.each(BODY_SIZES)('%s', (name, bytes) => {
  const pieces = cut(bytes, [0.1, 0.5, 0.9])

  test('unsigned payload', async () => {
    const { bytes: got, finished } = await readPut({ pieces })
    expect(got.equals(bytes)).toBe(true)
    const hasher = createChecksum('CRC64NVME')
    hasher.update(bytes)
    const CRC64NVME = Buffer.from(hasher.digest()).toString('base64')
    expect(finished).toEqual({
      etag: md5Of(bytes),
      checksums: { CRC64NVME },
      checksumType: 'FULL_OBJECT',
    })
  })

  test('a body of up to 64 KiB is in memory as a whole', async () => {
    expect('bytes' in (await openPut({ pieces }))).toBe(bytes.length <= 65_536)
  })

  test('signed payload', async () => {
    const headers = { 'x-amz-content-sha256': sha256(bytes) }
    expect((await readPut({ pieces, headers })).finished.etag).toBe(md5Of(bytes))
    const other = { 'x-amz-content-sha256': sha256('other') }
    await expectPutRefused({ pieces, headers: other }, 'XAmzContentSHA256Mismatch')
  })

  test('Content-MD5', async () => {
    await readPut({ pieces, headers: { 'content-md5': md5Of(bytes, 'base64') } })
    await expectPutRefused(
      { pieces, headers: { 'content-md5': md5Of(Buffer.from('x'), 'base64') } },
      'BadDigest',
    )
    await expectPutRefused({ pieces, headers: { 'content-md5': 'x' } }, 'InvalidDigest')
  })

  test('a checksum in the header', async () => {
    const checksum = crc32Base64(bytes)
    const { finished } = await readPut({
      pieces,
      headers: { 'x-amz-checksum-crc32': checksum },
    })
    expect(finished).toEqual({
      etag: md5Of(bytes),
      checksums: { CRC32: checksum },
      checksumType: 'FULL_OBJECT',
    })
    const wrong = crc32Base64(Buffer.from('wrong'))
    await expectPutRefused({ pieces, headers: { 'x-amz-checksum-crc32': wrong } }, 'BadDigest')
  })

  test('SHA-256, both signed and declared', async () => {
    const digest = createHash('sha256').update(bytes).digest('base64')
    const headers = {
      'x-amz-content-sha256': sha256(bytes),
      'x-amz-checksum-sha256': digest,
    }
    expect((await readPut({ pieces, headers })).finished.checksums).toEqual({
      SHA256: digest,
    })
    const wrong = createHash('sha256').update('wrong').digest('base64')
    await expectPutRefused(
      { pieces, headers: { ...headers, 'x-amz-checksum-sha256': wrong } },
      'BadDigest',
    )
  })
})

test('checksums that the store asks for are computed besides the declared one', async () => {
  for (const bytes of [Buffer.from('small'), LARGE_BODY]) {
    let algorithms: readonly ChecksumAlgorithm[] = []
    const headers = { 'x-amz-checksum-crc32': crc32Base64(bytes) }
    const body = await openPut({
      pieces: [bytes],
      headers,
      options: { algorithms: () => algorithms },
    })
    algorithms = ['SHA256', 'CRC32']
    if (!('bytes' in body)) for await (const _ of body.chunks) void _
    expect(body.finish().checksums).toEqual({
      CRC32: crc32Base64(bytes),
      SHA256: createHash('sha256').update(bytes).digest('base64'),
    })
  }
})

test('a chunk from a connection is emptied once the next one is asked for', async () => {
  const bytes = Buffer.concat(Array<Uint8Array>(16).fill(LARGE_BODY))
  const seen: { first: number; later: number }[] = []
  const got: Buffer[] = []
  const server = createServer((message, response) => {
    void (async () => {
      const put = await authorizedPut({ pieces: [bytes] })
      const body = await openBody({ ...put.request, body: message }, put.auth)
      if ('bytes' in body) throw new Error('the body is a stream')
      let before: Uint8Array | undefined
      for await (const chunk of body.chunks) {
        if (before !== undefined) seen.push({ first: chunk.length, later: before.length })
        got.push(Buffer.from(chunk))
        before = chunk
      }
      response.end(body.finish().etag)
    })()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const answer = await fetch(`http://127.0.0.1:${port}/b/k`, { method: 'PUT', body: bytes })
    expect(await answer.text()).toBe(md5Of(bytes))
    expect(Buffer.concat(got).equals(bytes)).toBe(true)
    expect(seen.some(({ first, later }) => first >= 4096 && later === 0)).toBe(true)
  } finally {
    server.close()
  }
})

test('a body cannot be finished before its end', async () => {
  const body = await openPut({ pieces: [LARGE_BODY] })
  expect(() => body.finish()).toThrow(expect.objectContaining({ code: 'IncompleteBody' }))
})

describe('lengths', () => {
  test('a missing one is refused with MissingContentLength', async () => {
    const edit = (request: S3Request): S3Request => ({
      ...request,
      contentLength: undefined,
    })
    await expectPutRefused({ pieces: [SMALL_BODY], edit }, 'MissingContentLength')
    const chunked = {
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    }
    await expectPutRefused({ pieces: [SMALL_BODY], headers: chunked }, 'MissingContentLength')
  })

  test('a malformed decoded length is refused', async () => {
    for (const length of ['', '-1', '1e3', '9999999999999999']) {
      await expectPutRefused(
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

  test('one that is too large is refused before anything is read', async () => {
    let count = 0
    const put: BodyPut = {
      pieces: [LARGE_BODY],
      options: { maxBytes: 299_999, onBytes: (more) => void (count += more) },
    }
    await expectPutRefused(put, 'EntityTooLarge')
    expect(count).toBe(0)
    const headers = { 'content-length': String(5 * 2 ** 30 + 1) }
    await expectPutRefused({ pieces: [], headers }, 'EntityTooLarge')
  })

  test('headers of framing need a payload mode with framing', async () => {
    for (const name of ['x-amz-decoded-content-length', 'x-amz-trailer']) {
      await expectPutRefused({ pieces: [SMALL_BODY], headers: { [name]: '12' } }, 'InvalidRequest')
    }
  })
})

test('F27: arriving bytes are reported, and the callback may end the body', async () => {
  for (const bytes of [SMALL_BODY, LARGE_BODY]) {
    let count = 0
    await readPut({
      pieces: cut(bytes, [0.5]),
      options: { onBytes: (more) => void (count += more) },
    })
    expect(count).toBe(bytes.length)
    const tooSlow = (): never => {
      throw new Error('too slow')
    }
    await expect(readPut({ pieces: [bytes], options: { onBytes: tooSlow } })).rejects.toThrow(
      'too slow',
    )
  }
})

describe('small documents', () => {
  const document = async (put: BodyPut, maxBytes = 1000, checksumsAreOfObject = false) => {
    const { request, auth } = await authorizedPut(put)
    return readBody(request, auth, { maxBytes, checksumsAreOfObject })
  }

  test('are read as a whole, and tell whether they had a digest', async () => {
    const { bytes, hasDigest } = await document({ pieces: cut(SMALL_BODY, [0.5]) })
    expect(Buffer.from(bytes).equals(SMALL_BODY)).toBe(true)
    expect(hasDigest).toBe(false)
    const md5Header = { 'content-md5': md5Of(SMALL_BODY, 'base64') }
    expect((await document({ pieces: [SMALL_BODY], headers: md5Header })).hasDigest).toBe(true)
    const crcHeader = { 'x-amz-checksum-crc32': crc32Base64(SMALL_BODY) }
    expect((await document({ pieces: [SMALL_BODY], headers: crcHeader })).hasDigest).toBe(true)
  })

  test('are checked like objects', async () => {
    const put = (headers: Record<string, string>): BodyPut => ({
      pieces: [SMALL_BODY],
      headers,
    })
    await expect(
      document(put({ 'content-md5': md5Of(LARGE_BODY, 'base64') })),
    ).rejects.toMatchObject({
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

  test('F28: are refused unread with MalformedXML when they are too large', async () => {
    await expect(document({ pieces: [SMALL_BODY] }, 11)).rejects.toMatchObject({
      code: 'MalformedXML',
    })
  })

  test('are empty when there is no body', async () => {
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
