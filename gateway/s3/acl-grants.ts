/**
 * Access control lists as clients write them: the name of a canned list, headers with grants, or a document. All become
 * a list of grants (protocol/iam/acl.ts).
 */

import { lowerCase, trim, trimXml } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import type { HeaderRecord } from '../http/request.ts'
import { childOf, childText, tag, type XmlElement, type XmlLimits } from '../http/xml.ts'
import { escapeXml } from '../http/xml-text.ts'
import {
  ACL_GROUPS,
  ACL_PERMISSIONS,
  type AclGrant,
  type AclGroup,
  type AclPermission,
} from '../../protocol/iam/acl.ts'
import { invalidArgument, ownerXml } from './common.ts'

/** AWS's limit. */
const MAX_GRANTS = 100
/** Room for more grants than are accepted, so that the refusal can say what is wrong. */
export const ACL_LIMITS: XmlLimits = { maxBytes: 64 * 1024, maxElements: 1_000, maxDepth: 5 }

const GROUP_URIS: Readonly<Record<AclGroup, string>> = {
  AllUsers: 'http://acs.amazonaws.com/groups/global/AllUsers',
  AuthenticatedUsers: 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers',
  LogDelivery: 'http://acs.amazonaws.com/groups/s3/LogDelivery',
}

/**
 * What each canned list grants besides the owner's full control. Those that are not named grant nothing.
 * log-delivery-write is for buckets, and the two that name the bucket's owner are for objects.
 */
const CANNED: ReadonlyMap<string, readonly AclGrant[]> = new Map<string, readonly AclGrant[]>([
  ['public-read', [{ group: 'AllUsers', permission: 'READ' }]],
  [
    'public-read-write',
    [
      { group: 'AllUsers', permission: 'READ' },
      { group: 'AllUsers', permission: 'WRITE' },
    ],
  ],
  ['authenticated-read', [{ group: 'AuthenticatedUsers', permission: 'READ' }]],
  [
    'log-delivery-write',
    [
      { group: 'LogDelivery', permission: 'WRITE' },
      { group: 'LogDelivery', permission: 'READ_ACP' },
    ],
  ],
])

/** The headers that grant something, with what each grants. */
const GRANT_HEADERS: readonly (readonly [name: string, permission: AclPermission])[] = [
  ['x-amz-grant-full-control', 'FULL_CONTROL'],
  ['x-amz-grant-read', 'READ'],
  ['x-amz-grant-read-acp', 'READ_ACP'],
  ['x-amz-grant-write', 'WRITE'],
  ['x-amz-grant-write-acp', 'WRITE_ACP'],
]

/** The headers that set the list of a bucket, or of an object that exists. */
export const ACL_HEADERS = ['x-amz-acl', ...GRANT_HEADERS.map(([name]) => name)]
/** Those of an object that is about to be stored: nobody can be granted WRITE on it. */
export const NEW_OBJECT_ACL_HEADERS = ACL_HEADERS.filter((name) => name !== 'x-amz-grant-write')

/** Full control for the owner, and nothing for others: the list of a bucket that has none. */
export function ownersGrants(owner: string): AclGrant[] {
  return [{ account: owner, permission: 'FULL_CONTROL' }]
}

/** Who owns what a list is for. */
export interface AclOwners {
  readonly owner: string
  /** For the list of an object: the account of its bucket. */
  readonly bucketOwner?: string | undefined
}

/**
 * The grants that the headers of a request ask for; undefined without such headers. The owner gets full control by a canned
 * list, and by grants only what they name. Throws InvalidRequest for both at once, InvalidArgument for a canned list that
 * objects do not have, and what `parseGrantees` throws.
 */
export function grantsOfHeaders(headers: HeaderRecord, owners: AclOwners): AclGrant[] | undefined {
  const canned = headers['x-amz-acl'] || undefined
  const grants: AclGrant[] = []
  for (const [name, permission] of GRANT_HEADERS) {
    const text = headers[name] || undefined
    if (text === undefined) continue
    if (canned !== undefined) {
      throw new S3Error(
        'InvalidRequest',
        'Specifying both Canned ACLs and Header Grants is not allowed',
      )
    }
    for (const grantee of parseGrantees(name, text)) grants.push({ ...grantee, permission })
  }
  if (canned !== undefined) return cannedGrants(canned, owners)
  return grants.length === 0 ? undefined : limited(grants)
}

function cannedGrants(canned: string, { owner, bucketOwner }: AclOwners): AclGrant[] {
  if (bucketOwner !== undefined && canned === 'log-delivery-write') {
    throw invalidArgument('x-amz-acl', canned)
  }
  const grants = [...ownersGrants(owner), ...(CANNED.get(canned) ?? [])]
  if (bucketOwner === undefined || bucketOwner === owner) return grants
  if (canned === 'bucket-owner-read') grants.push({ account: bucketOwner, permission: 'READ' })
  if (canned === 'bucket-owner-full-control') grants.push(...ownersGrants(bucketOwner))
  return grants
}

type Grantee = Pick<AclGrant, 'account' | 'group'>

/**
 * The grantees in one header: `id="123456789012", uri="http://acs.amazonaws.com/groups/global/AllUsers"`. Throws
 * InvalidArgument, UnresolvableGrantByEmailAddress.
 */
export function parseGrantees(name: string, text: string): Grantee[] {
  return text.split(',').map((each) => {
    const equals = each.indexOf('=')
    const kind = lowerCase(trim(each.slice(0, Math.max(equals, 0))))
    const written = trim(each.slice(equals + 1))
    const value = /^"[^"]*"$/.test(written) ? written.slice(1, -1) : written
    const isKnown = kind === 'id' || kind === 'uri' || kind === 'emailaddress'
    if (!isKnown || value === '' || value.includes('"')) {
      throw invalidArgument(name, text, 'Argument format not recognized')
    }
    if (kind === 'emailaddress') throw new S3Error('UnresolvableGrantByEmailAddress')
    return kind === 'id' ? { account: value } : { group: groupOf(value) }
  })
}

/** A list as a document says it. */
export interface AclDocument {
  readonly owner: string
  readonly grants: readonly AclGrant[]
}

/**
 * Reads an AccessControlPolicy. The kind of a grantee follows from the element that names it. Throws MalformedACLError,
 * InvalidArgument for an unknown group, UnresolvableGrantByEmailAddress.
 */
export function parseAcl(root: XmlElement): AclDocument {
  const known = ['Owner', 'AccessControlList']
  if (root.name !== 'AccessControlPolicy' || !hasOnly(root, known)) throw malformed()
  const ownerElement = childOf(root, 'Owner')
  const list = childOf(root, 'AccessControlList')
  const owner = ownerElement && trimXml(childText(ownerElement, 'ID'))
  if (owner === undefined || list === undefined || !hasOnly(list, ['Grant'])) throw malformed()
  return { owner, grants: limited(list.children.map(parseGrant)) }
}

function parseGrant(element: XmlElement): AclGrant {
  const grantee = childOf(element, 'Grantee')
  const permission = trimXml(childText(element, 'Permission'))
  if (grantee === undefined || !hasOnly(element, ['Grantee', 'Permission'])) throw malformed()
  if (!isPermission(permission)) throw malformed()
  return { ...parseGrantee(grantee), permission }
}

function parseGrantee(element: XmlElement): Grantee {
  if (!hasOnly(element, ['ID', 'DisplayName', 'URI', 'EmailAddress'])) throw malformed()
  const [id, uri, email] = ['ID', 'URI', 'EmailAddress'].map((name) =>
    trimXml(childText(element, name)),
  )
  const named = [id, uri, email].filter((each) => each !== undefined)
  if (named.length !== 1 || named[0] === '') throw malformed()
  if (email !== undefined) throw new S3Error('UnresolvableGrantByEmailAddress')
  return id === undefined ? { group: groupOf(uri ?? '') } : { account: id }
}

/** The document that GetBucketAcl answers. */
export function aclXml(owner: string, grants: readonly AclGrant[]): string {
  return `${ownerXml(owner)}<AccessControlList>${grants.map(grantXml).join('')}</AccessControlList>`
}

function grantXml({ account, group, permission }: AclGrant): string {
  const [type, content] =
    group === undefined
      ? ['CanonicalUser', `${tag('ID', account)}${tag('DisplayName', account)}`]
      : ['Group', tag('URI', GROUP_URIS[group])]
  return `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="${escapeXml(type)}">${content}</Grantee>${tag('Permission', permission)}</Grant>`
}

/** Throws MalformedACLError for more grants than AWS's schema has. */
function limited(grants: AclGrant[]): AclGrant[] {
  if (grants.length > MAX_GRANTS) throw malformed()
  return grants
}

function groupOf(uri: string): AclGroup {
  const group = ACL_GROUPS.find((each) => GROUP_URIS[each] === uri)
  if (group === undefined) throw invalidArgument('uri', uri, 'Invalid group uri')
  return group
}

function isPermission(text: string | undefined): text is AclPermission {
  return (ACL_PERMISSIONS as readonly (string | undefined)[]).includes(text)
}

function hasOnly({ children }: XmlElement, names: readonly string[]): boolean {
  return children.every(({ name }) => names.includes(name))
}

function malformed(): S3Error {
  return new S3Error('MalformedACLError')
}
