import { beforeEach, describe, expect, test } from 'vitest'
import { byteString, EMPTY_BYTES } from '../../protocol/bytes.ts'
import { encodeState } from '../../protocol/codec/state.ts'
import { bucketId, dataId, operationId, proposerId, type BlockKey } from '../../protocol/ids.ts'
import { blockKey } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { ZERO_BALLOT } from '../../protocol/register/ballot.ts'
import { EMPTY_DIGEST, registersIn } from '../../protocol/sync/digest.ts'
import type { IndexWrite } from '../env/ports.ts'
import { applyDamagedRecord, applyRecord } from './apply-record.ts'
import { blockGone, minimumGone, registerGone } from './removal-records.ts'
import {
  blockRow,
  digestRow,
  floorOfRow,
  floorRow,
  MARK_ROW,
  minimumGenerationRow,
  registerRow,
} from './index-rows.ts'
import { isLiveRecord } from './record-liveness.ts'
import { RECORD } from './record-types.ts'
import { DamagedRow, decodeNumber, encodeNumber, stateOfRow } from './row-format.ts'

const BUCKET = bucketId('b'.repeat(16))
const KEY = objectRegister(BUCKET, 0, 'key', 6)
/** In the same shard, so in the same partition. */
const OTHER = objectRegister(BUCKET, 0, 'other', 6)
const PARTITION = partitionOfKey(KEY)

let rows: Map<string, Uint8Array>

beforeEach(() => {
  rows = new Map()
})

function current(key: Uint8Array): Uint8Array | undefined {
  return rows.get(byteString(key))
}

function put(writes: readonly IndexWrite[]): void {
  for (const { key, value } of writes) {
    if (value === undefined) rows.delete(byteString(key))
    else rows.set(byteString(key), value)
  }
}

function register(counter: number): Parameters<typeof applyRecord>[0] {
  const body = encodeState({
    ballot: { counter, proposer: proposerId('p'.repeat(16)) },
    value: {
      operation: operationId('o'.repeat(16)),
      tombstone: false,
      body: new Uint8Array([counter]),
      blocks: [],
    },
  })
  return { type: RECORD.register, partition: PARTITION, key: KEY, body }
}

function at(offset: number) {
  return { segment: 1, offset, lengthBytes: 100 }
}

function apply(counter: number, offset: number): void {
  put(applyRecord(register(counter), at(offset), current))
}

const digest = () => current(digestRow(PARTITION)) ?? EMPTY_DIGEST
const state = () => stateOfRow(current(registerRow(KEY))!)

test('the latest record of a key wins; what is applied twice changes nothing', () => {
  apply(5, 0)
  const once = new Map(rows)
  apply(5, 0)
  expect(rows).toEqual(once)
  apply(9, 100)
  expect(state()?.at(-1)).toBe(9)
  expect(registersIn(digest())).toBe(1)
  // Replay from further back ends at the same rows.
  const after = new Map(rows)
  apply(5, 0)
  apply(9, 100)
  expect(rows).toEqual(after)
})

test('a row says where its record is, and which record it makes dead', () => {
  const first = applyRecord(register(5), at(0), current)
  expect(first[0]?.replaces).toBeUndefined()
  put(first)
  expect(applyRecord(register(9), at(100), current)[0]?.replaces).toEqual(at(0))
  put(applyRecord(register(9), at(100), current))
  expect(isLiveRecord(register(5), at(0), current, true)).toBe(false)
  expect(isLiveRecord(register(9), at(100), current, true)).toBe(true)
})

describe('removals', () => {
  const floor = (counter: number) => ({ counter, proposer: proposerId('q'.repeat(16)) })
  const gone = (counter: number) => registerGone(KEY, floor(counter))

  test('a collected register leaves the floor, and only the floor (G2)', () => {
    apply(5, 0)
    const writes = applyRecord(gone(6), at(100), current)
    expect(writes.map(({ replaces }) => replaces)).toEqual([undefined, at(0), undefined])
    put(writes)
    expect(current(registerRow(KEY))).toBeUndefined()
    expect(digest()).toEqual(EMPTY_DIGEST)
    expect(floorOfRow(current(floorRow(PARTITION)))).toEqual(floor(6))
    expect(floorOfRow(undefined)).toEqual(ZERO_BALLOT)
  })

  test('its copy does not touch what came later (G3)', () => {
    apply(5, 0)
    put(applyRecord(gone(6), at(100), current))
    apply(9, 200)
    put(applyRecord(gone(6), at(300), current))
    expect(state()?.at(-1)).toBe(9)
  })

  test('a FAULTY register stays FAULTY: what it had accepted is unknown (A4)', () => {
    put(applyDamagedRecord(RECORD.register, KEY, at(0), current))
    put(applyRecord(gone(6), at(100), current))
    expect(current(registerRow(KEY))).toBeDefined()
  })

  test('is kept while an older segment exists, or its floor counts (D7)', () => {
    apply(5, 0)
    put(applyRecord(gone(6), at(100), current))
    expect(isLiveRecord(gone(6), at(100), current, true)).toBe(true)
    const other = registerGone(OTHER, floor(7))
    expect(partitionOfKey(OTHER)).toBe(PARTITION)
    put(applyRecord(other, at(200), current))
    expect(isLiveRecord(gone(6), at(100), current, false)).toBe(true)
    expect(isLiveRecord(gone(6), at(100), current, true)).toBe(false)
    expect(isLiveRecord(other, at(200), current, true)).toBe(true)
    apply(9, 300)
    expect(isLiveRecord(gone(6), at(100), current, false)).toBe(false)
  })

  test('a freed block', () => {
    const key = blockKey(3, dataId('d'.repeat(24)), 1)
    const block = { type: RECORD.block, partition: partitionOfKey(key), key, body: EMPTY_BYTES }
    put(applyRecord(block, at(0), current))
    expect(isLiveRecord(block, at(0), current, false)).toBe(true)
    const writes = applyRecord(blockGone(key), at(100), current)
    expect(writes[0]).toEqual({ key: blockRow(key), replaces: at(0) })
    put(writes)
    expect(current(digestRow(partitionOfKey(key)))).toEqual(EMPTY_DIGEST)
    expect(isLiveRecord(block, at(0), current, false)).toBe(false)
    expect(isLiveRecord(blockGone(key), at(100), current, false)).toBe(true)
    expect(isLiveRecord(blockGone(key), at(100), current, true)).toBe(false)
    expect(applyRecord(blockGone(key), at(200), current)).toEqual([])
  })
})

test('a row whose bits flipped is seen, and nothing it stood for is dropped (F4)', () => {
  apply(5, 0)
  const key = registerRow(KEY)
  const row = current(key)!
  for (let i = 0; i < row.length; i++) {
    const flipped = row.slice()
    flipped[i]! ^= 4
    put([{ key, value: flipped }])
    expect(state(), `byte ${i}`).toBeUndefined()
    expect(isLiveRecord(register(5), at(0), current, true)).toBe(true)
  }
  const mark = { type: RECORD.mark, partition: 0, key: 'mark', body: encodeNumber(7) }
  put(applyRecord(mark, at(0), current))
  for (let i = 0; i < current(MARK_ROW)!.length; i++) {
    const flipped = current(MARK_ROW)!.slice()
    flipped[i]! ^= 4
    expect(() => decodeNumber(flipped)).toThrow(DamagedRow)
  }
})

test('a damaged state is FAULTY, not absent, and out of the digest until a good one comes (D3)', () => {
  apply(5, 0)
  const before = digest()
  put(applyDamagedRecord(RECORD.register, KEY, at(100), current))
  expect(current(registerRow(KEY))).toBeDefined()
  expect(state()).toBeUndefined()
  expect(digest()).toEqual(EMPTY_DIGEST)
  apply(5, 200)
  expect(state()?.at(-1)).toBe(5)
  expect(digest()).toEqual(before)
})

test('a damaged record of the past does not hide the state of today', () => {
  apply(5, 0)
  apply(9, 200)
  put(applyDamagedRecord(RECORD.register, KEY, at(100), current))
  expect(state()?.at(-1)).toBe(9)
})

test('blocks are counted once; minima and the mark only rise', () => {
  const block = {
    type: RECORD.block,
    partition: 1,
    key: 'k'.repeat(30) as BlockKey,
    body: new Uint8Array(0),
  }
  put(applyRecord(block, at(0), current))
  const once = current(digestRow(1))
  put(applyRecord(block, at(300), current))
  expect(current(digestRow(1))).toEqual(once)
  for (const generation of [2, 1, 3, 2]) {
    const body = encodeNumber(generation)
    put(applyRecord({ type: RECORD.minimum, partition: 1, key: BUCKET, body }, at(0), current))
  }
  expect(decodeNumber(current(minimumGenerationRow(1, BUCKET))!)).toBe(3)
})

test('a minimum that is gone leaves no row, may be raised again, and another bucket’s stays', () => {
  const raise = (bucket: string, generation: number): void => {
    const body = encodeNumber(generation)
    put(applyRecord({ type: RECORD.minimum, partition: 2, key: bucket, body }, at(0), current))
  }
  const other = 'other bucket 16b' as typeof BUCKET
  raise(BUCKET, 7)
  raise(other, 5)
  const [write] = applyRecord({ ...minimumGone(2, BUCKET) }, at(300), current)
  expect(write).toMatchObject({ replaces: at(0) })
  for (let twice = 0; twice < 2; twice++) {
    put(applyRecord({ ...minimumGone(2, BUCKET) }, at(300), current))
    expect(current(minimumGenerationRow(2, BUCKET))).toBeUndefined()
  }
  expect(decodeNumber(current(minimumGenerationRow(2, other))!)).toBe(5)
  const gone = { ...minimumGone(2, BUCKET) }
  // Kept while an older segment may have the minimum, and no longer than it is gone (D7).
  expect(isLiveRecord(gone, at(300), current, false)).toBe(true)
  expect(isLiveRecord(gone, at(300), current, true)).toBe(false)
  raise(BUCKET, 1)
  expect(decodeNumber(current(minimumGenerationRow(2, BUCKET))!)).toBe(1)
  expect(isLiveRecord(gone, at(300), current, false)).toBe(false)
})

test('a record of a type that this version does not know stops the node (F20)', () => {
  const record = { type: 99, partition: 1, key: 'k', body: new Uint8Array(0) }
  expect(() => applyRecord(record, at(0), current)).toThrow(/unknown type/)
})
