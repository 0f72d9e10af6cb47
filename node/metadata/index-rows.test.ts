import { beforeEach, expect, test } from 'vitest'
import { byteString } from '../../protocol/bytes.ts'
import { encodeState } from '../../protocol/codec/state.ts'
import { bucketId, operationId, proposerId, type BlockKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { EMPTY_DIGEST, registersIn } from '../../protocol/sync/digest.ts'
import type { IndexWrite } from '../env/ports.ts'
import {
  applyDamagedRecord,
  applyRecord,
  decodeNumber,
  digestRow,
  encodeNumber,
  minimumRow,
  RECORD,
  registerRow,
  stateOfRow,
} from './index-rows.ts'

const BUCKET = bucketId('b'.repeat(16))
const KEY = objectRegister(BUCKET, 0, 'key', 6)
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

test('a row moves to higher ballots only; what is applied twice changes nothing', () => {
  apply(5, 0)
  const once = new Map(rows)
  apply(5, 0)
  expect(rows).toEqual(once)
  apply(9, 100)
  apply(5, 0)
  expect(state()?.at(-1)).toBe(9)
  expect(registersIn(digest())).toBe(1)
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
  expect(decodeNumber(current(minimumRow(1, BUCKET))!)).toBe(3)
})

test('a record of a type that this version does not know stops the node (fault 20)', () => {
  const record = { type: 99, partition: 1, key: 'k', body: new Uint8Array(0) }
  expect(() => applyRecord(record, at(0), current)).toThrow(/unknown type/)
})
