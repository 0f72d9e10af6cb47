/**
 * A user, under its unique id. Its name may change; who refers to it names the id, so that a user made
 * anew under the same name inherits nothing.
 */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, listOf, matchOf } from '../layout/json.ts'
import { ACCESS_KEY_ID, ACCOUNT_ID, PATH, UNIQUE_ID, USER_NAME } from './identity.ts'
import {
  attachedOf,
  inlineOf,
  instantOf,
  jsonCodec,
  markOf,
  referencesOf,
  tokenOf,
  recordTags,
  type AttachedPolicy,
  type NamedPolicy,
  type Reference,
  type IamTag,
} from './record.ts'

const GROUPS_MAX = 20
/** A superset: of keys that were never made, too, until someone looks. */
const KEYS_MAX = 16

export interface UserRecord {
  readonly accountId: string
  /** AIDA… */
  readonly id: string
  readonly name: string
  readonly path: string
  /** Token of a rename under way, '' when there is none: only it may set another name. */
  readonly renaming: string
  readonly createdMs: number
  readonly policies: readonly NamedPolicy[]
  readonly attached: readonly AttachedPolicy[]
  /** Decides: the group's list of members is a superset. */
  readonly groups: readonly Reference[]
  /** Ids, a superset: the key's own register decides. */
  readonly accessKeys: readonly string[]
  readonly tags: readonly IamTag[]
  /** A policy of another account names it, or has named it: what that gives is not known here. */
  readonly namedAbroad?: true
}

/** Decoding throws RecordVersionError or ShapeError. */
export const userCodec: RecordCodec<UserRecord> = jsonCodec((value) => {
  const fields = fieldsOf(
    value,
    [
      'accountId',
      'id',
      'name',
      'path',
      'renaming',
      'createdMs',
      'policies',
      'attached',
      'groups',
      'accessKeys',
      'tags',
    ],
    ['namedAbroad'],
  )
  return {
    accountId: matchOf(fields.accountId, ACCOUNT_ID),
    id: matchOf(fields.id, UNIQUE_ID),
    name: matchOf(fields.name, USER_NAME),
    path: matchOf(fields.path, PATH),
    renaming: fields.renaming === '' ? '' : tokenOf(fields.renaming),
    createdMs: instantOf(fields.createdMs),
    policies: inlineOf(fields.policies),
    attached: attachedOf(fields.attached),
    groups: referencesOf(fields.groups, GROUPS_MAX),
    accessKeys: listOf(fields.accessKeys, KEYS_MAX, (item) => matchOf(item, ACCESS_KEY_ID)),
    tags: recordTags(fields.tags),
    ...markOf('namedAbroad', fields.namedAbroad),
  }
})
