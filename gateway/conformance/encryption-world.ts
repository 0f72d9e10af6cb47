/** What the cases about encryption share. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { ConformanceWorld, RawResponse } from './world.ts'

export type SentHeaders = Readonly<Record<string, string>>

export const SSE = 'x-amz-server-side-encryption'
export const SSE_C = `${SSE}-customer-`
export const SOURCE_SSE_C = 'x-amz-copy-source-server-side-encryption-customer-'
export const CLIENT_KEY = Buffer.alloc(32, 'a key of a client')
export const OTHER_KEY = Buffer.alloc(32, 'another one')
/** Sizes around those of pieces (protocol/object/pieces.ts) and of what is packed. */
export const PIECE_SIZES = [0, 1, 1_000, 65_519, 65_520, 65_521, 65_536, 131_040, 300_000]

export function md5Text(bytes: Uint8Array, as: 'hex' | 'base64'): string {
  return createHash('md5').update(bytes).digest(as)
}

export function clientKey(key: Uint8Array, prefix = SSE_C): Record<string, string> {
  return {
    [`${prefix}algorithm`]: 'AES256',
    [`${prefix}key`]: Buffer.from(key).toString('base64'),
    [`${prefix}key-md5`]: md5Text(key, 'base64'),
  }
}

/** For commands of the SDK. */
export function clientKeyInput(
  key: Buffer,
): Record<'SSECustomerAlgorithm' | 'SSECustomerKey' | 'SSECustomerKeyMD5', string> {
  return {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: key.toString('base64'),
    SSECustomerKeyMD5: md5Text(key, 'base64'),
  }
}

/** Bytes that differ from place to place. */
export function sampleBytes(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at++) bytes[at] = at * 7 + (at >> 8)
  return bytes
}

export function sendTo(
  world: ConformanceWorld,
  method: string,
  key: string,
  headers: SentHeaders = {},
  body: Uint8Array = Buffer.alloc(0),
  query: readonly (readonly [string, string])[] = [],
): Promise<RawResponse> {
  const path = `/${world.bucket}/${key}`
  return world.raw({ method, path, query, headers, ...(body.length > 0 && { body: [body] }) })
}

export async function putWith(
  world: ConformanceWorld,
  key: string,
  headers: SentHeaders,
  body: Uint8Array,
) {
  const answer = await sendTo(world, 'PUT', key, headers, body)
  assert.equal(answer.status, 200, answer.text)
  return answer
}

export async function readBytes(
  { s3, bucket: Bucket }: ConformanceWorld,
  Key: string,
  more: Partial<ConstructorParameters<typeof GetObjectCommand>[0]> = {},
): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

export function expectBytes(got: Buffer, wanted: Buffer, what: string): void {
  assert.ok(got.equals(wanted), `${what}: ${got.length} bytes, expected ${wanted.length}`)
}

/** Reads an object as a whole and around the borders of its pieces. */
export async function readAround(
  world: ConformanceWorld,
  key: string,
  wanted: Buffer,
  more: Parameters<typeof readBytes>[2] = {},
): Promise<void> {
  expectBytes(await readBytes(world, key, more), wanted, key)
  const size = wanted.length
  for (const at of [0, 65_519, 65_520, size - 1]) {
    if (at < 0 || at >= size) continue
    for (const end of [at, Math.min(at + 65_520, size - 1)]) {
      const Range = `bytes=${at}-${end}`
      expectBytes(
        await readBytes(world, key, { ...more, Range }),
        wanted.subarray(at, end + 1),
        `${key} ${Range}`,
      )
    }
  }
}
