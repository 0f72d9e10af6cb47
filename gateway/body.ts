/** Bodies of requests: decoded, hashed, checked. Nothing is believed before `seal()`. */

import type { ObjectBody, SealedBody, SmallBody } from './backend.ts'
import type { S3Request } from './request.ts'
import type { AuthResult } from './sigv4/verify.ts'

export interface OpenBodyOptions {
  /** EntityTooLarge above. 5 GiB when absent. */
  readonly maxBytes?: number | undefined
  /** Called with the number of raw bytes as they arrive: minimum rates are judged by it (row 27). */
  readonly onBytes?: ((count: number) => void) | undefined
}

/** The body of PutObject and UploadPart. Bodies of at most 64 KiB come whole. */
export async function openBody(
  _request: S3Request,
  _auth: AuthResult,
  _options: OpenBodyOptions = {},
): Promise<ObjectBody | SmallBody> {
  throw new Error('not yet')
}

/**
 * A whole verified body for XML and forms; empty when there is none. Throws `tooLarge` (MalformedXML
 * when absent) above `maxBytes`, before anything was read when the length was announced.
 */
export async function readBody(
  _request: S3Request,
  _auth: AuthResult,
  _options: { readonly maxBytes: number; readonly onBytes?: ((count: number) => void) | undefined },
): Promise<{ bytes: Uint8Array; sealed: SealedBody; hasDigest: boolean }> {
  throw new Error('not yet')
}

/** Content-Encoding without `aws-chunked`: what is stored. */
export function storedContentEncoding(_request: S3Request): string | undefined {
  throw new Error('not yet')
}
