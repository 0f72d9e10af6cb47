/** What conformance cases work with: an endpoint, a client of AWS's SDK, raw signed requests, a new bucket. */

import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { S3Client, S3ServiceException } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { signHeader, type Unsigned } from '../testing/signer.ts'

export interface ConformanceTarget {
  /** For example http://127.0.0.1:9000, or https. */
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface RawResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
  /** The `<Code>` of an error document. */
  readonly code: string | undefined
}

export interface ConformanceWorld {
  readonly target: ConformanceTarget
  readonly s3: S3Client
  /** Created empty for this case and removed after it. */
  readonly bucket: string
  /** Sends a request, adding nothing but the signature. */
  raw(message: Unsigned): Promise<RawResponse>
}

export interface ConformanceCase {
  readonly name: string
  run(world: ConformanceWorld): Promise<void>
}

/** A well-formed version id that no version has. */
export const NO_VERSION = 'fffffffffffffffe0123456789abcdef'

export function clientOf(target: ConformanceTarget): S3Client {
  const { accessKeyId, secretAccessKey } = target
  return new S3Client({
    endpoint: target.endpoint,
    region: target.region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  })
}

export function sendRaw(target: ConformanceTarget, message: Unsigned): Promise<RawResponse> {
  const { host } = new URL(target.endpoint)
  const body = Buffer.concat(message.body ?? [])
  const length: Record<string, string> =
    body.length > 0 || message.method === 'PUT' || message.method === 'POST'
      ? { 'content-length': String(body.length) }
      : {}
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const signed = signHeader(
    { ...message, headers: { host, ...length, ...message.headers } },
    { ...target, timestamp, unsigned: ['content-length', 'expect'] },
  )
  return sendUnsigned(target.endpoint, signed.message, body)
}

/** Sends a request without adding a signature. */
export function sendUnsigned(
  endpoint: string,
  message: { method?: string; url: string; headers?: Record<string, string> },
  body: Uint8Array = new Uint8Array(0),
): Promise<RawResponse> {
  const { hostname, port, protocol } = new URL(endpoint)
  const request = protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        hostname,
        port,
        method: message.method ?? 'GET',
        path: message.url,
        headers: message.headers ?? {},
        agent: false,
      },
      (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers as Record<string, string>,
            text,
            code: /<Code>([^<]*)<\/Code>/.exec(text)?.[1],
          })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Expects a call to fail with this status and code. Answers to HEAD have no code: pass undefined. */
export async function fails(
  sent: Promise<unknown>,
  status: number,
  code: string | undefined,
): Promise<S3ServiceException> {
  try {
    await sent
  } catch (error) {
    assert(error instanceof S3ServiceException, String(error))
    assert.equal(error.$metadata.httpStatusCode, status, `${error.name}: ${error.message}`)
    if (code !== undefined) assert.equal(error.name, code)
    return error
  }
  assert.fail(`expected ${status} ${code ?? ''}`)
}

export function expectRefused(answer: RawResponse, status: number, code: string | undefined): void {
  assert.equal(`${answer.status} ${answer.code}`, `${status} ${code}`, answer.text)
}
