import { describe, expect, test } from 'vitest'
import { bytesOf } from '../bytes.ts'
import { objectCodec, type ObjectRecord, type VersionRecord } from '../codec/versioned.ts'
import { bucketId, dataId } from '../ids.ts'
import { packedBlockKey } from '../keyspace/block-key.ts'
import { objectRegister } from '../keyspace/register-key.ts'
import {
  objectOf,
  objectOfBody,
  objectValue,
  ticketState,
  verdict,
  withoutTicket,
  withRefusedTicket,
  withTicket,
  type StateCondition,
} from './object.ts'
import type { PageTools } from './pages.ts'
import { VERSIONING, wantedOf, withoutVersion, withVersion } from './versions.ts'
import { testVersion } from './testing/version.ts'

const EMPTY: ObjectRecord = objectOf(undefined)
const ID = new Uint8Array(16).fill(7)
const KEY = objectRegister(bucketId('b'.repeat(16)), 0, 'key', 6)
const FIRST = { before: undefined, chosen: true }
const NO_PAGES: PageTools = { known: new Map(), draw: () => dataId('p'.repeat(24)) }
const OTHER_ID = new Uint8Array(16).fill(8)

function version(etag: string, uploadId = new Uint8Array(0)): VersionRecord {
  return testVersion({ sizeBytes: 3, etag, uploadId })
}

/** In an unversioned bucket. */
function put(record: ObjectRecord, version: VersionRecord, nowMs: number): ObjectRecord {
  const random = new Uint8Array(8)
  const edited = withVersion(record, version, {
    versioning: VERSIONING.never,
    random,
    nowMs,
    pages: NO_PAGES,
    maySpill: true,
  })
  if ('lacking' in edited) throw new Error('there are no pages')
  return edited.record
}

function removed(record: ObjectRecord): ObjectRecord {
  const edited = withoutVersion(record, wantedOf(record, 'null')!, NO_PAGES)
  if (edited === undefined || 'lacking' in edited) throw new Error('there is one version')
  return edited.record
}

function ticket(id: Uint8Array, attempt: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(32).fill(attempt)
  bytes.set(id)
  return bytes
}

describe('conditions', () => {
  const present = { ...version('a'), lastModifiedMs: 5_999 }
  test.each<[string, StateCondition | undefined, string, string]>([
    ['none', undefined, 'holds', 'holds'],
    ['If-None-Match *', { ifNoneMatch: ['*'] }, 'fails', 'holds'],
    ['If-None-Match of it', { ifNoneMatch: ['x', 'a'] }, 'fails', 'holds'],
    ['If-None-Match of others', { ifNoneMatch: ['x'] }, 'holds', 'holds'],
    ['If-Match of it', { ifMatch: ['a'] }, 'holds', 'absent'],
    ['If-Match *', { ifMatch: ['*'] }, 'holds', 'absent'],
    ['If-Match of others', { ifMatch: ['x'] }, 'fails', 'absent'],
    ['its size', { ifMatchSizeBytes: 3 }, 'holds', 'absent'],
    ['another size', { ifMatchSizeBytes: 4 }, 'fails', 'absent'],
    ['its time, in whole seconds', { ifMatchLastModifiedMs: 5_000 }, 'holds', 'absent'],
    ['another time', { ifMatchLastModifiedMs: 4_000 }, 'fails', 'absent'],
    ['both, one of which fails', { ifMatch: ['a'], ifMatchSizeBytes: 4 }, 'fails', 'absent'],
  ])('%s', (_name, condition, onPresent, onAbsent) => {
    expect(verdict(present, condition)).toBe(onPresent)
    expect(verdict(undefined, condition)).toBe(onAbsent)
  })
})

describe('a record as a value', () => {
  test('survives the codec; a register without version and ticket is a tombstone', () => {
    const record = put(EMPTY, version('a'), 1_000)
    const value = { ...objectValue(KEY, record, FIRST), operation: 'o' as never }
    expect(objectOf(value)).toEqual(record)
    expect(value.tombstone).toBe(false)
    expect(objectValue(KEY, removed(record), FIRST).tombstone).toBe(true)
    expect(objectValue(KEY, withTicket(EMPTY, ticket(ID, 1)), FIRST).tombstone).toBe(false)
  })

  test('names its current block, what was made, and all that an unchosen state named (A5)', () => {
    const ids = [1, 2, 3, 4].map((n) => dataId(String.fromCharCode(n).repeat(24)))
    const [mine, page, older, gone] = ids.map((id) => packedBlockKey(KEY, id))
    const stored = { dataId: bytesOf(ids[0]!), sizeBytes: 3, packed: true }
    const record = put(EMPTY, { ...version('a'), storage: [stored] }, 1)
    const before = {
      ...objectValue(KEY, EMPTY, FIRST),
      operation: 'o' as never,
      blocks: [older!, gone!],
    }
    const made = [ids[1]!]
    const onChosen = objectValue(KEY, record, { before, chosen: true, made })
    expect(onChosen.blocks).toEqual([mine, page])
    const onOther = objectValue(KEY, record, {
      before,
      chosen: false,
      made,
      gone: new Set([ids[3]!]),
    })
    expect(onOther.blocks).toEqual([mine, page, older])
  })

  test('of the time before there were versions is one null version', () => {
    const old = { ...version('a'), lastModifiedMs: 5 }
    const body = objectCodec.encode({ ...EMPTY, sequence: 7, versions: [old] })
    const record = objectOfBody(body)
    expect(record).toMatchObject({ sequence: 7, nullSequence: 7, lastModifiedMs: 5 })
    expect(record.versions[0]).toMatchObject({ etag: 'a', sequence: 7 })
  })
})

describe('tickets of completions (P4)', () => {
  const mine = ticket(ID, 1)

  test('stay through overwrites and deletes, go with their version and all of their upload', () => {
    let record = withTicket(withTicket(EMPTY, mine), ticket(ID, 2))
    record = withTicket(record, ticket(OTHER_ID, 1))
    record = removed(put(record, version('other'), 1))
    expect(ticketState(record, mine)).toBe('good')
    const done = put(record, version('whole', ID), 2)
    expect(ticketState(done, mine)).toBe('gone')
    expect(ticketState(done, ticket(ID, 2))).toBe('gone')
    expect(ticketState(done, ticket(OTHER_ID, 1))).toBe('good')
  })

  test('of an upload of another attempt are no tickets of this one', () => {
    expect(ticketState(withTicket(EMPTY, ticket(ID, 2)), mine)).toBe('gone')
  })

  test('once refused stay refused until withdrawn', () => {
    const record = withRefusedTicket(withTicket(EMPTY, mine), mine)
    expect(record.uploads).toHaveLength(1)
    expect(ticketState(record, mine)).toBe('refused')
    expect(withoutTicket(record, mine).uploads).toEqual([])
  })
})
