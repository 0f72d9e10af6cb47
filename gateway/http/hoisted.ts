/** Parameters of a presigned query that are headers: they are added to the headers of the request. Called by request.ts. */

import { lowerCase } from './ascii.ts'
import { S3Error } from './errors.ts'

/** Parameters of a presigned request itself. Every other x-amz-* parameter in its query is a header. */
const PRESIGN_PARAMETERS: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-security-token',
  'x-amz-content-sha256',
])

const NOTHING_HOISTED: ReadonlySet<string> = new Set()
/** False for text that would split or garble a response: CR, LF, NUL, characters beyond latin1 (F26). */
export function isHeaderValue(text: string): boolean {
  return /^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(text)
}

/** Adds those parameters of a presigned query that are headers to the headers. */
export function hoist(
  query: ReadonlyMap<string, string>,
  headers: Record<string, string>,
): ReadonlySet<string> {
  if (query.has('X-Amz-Algorithm')) return hoistAs(query, headers, hoistedBySigV4)
  if (query.has('Signature') || query.has('AWSAccessKeyId')) {
    return hoistAs(query, headers, hoistedBySigV2)
  }
  return NOTHING_HOISTED
}

/** Whether a parameter is a header. `name` is in lower case. */
type Hoisting = (name: string, headers: Record<string, string>) => boolean

const hoistedBySigV4: Hoisting = (name) =>
  name.startsWith('x-amz-') && !PRESIGN_PARAMETERS.has(name)

/**
 * Every x-amz-* parameter of a link is a header, so that the signature covers it, except a date, which has no meaning
 * there. SDKs also put Content-Type and Content-MD5, which are signed too, into the query. When the client sends
 * these as headers, the headers count.
 */
const hoistedBySigV2: Hoisting = (name, headers) =>
  name === 'content-type' || name === 'content-md5'
    ? headers[name] === undefined
    : name.startsWith('x-amz-') && name !== 'x-amz-date'

function hoistAs(
  query: ReadonlyMap<string, string>,
  headers: Record<string, string>,
  isHoisted: Hoisting,
): ReadonlySet<string> {
  const hoisted = new Set<string>()
  for (const [parameter, value] of query) {
    const name = lowerCase(parameter)
    if (!isHoisted(name, headers)) continue
    // A header would have had UTF-8 bytes, which Node shows as latin1.
    const latin1 = Buffer.from(value, 'utf8').toString('latin1')
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name) || !isHeaderValue(latin1)) {
      throw new S3Error('InvalidArgument', 'A query parameter cannot be used as a header.', {
        details: { ArgumentName: parameter },
      })
    }
    // When the client also sent the header, the signature must cover it as a header.
    if (headers[name] === latin1) continue
    if (headers[name] !== undefined) {
      throw new S3Error(
        'InvalidArgument',
        'A header was sent twice, in the query and as a header, with different values.',
        { details: { ArgumentName: parameter } },
      )
    }
    headers[name] = latin1
    hoisted.add(name)
  }
  return hoisted
}
