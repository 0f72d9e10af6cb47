/**
 * What conditions of policies may ask of one request (protocol/iam/condition-keys.ts), found when a
 * policy asks for it: most requests meet no condition.
 *
 * Nothing that a client could merely claim stands here: the address is the connection's, never that of
 * X-Forwarded-For (F33).
 */

import { isConditionKey } from '../../protocol/iam/condition-keys.ts'
import type { ContextValues } from '../../protocol/iam/template.ts'
import { plainAddress } from '../http/address.ts'
import type { Identity } from '../port/identity.ts'
import { parseCopySource } from '../http/copy-source.ts'
import type { S3Request } from '../http/request.ts'
import type { AuthResult } from './auth.ts'

/** What conditions may speak of. */
/** What conditions ask of the operation that a request is: its name, and the names that it understands. */
export interface JudgedOperation {
  /** AWS's name. */
  readonly name: string
  readonly action: string
  readonly query: ReadonlySet<string>
  readonly headers: ReadonlySet<string>
  readonly conditions: ReadonlySet<string>
  readonly refusedHeaders: ReadonlySet<string>
}

export interface Circumstances {
  readonly request: S3Request
  readonly auth: AuthResult
  readonly identity: Identity
  readonly region: string
  readonly nowMs: number
  /** Absent where a request of the query API is judged. */
  readonly operation?: JudgedOperation | undefined
}

export class ConditionValues implements ContextValues {
  readonly #about: Circumstances
  readonly #versionId: string | undefined
  readonly #known = new Map<string, readonly string[] | undefined>()

  /** `versionId`: of what is asked for. A request may ask for several things, and each has its own. */
  constructor(about: Circumstances, versionId?: string) {
    this.#about = about
    this.#versionId = versionId
  }

  get(key: string): readonly string[] | undefined {
    if (this.#known.has(key)) return this.#known.get(key)
    const text = this.#find(key)
    const values = text === undefined ? undefined : [text]
    this.#known.set(key, values)
    return values
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  #find(key: string): string | undefined {
    const { request, auth, identity, region, nowMs, operation } = this.#about
    const { headers, query } = request
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
        return headers['referer']
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
        return headers['user-agent']
      case 's3:authtype':
        return { anonymous: undefined, header: 'REST-HEADER', query: 'REST-QUERY-STRING' }[
          auth.method
        ]
      case 's3:delimiter':
      case 's3:max-keys':
      case 's3:prefix':
        // Elsewhere S3 passes over it, so that anybody could write what a policy wants to see.
        return operation?.query.has(key.slice('s3:'.length)) === true
          ? query.get(key.slice('s3:'.length))
          : undefined
      case 's3:signatureage':
        if (auth.method !== 'query') return undefined
        // A link of version 2 does not tell its age, and AWS counts it as 0.
        return String(auth.signedMs === undefined ? 0 : nowMs - auth.signedMs)
      case 's3:signatureversion':
        return auth.version && { 2: 'AWS', 4: 'AWS4-HMAC-SHA256' }[auth.version]
      case 's3:if-match':
      case 's3:if-none-match':
        return operation?.conditions.has(key.slice('s3:'.length)) === true
          ? headers[key.slice('s3:'.length)]
          : undefined
      case 's3:objectcreationoperation':
        return operation === undefined ? undefined : creates(operation)
      case 's3:versionid':
        return this.#versionId
      case 's3:x-amz-content-sha256':
        return request.hoisted.has('x-amz-content-sha256')
          ? undefined
          : headers['x-amz-content-sha256']
      case 's3:x-amz-copy-source':
        return operation?.headers.has('x-amz-copy-source') === true
          ? copySource(headers['x-amz-copy-source'])
          : undefined
      case 'sts:externalid':
        return query.get('ExternalId')
      case 'sts:rolesessionname':
        return query.get('RoleSessionName')
      default:
        return key.startsWith('s3:x-amz-') && isConditionKey(key)
          ? ownHeader(key.slice('s3:'.length), headers, operation)
          : undefined
    }
  }
}

/** A header that the operation passes over says nothing of what it does. */
function ownHeader(
  name: string,
  headers: S3Request['headers'],
  operation: JudgedOperation | undefined,
): string | undefined {
  const counts = operation?.headers.has(name) === true || operation?.refusedHeaders.has(name)
  return counts === true ? headers[name] : undefined
}

/** s3:PutObject is the right of uploads' steps too, which can carry no condition and make no object. */
function creates({ name, action }: JudgedOperation): string | undefined {
  if (action !== 's3:PutObject') return undefined
  return String(['PutObject', 'CopyObject', 'CompleteMultipartUpload'].includes(name))
}

/** Of the connection: what headers say of it anybody could write (F33). */
export function sourceIp({ remoteAddress }: S3Request): string {
  const [address = ''] = remoteAddress.split('%')
  return plainAddress(address)
}

/** 'bucket/key', as the copy itself reads the header; undefined when no copy could read it. */
function copySource(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  try {
    const { bucket, key } = parseCopySource(header)
    return `${bucket}/${key}`
  } catch {
    return undefined
  }
}
