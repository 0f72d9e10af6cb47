/** A signer of Signature Version 2 for tests, independent of sigv2/, for path-style requests. */

import { createHmac } from 'node:crypto'

import { EXAMPLE_CREDENTIAL } from './requests.ts'
import { encode, TEST_NOW_MS, type SignedMessage, type Unsigned } from './signer.ts'

export interface SignV2Options {
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  /** The parameters of the query that are signed. */
  readonly parameters?: readonly string[]
  /** When a presigned request expires. Ten minutes after TEST_NOW_MS when absent. */
  readonly expires?: string
}

const TEST_DATE = 'Sat, 21 Nov 2026 12:00:00 GMT'

function pathOf(path: string): string {
  return path.split('/').map(encode).join('/')
}

function signatureOf(message: Unsigned, date: string, options: SignV2Options): string {
  const headers = new Map(
    Object.entries(message.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  )
  const parameters = (message.query ?? [])
    .filter(([name]) => options.parameters?.includes(name) === true)
    .sort((a, b) => (a[0] < b[0] ? -1 : 1))
    .map(([name, value]) =>
      value === '' ? name : `${name}=${Buffer.from(value).toString('latin1')}`,
    )
  const text = [
    message.method ?? 'GET',
    headers.get('content-md5') ?? '',
    headers.get('content-type') ?? '',
    date,
    ...[...headers.keys()]
      .filter((name) => name.startsWith('x-amz-'))
      .sort()
      .map((name) => `${name}:${headers.get(name)}`),
    pathOf(message.path) + (parameters.length === 0 ? '' : `?${parameters.join('&')}`),
  ].join('\n')
  return createHmac('sha1', options.secretAccessKey ?? EXAMPLE_CREDENTIAL.secretAccessKey)
    .update(text, 'latin1')
    .digest('base64')
}

function urlOf(message: Unsigned, more: readonly (readonly [string, string])[] = []): string {
  const pairs = [...(message.query ?? []), ...more].map(([name, value]) =>
    value === '' ? encode(name) : `${encode(name)}=${encode(value)}`,
  )
  return pathOf(message.path) + (pairs.length === 0 ? '' : `?${pairs.join('&')}`)
}

export function signHeaderV2(message: Unsigned, options: SignV2Options = {}): SignedMessage {
  const headers: Record<string, string> = { host: 'localhost:9000', ...message.headers }
  if (headers['x-amz-date'] === undefined) headers['date'] ??= TEST_DATE
  const signature = signatureOf({ ...message, headers }, headers['date'] ?? '', options)
  const accessKeyId = options.accessKeyId ?? EXAMPLE_CREDENTIAL.accessKeyId
  return {
    method: message.method ?? 'GET',
    url: urlOf(message),
    headers: { ...headers, authorization: `AWS ${accessKeyId}:${signature}` },
    body: message.body ?? [],
  }
}

export function presignV2(message: Unsigned, options: SignV2Options = {}): SignedMessage {
  const expires = options.expires ?? String(TEST_NOW_MS / 1000 + 600)
  const headers = { host: 'localhost:9000', ...message.headers }
  return {
    method: message.method ?? 'GET',
    url: urlOf(message, [
      ['AWSAccessKeyId', options.accessKeyId ?? EXAMPLE_CREDENTIAL.accessKeyId],
      ['Expires', expires],
      ['Signature', signatureOf(message, expires, options)],
    ]),
    headers,
    body: message.body ?? [],
  }
}
