/** A group, under its unique id. Who is in it stands with the users; `members` is a superset (T2). */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, matchOf } from '../layout/json.ts'
import { ACCOUNT_ID, GROUP_NAME, PATH, UNIQUE_ID } from './identity.ts'
import {
  attachedOf,
  inlineOf,
  instantOf,
  jsonCodec,
  referencesOf,
  tokenOf,
  type AttachedPolicy,
  type NamedPolicy,
  type Reference,
} from './record.ts'

/** As many as an account has users, and those that were never completed. */
const MEMBERS_MAX = 6_000

export interface GroupRecord {
  readonly accountId: string
  /** AGPA… */
  readonly id: string
  readonly name: string
  readonly path: string
  /** Token of a rename under way, '' when there is none: only it may set another name. */
  readonly renaming: string
  readonly createdMs: number
  readonly policies: readonly NamedPolicy[]
  readonly attached: readonly AttachedPolicy[]
  readonly members: readonly Reference[]
}

/** Decoding throws RecordVersionError or ShapeError. */
export const groupCodec: RecordCodec<GroupRecord> = jsonCodec((value) => {
  const fields = fieldsOf(value, [
    'accountId',
    'id',
    'name',
    'path',
    'renaming',
    'createdMs',
    'policies',
    'attached',
    'members',
  ])
  return {
    accountId: matchOf(fields.accountId, ACCOUNT_ID),
    id: matchOf(fields.id, UNIQUE_ID),
    name: matchOf(fields.name, GROUP_NAME),
    path: matchOf(fields.path, PATH),
    renaming: fields.renaming === '' ? '' : tokenOf(fields.renaming),
    createdMs: instantOf(fields.createdMs),
    policies: inlineOf(fields.policies),
    attached: attachedOf(fields.attached),
    members: referencesOf(fields.members, MEMBERS_MAX),
  }
})
