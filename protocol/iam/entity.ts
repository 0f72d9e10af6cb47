/** What the records of users, groups, roles and managed policies have in common, and how it is decoded. */

import { matchOf, type Fields } from '../layout/json.ts'
import { ACCOUNT_ID, PATH, UNIQUE_ID } from './identity.ts'
import {
  attachedOf,
  attachmentOf,
  inlineOf,
  instantOf,
  tokenOf,
  type AttachedPolicy,
  type NamedPolicy,
} from './record.ts'

export interface EntityRecord {
  readonly accountId: string
  /** AIDA…, AGPA…, AROA… or ANPA…: `ID_PREFIXES`. Never used again. */
  readonly id: string
  readonly name: string
  /** Begins and ends with a slash. */
  readonly path: string
  readonly createdMs: number
}

/** A user, group or role: policies can be given to it. */
export interface HolderRecord extends EntityRecord {
  /** Inline policies. */
  readonly policies: readonly NamedPolicy[]
  /** Managed policies. */
  readonly attached: readonly AttachedPolicy[]
}

/** A user or role: it can have a permissions boundary. */
export interface BoundedRecord {
  /** The managed policy that limits what its other policies allow. Absent: nothing does. */
  readonly boundary?: AttachedPolicy
}

/** A user, group or role. Groups have no boundary. */
export type BoundedHolder = HolderRecord & BoundedRecord

/** A user or group. */
export interface RenamableRecord extends HolderRecord {
  /** Token of a rename under way: only that rename may set another name. '' when there is none. */
  readonly renaming: string
}

export const ENTITY_FIELDS = ['accountId', 'id', 'name', 'path', 'createdMs'] as const
export const HOLDER_FIELDS = [...ENTITY_FIELDS, 'policies', 'attached'] as const
export const RENAMABLE_FIELDS = [...HOLDER_FIELDS, 'renaming'] as const

/** Throws ShapeError. */
export function entityOf(
  fields: Fields<(typeof ENTITY_FIELDS)[number]>,
  namePattern: RegExp,
): EntityRecord {
  return {
    accountId: matchOf(fields.accountId, ACCOUNT_ID),
    id: matchOf(fields.id, UNIQUE_ID),
    name: matchOf(fields.name, namePattern),
    path: matchOf(fields.path, PATH),
    createdMs: instantOf(fields.createdMs),
  }
}

/** Throws ShapeError. */
export function holderOf(
  fields: Fields<(typeof HOLDER_FIELDS)[number]>,
  namePattern: RegExp,
): HolderRecord {
  return {
    ...entityOf(fields, namePattern),
    policies: inlineOf(fields.policies),
    attached: attachedOf(fields.attached),
  }
}

/** Throws ShapeError. */
export function boundaryOf(value: unknown): BoundedRecord {
  return value === undefined ? {} : { boundary: attachmentOf(value) }
}

/** Throws ShapeError. */
export function renamableOf(
  fields: Fields<(typeof RENAMABLE_FIELDS)[number]>,
  namePattern: RegExp,
): RenamableRecord {
  return {
    ...holderOf(fields, namePattern),
    renaming: fields.renaming === '' ? '' : tokenOf(fields.renaming),
  }
}
