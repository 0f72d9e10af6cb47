/** A managed policy of an account, under its unique id, with its versions. */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, integerOf, listOf, matchOf, ShapeError, textOf } from '../layout/json.ts'
import { ACCOUNT_ID, PATH, POLICY_NAME, UNIQUE_ID } from './identity.ts'
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

/** As AWS keeps. */
export const POLICY_VERSIONS_MAX = 5
/** Users, groups and roles that one policy is attached to, and those that are on their way. */
export const HOLDERS_MAX = 10_000

export interface PolicyVersion {
  /** 'v3' is 3. Never used again. */
  readonly number: number
  /** JSON, as it was given. */
  readonly text: string
  readonly createdMs: number
}

export interface PolicyRecord {
  readonly accountId: string
  /** ANPA… */
  readonly id: string
  readonly name: string
  readonly path: string
  readonly createdMs: number
  readonly updatedMs: number
  readonly description: string
  readonly defaultVersion: number
  readonly nextVersion: number
  readonly versions: readonly PolicyVersion[]
  /** Users, groups and roles by id, a superset (T2): what is attached says the holder's record. */
  readonly holders: readonly Reference[]
  /** Mark of a deletion that is looking whether anybody holds it; '' when there is none. */
  readonly deleting: string
  readonly tags: readonly IamTag[]
}

/** Decoding throws RecordVersionError or ShapeError. */
export const policyCodec: RecordCodec<PolicyRecord> = jsonCodec((value) => {
  const fields = fieldsOf(value, [
    'accountId',
    'id',
    'name',
    'path',
    'createdMs',
    'updatedMs',
    'description',
    'defaultVersion',
    'nextVersion',
    'versions',
    'holders',
    'deleting',
    'tags',
  ])
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
    throw new ShapeError('no default version')
  }
  return {
    accountId: matchOf(fields.accountId, ACCOUNT_ID),
    id: matchOf(fields.id, UNIQUE_ID),
    name: matchOf(fields.name, POLICY_NAME),
    path: matchOf(fields.path, PATH),
    createdMs: instantOf(fields.createdMs),
    updatedMs: instantOf(fields.updatedMs),
    description: textOf(fields.description, DESCRIPTION_MAX),
    defaultVersion,
    nextVersion: numberOf(fields.nextVersion),
    versions,
    holders: referencesOf(fields.holders, HOLDERS_MAX),
    deleting: matchOf(fields.deleting, /^(?:[0-9a-f]{16})?$/),
    tags: recordTags(fields.tags),
  }
})

/** The text that is in force. */
export function policyTextOf({ versions, defaultVersion }: PolicyRecord): string {
  const version = versions.find(({ number }) => number === defaultVersion)
  if (version === undefined) throw new ShapeError('no default version')
  return version.text
}

function numberOf(value: unknown): number {
  return integerOf(value, 1, Number.MAX_SAFE_INTEGER)
}
