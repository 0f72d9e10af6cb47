/**
 * SigV4's canonical request, string to sign and keys, in S3's variant: the path is encoded once and
 * never normalised.
 */

import { trim, upperCase } from '../../http/ascii.ts'
import { createHmac, createSecretKey, hash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import type { S3Request } from '../../http/request.ts'
import { decodePath } from '../../http/request.ts'

export const ALGORITHM = 'AWS4-HMAC-SHA256'
/** The SHA-256 of an empty body. */
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

const UNRESERVED = /^[A-Za-z0-9\-._~]*$/
const UNRESERVED_PATH = /^[A-Za-z0-9\-._~/]*$/

/** Encodes everything but the unreserved characters of RFC 3986, with upper-case hex digits. */
export function uriEncode(text: string): string {
  if (UNRESERVED.test(text)) return text
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${upperCase(character.charCodeAt(0).toString(16))}`,
  )
}

/** The path decoded and encoded again, so that clients may escape it differently. */
export function canonicalPath(rawPath: string): string {
  if (UNRESERVED_PATH.test(rawPath)) return rawPath
  return uriEncode(decodePath(rawPath)).replaceAll('%2F', '/')
}

/** All parameters except the signature itself. */
export function canonicalQuery(
  query: ReadonlyMap<string, string>,
  repeated: readonly (readonly [name: string, value: string])[] = [],
): string {
  if (query.size === 0) return ''
  const pairs: Pair[] = []
  for (const [name, value] of query) {
    if (name !== 'X-Amz-Signature') pairs.push([uriEncode(name), uriEncode(value)])
  }
  for (const [name, value] of repeated) pairs.push([uriEncode(name), uriEncode(value)])
  // Sorted by name, then by value. Sorting the joined pairs would be wrong: '=' sorts after '-' and '.'.
  pairs.sort(inOrder)
  let text = ''
  for (const [name, value] of pairs) text += text === '' ? `${name}=${value}` : `&${name}=${value}`
  return text
}

type Pair = readonly [name: string, value: string]

function inOrder([a, x]: Pair, [b, y]: Pair): number {
  return a === b ? order(x, y) : order(a, b)
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * The canonical request, in latin1 like the headers. Undefined when a signed header was not sent, since then no
 * signature can be right.
 */
export function canonicalRequest(
  request: S3Request,
  signedHeaders: ReadonlySet<string>,
  payloadHash: string,
): string | undefined {
  let names = ''
  let text = `${request.method}\n${canonicalPath(request.rawPath)}\n${canonicalQuery(request.query, request.repeatedQuery)}\n`
  for (const name of signedHeaders) {
    const value = request.sentHeaders[name]
    if (value === undefined || request.hoisted.has(name)) return undefined
    text += `${name}:${canonicalValue(value)}\n`
    names += names === '' ? name : `;${name}`
  }
  return `${text}\n${names}\n${payloadHash}`
}

/** White space around a value is removed, and runs of spaces within it become one. */
function canonicalValue(value: string): string {
  const trimmed = trim(value)
  return trimmed.includes('  ') ? trimmed.replace(/ {2,}/g, ' ') : trimmed
}

/** The text whose HMAC is the signature. */
export function stringToSign(timestamp: string, scope: string, canonical: string): string {
  // Only header values can have characters beyond ASCII. As latin1 they are the bytes that the client hashed.
  const digest = hash('sha256', Buffer.from(canonical, 'latin1'), 'hex')
  return `${ALGORITHM}\n${timestamp}\n${scope}\n${digest}`
}

function hmac(key: Uint8Array | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** An HMAC with a KeyObject costs an eighth of one with the bytes of the key. */
export function hmacHex(key: KeyObject, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

/** Each key is used for one day. A full cache is emptied. */
const MAX_CACHED_KEYS = 4096
const signingKeys = new Map<string, KeyObject>()

/** The derived key. It is cached, because its four HMACs cost more than all other steps of a verification. */
export function signingKey(
  secretAccessKey: string,
  date: string,
  region: string,
  service: string,
): KeyObject {
  const name = `${date}/${region}/${service}/${secretAccessKey}`
  const cached = signingKeys.get(name)
  if (cached !== undefined) return cached
  const dateKey = hmac(`AWS4${secretAccessKey}`, date)
  const key = createSecretKey(hmac(hmac(hmac(dateKey, region), service), 'aws4_request'))
  if (signingKeys.size >= MAX_CACHED_KEYS) signingKeys.clear()
  signingKeys.set(name, key)
  return key
}
