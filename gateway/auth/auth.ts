/** Shared by both versions of signatures: what a signature covers, whose key it uses, when it was made. */

import { timingSafeEqual } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import { lowerCase } from '../http/ascii.ts'
import type { Credential } from '../port/identity.ts'
import { S3Error } from '../http/errors.ts'
import { extendedDate } from '../http/http-date.ts'

/** How the signature covers the body, from x-amz-content-sha256. */
export type PayloadMode =
  /** UNSIGNED-PAYLOAD, or no header where it may be absent (presigned, anonymous, SigV2). */
  | { readonly type: 'unsigned' }
  /** SHA-256 of the body, 64 lower-case hex digits. */
  | { readonly type: 'sha256'; readonly hex: string }
  /** aws-chunked: all chunks are signed or none, with or without a trailer (unsigned chunks always have one). */
  | { readonly type: 'chunked'; readonly signed: boolean; readonly trailer: boolean }

/** What the signatures of chunks are computed from. */
export interface SigningContext {
  readonly signingKey: KeyObject
  /** The signature of the request, hex. */
  readonly seedSignature: string
  /** date/region/service/aws4_request */
  readonly scope: string
  /** 20130524T000000Z */
  readonly timestamp: string
}

/** Where a request may carry a signature of version 2: anywhere, in its query or in a form, nowhere. */
export type SigV2 = 'on' | 'presigned' | 'off'

/** Who signed a request, and how its body is covered. */
export interface AuthResult {
  /** Undefined for anonymous requests. */
  readonly credential: Credential | undefined
  readonly method: 'anonymous' | 'header' | 'query' | 'form'
  /** The version of the signature; absent for anonymous requests. */
  readonly version?: 2 | 4 | undefined
  readonly payload: PayloadMode
  /** Undefined for anonymous requests, and for SigV2, which does not sign chunks. */
  readonly signing: SigningContext | undefined
  /** When it was signed, by the client's clock. Absent for anonymous requests and links of SigV2, which do not tell. */
  readonly signedMs?: number | undefined
}

/** What a verification needs to know: keys, sessions, the time, the region and the setting of SigV2. */
export interface AuthOptions {
  lookup(accessKeyId: string): Promise<Credential | undefined>
  /** For requests with a session token. Without it such requests are refused (InvalidToken). */
  lookupSession?(accessKeyId: string, token: string): Promise<Credential | undefined>
  readonly nowMs: number
  /** The only region that scopes may name. Forms may also name us-east-1, because IAM and STS have no region. */
  readonly region: string
  /** `off` when absent. */
  readonly sigv2?: SigV2 | undefined
  /**
   * Given for a form of the query protocol, which is signed for IAM or STS. Its signature covers the hash of its
   * body, which no header needs to tell. The body is read only after the key was found.
   */
  readonly form?: { readBody(): Promise<Uint8Array> } | undefined
}

export const UNSIGNED: PayloadMode = { type: 'unsigned' }
const MAX_SKEW_MS = 15 * 60_000

/** Whether a header (in lower case) must be signed when it is sent. Headers that proxies add need not be. */
export function mustBeSigned(name: string): boolean {
  return name.startsWith('x-amz-') && name !== 'x-amz-cf-id'
}

/** Compares in constant time. */
export function equalSignatures(expected: string, given: string): boolean {
  const a = Buffer.from(expected, 'latin1')
  const b = Buffer.from(given, 'latin1')
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Finds the key that a request claims. Throws InvalidAccessKeyId, InvalidToken. */
export async function findCredential(
  claim: { readonly accessKeyId: string; readonly sessionToken: string | undefined },
  options: AuthOptions,
): Promise<Credential> {
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

/** Checks the time of a request signed in its header. Throws RequestTimeTooSkewed. */
export function checkSkew(signedMs: number, requestTime: string, nowMs: number): void {
  if (Math.abs(nowMs - signedMs) <= MAX_SKEW_MS) return
  throw new S3Error('RequestTimeTooSkewed', undefined, {
    details: {
      RequestTime: requestTime,
      ServerTime: extendedDate(nowMs),
      MaxAllowedSkewMilliseconds: MAX_SKEW_MS,
    },
  })
}

/** Checks that a presigned request has not expired. Throws AccessDenied. */
export function checkExpiry(
  expiresMs: number,
  nowMs: number,
  details: Record<string, string | number> = {},
): void {
  if (nowMs <= expiresMs) return
  throw new S3Error('AccessDenied', 'Request has expired', {
    details: { ...details, Expires: extendedDate(expiresMs), ServerTime: extendedDate(nowMs) },
  })
}

/** Checks that a presigned request was not signed in the future. Throws AccessDenied. */
export function checkNotEarly(signedMs: number, timestamp: string, nowMs: number): void {
  if (signedMs - nowMs <= MAX_SKEW_MS) return
  throw new S3Error('AccessDenied', 'Request is not yet valid', {
    details: { 'X-Amz-Date': timestamp, ServerTime: extendedDate(nowMs) },
  })
}

/** Parses x-amz-content-sha256. Throws InvalidArgument, NotImplemented. */
export function payloadMode(text: string): PayloadMode {
  switch (text) {
    case 'UNSIGNED-PAYLOAD':
      return UNSIGNED
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
      if (/^[0-9a-fA-F]{64}$/.test(text)) return { type: 'sha256', hex: lowerCase(text) }
      throw new S3Error(
        'InvalidArgument',
        'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
        { details: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: text } },
      )
  }
}

/** The mode of a request whose signature does not cover the body. `text` is its x-amz-content-sha256, if any. */
export function uncoveredPayload(text: string | undefined, problem: string): PayloadMode {
  const payload = text === undefined ? UNSIGNED : payloadMode(text)
  if (payload.type === 'chunked' && payload.signed) throw new S3Error('AccessDenied', problem)
  return payload
}
