/**
 * A small SigV4 signer for tests and measurements: headers and presigned queries, path style.
 * Written apart from the gateway's verifier on purpose, so that the two check each other.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */

import { createHash, createHmac } from 'node:crypto'

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** Region in the scope of the signature; us-east-1 when absent. */
  readonly region?: string
}

export interface SignInput {
  readonly method: string
  /** `http://host:port`, without a path. */
  readonly endpoint: string
  /** Encoded already, see `objectPath`. */
  readonly path: string
  /** Not encoded. */
  readonly query?: Readonly<Record<string, string>>
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  readonly now: Date
  readonly region?: string
}

const unsignedPayload = 'UNSIGNED-PAYLOAD'

/** RFC 3986: everything but A-Z a-z 0-9 - _ . ~ is escaped. */
export function escapeQuery(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** `/bucket/key` as it goes on the wire: slashes stay, also doubled ones. */
export function objectPath(bucket?: string, key?: string): string {
  if (bucket === undefined) return '/'
  if (key === undefined) return `/${bucket}`
  return `/${bucket}/${key.split('/').map(escapeQuery).join('/')}`
}

export function queryString(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => [escapeQuery(name), escapeQuery(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest()
}

interface Scope {
  readonly amzDate: string
  readonly scope: string
  readonly key: Buffer
}

const keys = new Map<string, Buffer>()

function scopeOf(credentials: Credentials, now: Date, region: string): Scope {
  const amzDate = now.toISOString().replace(/[-:]|\.\d{3}/g, '')
  const day = amzDate.slice(0, 8)
  const scope = `${day}/${region}/s3/aws4_request`
  const cacheKey = `${credentials.secretAccessKey} ${scope}`
  let key = keys.get(cacheKey)
  if (key === undefined) {
    key = hmac(`AWS4${credentials.secretAccessKey}`, day)
    for (const part of [region, 's3', 'aws4_request']) key = hmac(key, part)
    keys.set(cacheKey, key)
  }
  return { amzDate, scope, key }
}

function signature(
  scope: Scope,
  method: string,
  path: string,
  query: string,
  headers: Readonly<Record<string, string>>,
  payloadHash: string,
): { signed: string; hex: string } {
  const names = Object.keys(headers).sort()
  const canonicalHeaders = names
    .map((name) => `${name}:${(headers[name] ?? '').trim().replace(/\s+/g, ' ')}\n`)
    .join('')
  const signed = names.join(';')
  const canonical = [method, path, query, canonicalHeaders, signed, payloadHash].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', scope.amzDate, scope.scope, sha256Hex(canonical)].join('\n')
  return { signed, hex: createHmac('sha256', scope.key).update(toSign).digest('hex') }
}

/** The headers to send: those given, Host, the date, the payload's hash and Authorization. */
export function signHeaders(
  credentials: Credentials,
  input: SignInput,
  body: Uint8Array | 'unsigned',
): Record<string, string> {
  const scope = scopeOf(credentials, input.now, input.region ?? credentials.region ?? 'us-east-1')
  const payloadHash = body === 'unsigned' ? unsignedPayload : sha256Hex(body)
  const headers: Record<string, string> = {
    ...input.headers,
    host: new URL(input.endpoint).host,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': scope.amzDate,
  }
  if (credentials.sessionToken !== undefined) {
    headers['x-amz-security-token'] = credentials.sessionToken
  }
  const query = queryString(input.query ?? {})
  const { signed, hex } = signature(scope, input.method, input.path, query, headers, payloadHash)
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope.scope}, ` +
    `SignedHeaders=${signed}, Signature=${hex}`
  return headers
}

export interface Presigned {
  readonly path: string
  /** The whole query, the signature last. */
  readonly query: string
}

/** A presigned query; only Host is signed, the payload is not. */
export function presignUrl(
  credentials: Credentials,
  input: SignInput,
  expiresSeconds = 86_400,
): Presigned {
  const scope = scopeOf(credentials, input.now, input.region ?? credentials.region ?? 'us-east-1')
  const headers = { ...input.headers, host: new URL(input.endpoint).host }
  const all: Record<string, string> = {
    ...input.query,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${credentials.accessKeyId}/${scope.scope}`,
    'X-Amz-Date': scope.amzDate,
    'X-Amz-Expires': String(expiresSeconds),
    'X-Amz-SignedHeaders': Object.keys(headers).sort().join(';'),
  }
  if (credentials.sessionToken !== undefined) {
    all['X-Amz-Security-Token'] = credentials.sessionToken
  }
  const query = queryString(all)
  const { hex } = signature(scope, input.method, input.path, query, headers, unsignedPayload)
  return { path: input.path, query: `${query}&X-Amz-Signature=${hex}` }
}
