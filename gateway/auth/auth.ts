/** What both versions of signatures share: what a signature covers, whose key it is, when it was made. */

import { timingSafeEqual } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import { lowerCase } from '../http/ascii.ts'
import type { Credential } from '../port/identity.ts'
import { S3Error } from '../http/errors.ts'
import { extendedDate } from '../http/http-date.ts'

/** How the body is covered by the signature, from x-amz-content-sha256. */
export type PayloadMode =
  /** UNSIGNED-PAYLOAD, or nothing said where that is allowed (presigned, anonymous, SigV2). */
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

/** Where a request may carry a signature of version 2: anywhere, in its query only, nowhere. */
export type SigV2 = 'on' | 'presigned' | 'off'

export interface AuthResult {
  /** Undefined: anonymous. */
  readonly credential: Credential | undefined
  readonly method: 'anonymous' | 'header' | 'query'
  /** Of the signature. Absent: anonymous. */
  readonly version?: 2 | 4 | undefined
  readonly payload: PayloadMode
  /** Undefined: anonymous, or SigV2, which signs no chunks. */
  readonly signing: SigningContext | undefined
  /** When it was signed, by the client's clock. Absent: anonymous, or not said (presigned by SigV2). */
  readonly signedMs?: number | undefined
}

export interface AuthOptions {
  lookup(accessKeyId: string): Promise<Credential | undefined>
  /** For requests with a session token. Absent: such requests are refused (InvalidToken). */
  lookupSession?(accessKeyId: string, token: string): Promise<Credential | undefined>
  readonly nowMs: number
  /** The only one that scopes may name; of forms, us-east-1 too: IAM and STS are of no region. */
  readonly region: string
  /** `off` when absent. */
  readonly sigv2?: SigV2 | undefined
  /**
   * A form of the query protocol: signed for IAM or STS, and with the hash of its body, which no header
   * need tell. Read only once the key is known.
   */
  readonly form?: { readBody(): Promise<Uint8Array> } | undefined
}

export const UNSIGNED: PayloadMode = { type: 'unsigned' }
const MAX_SKEW_MS = 15 * 60_000

/** Of lower-case headers. A proxy on the way adds its own, which means nothing here. */
export function mustBeSigned(name: string): boolean {
  return name.startsWith('x-amz-') && name !== 'x-amz-cf-id'
}

/** In constant time. */
export function equalSignatures(expected: string, given: string): boolean {
  const a = Buffer.from(expected, 'latin1')
  const b = Buffer.from(given, 'latin1')
  return a.length === b.length && timingSafeEqual(a, b)
}

/** The key of a claim. Throws InvalidAccessKeyId, InvalidToken. */
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

/** A request signed in its header. Throws RequestTimeTooSkewed. */
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

/** A presigned request. Throws AccessDenied. */
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

/** A presigned request that tells when it was made. Throws AccessDenied. */
export function checkNotEarly(signedMs: number, timestamp: string, nowMs: number): void {
  if (signedMs - nowMs <= MAX_SKEW_MS) return
  throw new S3Error('AccessDenied', 'Request is not yet valid', {
    details: { 'X-Amz-Date': timestamp, ServerTime: extendedDate(nowMs) },
  })
}

/** Throws InvalidArgument, NotImplemented. */
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

/** Of a request whose signature covers no body: `text` is its x-amz-content-sha256, if it has one. */
export function uncoveredPayload(text: string | undefined, problem: string): PayloadMode {
  const payload = text === undefined ? UNSIGNED : payloadMode(text)
  if (payload.type === 'chunked' && payload.signed) throw new S3Error('AccessDenied', problem)
  return payload
}
