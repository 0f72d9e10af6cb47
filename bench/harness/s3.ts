/**
 * A raw S3 client: one request, one reply, no retries, no interpretation. What a test of races and
 * crashes needs is to know exactly what was sent and what came back.
 */

import { Agent, request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { objectPath, queryString, signHeaders } from './sign.ts'
import type { Credentials } from './sign.ts'

export interface BenchRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'HEAD'
  readonly bucket?: string
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly timeoutMs?: number
}

export interface S3Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** S3's error code of a reply, or its status. */
export function s3ErrorCode(reply: S3Reply): string {
  return /<Code>([^<]+)<\/Code>/.exec(reply.body.toString('utf8'))?.[1] ?? String(reply.status)
}

/** The texts of all elements of this name, with references resolved. */
export function xmlTexts(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) =>
    text
      .replaceAll('&quot;', '"')
      .replaceAll('&#34;', '"')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&'),
  )
}

export class RawClient {
  readonly endpoint: string
  readonly #credentials: Credentials
  readonly #agent: Agent
  readonly #secure: boolean

  constructor(endpoint: string, credentials: Credentials, maxSockets = 256) {
    this.endpoint = endpoint.replace(/\/$/, '')
    this.#credentials = credentials
    this.#secure = this.endpoint.startsWith('https:')
    this.#agent = new (this.#secure ? HttpsAgent : Agent)({ keepAlive: true, maxSockets })
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Rejects when the connection fails or the deadline passes: the outcome is then unknown (P4). */
  async send(input: BenchRequest): Promise<S3Reply> {
    const path = objectPath(input.bucket, input.key)
    const body = input.body ?? new Uint8Array(0)
    const headers = signHeaders(
      this.#credentials,
      {
        method: input.method,
        endpoint: this.endpoint,
        path,
        now: new Date(),
        ...(input.query === undefined ? {} : { query: input.query }),
        ...(input.headers === undefined ? {} : { headers: input.headers }),
      },
      body.length > 64 << 10 ? 'unsigned' : body,
    )
    if (input.method === 'PUT' || input.method === 'POST') {
      headers['content-length'] = String(body.length)
    }
    const query = queryString(input.query ?? {})
    const url = new URL(this.endpoint)
    return new Promise<S3Reply>((resolve, reject) => {
      const request = (this.#secure ? httpsRequest : httpRequest)(
        {
          host: url.hostname,
          port: url.port,
          method: input.method,
          path: query === '' ? path : `${path}?${query}`,
          headers,
          agent: this.#agent,
          signal: AbortSignal.timeout(input.timeoutMs ?? 60_000),
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.once('error', reject)
          response.once('aborted', () => reject(new Error('reply cut short')))
          response.once('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks),
            }),
          )
        },
      )
      request.once('error', reject)
      request.end(body)
    })
  }

  /** As `send`, but any status outside 200 … 299 is an error. */
  async must(input: BenchRequest): Promise<S3Reply> {
    const reply = await this.send(input)
    if (reply.status >= 200 && reply.status < 300) return reply
    const where = `${input.method} ${objectPath(input.bucket, input.key)}`
    throw new Error(`${where}: ${reply.status} ${s3ErrorCode(reply)}`)
  }
}

/** Runs `work` for 0 … count-1, at most `width` at a time. */
export async function eachLimited(
  count: number,
  width: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane))
}
