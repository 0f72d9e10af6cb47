/** What tests of bodies work with: PUT requests whose body arrives in pieces. */

import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { expect } from 'vitest'
import { authenticate } from '../auth/authenticate.ts'
import { openBody, type OpenBodyOptions } from '../body/body.ts'
import type { S3Request } from '../http/request.ts'
import type { ObjectBody, FinishedBody, SmallBody } from '../port/body.ts'
import { EXAMPLE_CREDENTIAL, fakeRequest } from './requests.ts'
import { signHeader, TEST_NOW_MS } from './signer.ts'

export const md5Of = (bytes: Uint8Array, form: 'hex' | 'base64' = 'hex') =>
  createHash('md5').update(bytes).digest(form)
export const crc32Base64 = (bytes: Uint8Array) => {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(crc32(bytes))
  return out.toString('base64')
}

export interface BodyPut {
  readonly headers?: Record<string, string>
  readonly pieces: readonly Uint8Array[]
  readonly options?: OpenBodyOptions
  readonly edit?: (request: S3Request) => S3Request
}

export async function authorizedPut(put: BodyPut): Promise<{
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

export async function openPut(put: BodyPut): Promise<ObjectBody | SmallBody> {
  const { request, auth } = await authorizedPut(put)
  return openBody(request, auth, put.options)
}

export async function readPut(put: BodyPut): Promise<{ bytes: Buffer; finished: FinishedBody }> {
  const body = await openPut(put)
  if ('bytes' in body) return { bytes: Buffer.from(body.bytes), finished: body.finish() }
  const chunks: Buffer[] = []
  for await (const chunk of body.chunks) chunks.push(Buffer.from(chunk))
  return { bytes: Buffer.concat(chunks), finished: body.finish() }
}

export const expectPutRefused = (put: BodyPut, code: string): Promise<void> =>
  expect(readPut(put)).rejects.toMatchObject({ name: 'S3Error', code })

export const SMALL_BODY = Buffer.from('hello, world')
export const LARGE_BODY = Buffer.alloc(300_000).map((_, i) => i * 31)
export const BODY_SIZES = [
  ['small', SMALL_BODY],
  ['large', LARGE_BODY],
  ['empty', Buffer.alloc(0)],
  ['64 KiB', LARGE_BODY.subarray(0, 65_536)],
  ['64 KiB and one', LARGE_BODY.subarray(0, 65_537)],
] as const
