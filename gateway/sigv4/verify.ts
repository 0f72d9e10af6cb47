/**
 * The one gate before routing (row 22 of the fault matrix): who signed this request, and what does
 * the signature cover. SigV4 in the Authorization header and in the query (presigned), or nobody.
 *
 * What is wrong with the form is said before the key is looked up; signatures are compared in
 * constant time.
 */

import { hash, timingSafeEqual } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import type { Credential } from '../backend.ts'
import { S3Error } from '../errors.ts'
import type { S3Request } from '../request.ts'
import { ALGORITHM, canonicalRequest, hmacHex, signingKey, stringToSign } from './canonical.ts'
import { parseHeaderClaim, parseQueryClaim } from './claim.ts'
import type { Claim } from './claim.ts'

/** How the body is covered by the signature, from x-amz-content-sha256. */
export type PayloadMode =
  /** UNSIGNED-PAYLOAD, or nothing said where that is allowed (presigned, anonymous). */
  | { readonly type: 'unsigned' }
  /** SHA-256 of the body, 64 lower-case hex digits. */
  | { readonly type: 'sha256'; readonly hex: string }
  /** aws-chunked: every chunk signed or none, with a trailer or without (unsigned always has one). */
  | { readonly type: 'chunked'; readonly signed: boolean; readonly trailer: boolean }

/** What chunk signatures go on from. */
export interface SigningContext {
  readonly signingKey: KeyObject
  /** Signature of the request, hex. */
  readonly seedSignature: string
  /** date/region/service/aws4_request */
  readonly scope: string
  /** 20130524T000000Z */
  readonly timestamp: string
}

export interface AuthResult {
  /** Undefined: anonymous. */
  readonly credential: Credential | undefined
  readonly method: 'anonymous' | 'header' | 'query'
  readonly payload: PayloadMode
  /** Undefined: anonymous. */
  readonly signing: SigningContext | undefined
  /** When it was signed, by the client's clock. Absent: anonymous. */
  readonly signedMs?: number | undefined
}

export interface AuthOptions {
  lookup(accessKeyId: string): Promise<Credential | undefined>
  /** For requests with a session token. Absent: such requests are refused (InvalidToken). */
  lookupSession?(accessKeyId: string, token: string): Promise<Credential | undefined>
  readonly nowMs: number
  /** The only one that scopes may name; of forms, us-east-1 too: IAM and STS are of no region. */
  readonly region: string
  /**
   * A form of the query protocol: signed for IAM or STS, and with the hash of its body, which no header
   * need tell. Read only once the key is known.
   */
  readonly form?: { readBody(): Promise<Uint8Array> } | undefined
}

export const QUERY_SERVICES: readonly string[] = ['iam', 'sts']

const MAX_SKEW_MS = 15 * 60_000

/**
 * Throws S3Error with AWS's codes: AccessDenied, AuthorizationHeaderMalformed,
 * AuthorizationQueryParametersError, InvalidAccessKeyId, InvalidArgument, InvalidRequest,
 * RequestTimeTooSkewed, SignatureDoesNotMatch …; StoreError ExpiredToken, InvalidToken, Unavailable.
 */
export async function authenticate(request: S3Request, options: AuthOptions): Promise<AuthResult> {
  const method = authMethod(request)
  if (method === 'anonymous') return anonymous(request)
  const { form } = options
  const rules =
    form === undefined
      ? { services: ['s3'], regions: [options.region] }
      : { services: QUERY_SERVICES, regions: [options.region, 'us-east-1'] }
  const claim =
    method === 'header' ? parseHeaderClaim(request, rules) : parseQueryClaim(request, rules)
  let payloadHash = claim.payloadHash ?? ''
  const payload = form === undefined ? payloadMode(payloadHash) : UNSIGNED
  checkTime(claim, options.nowMs)
  checkSignedHeaders(request, claim.signedHeaders)
  const credential = await find(claim, options)
  if (form !== undefined) payloadHash = hash('sha256', await form.readBody(), 'hex')
  const key = signingKey(credential.secretAccessKey, claim.date, claim.region, claim.service)
  const canonical = canonicalRequest(request, claim.signedHeaders, payloadHash)
  if (canonical === undefined) throw new S3Error('SignatureDoesNotMatch')
  const toSign = stringToSign(claim.timestamp, claim.scope, canonical)
  if (!equalSignatures(hmacHex(key, toSign), claim.signature)) {
    throw new S3Error('SignatureDoesNotMatch', undefined, {
      details: {
        AWSAccessKeyId: claim.accessKeyId,
        StringToSign: toSign,
        SignatureProvided: claim.signature,
        CanonicalRequest: canonical,
      },
    })
  }
  return {
    credential,
    method,
    payload,
    signing: {
      signingKey: key,
      seedSignature: claim.signature,
      scope: claim.scope,
      timestamp: claim.timestamp,
    },
    signedMs: claim.timeMs,
  }
}

const UNSIGNED: PayloadMode = { type: 'unsigned' }

/** In constant time. Both are 64 hex digits when right. */
export function equalSignatures(expected: string, given: string): boolean {
  const a = Buffer.from(expected, 'latin1')
  const b = Buffer.from(given, 'latin1')
  return a.length === b.length && timingSafeEqual(a, b)
}

function authMethod(request: S3Request): 'anonymous' | 'header' | 'query' {
  const { headers, query } = request
  const header = headers['authorization']
  const version4 =
    query.has('X-Amz-Algorithm') || query.has('X-Amz-Signature') || query.has('X-Amz-Credential')
  const version2 = query.has('Signature') || query.has('AWSAccessKeyId')
  if (Number(header !== undefined) + Number(version4) + Number(version2) > 1) {
    throw new S3Error(
      'InvalidArgument',
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
      { details: { ArgumentName: 'Authorization' } },
    )
  }
  if (version2 || header?.startsWith('AWS ') === true) {
    throw new S3Error(
      'InvalidRequest',
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    )
  }
  if (version4) return 'query'
  if (header === undefined) return 'anonymous'
  if (header.startsWith('AWS4-ECDSA-P256-SHA256')) throw new S3Error('NotImplemented')
  if (!header.startsWith(`${ALGORITHM} `)) {
    throw new S3Error('InvalidArgument', 'Unsupported Authorization Type', {
      details: { ArgumentName: 'Authorization' },
    })
  }
  return 'header'
}

function anonymous(request: S3Request): AuthResult {
  const text = request.headers['x-amz-content-sha256']
  const payload = text === undefined ? ({ type: 'unsigned' } as const) : payloadMode(text)
  if (payload.type === 'chunked' && payload.signed) {
    throw new S3Error('AccessDenied', 'Signed chunks need a signed request.')
  }
  return { credential: undefined, method: 'anonymous', payload, signing: undefined }
}

function payloadMode(text: string): PayloadMode {
  switch (text) {
    case 'UNSIGNED-PAYLOAD':
      return { type: 'unsigned' }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return { type: 'chunked', signed: true, trailer: false }
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return { type: 'chunked', signed: true, trailer: true }
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { type: 'chunked', signed: false, trailer: true }
    case 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD':
    case 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER':
      throw new S3Error('NotImplemented', undefined, {
        details: { Header: 'x-amz-content-sha256' },
      })
    default:
      if (/^[0-9a-fA-F]{64}$/.test(text)) return { type: 'sha256', hex: text.toLowerCase() }
      throw new S3Error(
        'InvalidArgument',
        'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
        { details: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: text } },
      )
  }
}

function checkTime(claim: Claim, nowMs: number): void {
  const iso = (timeMs: number): string => new Date(timeMs).toISOString().replace('.000', '')
  if (claim.expiresSeconds === undefined) {
    if (Math.abs(nowMs - claim.timeMs) > MAX_SKEW_MS) {
      throw new S3Error('RequestTimeTooSkewed', undefined, {
        details: {
          RequestTime: claim.timestamp,
          ServerTime: iso(nowMs),
          MaxAllowedSkewMilliseconds: MAX_SKEW_MS,
        },
      })
    }
    return
  }
  if (claim.timeMs - nowMs > MAX_SKEW_MS) {
    throw new S3Error('AccessDenied', 'Request is not yet valid', {
      details: { 'X-Amz-Date': claim.timestamp, ServerTime: iso(nowMs) },
    })
  }
  const expiresMs = claim.timeMs + claim.expiresSeconds * 1000
  if (nowMs > expiresMs) {
    throw new S3Error('AccessDenied', 'Request has expired', {
      details: {
        'X-Amz-Expires': claim.expiresSeconds,
        Expires: iso(expiresMs),
        ServerTime: iso(nowMs),
      },
    })
  }
}

/** Host and every x-amz-* that was sent must be signed: else a stranger could add some. */
function checkSignedHeaders(request: S3Request, signedHeaders: readonly string[]): void {
  const missing: string[] = []
  if (!signedHeaders.includes('host')) missing.push('host')
  for (const name in request.headers) {
    if (name.startsWith('x-amz-') && !signedHeaders.includes(name) && !request.hoisted.has(name)) {
      missing.push(name)
    }
  }
  if (missing.length > 0) {
    throw new S3Error(
      'AccessDenied',
      'There were headers present in the request which were not signed',
      { details: { HeadersNotSigned: missing.join(', ') } },
    )
  }
}

async function find(claim: Claim, options: AuthOptions): Promise<Credential> {
  let credential: Credential | undefined
  if (claim.sessionToken === undefined) {
    credential = await options.lookup(claim.accessKeyId)
  } else {
    if (options.lookupSession === undefined) throw new S3Error('InvalidToken')
    credential = await options.lookupSession(claim.accessKeyId, claim.sessionToken)
  }
  if (credential === undefined) {
    throw new S3Error('InvalidAccessKeyId', undefined, {
      details: { AWSAccessKeyId: claim.accessKeyId },
    })
  }
  return credential
}
