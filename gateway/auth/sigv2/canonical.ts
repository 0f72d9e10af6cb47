/**
 * The string to sign of Signature Version 2:
 *
 *   method LF Content-MD5 LF Content-Type LF date LF  *(x-amz-name ":" value LF)  resource
 *
 * The resource is the bucket that the Host header names, if any, then the path as sent, then the signed
 * parameters, decoded, in order. Text is latin1, like headers: one character for each byte.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
 */

import { createHmac } from 'node:crypto'

import { trim } from '../../http/ascii.ts'
import { mustBeSigned } from '../auth.ts'
import type { S3Request } from '../../http/request.ts'

/**
 * Parameters that are part of the resource. AWS's page names the first group, its SDKs the second. The third group
 * are all others that select another operation: if they were not signed, the holder of a link could do more than
 * its signer allowed.
 */
export const SIGNED_PARAMETERS: ReadonlySet<string> = new Set(
  [
    'acl delete lifecycle location logging notification partNumber policy requestPayment',
    'response-cache-control response-content-disposition response-content-encoding',
    'response-content-language response-content-type response-expires',
    'uploadId uploads versionId versioning versions website',

    'accelerate analytics cors defaultObjectAcl inventory metrics object-lock replication restore',
    'select select-type storageClass tagging torrent',

    'abac annotation annotations attributes capabilities encryption intelligent-tiering legal-hold',
    'metadataAnnotationTable metadataConfiguration metadataInventoryTable metadataJournalTable',
    'metadataTable ownershipControls policyStatus publicAccessBlock renameObject retention session',
  ]
    .join(' ')
    .split(' '),
)

/**
 * The strings that the client may have signed, the likeliest first; at most four, possibly none:
 *   - some clients sign `/bucket/` when they send `/bucket`
 *   - AWS's page says that x-amz-date is one of the x-amz-* headers and the date is empty, but its example has it
 *     as the date
 */
export function stringsToSign(request: S3Request, dateText: string, presigned: boolean): string[] {
  const { method, sentHeaders: headers } = request
  const start = `${method}\n${valueOf(request, 'content-md5')}\n${valueOf(request, 'content-type')}\n`
  const names: string[] = []
  for (const name in headers) {
    // A presigned request has its own time, Expires.
    if (mustBeSigned(name) && name !== 'x-amz-date') names.push(name)
  }
  const dated = !presigned && request.headers['x-amz-date'] !== undefined
  const amzHeaders = (more: readonly string[]): string =>
    [...names, ...more]
      .sort()
      .map((name) => `${name}:${valueOf(request, name)}\n`)
      .join('')
  const heads = dated
    ? [`\n${amzHeaders(['x-amz-date'])}`, `${trim(dateText)}\n${amzHeaders([])}`]
    : [`${trim(dateText)}\n${amzHeaders([])}`]
  const resources = canonicalResources(request)
  return heads.flatMap((head) => resources.map((resource) => start + head + resource))
}

function valueOf(request: S3Request, name: string): string {
  return trim(request.sentHeaders[name] ?? '')
}

function canonicalResources(request: S3Request): string[] {
  const { bucket, key, rawPath, virtualHost, query } = request
  const path = virtualHost ? `/${bucket ?? ''}${rawPath}` : rawPath
  const parameters = [...query]
    .filter(([name]) => SIGNED_PARAMETERS.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => (value === '' ? name : `${name}=${utf8AsLatin1(value)}`))
  if (parameters.some(hidesAnother)) return []
  const end = parameters.length === 0 ? '' : `?${parameters.join('&')}`
  if (bucket === undefined || key !== undefined) return [path + end]
  const bare = path.endsWith('/') ? path.slice(0, -1) : path
  return [`${bare}/${end}`, bare + end]
}

/**
 * Values are signed decoded, so `response-content-type=a&versionId=1` may be two parameters, or one whose value
 * contains the second. Without this check, the holder of a link could hide a parameter that its signer meant.
 */
function hidesAnother(parameter: string): boolean {
  const [, ...others] = parameter.split('&')
  return others.some((other) => SIGNED_PARAMETERS.has(other.split('=', 1)[0] ?? ''))
}

function utf8AsLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** The HMAC-SHA1 in base64. */
export function sigV2Signature(secretAccessKey: string, toSign: string): string {
  return createHmac('sha1', secretAccessKey).update(Buffer.from(toSign, 'latin1')).digest('base64')
}
