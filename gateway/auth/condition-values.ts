/**
 * The values of condition keys (protocol/iam/condition-keys.ts) for one request. Each is computed when a
 * policy asks for it: most requests meet no condition.
 *
 * No value is one that a client could merely claim: the address is that of the connection, never that of
 * X-Forwarded-For (F33).
 */

import { isConditionKey } from '../../protocol/iam/condition-keys.ts'
import type { ContextValues } from '../../protocol/iam/template.ts'
import { plainAddress } from '../http/address.ts'
import type { Identity } from '../port/identity.ts'
import { parseCopySource } from '../http/copy-source.ts'
import type { S3Request } from '../http/request.ts'
import type { AuthResult } from './auth.ts'

/** What conditions need to know of a request's operation: its name, and the names that it understands. */
export interface JudgedOperation {
  /** AWS's name of the operation. */
  readonly name: string
  readonly action: string
  readonly query: ReadonlySet<string>
  readonly headers: ReadonlySet<string>
  readonly conditions: ReadonlySet<string>
  readonly refusedHeaders: ReadonlySet<string>
}

/** Everything about a request that condition values are made of. */
export interface Circumstances {
  readonly request: S3Request
  readonly auth: AuthResult
  readonly identity: Identity
  readonly region: string
  readonly nowMs: number
  /** Absent for requests of the query API. */
  readonly operation?: JudgedOperation | undefined
}

/** Computes values on demand and keeps them for the other policies of the same decision. */
export class ConditionValues implements ContextValues {
  readonly #about: Circumstances
  readonly #versionId: string | undefined
  /** Made for the first value: most decisions ask for none. */
  #known: Map<string, readonly string[] | undefined> | undefined

  /** `versionId` is that of the object asked for: one request may ask for several objects. */
  constructor(about: Circumstances, versionId?: string) {
    this.#about = about
    this.#versionId = versionId
  }

  /** The values of a key in lower case; undefined when the request has none. No key of a request has several. */
  get(key: string): readonly string[] | undefined {
    const known = (this.#known ??= new Map())
    if (known.has(key)) return known.get(key)
    const text = this.#find(key)
    const values = text === undefined ? undefined : [text]
    known.set(key, values)
    return values
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  #find(key: string): string | undefined {
    const about = this.#about
    if (key === 's3:versionid') return this.#versionId
    if (key.startsWith('aws:')) return globalValue(key, about)
    if (key.startsWith('s3:')) return s3Value(key.slice('s3:'.length), about)
    if (key === 'sts:externalid') return about.request.query.get('ExternalId')
    if (key === 'sts:rolesessionname') return about.request.query.get('RoleSessionName')
    return undefined
  }
}

function globalValue(key: string, about: Circumstances): string | undefined {
  const { request, identity, region, nowMs } = about
  switch (key) {
    case 'aws:currenttime':
      return new Date(nowMs).toISOString()
    case 'aws:epochtime':
      return String(Math.floor(nowMs / 1000))
    case 'aws:multifactorauthpresent':
      return identity.tokenIssuedMs === undefined ? undefined : 'false'
    case 'aws:principalisawsservice':
    case 'aws:viaawsservice':
      return 'false'
    case 'aws:referer':
      return request.headers['referer']
    case 'aws:requestedregion':
      return region
    case 'aws:securetransport':
      return String(request.secure)
    case 'aws:sourceip':
      return sourceIp(request)
    case 'aws:tokenissuetime':
      return identity.tokenIssuedMs === undefined
        ? undefined
        : new Date(identity.tokenIssuedMs).toISOString()
    case 'aws:useragent':
      return request.headers['user-agent']
    default:
      return undefined
  }
}

/** `name` is the key without 's3:'. */
function s3Value(name: string, about: Circumstances): string | undefined {
  const { request, auth, nowMs, operation } = about
  const { headers, query } = request
  switch (name) {
    case 'authtype':
      return { anonymous: undefined, header: 'REST-HEADER', query: 'REST-QUERY-STRING' }[
        auth.method
      ]
    case 'delimiter':
    case 'max-keys':
    case 'prefix':
      // Other operations ignore these parameters, so any client could add the value that a policy asks for.
      return operation?.query.has(name) === true ? query.get(name) : undefined
    case 'signatureage':
      if (auth.method !== 'query') return undefined
      // A link of version 2 does not tell its age, and AWS counts it as 0.
      return String(auth.signedMs === undefined ? 0 : nowMs - auth.signedMs)
    case 'signatureversion':
      return auth.version && { 2: 'AWS', 4: 'AWS4-HMAC-SHA256' }[auth.version]
    case 'if-match':
    case 'if-none-match':
      return operation?.conditions.has(name) === true ? headers[name] : undefined
    case 'objectcreationoperation':
      return operation === undefined ? undefined : creates(operation)
    case 'x-amz-content-sha256':
      return request.hoisted.has(name) ? undefined : headers[name]
    case 'x-amz-copy-source':
      return operation?.headers.has(name) === true ? copySource(headers[name]) : undefined
    default:
      return name.startsWith('x-amz-') && isConditionKey(`s3:${name}`)
        ? ownHeader(name, headers, operation)
        : undefined
  }
}

/** Only headers that the operation understands: others say nothing about what it does. */
function ownHeader(
  name: string,
  headers: S3Request['headers'],
  operation: JudgedOperation | undefined,
): string | undefined {
  const counts = operation?.headers.has(name) === true || operation?.refusedHeaders.has(name)
  return counts === true ? headers[name] : undefined
}

/** Other steps of uploads need s3:PutObject too, but they create no object and carry no condition. */
function creates({ name, action }: JudgedOperation): string | undefined {
  if (action !== 's3:PutObject') return undefined
  return String(['PutObject', 'CopyObject', 'CompleteMultipartUpload'].includes(name))
}

/** The address of the connection. Any client could write what headers say about it (F33). */
export function sourceIp({ remoteAddress }: S3Request): string {
  const [address = ''] = remoteAddress.split('%')
  return plainAddress(address)
}

/** 'bucket/key', parsed as the copy itself parses the header; undefined when it is malformed. */
function copySource(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  try {
    const { bucket, key } = parseCopySource(header)
    return `${bucket}/${key}`
  } catch {
    return undefined
  }
}
