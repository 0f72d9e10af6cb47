/**
 * Names of users and groups, and lists of them.
 *
 * A name's register says which entity claims it; the entity's own record says whether that is its name. The list of
 * an account is a superset (T2): an entry is written before its entity and removed after it.
 */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, listOf, matchOf, textOf } from '../layout/json.ts'
import { instantOf, jsonCodec } from './record.ts'

const ENTRIES_MAX = 20_000
/** Names of OIDC providers, the longest ones, have at most 247. */
const NAME_MAX = 256
const ID = /^[A-Za-z0-9]{1,128}$/
const TOKEN = /^[0-9a-f]{16}$/

/** Which entity claims this name. */
export interface NameRecord {
  readonly id: string
  /** The token of the claim: tells apart two claims for the same entity. */
  readonly token: string
}

export const nameCodec: RecordCodec<NameRecord> = jsonCodec((value) => {
  const { id, token } = fieldsOf(value, ['id', 'token'])
  return { id: matchOf(id, ID), token: matchOf(token, TOKEN) }
})

export interface DirectoryEntry {
  readonly id: string
  readonly name: string
  /** When the entry was written: the entity of a fresh entry may still be created. */
  readonly createdMs: number
}

export interface DirectoryRecord {
  readonly entries: readonly DirectoryEntry[]
}

export const directoryCodec: RecordCodec<DirectoryRecord> = jsonCodec((value) => {
  const { entries } = fieldsOf(value, ['entries'])
  return {
    entries: listOf(entries, ENTRIES_MAX, (item) => {
      const { id, name, createdMs } = fieldsOf(item, ['id', 'name', 'createdMs'])
      return {
        id: matchOf(id, ID),
        name: textOf(name, NAME_MAX),
        createdMs: instantOf(createdMs),
      }
    }),
  }
})
