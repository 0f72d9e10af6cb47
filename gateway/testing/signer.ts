/**
 * A SigV4 signer for tests, independent of sigv4/: it follows AWS's description, and shares and caches nothing.
 */

import { createHash, createHmac } from 'node:crypto'

import { EXAMPLE_CREDENTIAL } from './requests.ts'
import type { FakeMessage } from './requests.ts'

export const TEST_NOW_MS = Date.UTC(2026, 10, 21, 12)
export const TEST_TIMESTAMP = '20261121T120000Z'

export interface SignOptions {
  readonly region?: string
  readonly service?: string
  readonly terminator?: string
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  /** 20261121T120000Z when absent. */
  readonly timestamp?: string
  /** The date of the scope; that of the timestamp when absent. */
  readonly date?: string
  /** Headers that are left out of SignedHeaders. */
  readonly unsigned?: readonly string[]
}

/** A FakeMessage whose headers are a record. */
export interface SignedMessage extends Omit<FakeMessage, 'headers'> {
  readonly headers: Record<string, string>
}

export interface Signed {
  readonly message: SignedMessage
  readonly signature: string
  readonly scope: string
  readonly signingKey: Buffer
}

export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex')
}

export function hmacSha256(key: string | Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest()
}

export function encode(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return /[A-Za-z0-9\-._~]/.test(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

function prepare(
  message: { method?: string; path: string; query: readonly (readonly [string, string])[] },
  headers: Readonly<Record<string, string>>,
  payloadHash: string,
  options: SignOptions,
): { names: string; signature: string; scope: string; signingKey: Buffer } {
  const timestamp = options.timestamp ?? TEST_TIMESTAMP
  const date = options.date ?? timestamp.slice(0, 8)
  const parts = [
    date,
    options.region ?? 'us-east-1',
    options.service ?? 's3',
    options.terminator ?? 'aws4_request',
  ]
  const scope = parts.join('/')
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  const names = [...lower.keys()].filter((name) => options.unsigned?.includes(name) !== true).sort()
  const canonical = [
    message.method ?? 'GET',
    message.path.split('/').map(encode).join('/'),
    message.query
      .map(([name, value]) => [encode(name), encode(value)] as const)
      .sort((a, b) => (a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]) ? -1 : 1))
      .map((pair) => pair.join('='))
      .join('&'),
    ...names.map(
      (name) =>
        `${name}:${lower
          .get(name)
          ?.replaceAll(/^[ \t]+|[ \t]+$/g, '')
          .replace(/ +/g, ' ')}`,
    ),
    '',
    names.join(';'),
    payloadHash,
  ].join('\n')
  const toSign = `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256(Buffer.from(canonical, 'latin1'))}`
  let key: string | Buffer = `AWS4${options.secretAccessKey ?? EXAMPLE_CREDENTIAL.secretAccessKey}`
  for (const part of parts) key = hmacSha256(key, part)
  return {
    names: names.join(';'),
    signature: hmacSha256(key, toSign).toString('hex'),
    scope,
    signingKey: key as Buffer,
  }
}

export interface Unsigned {
  readonly method?: string
  /** Decoded. */
  readonly path: string
  readonly query?: readonly (readonly [string, string])[]
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: readonly Uint8Array[]
}

function urlOf(message: Unsigned, more: readonly (readonly [string, string])[] = []): string {
  const pairs = [...(message.query ?? []), ...more].map((pair) => pair.map(encode).join('='))
  const path = message.path.split('/').map(encode).join('/')
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
}

/** Signs in the Authorization header, with the value of x-amz-content-sha256 as hash of the body. */
export function signHeader(message: Unsigned, options: SignOptions = {}): Signed {
  const headers: Record<string, string> = {
    host: 'localhost:9000',
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    'x-amz-date': options.timestamp ?? TEST_TIMESTAMP,
    ...message.headers,
  }
  const signed = prepare(
    { ...message, query: message.query ?? [] },
    headers,
    headers['x-amz-content-sha256'] as string,
    options,
  )
  const accessKeyId = options.accessKeyId ?? EXAMPLE_CREDENTIAL.accessKeyId
  return {
    ...signed,
    message: {
      method: message.method ?? 'GET',
      url: urlOf(message),
      headers: {
        ...headers,
        authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${signed.scope}, SignedHeaders=${signed.names}, Signature=${signed.signature}`,
      },
      body: message.body ?? [],
    },
  }
}

/** Signs in the query. */
export function presign(
  message: Unsigned,
  options: SignOptions & { expires?: string; payloadHash?: string } = {},
): Signed {
  const headers = { host: 'localhost:9000', ...message.headers }
  const names = Object.keys(headers).map((name) => name.toLowerCase())
  const timestamp = options.timestamp ?? TEST_TIMESTAMP
  const scope = `${options.date ?? timestamp.slice(0, 8)}/${options.region ?? 'us-east-1'}/${options.service ?? 's3'}/${options.terminator ?? 'aws4_request'}`
  const own: (readonly [string, string])[] = [
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', `${options.accessKeyId ?? EXAMPLE_CREDENTIAL.accessKeyId}/${scope}`],
    ['X-Amz-Date', timestamp],
    ['X-Amz-Expires', options.expires ?? '600'],
    [
      'X-Amz-SignedHeaders',
      names
        .filter((name) => options.unsigned?.includes(name) !== true)
        .sort()
        .join(';'),
    ],
  ]
  const signed = prepare(
    { ...message, query: [...(message.query ?? []), ...own] },
    headers,
    options.payloadHash ?? 'UNSIGNED-PAYLOAD',
    options,
  )
  return {
    ...signed,
    message: {
      method: message.method ?? 'GET',
      url: urlOf(message, [...own, ['X-Amz-Signature', signed.signature]]),
      headers,
      body: message.body ?? [],
    },
  }
}
