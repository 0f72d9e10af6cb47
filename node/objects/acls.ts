/** Owners and access control lists of versions, between the records that store them and the gateway. Pure. */

import {
  ACL_GROUPS,
  ACL_PERMISSIONS,
  type AclGrant,
  type AclPermission,
} from '../../protocol/iam/acl.ts'
import type { AclRecord } from '../../protocol/codec/versioned.ts'
import type { ObjectAcl } from '../../gateway/port/objects.ts'

/** By the number in the record: 0 is none. The order is for good. */
const GROUPS = [undefined, ...ACL_GROUPS] as const
const PERMISSIONS = [undefined, ...ACL_PERMISSIONS] as const

/** As records store it; undefined where nothing has to be stored. */
export function storedAcl(acl: ObjectAcl | undefined): AclRecord | undefined {
  if (acl === undefined) return undefined
  const { owner = '', grants } = acl
  if (owner === '' && grants === undefined) return undefined
  const stored = (grants ?? []).map(({ account = '', group, permission }) => ({
    account,
    group: GROUPS.indexOf(group),
    permission: PERMISSIONS.indexOf(permission),
  }))
  return { owner, grants: stored, listed: grants !== undefined }
}

/** The same as a field of a record. */
export function aclField(acl: ObjectAcl | undefined): { acl?: AclRecord } {
  const stored = storedAcl(acl)
  return stored === undefined ? {} : { acl: stored }
}

/** A grant of a later version of the program, with a group or a permission that this one does not know, grants nothing. */
export function aclOf(acl: AclRecord | undefined): ObjectAcl | undefined {
  if (acl === undefined) return undefined
  const owner = acl.owner === '' ? {} : { owner: acl.owner }
  if (!acl.listed) return owner
  const grants = acl.grants.flatMap(({ account, group, permission }): AclGrant[] => {
    const known: AclPermission | undefined = PERMISSIONS[permission]
    const who = account === '' ? { group: GROUPS[group] } : { account }
    const isKnown = known !== undefined && (account !== '' || who.group !== undefined)
    return isKnown ? [{ ...who, permission: known }] : []
  })
  return { ...owner, grants }
}
