/** What a request signed with Signature Version 2 claims. Nothing of it is verified yet. */

import { decimal, trim } from '../../http/ascii.ts'
import { S3Error } from '../../http/errors.ts'
import { parseBasicDate, parseExtendedDate, parseHttpDate } from '../../http/http-date.ts'
import type { S3Request } from '../../http/request.ts'

/** The parts of a signature of version 2. */
export interface SigV2Claim {
  readonly accessKeyId: string
  /** The HMAC-SHA1 in base64, as sent. */
  readonly signature: string
  readonly sessionToken: string | undefined
  /** As sent: the Date or x-amz-date header, or Expires of a presigned request. */
  readonly dateText: string
  /** Header only. */
  readonly signedMs: number | undefined
  /** Presigned only. */
  readonly expiresMs: number | undefined
}

/** The end of the year 9999. */
const EXPIRES_SECONDS_MAX = 253_402_300_799

/** `Authorization: AWS AKID:signature`. Throws InvalidArgument, AccessDenied. */
export function parseSigV2Header(request: S3Request): SigV2Claim {
  const { headers } = request
  const text = trim((headers['authorization'] as string).slice('AWS'.length))
  // An access key id may contain a colon, base64 never does.
  const colon = text.lastIndexOf(':')
  if (colon < 1 || colon === text.length - 1) {
    throw new S3Error(
      'InvalidArgument',
      'AWS authorization header is invalid. Expected AwsAccessKeyId:signature',
      { details: { ArgumentName: 'Authorization' } },
    )
  }
  const dateText = headers['x-amz-date'] ?? headers['date'] ?? ''
  const signedMs =
    parseHttpDate(dateText) ?? parseBasicDate(dateText) ?? parseExtendedDate(dateText)
  if (signedMs === undefined) {
    throw new S3Error(
      'AccessDenied',
      'AWS authentication requires a valid Date or x-amz-date header',
    )
  }
  return {
    accessKeyId: text.slice(0, colon),
    signature: text.slice(colon + 1),
    sessionToken: headers['x-amz-security-token'],
    dateText,
    signedMs,
    expiresMs: undefined,
  }
}

/** `AWSAccessKeyId=…&Expires=…&Signature=…`. Throws AccessDenied. */
export function parseSigV2Query(request: S3Request): SigV2Claim {
  const { query, headers } = request
  const accessKeyId = query.get('AWSAccessKeyId') ?? ''
  const signature = query.get('Signature') ?? ''
  const dateText = query.get('Expires') ?? ''
  if (accessKeyId === '' || signature === '' || dateText === '') {
    throw new S3Error(
      'AccessDenied',
      'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters',
    )
  }
  const seconds = decimal(dateText)
  if (seconds === undefined || seconds > EXPIRES_SECONDS_MAX) {
    throw new S3Error(
      'AccessDenied',
      `Invalid date (should be seconds since epoch): ${dateText.slice(0, 40)}`,
    )
  }
  return {
    accessKeyId,
    signature,
    sessionToken: headers['x-amz-security-token'],
    dateText,
    signedMs: undefined,
    expiresMs: seconds * 1000,
  }
}
