/** A role, under its unique id: who may assume it, and what it may do then. */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, integerOf, textOf } from '../layout/json.ts'
import {
  boundaryOf,
  HOLDER_FIELDS,
  holderOf,
  type BoundedRecord,
  type HolderRecord,
} from './entity.ts'
import { USER_NAME } from './identity.ts'
import { POLICY_CHARACTERS_MAX } from './policy.ts'
import type { ResolvedPrincipal } from './principal.ts'
import { jsonCodec, markOf, recordTags, resolvedOf, type IamTag } from './record.ts'

/** AWS's bounds for the longest session of a role: an hour, and twelve. */
export const ROLE_SESSION_SECONDS_MIN = 3_600
export const ROLE_SESSION_SECONDS_MAX = 43_200
export const DESCRIPTION_MAX = 1_000

export interface RoleRecord extends HolderRecord, BoundedRecord {
  /** '' when there is none. */
  readonly description: string
  /** The longest duration of sessions that AssumeRole creates. */
  readonly maxSessionSeconds: number
  /** Trust policy, JSON as it was given. */
  readonly trust: string
  /** The principals that the ARNs in the trust policy meant when it was stored. */
  readonly principals?: readonly ResolvedPrincipal[]
  readonly tags: readonly IamTag[]
  /** A policy of another account names it, or has named it. What that policy gives is not known here. */
  readonly namedAbroad?: true
}

/** Decoding throws RecordVersionError or ShapeError. */
export const roleCodec: RecordCodec<RoleRecord> = jsonCodec((value) => {
  const fields = fieldsOf(
    value,
    [...HOLDER_FIELDS, 'description', 'maxSessionSeconds', 'trust', 'tags'],
    ['principals', 'namedAbroad', 'boundary'],
  )
  return {
    ...holderOf(fields, USER_NAME),
    description: textOf(fields.description, DESCRIPTION_MAX),
    maxSessionSeconds: integerOf(
      fields.maxSessionSeconds,
      ROLE_SESSION_SECONDS_MIN,
      ROLE_SESSION_SECONDS_MAX,
    ),
    trust: textOf(fields.trust, POLICY_CHARACTERS_MAX),
    ...(fields.principals !== undefined && { principals: resolvedOf(fields.principals) }),
    tags: recordTags(fields.tags),
    ...markOf('namedAbroad', fields.namedAbroad),
    ...boundaryOf(fields.boundary),
  }
})
