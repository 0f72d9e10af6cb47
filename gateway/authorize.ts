/** May this identity do this: the one place where the gateway asks protocol/iam (row 30). */

import { evaluate } from '../protocol/iam/evaluate.ts'
import { parsePolicy, type Policy } from '../protocol/iam/policy.ts'
import type { Identity } from './backend.ts'
import { S3Error } from './errors.ts'
import type { Level } from './operation.ts'
import type { S3Request } from './request.ts'
import type { AuthResult } from './sigv4/verify.ts'

export interface Access {
  readonly action: string
  readonly resource: Level
  readonly bucket: string
  readonly key: string
}

/** What conditions may speak of. */
export interface Circumstances {
  readonly request: S3Request
  readonly auth: AuthResult
  readonly nowMs: number
}

/** Throws AccessDenied. Root may do everything in its account; all others what their policies say. */
export function authorize(identity: Identity, access: Access, about: Circumstances): void {
  if (identity.isRoot) return
  const resource = resourceArn(access)
  const policies = identity.policies.map(compiled)
  // A policy that can't be read may have held a deny.
  if (policies.some((policy) => policy === undefined))
    throw denied(identity, access, 'default-deny')
  const decision = evaluate(policies as Policy[], {
    action: access.action,
    resource,
    principal: identity.principalArn,
    context: contextOf(identity, about),
  })
  if (!decision.allowed) throw denied(identity, access, decision.reason.kind)
}

/** In AWS's words. */
function denied(identity: Identity, access: Access, kind: string): S3Error {
  const why =
    kind === 'explicit-deny'
      ? 'with an explicit deny in an identity-based policy'
      : `because no identity-based policy allows the ${access.action} action`
  return new S3Error(
    'AccessDenied',
    `User: ${identity.principalArn} is not authorized to perform: ${access.action} on resource: "${resourceArn(access)}" ${why}`,
  )
}

export function resourceArn({ resource, bucket, key }: Access): string {
  if (resource === 'service') return 'arn:aws:s3:::*'
  return resource === 'bucket' ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`
}

const CACHED_MAX = 1000
const cache = new Map<string, Policy | undefined>()

/** Policies are text in an identity; identities are few and asked often. */
function compiled(text: string): Policy | undefined {
  if (cache.has(text)) return cache.get(text)
  let policy: Policy | undefined
  try {
    policy = parsePolicy(text)
  } catch {
    policy = undefined
  }
  if (cache.size >= CACHED_MAX) cache.clear()
  cache.set(text, policy)
  return policy
}

/** The keys of protocol/iam/condition-keys.ts, as far as they apply to this request. */
function contextOf(identity: Identity, about: Circumstances): Map<string, readonly string[]> {
  const { request, auth, nowMs } = about
  const { headers, query } = request
  const context = new Map<string, readonly string[]>([
    ['aws:currenttime', [new Date(nowMs).toISOString()]],
    ['aws:epochtime', [String(Math.floor(nowMs / 1000))]],
    ['aws:principalaccount', [identity.accountId]],
    ['aws:principaltype', ['User']],
    ['aws:securetransport', [String(request.secure)]],
    ['aws:sourceip', [sourceIp(request.remoteAddress)]],
    ['aws:userid', [identity.userName]],
    ['aws:username', [identity.userName]],
    ['s3:authtype', [auth.method === 'query' ? 'REST-QUERY-STRING' : 'REST-HEADER']],
    ['s3:signatureversion', ['AWS4-HMAC-SHA256']],
  ])
  const optional: readonly (readonly [string, string | undefined])[] = [
    ['aws:referer', headers['referer']],
    ['aws:useragent', headers['user-agent']],
    ['s3:delimiter', query.get('delimiter')],
    ['s3:max-keys', query.get('max-keys')],
    ['s3:prefix', query.get('prefix')],
  ]
  for (const [key, value] of optional) if (value !== undefined) context.set(key, [value])
  return context
}

/** Of the connection: what headers say of it anybody could write (row 33). */
function sourceIp(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
