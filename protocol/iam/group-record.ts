/** A group, under its unique id. The users' records decide who is in it; `members` is a superset (T2). */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf } from '../layout/json.ts'
import { RENAMABLE_FIELDS, renamableOf, type RenamableRecord } from './entity.ts'
import { GROUP_NAME } from './identity.ts'
import { jsonCodec, referencesOf, type Reference } from './record.ts'

/** As many as an account has users, with room for entries that were never completed. */
const MEMBERS_MAX = 6_000

export interface GroupRecord extends RenamableRecord {
  readonly members: readonly Reference[]
}

/** Decoding throws RecordVersionError or ShapeError. */
export const groupCodec: RecordCodec<GroupRecord> = jsonCodec((value) => {
  const fields = fieldsOf(value, [...RENAMABLE_FIELDS, 'members'])
  return {
    ...renamableOf(fields, GROUP_NAME),
    members: referencesOf(fields.members, MEMBERS_MAX),
  }
})
