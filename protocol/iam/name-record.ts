/**
 * Names of users and groups, and lists of them.
 *
 * A name's register says whose it is; the entity's own record says whether it is called so. The list of
 * an account is a superset (T2): an entry stands before its entity does, and goes after it.
 */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, listOf, matchOf, textOf } from '../layout/json.ts'
import { instantOf, jsonCodec } from './record.ts'

const ENTRIES_MAX = 20_000
const ID = /^[A-Za-z0-9]{1,128}$/
const TOKEN = /^[0-9a-f]{16}$/

/** Of one name: whose it is. */
export interface NameRecord {
  readonly id: string
  /** Of the claim: two claims for the same entity are told apart by it. */
  readonly token: string
}

export const nameCodec: RecordCodec<NameRecord> = jsonCodec((value) => {
  const { id, token } = fieldsOf(value, ['id', 'token'])
  return { id: matchOf(id, ID), token: matchOf(token, TOKEN) }
})

export interface DirectoryEntry {
  readonly id: string
  readonly name: string
  /** When it was written: a fresh one may still get its entity. */
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
        name: textOf(name, 128),
        createdMs: instantOf(createdMs),
      }
    }),
  }
})
