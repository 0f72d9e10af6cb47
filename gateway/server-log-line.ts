/**
 * One line of a bucket's access log, in AWS's format: fields in AWS's order, separated by spaces, `-` where there is nothing to
 * tell. No field holds a secret (F37).
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
 */

import type { TLSSocket } from 'node:tls'
import { sourceIp } from './auth/condition-values.ts'
import { lowerCase, upperCase } from './http/ascii.ts'
import type { Exchange } from './http/exchange.ts'
import { HttpExchange } from './http/http-exchange.ts'
import type { S3Request } from './http/request.ts'
import type { Identity } from './port/identity.ts'

/** What a line tells about a request that is over. */
export interface LoggedRequest {
  readonly exchange: Exchange
  readonly request: S3Request
  readonly ownerAccount: string
  readonly bucket: string
  readonly status: number
  readonly startedMs: number
  readonly totalMs: number
  readonly hostId: string
  readonly region: string
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
/** Values of a query that nobody who reads the log may have. */
const SECRET = /^(?:x-amz-signature|signature|x-amz-security-token|x-amz-.*customer-key(?:-md5)?)$/
const TEXT_CHARACTERS_MAX = 1_024
const URI_CHARACTERS_MAX = 8_192

/** Without the end of the line. */
export function serverLogLine(logged: LoggedRequest): string {
  const { exchange, request, ownerAccount, bucket, status, startedMs, totalMs } = logged
  const { headers, key, query } = request
  const tls = tlsOf(exchange)
  const [version, kind] = signatureOf(exchange, request)
  const fields = [
    ownerAccount,
    bucket,
    timeOf(startedMs),
    plain(sourceIp(request)),
    requesterOf(exchange.credential?.identity),
    exchange.requestId,
    operationOf(exchange.operation, request),
    key === undefined ? '-' : encodeURIComponent(key).replaceAll('%2F', '/'),
    quoted(`${request.method} ${uriOf(request)} HTTP/${versionOf(exchange)}`, URI_CHARACTERS_MAX),
    String(status),
    status >= 400 ? (exchange.failure?.code ?? '-') : '-',
    exchange.sentBytes === 0 ? '-' : String(exchange.sentBytes),
    sizeOf(exchange, request, status),
    String(Math.round(totalMs)),
    '-',
    quoted(headers['referer']),
    quoted(headers['user-agent']),
    plain(query.get('versionId')),
    logged.hostId,
    version,
    tls.cipher,
    kind,
    plain(headers['host']),
    tls.version,
    '-',
    '-',
    logged.region,
  ]
  return fields.join(' ')
}

/** [06/Feb/2019:00:00:38 +0000] */
function timeOf(timeMs: number): string {
  const iso = new Date(timeMs).toISOString()
  const month = MONTHS[Number(iso.slice(5, 7)) - 1] ?? ''
  return `[${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000]`
}

/** As in AWS the ARN of users and sessions, and for root the id of its account. */
function requesterOf(identity: Identity | undefined): string {
  if (identity === undefined || identity.type === 'Anonymous') return '-'
  return identity.isRoot ? identity.accountId : plain(identity.principalArn)
}

/** A field without spaces and quotes. */
function plain(text: string | undefined): string {
  return text === undefined || text === '' ? '-' : clean(text).replace(/[ "]/g, encodeURIComponent)
}

function quoted(text: string | undefined, charactersMax = TEXT_CHARACTERS_MAX): string {
  const shown = clean(text ?? '-').slice(0, charactersMax)
  return `"${shown.replaceAll('"', '%22')}"`
}

/** Nothing that could begin another line. */
function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')
}

function uriOf({ rawPath, rawQuery }: S3Request): string {
  if (rawQuery === '') return rawPath
  const shown = rawQuery.split('&').map((pair) => {
    const equals = pair.indexOf('=')
    const name = pair.slice(0, equals)
    return equals >= 0 && SECRET.test(lowerCase(decoded(name))) ? `${name}=REDACTED` : pair
  })
  return `${rawPath}?${shown.join('&')}`
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    // A request with such a query has failed.
    return name
  }
}

function versionOf(exchange: Exchange): string {
  return exchange instanceof HttpExchange ? exchange.request.httpVersion : '1.1'
}

/** Of the object, as far as the request and its answer tell. */
function sizeOf({ operation, sentBytes }: Exchange, request: S3Request, status: number): string {
  if (status !== 200) return '-'
  if (operation === 'GetObject' || operation === 'WebsiteGet') return String(sentBytes)
  if (operation !== 'PutObject' && operation !== 'UploadPart') return '-'
  const { contentLength, headers } = request
  return plain(headers['x-amz-decoded-content-length'] ?? contentLength?.toString())
}

function signatureOf(
  { credential }: Exchange,
  { headers, query, form }: S3Request,
): readonly [version: string, kind: string] {
  if (credential === undefined) return ['-', '-']
  const version4 = query.has('X-Amz-Signature') || form?.fields.has('x-amz-signature') === true
  if (version4) return ['SigV4', form === undefined ? 'QueryString' : '-']
  const header = headers['authorization']
  if (header === undefined) return ['SigV2', form === undefined ? 'QueryString' : '-']
  return [header.startsWith('AWS4-') ? 'SigV4' : 'SigV2', 'AuthHeader']
}

function tlsOf(exchange: Exchange): { readonly version: string; readonly cipher: string } {
  const none = { version: '-', cipher: '-' }
  if (!(exchange instanceof HttpExchange)) return none
  const socket = exchange.request.socket as Partial<TLSSocket>
  // A connection that is gone has none any more.
  const cipher = socket.encrypted === true ? socket.getCipher?.() : undefined
  const version = socket.encrypted === true ? socket.getProtocol?.() : undefined
  return { version: version ?? '-', cipher: cipher?.standardName ?? '-' }
}

/** What AWS calls operations that it does not call after the parameter that selects them. */
const RESOURCES: Readonly<Record<string, string>> = {
  CopyObject: 'COPY.OBJECT',
  UploadPartCopy: 'COPY.PART',
  PutObject: 'PUT.OBJECT',
  PostObject: 'POST.OBJECT',
  UploadPart: 'PUT.PART',
  CreateMultipartUpload: 'POST.UPLOADS',
  CompleteMultipartUpload: 'POST.UPLOAD',
  AbortMultipartUpload: 'DELETE.UPLOAD',
  ListParts: 'GET.UPLOAD',
  ListMultipartUploads: 'GET.UPLOADS',
  ListObjectVersions: 'GET.BUCKETVERSIONS',
  DeleteObjects: 'POST.MULTI_OBJECT_DELETE',
  Preflight: 'OPTIONS.PREFLIGHT',
}
const MARKS: Readonly<Record<string, string>> = {
  policy: 'BUCKETPOLICY',
  policyStatus: 'BUCKETPOLICYSTATUS',
  logging: 'LOGGING_STATUS',
  publicAccessBlock: 'PUBLIC_ACCESS_BLOCK',
  ownershipControls: 'OWNERSHIP_CONTROLS',
  requestPayment: 'REQUEST_PAYMENT',
  'object-lock': 'OBJECT_LOCK_CONFIGURATION',
  retention: 'OBJECT_LOCK_RETENTION',
  'legal-hold': 'OBJECT_LOCK_LEGALHOLD',
  attributes: 'OBJECT_ATTRIBUTES',
}
/** Settings and parts of objects that AWS calls after their parameter. */
const SAME =
  'acl accelerate cors encryption lifecycle location notification replication versioning website'
const SAME_MARKS: ReadonlySet<string> = new Set(SAME.split(' '))

/** REST.GET.OBJECT, WEBSITE.GET.OBJECT, REST.PUT.BUCKETPOLICY … */
function operationOf(operation: string, { method, query, key }: S3Request): string {
  if (operation.startsWith('Website')) return `WEBSITE.${method}.OBJECT`
  const named = RESOURCES[operation]
  if (named !== undefined) return `REST.${named}`
  for (const name of query.keys()) {
    if (name === 'tagging')
      return `REST.${method}.${key === undefined ? 'TAGGING' : 'OBJECT_TAGGING'}`
    const resource = MARKS[name] ?? (SAME_MARKS.has(name) ? upperCase(name) : undefined)
    if (resource !== undefined) return `REST.${method}.${resource}`
  }
  return `REST.${clean(method)}.${key === undefined ? 'BUCKET' : 'OBJECT'}`
}
