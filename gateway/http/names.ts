/** Query parameters and headers of S3 that do not belong to single operations; documented.ts has those that do. */

/** Query parameters that any request may carry. `x-id` names the operation in AWS's SDKs. */
export const COMMON_QUERY: ReadonlySet<string> = new Set(['x-id'])

/** x-amz-* headers that any request may carry, for signatures, the framing of bodies, guards and SDKs. */
export const COMMON_HEADERS: ReadonlySet<string> = new Set([
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-user-agent',
  'x-amz-api-version',
  'x-amz-expected-bucket-owner',
  'x-amz-decoded-content-length',
  'x-amz-trailer',
  'x-amz-request-payer',
])

/** Plain HTTP headers that some operations read. */
export const HTTP_HEADERS: ReadonlySet<string> = new Set([
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'expires',
  'range',
])

/** Conditions of RFC 9110. */
export const CONDITIONS: ReadonlySet<string> = new Set([
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
])

/** x-amz-* headers that are lists and may be sent as several lines (RFC 9110, 5.3). */
export const LIST_HEADERS: ReadonlySet<string> = new Set([
  'x-amz-object-attributes',
  'x-amz-optional-object-attributes',
  'x-amz-trailer',
  'x-amz-grant-full-control',
  'x-amz-grant-read',
  'x-amz-grant-read-acp',
  'x-amz-grant-write',
  'x-amz-grant-write-acp',
])
