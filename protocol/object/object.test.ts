import { describe, expect, test } from 'vitest'
import type { ObjectRecord, VersionRecord } from '../codec/versioned.ts'
import {
  currentVersion,
  objectOf,
  objectValue,
  ticketState,
  verdict,
  withNullVersion,
  withoutTicket,
  withoutVersions,
  withRefusedTicket,
  withTicket,
  type Condition,
} from './object.ts'

const EMPTY: ObjectRecord = objectOf(undefined)
const ID = new Uint8Array(16).fill(7)
const OTHER_ID = new Uint8Array(16).fill(8)

function version(etag: string, uploadId = new Uint8Array(0)): VersionRecord {
  return {
    versionId: '',
    deleteMarker: false,
    sizeBytes: 3,
    etag,
    lastModifiedMs: 0,
    storageClass: '',
    system: [],
    user: [],
    checksums: [],
    checksumType: 0,
    storage: [],
    manifest: new Uint8Array(0),
    uploadId,
  }
}

function ticket(id: Uint8Array, attempt: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(32).fill(attempt)
  bytes.set(id)
  return bytes
}

describe('conditions', () => {
  const present = { ...version('a'), lastModifiedMs: 5_999 }
  test.each<[string, Condition | undefined, string, string]>([
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

describe('versions', () => {
  test('the sequence rises with every write, deletes included; time never repeats (T4)', () => {
    const one = withNullVersion(EMPTY, version('a'), 1_000)
    const two = withNullVersion(one, version('b'), 1_000)
    const three = withNullVersion(two, version('c'), 10)
    expect([one, two, three].map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    const times = [one, two, three].map(({ versions }) => versions[0]!.lastModifiedMs)
    expect(times).toEqual([1_000, 1_001, 1_002])
    const gone = withoutVersions(three)
    expect(gone.sequence).toBe(4)
    expect(currentVersion(gone)).toBeUndefined()
    expect(withNullVersion(gone, version('d'), 5).sequence).toBe(5)
  })

  test('survive the codec; a register without version and ticket is a tombstone', () => {
    const record = withNullVersion(EMPTY, version('a'), 1_000)
    const value = { ...objectValue(record, []), operation: 'o' as never }
    expect(objectOf(value)).toEqual(record)
    expect(value.tombstone).toBe(false)
    expect(objectValue(withoutVersions(record), []).tombstone).toBe(true)
    expect(objectValue(withTicket(EMPTY, ticket(ID, 1)), []).tombstone).toBe(false)
  })
})

describe('tickets of completions (P4)', () => {
  const mine = ticket(ID, 1)

  test('stay through overwrites and deletes, go with their version and all of their upload', () => {
    let record = withTicket(withTicket(EMPTY, mine), ticket(ID, 2))
    record = withTicket(record, ticket(OTHER_ID, 1))
    record = withoutVersions(withNullVersion(record, version('other'), 1))
    expect(ticketState(record, mine)).toBe('good')
    const done = withNullVersion(record, version('whole', ID), 2)
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
