/**
 * What conditions of policies may ask of one request (protocol/iam/condition-keys.ts), found when a
 * policy asks for it: most requests meet no condition.
 *
 * Nothing that a client could merely claim stands here: the address is the connection's, never that of
 * X-Forwarded-For (row 33).
 */

import { isConditionKey } from '../protocol/iam/condition-keys.ts'
import type { ContextValues } from '../protocol/iam/template.ts'
import type { Identity } from './backend.ts'
import { parseCopySource } from './copy-source.ts'
import type { S3Request } from './request.ts'
import type { AuthResult } from './auth.ts'

/** What conditions may speak of. */
export interface Circumstances {
  readonly request: S3Request
  readonly auth: AuthResult
  readonly identity: Identity
  readonly region: string
  readonly nowMs: number
}

export class ConditionValues implements ContextValues {
  readonly #about: Circumstances
  readonly #versionId: string | undefined
  readonly #known = new Map<string, readonly string[] | undefined>()

  /** `versionId`: of what is asked for, when that is not the request's own object. */
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
    const { request, auth, identity, region, nowMs } = this.#about
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
        return query.get(key.slice('s3:'.length))
      case 's3:signatureage':
        if (auth.method !== 'query') return undefined
        // A link of version 2 does not tell its age, and AWS counts it as 0.
        return String(auth.signedMs === undefined ? 0 : nowMs - auth.signedMs)
      case 's3:signatureversion':
        return auth.version && { 2: 'AWS', 4: 'AWS4-HMAC-SHA256' }[auth.version]
      case 's3:versionid':
        return this.#versionId ?? query.get('versionId')
      case 's3:x-amz-content-sha256':
        return request.hoisted.has('x-amz-content-sha256')
          ? undefined
          : headers['x-amz-content-sha256']
      case 's3:x-amz-copy-source':
        return copySource(headers['x-amz-copy-source'])
      case 'sts:externalid':
        return query.get('ExternalId')
      case 'sts:rolesessionname':
        return query.get('RoleSessionName')
      default:
        return key.startsWith('s3:x-amz-') && isConditionKey(key)
          ? headers[key.slice('s3:'.length)]
          : undefined
    }
  }
}

/** Of the connection: what headers say of it anybody could write (row 33). */
export function sourceIp({ remoteAddress }: S3Request): string {
  const [address = ''] = remoteAddress.split('%')
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
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
