/** A role, under its unique id: who may take it on, and what it may do then. */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, integerOf, matchOf, textOf } from '../layout/json.ts'
import { ACCOUNT_ID, PATH, UNIQUE_ID, USER_NAME } from './identity.ts'
import { POLICY_CHARACTERS_MAX } from './policy.ts'
import type { ResolvedPrincipal } from './principal.ts'
import {
  attachedOf,
  inlineOf,
  instantOf,
  jsonCodec,
  markOf,
  resolvedOf,
  recordTags,
  type AttachedPolicy,
  type NamedPolicy,
  type IamTag,
} from './record.ts'

export const ROLE_SESSION_SECONDS_MIN = 3_600
export const ROLE_SESSION_SECONDS_MAX = 43_200
export const DESCRIPTION_MAX = 1_000

export interface RoleRecord {
  readonly accountId: string
  /** AROA… */
  readonly id: string
  readonly name: string
  readonly path: string
  readonly createdMs: number
  readonly description: string
  /** Of the sessions that AssumeRole gives. */
  readonly maxSessionSeconds: number
  /** Trust policy, JSON as it was given. */
  readonly trust: string
  /** Whom the ARNs in the trust policy meant when it was stored. */
  readonly principals?: readonly ResolvedPrincipal[]
  readonly policies: readonly NamedPolicy[]
  readonly attached: readonly AttachedPolicy[]
  readonly tags: readonly IamTag[]
  /** A policy of another account names it, or has named it: what that gives is not known here. */
  readonly namedAbroad?: true
}

/** Decoding throws RecordVersionError or ShapeError. */
export const roleCodec: RecordCodec<RoleRecord> = jsonCodec((value) => {
  const fields = fieldsOf(
    value,
    [
      'accountId',
      'id',
      'name',
      'path',
      'createdMs',
      'description',
      'maxSessionSeconds',
      'trust',
      'policies',
      'attached',
      'tags',
    ],
    ['principals', 'namedAbroad'],
  )
  return {
    accountId: matchOf(fields.accountId, ACCOUNT_ID),
    id: matchOf(fields.id, UNIQUE_ID),
    name: matchOf(fields.name, USER_NAME),
    path: matchOf(fields.path, PATH),
    createdMs: instantOf(fields.createdMs),
    description: textOf(fields.description, DESCRIPTION_MAX),
    maxSessionSeconds: integerOf(
      fields.maxSessionSeconds,
      ROLE_SESSION_SECONDS_MIN,
      ROLE_SESSION_SECONDS_MAX,
    ),
    trust: textOf(fields.trust, POLICY_CHARACTERS_MAX),
    ...(fields.principals !== undefined && { principals: resolvedOf(fields.principals) }),
    policies: inlineOf(fields.policies),
    attached: attachedOf(fields.attached),
    tags: recordTags(fields.tags),
    ...markOf('namedAbroad', fields.namedAbroad),
  }
})
