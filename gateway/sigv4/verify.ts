/** The one gate before routing (row 22): who signed this request, and what does the signature cover. */

import type { Credential } from '../backend.ts'
import type { S3Request } from '../request.ts'

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
  readonly signingKey: Uint8Array
  /** Signature of the request, hex. */
  readonly seedSignature: string
  /** date/region/s3/aws4_request */
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
}

export interface AuthOptions {
  lookup(accessKeyId: string): Promise<Credential | undefined>
  /** For requests with x-amz-security-token. Absent: such requests are refused (InvalidToken). */
  lookupSession?(accessKeyId: string, token: string): Promise<Credential | undefined>
  readonly nowMs: number
  readonly region: string
}

/** Throws S3Error. */
export async function authenticate(
  _request: S3Request,
  _options: AuthOptions,
): Promise<AuthResult> {
  throw new Error('not yet')
}
