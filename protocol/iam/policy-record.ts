/** A managed policy of an account, under its unique id, with its versions. */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, integerOf, listOf, matchOf, ShapeError, textOf } from '../layout/json.ts'
import { ENTITY_FIELDS, entityOf, type EntityRecord } from './entity.ts'
import { POLICY_NAME } from './identity.ts'
import { POLICY_CHARACTERS_MAX } from './policy.ts'
import {
  instantOf,
  jsonCodec,
  referencesOf,
  recordTags,
  type Reference,
  type IamTag,
} from './record.ts'
import { DESCRIPTION_MAX } from './role-record.ts'

/** As many as AWS keeps. */
export const POLICY_VERSIONS_MAX = 5
/** Users, groups and roles that one policy is attached to, those included whose attachment is under way. */
export const HOLDERS_MAX = 10_000

/** One version of a managed policy. */
export interface PolicyVersion {
  /** 3 for 'v3'. Never used again. */
  readonly number: number
  /** JSON, as it was given. */
  readonly text: string
  readonly createdMs: number
}

/** The record. `defaultVersion` is always the number of one of `versions`. */
export interface PolicyRecord extends EntityRecord {
  readonly updatedMs: number
  readonly description: string
  /** The version in force. */
  readonly defaultVersion: number
  /** The number that the next version gets. */
  readonly nextVersion: number
  readonly versions: readonly PolicyVersion[]
  /** Ids of users, groups and roles, a superset (T2): the holder's record decides what is attached. */
  readonly holders: readonly Reference[]
  /** Ids of users and roles whose permissions boundary it is, a superset as `holders` is. Absent: none. */
  readonly bounded?: readonly Reference[]
  /** Token of a deletion that is checking whether the policy has holders; '' when there is none. */
  readonly deleting: string
  readonly tags: readonly IamTag[]
}

/** Decoding throws RecordVersionError or ShapeError. */
export const policyCodec: RecordCodec<PolicyRecord> = jsonCodec((value) => {
  const fields = fieldsOf(
    value,
    [
      ...ENTITY_FIELDS,
      'updatedMs',
      'description',
      'defaultVersion',
      'nextVersion',
      'versions',
      'holders',
      'deleting',
      'tags',
    ],
    ['bounded'],
  )
  const versions = listOf(fields.versions, POLICY_VERSIONS_MAX, (item) => {
    const version = fieldsOf(item, ['number', 'text', 'createdMs'])
    return {
      number: numberOf(version.number),
      text: textOf(version.text, POLICY_CHARACTERS_MAX),
      createdMs: instantOf(version.createdMs),
    }
  })
  const defaultVersion = numberOf(fields.defaultVersion)
  if (!versions.some(({ number }) => number === defaultVersion)) {
    throw new ShapeError('the default version is missing')
  }
  return {
    ...entityOf(fields, POLICY_NAME),
    updatedMs: instantOf(fields.updatedMs),
    description: textOf(fields.description, DESCRIPTION_MAX),
    defaultVersion,
    nextVersion: numberOf(fields.nextVersion),
    versions,
    holders: referencesOf(fields.holders, HOLDERS_MAX),
    ...(fields.bounded !== undefined && { bounded: referencesOf(fields.bounded, HOLDERS_MAX) }),
    deleting: matchOf(fields.deleting, /^(?:[0-9a-f]{16})?$/),
    tags: recordTags(fields.tags),
  }
})

/** The text that is in force. */
export function policyTextOf({ versions, defaultVersion }: PolicyRecord): string {
  const version = versions.find(({ number }) => number === defaultVersion)
  if (version === undefined) throw new ShapeError('the default version is missing')
  return version.text
}

function numberOf(value: unknown): number {
  return integerOf(value, 1, Number.MAX_SAFE_INTEGER)
}
