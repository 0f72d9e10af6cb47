/**
 * A user, under its unique id. Its name may change; references to it name the id, so that a new user under the name of
 * a deleted one inherits nothing.
 */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, listOf, matchOf } from '../layout/json.ts'
import {
  boundaryOf,
  RENAMABLE_FIELDS,
  renamableOf,
  type BoundedRecord,
  type RenamableRecord,
} from './entity.ts'
import { ACCESS_KEY_ID, USER_NAME } from './identity.ts'
import {
  jsonCodec,
  markOf,
  referencesOf,
  recordTags,
  type IamTag,
  type Reference,
} from './record.ts'

const GROUPS_MAX = 20
/** A superset: it also has ids of keys that were never made, until the list is cleaned. */
const KEYS_MAX = 16

export interface UserRecord extends RenamableRecord, BoundedRecord {
  /** Decides membership. The group's list of members is a superset. */
  readonly groups: readonly Reference[]
  /** Ids, a superset: the register of each key decides. */
  readonly accessKeys: readonly string[]
  readonly tags: readonly IamTag[]
  /** A policy of another account names it, or has named it. What that policy gives is not known here. */
  readonly namedAbroad?: true
}

/** Decoding throws RecordVersionError or ShapeError. */
export const userCodec: RecordCodec<UserRecord> = jsonCodec((value) => {
  const fields = fieldsOf(
    value,
    [...RENAMABLE_FIELDS, 'groups', 'accessKeys', 'tags'],
    ['namedAbroad', 'boundary'],
  )
  return {
    ...renamableOf(fields, USER_NAME),
    groups: referencesOf(fields.groups, GROUPS_MAX),
    accessKeys: listOf(fields.accessKeys, KEYS_MAX, (item) => matchOf(item, ACCESS_KEY_ID)),
    tags: recordTags(fields.tags),
    ...markOf('namedAbroad', fields.namedAbroad),
    ...boundaryOf(fields.boundary),
  }
})
