/**
 * One HTTP request in S3's terms: bucket, key, query, headers. Nothing in it is authenticated yet.
 *
 * Keys are opaque: percent-decoded once, never normalised (F25). Node's HTTP parser has already refused
 * Content-Length together with Transfer-Encoding, folded lines and bare CR (F34).
 */

import { lowerCase } from './ascii.ts'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { clientOfSocket, type Client } from './client.ts'
import { S3Error } from './errors.ts'
import type { SentForm } from './form-fields.ts'
import { hoist } from './hoisted.ts'
import { COMMON_HEADERS, LIST_HEADERS } from './names.ts'
import { DOCUMENTED } from './documented.ts'
import { hostName, isHost, parseTarget } from './target.ts'

/** Headers by lower-case name; values as received (latin1, joined with ',' when sent repeatedly). */
export type HeaderRecord = Readonly<Record<string, string | undefined>>

/** A parsed request. Everything in it comes from the client and may be malicious. */
export interface S3Request {
  readonly method: string
  /** Path as sent, percent-encoded, without the query. */
  readonly rawPath: string
  /** The text after '?', as sent; '' when there is none. */
  readonly rawQuery: string
  /** Absent for the service itself. Only letters, digits, '.', '-', '_'; other naming rules are not checked here. */
  readonly bucket: string | undefined
  /** Exact and opaque: never normalised. Absent for the bucket itself. */
  readonly key: string | undefined
  /**
   * Decoded; the first value of each name. Without '=' the value is ''. Names are case-sensitive. Read values with
   * `parameter`, which treats empty ones as absent.
   */
  readonly query: ReadonlyMap<string, string>
  /** Later values of names that were sent more than once, decoded. Signatures cover them. */
  readonly repeatedQuery: readonly (readonly [name: string, value: string])[]
  /** True when the Host header names the bucket, and the path only its key. */
  readonly virtualHost: boolean
  /**
   * Null-prototype. In a presigned request it also holds the x-amz-* parameters of the query (`hoisted`). x-amz-*
   * headers with an empty value are left out: they count as not sent.
   */
  readonly headers: HeaderRecord
  /** The names in `headers` that begin with x-amz-, in their order there: most steps of a request look only at these. */
  readonly amzNames: readonly string[]
  /** As `headers`, but including the empty ones, which signatures cover. */
  readonly sentHeaders: HeaderRecord
  /** Names in `headers` that were sent in the query of a presigned request. */
  readonly hoisted: ReadonlySet<string>
  /** The raw body, including its framing. */
  readonly body: Readable
  /** The form that the body holds: then its file is the body instead (form-request.ts). */
  readonly form?: SentForm | undefined
  /** Content-Length; undefined when absent. */
  readonly contentLength: number | undefined
  /** Whether the body is sent with Transfer-Encoding: chunked. */
  readonly transferChunked: boolean
  /** The address of the client, as the connection or a trusted proxy says. */
  readonly remoteAddress: string
  /** Whether the client speaks TLS. */
  readonly secure: boolean
}

export interface ParseOptions {
  /** With `s3.example.org`, the Host `bucket.s3.example.org` names the bucket (virtual-host style). */
  readonly hostSuffixes: readonly string[]
  /** Of the website port: a host that has none of the suffixes is the name of a bucket itself, and queries mean nothing. */
  readonly ofWebsite?: boolean | undefined
}

export const MAX_KEY_BYTES = 1024
export const MAX_METADATA_BYTES = 2048

/** If these were sent twice, two readers could pick different values. All other headers are lists (RFC 9110, 5.3). */
const SINGLE: ReadonlySet<string> = new Set([
  ...singleAmzHeaders(),
  'authorization',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'expect',
  'host',
  'if-modified-since',
  'if-range',
  'if-unmodified-since',
  'range',
  'transfer-encoding',
])

function singleAmzHeaders(): string[] {
  const names = Object.values(DOCUMENTED).flatMap(([, , headers]) => headers.split(' '))
  return [...names, ...COMMON_HEADERS].filter(
    (name) => name.startsWith('x-amz-') && !LIST_HEADERS.has(name),
  )
}

const META_PREFIX = 'x-amz-meta-'

/**
 * Throws S3Error: InvalidURI, KeyTooLongError, InvalidBucketName, InvalidArgument, InvalidRequest,
 * MetadataTooLarge, NotImplemented (an unknown Transfer-Encoding).
 */
export function parseRequest(
  message: IncomingMessage,
  options: ParseOptions,
  client: Client = clientOfSocket(message.socket),
): S3Request {
  const { secure } = client
  const { rawPath, rawQuery, authority } = parseTarget(message.url ?? '', secure)
  const { ofWebsite = false, hostSuffixes } = options
  const { query, repeated } = ofWebsite ? EMPTY_QUERY : parseQuery(rawQuery)
  const sentHeaders = collectHeaders(message.rawHeaders)
  checkHost(message.httpVersion, sentHeaders['host'])
  // The client signs the host that it asks for.
  if (authority !== undefined) sentHeaders['host'] = authority
  const hoisted = hoist(query, sentHeaders)
  const { headers, amzNames } = withoutEmpty(sentHeaders)
  checkMetadataSize(headers, amzNames)
  const { host } = headers
  const virtualBucket =
    bucketOfHost(host, hostSuffixes) ?? (ofWebsite ? hostName(host ?? '') : undefined)
  const { bucket, key } = splitPath(rawPath, virtualBucket)
  const transferEncoding = headers['transfer-encoding']
  if (transferEncoding !== undefined && lowerCase(transferEncoding) !== 'chunked') {
    const details = { Header: 'Transfer-Encoding' }
    // RFC 9112 6.3: unless chunked is the last coding, the end of the body is not defined.
    const endsChunked = /(^|,)[ \t]*chunked$/i.test(transferEncoding)
    throw new S3Error(endsChunked ? 'NotImplemented' : 'InvalidRequest', undefined, { details })
  }
  return {
    method: message.method ?? '',
    rawPath,
    rawQuery,
    bucket,
    key,
    query,
    repeatedQuery: repeated,
    headers,
    amzNames,
    sentHeaders,
    virtualHost: virtualBucket !== undefined,
    hoisted,
    body: message,
    contentLength: parseContentLength(headers, transferEncoding !== undefined),
    transferChunked: transferEncoding !== undefined,
    remoteAddress: client.address,
    secure,
  }
}

/** The value of a query parameter. An empty one counts as absent. */
export function parameter(request: S3Request, name: string): string | undefined {
  return request.query.get(name) || undefined
}

/** The x-amz-meta-* headers: names without the prefix, values in latin1 as received. Null-prototype. */
export function userMetadata(request: S3Request): Record<string, string> {
  const metadata: Record<string, string> = Object.create(null)
  for (const name of request.amzNames) {
    if (name.startsWith(META_PREFIX)) {
      metadata[name.slice(META_PREFIX.length)] = request.headers[name] as string
    }
  }
  return metadata
}

/**
 * Decodes a path or a part of one. As in S3, a plus is a space, because browsers and old clients write it so; a
 * plus itself is %2B. The kind of signature makes no difference.
 */
export function decodePath(text: string): string {
  return percentDecode(text.includes('+') ? text.replaceAll('+', ' ') : text)
}

/** Percent-decodes UTF-8. Throws InvalidURI. */
export function percentDecode(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch (error) {
    throw new S3Error('InvalidURI', undefined, { cause: error })
  }
}

interface Query {
  readonly query: ReadonlyMap<string, string>
  readonly repeated: readonly (readonly [name: string, value: string])[]
}

const EMPTY_QUERY: Query = { query: new Map(), repeated: [] }

function parseQuery(rawQuery: string): Query {
  if (rawQuery === '') return EMPTY_QUERY
  const query = new Map<string, string>()
  const repeated: [string, string][] = []
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue
    const plain = pair.includes('+') ? pair.replaceAll('+', ' ') : pair
    const equals = plain.indexOf('=')
    const name = percentDecode(equals < 0 ? plain : plain.slice(0, equals))
    const value = equals < 0 ? '' : percentDecode(plain.slice(equals + 1))
    if (!query.has(name)) {
      query.set(name, value)
      continue
    }
    // Parameters of the signature, and parameters that are headers, must be unique.
    if (/^x-amz-/i.test(name)) {
      throw new S3Error('InvalidArgument', 'A query parameter was given more than once.', {
        details: { ArgumentName: name },
      })
    }
    repeated.push([name, value])
  }
  return { query, repeated }
}

function collectHeaders(rawHeaders: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = Object.create(null)
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = lowerCase(rawHeaders[at] as string)
    const value = rawHeaders[at + 1] as string
    const before = headers[name]
    if (before === undefined) {
      headers[name] = value
      continue
    }
    if (SINGLE.has(name)) {
      throw new S3Error('InvalidRequest', 'A header was sent more than once.', {
        details: { Header: name },
      })
    }
    headers[name] = `${before},${value}`
  }
  return headers
}

/**
 * x-amz-* headers whose empty value means something. With an empty copy source or condition the client meant to send
 * one, so ignoring it could write or delete too much. The framing of a body is never guessed.
 */
const EMPTY_MEANS_SOMETHING =
  /^x-amz-(?:meta-|copy-source|if-|rename-source|object-if-|content-sha256$|decoded-content-length$)/

export function withoutEmpty(headers: HeaderRecord): Pick<S3Request, 'headers' | 'amzNames'> {
  const amzNames: string[] = []
  const empty = new Set<string>()
  for (const name in headers) {
    if (!name.startsWith('x-amz-')) continue
    if (headers[name] === '' && !EMPTY_MEANS_SOMETHING.test(name)) empty.add(name)
    else amzNames.push(name)
  }
  if (empty.size === 0) return { headers, amzNames }
  const given: Record<string, string> = Object.create(null)
  for (const name in headers) if (!empty.has(name)) given[name] = headers[name] as string
  return { headers: given, amzNames }
}

export function checkMetadataSize(headers: HeaderRecord, amzNames: readonly string[]): void {
  let sizeBytes = 0
  for (const name of amzNames) {
    if (name.startsWith(META_PREFIX)) {
      sizeBytes += name.length - META_PREFIX.length + (headers[name] as string).length
    }
  }
  if (sizeBytes > MAX_METADATA_BYTES) {
    throw new S3Error('MetadataTooLarge', undefined, {
      details: { Size: sizeBytes, MaxSizeAllowed: MAX_METADATA_BYTES },
    })
  }
}

/** RFC 9112 3.2. */
function checkHost(httpVersion: string, host: string | undefined): void {
  if (host === undefined ? httpVersion !== '1.1' : isHost(host)) return
  const message =
    host === undefined ? 'The Host header is missing.' : 'The Host header is not valid.'
  throw new S3Error('InvalidRequest', message, { details: { Header: 'host' } })
}

function bucketOfHost(host: string | undefined, suffixes: readonly string[]): string | undefined {
  if (host === undefined || suffixes.length === 0) return undefined
  const name = hostName(host)
  for (const suffix of suffixes) {
    if (name.length > suffix.length + 1 && name.endsWith(`.${lowerCase(suffix)}`)) {
      return name.slice(0, name.length - suffix.length - 1)
    }
  }
  return undefined
}

function splitPath(
  rawPath: string,
  virtualBucket: string | undefined,
): { bucket: string | undefined; key: string | undefined } {
  let bucket = virtualBucket
  let rawKey = rawPath.slice(1)
  if (bucket === undefined) {
    if (rawKey === '') return { bucket: undefined, key: undefined }
    const slash = rawKey.indexOf('/')
    bucket = percentDecode(slash < 0 ? rawKey : rawKey.slice(0, slash))
    rawKey = slash < 0 ? '' : rawKey.slice(slash + 1)
  }
  if (!/^[A-Za-z0-9._-]{1,255}$/.test(bucket)) {
    throw new S3Error('InvalidBucketName', undefined, { details: { BucketName: bucket } })
  }
  if (rawKey === '') return { bucket, key: undefined }
  return { bucket, key: checkedKey(decodePath(rawKey)) }
}

/** Returns the key. Throws InvalidURI, KeyTooLongError. */
export function checkedKey(key: string): string {
  if (key.includes('\0')) throw new S3Error('InvalidURI')
  // A UTF-16 unit is at most three bytes of UTF-8.
  const sizeBytes = key.length * 3 > MAX_KEY_BYTES ? Buffer.byteLength(key) : key.length
  if (sizeBytes > MAX_KEY_BYTES) {
    throw new S3Error('KeyTooLongError', undefined, {
      details: { Size: sizeBytes, MaxSizeAllowed: MAX_KEY_BYTES },
    })
  }
  return key
}

function parseContentLength(headers: HeaderRecord, transferEncoded: boolean): number | undefined {
  const text = headers['content-length']
  if (text === undefined) return undefined
  // Node refuses both headers together, but a proxy in front of it may not (F34).
  if (transferEncoded || !/^\d{1,15}$/.test(text)) throw new S3Error('InvalidRequest')
  return Number(text)
}
