/**
 * What a request signed with Signature Version 4 claims, in its Authorization header or its query. Nothing of it is
 * verified yet. Codes and most texts of errors are AWS's.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */

import { decimal, trim } from '../../http/ascii.ts'
import { S3Error } from '../../http/errors.ts'
import type { S3ErrorCode } from '../../http/errors.ts'
import { basicDate, parseBasicDate, parseHttpDate } from '../../http/http-date.ts'
import type { S3Request } from '../../http/request.ts'
import { remembering } from '../../http/remembered.ts'
import { ALGORITHM } from './canonical.ts'

/** The parts of a signature of version 4. */
export interface Claim {
  readonly accessKeyId: string
  /** 20130524 */
  readonly date: string
  readonly region: string
  readonly service: string
  /** date/region/service/aws4_request */
  readonly scope: string
  /** 20130524T000000Z */
  readonly timestamp: string
  /** `timestamp` in milliseconds since 1970. */
  readonly timeMs: number
  /** Lower-case, in the order of the claim. */
  readonly signedHeaders: ReadonlySet<string>
  /** 64 lower-case hex digits. */
  readonly signature: string
  /** The last line of the canonical request, as sent. Undefined when a form does not tell it: then its body's hash. */
  readonly payloadHash: string | undefined
  readonly sessionToken: string | undefined
  /** Only of presigned requests: 1 to 604,800. */
  readonly expiresSeconds: number | undefined
}

/** The regions and services that a scope may name. */
export interface ScopeRules {
  readonly services: readonly string[]
  /** Error texts name the first one. */
  readonly regions: readonly string[]
}

/** A week: AWS's maximum for presigned requests. */
const MAX_EXPIRES_SECONDS = 604_800

/**
 * `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`, in any order and with nothing else. Throws
 * AuthorizationHeaderMalformed, SignatureDoesNotMatch for a signature with wrong digits, AccessDenied without a valid
 * date, InvalidRequest without x-amz-content-sha256.
 */
export function parseHeaderClaim(request: S3Request, rules: ScopeRules): Claim {
  const malformed = (why: string, details?: Record<string, string>): S3Error =>
    malformedClaim(
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed',
      why,
      details,
    )
  const fields = new Map<string, string>()
  const header = request.headers['authorization'] as string
  for (const field of header.slice(ALGORITHM.length).split(',')) {
    const equals = field.indexOf('=')
    const name = trim(field.slice(0, equals))
    if (equals < 0 || fields.has(name)) throw malformed('a component is missing or repeated.')
    fields.set(name, trim(field.slice(equals + 1)))
  }
  const credential = fields.get('Credential')
  const names = fields.get('SignedHeaders')
  const signature = fields.get('Signature')
  if (
    credential === undefined ||
    names === undefined ||
    signature === undefined ||
    fields.size > 3
  ) {
    throw malformed('the header must hold Credential, SignedHeaders and Signature.')
  }
  const { timestamp, timeMs } = headerTime(request)
  const scope = parseCredential(credential, rules, timestamp, malformed)
  const payloadHash = request.headers['x-amz-content-sha256']
  if (payloadHash === undefined && scope.service === 's3') {
    throw new S3Error(
      'InvalidRequest',
      'Missing required header for this request: x-amz-content-sha256',
    )
  }
  return {
    ...scope,
    timestamp,
    timeMs,
    signedHeaders: parseSignedHeaders(names, malformed),
    signature: parseSignature(signature, malformed),
    payloadHash,
    sessionToken: request.headers['x-amz-security-token'],
    expiresSeconds: undefined,
  }
}

/**
 * `X-Amz-Algorithm=…&X-Amz-Credential=…&X-Amz-Date=…&X-Amz-Expires=…&X-Amz-SignedHeaders=…&X-Amz-Signature=…`. The
 * body is not covered unless x-amz-content-sha256 says so. Throws AuthorizationQueryParametersError,
 * SignatureDoesNotMatch, InvalidArgument, NotImplemented for the asymmetric algorithm.
 */
export function parseQueryClaim(request: S3Request, rules: ScopeRules): Claim {
  const { query } = request
  const refuse = (message: string, details?: Record<string, string>): S3Error =>
    new S3Error('AuthorizationQueryParametersError', message, { details })
  const malformed = (why: string, details?: Record<string, string>): S3Error =>
    malformedClaim(
      'AuthorizationQueryParametersError',
      'Error parsing the X-Amz-Credential parameter',
      why,
      details,
    )
  const algorithm = query.get('X-Amz-Algorithm')
  const credential = query.get('X-Amz-Credential')
  const timestamp = query.get('X-Amz-Date')
  const expires = query.get('X-Amz-Expires')
  const names = query.get('X-Amz-SignedHeaders')
  const signature = query.get('X-Amz-Signature')
  if (
    algorithm === undefined ||
    credential === undefined ||
    timestamp === undefined ||
    expires === undefined ||
    names === undefined ||
    signature === undefined
  ) {
    throw refuse(
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    )
  }
  if (algorithm !== ALGORITHM) {
    if (algorithm === 'AWS4-ECDSA-P256-SHA256') throw new S3Error('NotImplemented')
    throw refuse('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
  }
  const timeMs = parseBasicDate(timestamp)
  if (timeMs === undefined) {
    throw refuse("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
  }
  const scope = parseCredential(credential, rules, timestamp, malformed)
  const inHeader = request.headers['x-amz-content-sha256']
  const inQuery = query.get('X-Amz-Content-Sha256')
  if (inHeader !== undefined && inQuery !== undefined && inHeader !== inQuery) {
    throw new S3Error('InvalidArgument', 'x-amz-content-sha256 was given twice.')
  }
  return {
    ...scope,
    timestamp,
    timeMs,
    signedHeaders: parseSignedHeaders(names, malformed),
    signature: parseSignature(signature, (why) => refuse(why)),
    payloadHash: inHeader ?? inQuery ?? 'UNSIGNED-PAYLOAD',
    sessionToken: query.get('X-Amz-Security-Token') || request.headers['x-amz-security-token'],
    expiresSeconds: parseExpires(expires, refuse),
  }
}

/** X-Amz-Expires: 1 to 604,800. `refuse` makes the error. */
function parseExpires(text: string, refuse: (message: string) => S3Error): number {
  if (/^-\d+$/.test(text)) throw refuse('X-Amz-Expires must be non-negative')
  const seconds = decimal(text)
  if (seconds === undefined) throw refuse('X-Amz-Expires should be a number')
  if (seconds === 0) throw refuse('X-Amz-Expires must be at least 1 second')
  if (seconds > MAX_EXPIRES_SECONDS) {
    throw refuse(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    )
  }
  return seconds
}

/**
 * `AKID/20130524/us-east-1/s3/aws4_request`: the key and the scope. An access key id may contain slashes. The scope
 * must name this service, this region and the day of the request. `malformed` makes the error.
 */
export function parseCredential(
  text: string,
  rules: ScopeRules,
  timestamp: string,
  malformed: (why: string, details?: Record<string, string>) => S3Error,
): Pick<Claim, 'accessKeyId' | 'date' | 'region' | 'service' | 'scope'> {
  const scope = credentialScope(text)
  if (scope === undefined) {
    throw malformed(
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    )
  }
  const { date, region, service, terminator } = scope
  if (terminator !== 'aws4_request') {
    throw malformed(`incorrect terminal "${terminator}". This endpoint uses "aws4_request".`)
  }
  if (!rules.services.includes(service)) {
    const named = rules.services.map((each) => `"${each}"`).join(' and ')
    throw malformed(`incorrect service "${service}". This endpoint belongs to ${named}.`)
  }
  if (!rules.regions.includes(region)) {
    const expected = rules.regions[0] as string
    throw malformed(`the region '${region}' is wrong; expecting '${expected}'`, {
      Region: expected,
    })
  }
  if (date !== timestamp.slice(0, 8)) {
    throw malformed(
      `Invalid credential date "${date}". This date is not the same as X-Amz-Date: "${timestamp.slice(0, 8)}".`,
    )
  }
  return scope
}

/** The parts of `AKID/20130524/us-east-1/s3/aws4_request`. Undefined when one is missing. Kept: each key has one a day. */
const credentialScope = remembering(4096, (text) => {
  const parts = text.split('/')
  const [date, region, service, terminator] = parts.slice(-4)
  const accessKeyId = parts.slice(0, -4).join('/')
  if (
    accessKeyId === '' ||
    date === undefined ||
    region === undefined ||
    service === undefined ||
    terminator === undefined
  ) {
    return undefined
  }
  const scope = `${date}/${region}/${service}/${terminator}`
  return { accessKeyId, date, region, service, terminator, scope }
})

/** `host;x-amz-date`: at least one name, in lower case, none twice. */
function parseSignedHeaders(
  text: string,
  malformed: (why: string) => S3Error,
): ReadonlySet<string> {
  const names = namesOf(text)
  if (names !== undefined) return names
  const all = text.split(';')
  if (all.includes('')) throw malformed('there is an empty name in SignedHeaders.')
  if (new Set(all).size < all.length) throw malformed('SignedHeaders names a header twice.')
  throw malformed('the names in SignedHeaders must be lower-case.')
}

/** Undefined when a name is empty, repeated or not in lower case. Kept: the requests of one client sign the same ones. */
const namesOf = remembering(1024, (text): ReadonlySet<string> | undefined => {
  // Their number is bounded by the size of a request's head.
  const all = text.split(';')
  const names = new Set(all)
  return names.has('') || names.size < all.length || /[A-Z]/.test(text) ? undefined : names
})

function parseSignature(text: string, malformed: (why: string) => S3Error): string {
  // Wrong digits make a wrong signature (403), a wrong length makes a malformed header (400).
  if (!/^[0-9a-f]{64}$/.test(text)) {
    if (text.length === 64) throw new S3Error('SignatureDoesNotMatch')
    throw malformed('the Signature must be 64 hex digits.')
  }
  return text
}

/** The time from x-amz-date in the form of SigV4, or from Date in that form or the one of HTTP. */
function headerTime(request: S3Request): { timestamp: string; timeMs: number } {
  const amzDate = request.headers['x-amz-date']
  const text = amzDate ?? request.headers['date'] ?? ''
  const timeMs = parseBasicDate(text)
  if (timeMs !== undefined) return { timestamp: text, timeMs }
  const httpMs = amzDate === undefined ? parseHttpDate(text) : undefined
  if (httpMs !== undefined) return { timestamp: basicDate(httpMs), timeMs: httpMs }
  throw new S3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
}

/** An error whose text is AWS's beginning for this place, then what is wrong. */
function malformedClaim(
  code: S3ErrorCode,
  start: string,
  why: string,
  details: Record<string, string> | undefined,
): S3Error {
  return new S3Error(code, `${start}; ${why}`, { details })
}
