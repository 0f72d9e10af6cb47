import { beforeEach, expect, test } from 'vitest'
import { u32 } from '../../protocol/bytes.ts'
import { encodeState } from '../../protocol/codec/state.ts'
import { objectCodec } from '../../protocol/codec/versioned.ts'
import {
  bucketId,
  dataId,
  operationId,
  proposerId,
  type BlockKey,
  type DataId,
  type NodeId,
  type RegisterKey,
} from '../../protocol/ids.ts'
import { dataIdOf, packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { ownedByObject } from '../../protocol/keyspace/owner.ts'
import {
  objectRegister,
  partRegister,
  uploadRegister,
} from '../../protocol/keyspace/register-key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { objectOf } from '../../protocol/object/object.ts'
import { blockRecord } from '../replica/blocks.ts'
import { applyRecord } from '../replica/apply-record.ts'
import { RECORD } from '../replica/record-types.ts'
import { HeldStore } from '../log/testing/held-store.ts'
import { StreamClock } from '../net/testing/fake-stream.ts'
import type { FreeCandidate } from './collector.ts'
import type { Reachability } from './reachability-check.ts'
import { Scan } from './scan.ts'

const BUCKET = bucketId('b'.repeat(16))
const UPLOAD_ID = 'u'.repeat(16)
const OBJECT = objectRegister(BUCKET, 2, 'key', 6)
const PARTITION = partitionOfKey(OBJECT)
const owner = ownedByObject(OBJECT)

let store: HeldStore
let clock: StreamClock
let up: Set<string>
let over: (id: DataId) => boolean
let answers: Map<DataId, Reachability>
let looked: DataId[]
let candidates: FreeCandidate[]
let known: Set<DataId>
let cared: string[]
let tombstones: RegisterKey[]
let scan: Scan

beforeEach(() => {
  store = new HeldStore(applyRecord)
  clock = new StreamClock()
  up = new Set(['a', 'b'])
  over = () => true
  answers = new Map()
  looked = []
  candidates = []
  known = new Set()
  cared = []
  tombstones = []
  const note = (what: string) => () => {
    cared.push(what)
    return Promise.resolve()
  }
  scan = new Scan({
    self: 'b' as NodeId,
    store: store.store,
    view: () =>
      ({
        partitionsOf: () => [PARTITION],
        replicas: () => ['a', 'b', 'c'],
      }) as unknown as LayoutView,
    connected: (node) => up.has(node),
    isMember: () => true,
    ownerOf: () => Promise.resolve(owner),
    watermarks: { ask: (ids) => Promise.resolve(new Set(ids.filter((id) => over(id)))) },
    reachability: {
      look: (_, id) => {
        looked.push(id)
        return Promise.resolve(answers.get(id) ?? 'dead')
      },
    },
    collector: {
      addCandidate: (candidate) => void candidates.push(candidate),
      knows: (id) => known.has(id),
      isFull: false,
    },
    tombstones: { add: ({ key }) => void tombstones.push(key) },
    care: { upload: note('upload'), part: note('part'), tickets: note('tickets') },
    clock,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    pauseMs: 10_000,
    rowsPerSecond: 1_000,
  })
  up.delete('a')
})

const id = (number: number): DataId => dataId('d'.repeat(20) + u32(number))

async function block(number: number, index = 0): Promise<BlockKey> {
  const key = (packedBlockKey(OBJECT, id(number)).slice(0, -4) + u32(index)) as BlockKey
  await store.append([blockRecord({ key, owner, bytes: new Uint8Array(3) })])
  return key
}

async function register(
  key: RegisterKey,
  {
    blocks = [] as BlockKey[],
    tombstone = false,
    body = objectCodec.encode(objectOf(undefined)),
  } = {},
): Promise<void> {
  const ballot = { counter: 7, proposer: proposerId('p'.repeat(16)) }
  const value = { operation: operationId('o'.repeat(16)), tombstone, blocks, body }
  const record = {
    type: RECORD.register,
    partition: PARTITION,
    key,
    body: encodeState({ ballot, value }),
  }
  await store.append([record])
}

/** Lets time pass until the pass is over. */
async function pass(): Promise<void> {
  const before = scan.passes
  const running = scan.pass()
  while (scan.passes === before) {
    clock.advance(100)
    await new Promise<void>((resolve) => void setImmediate(resolve))
  }
  await running
}

test('blocks that no register names are candidates, one for each data', async () => {
  const named = await block(1)
  await register(OBJECT, { blocks: [named] })
  const orphans = [await block(2), await block(2, 1), await block(3)]
  await pass()
  expect(candidates).toEqual([
    { owner, dataId: id(2), keys: orphans.slice(0, 2) },
    { owner, dataId: id(3), keys: orphans.slice(2) },
  ])
  expect(scan.orphans).toBe(2)
})

test('data that is named elsewhere, still being stored or known already is passed over', async () => {
  for (const number of [1, 2, 3]) await block(number)
  answers.set(id(1), 'referenced')
  over = (each) => each !== id(2)
  known.add(id(3))
  await pass()
  expect(candidates).toEqual([])
  expect(looked).toEqual([id(1)])
})

test('only the first replica that is connected walks a partition', async () => {
  await block(1)
  up.add('a')
  await pass()
  expect(candidates).toEqual([])
  up.delete('a')
  await pass()
  expect(candidates).toHaveLength(1)
})

test('tombstones, uploads, parts and objects with tickets are passed to their sweepers', async () => {
  await register(uploadRegister(BUCKET, 2, 'key', UPLOAD_ID, 6))
  await register(partRegister(BUCKET, 2, UPLOAD_ID, 1, 6))
  await register(OBJECT, {
    body: objectCodec.encode({ ...objectOf(undefined), uploads: [new Uint8Array(40)] }),
  })
  await register(objectRegister(BUCKET, 2, 'plain', 6))
  const gone = objectRegister(BUCKET, 2, 'gone', 6)
  await register(gone, { tombstone: true, body: new Uint8Array(0) })
  await pass()
  expect(new Set(cared)).toEqual(new Set(['part', 'tickets', 'upload']))
  expect(cared).toHaveLength(3)
  expect(tombstones).toEqual([gone])
})

test('many rows are read at the given rate, and none is left out', async () => {
  for (let number = 0; number < 1_000; number++) await block(number)
  const startedMs = clock.nowMs()
  await pass()
  expect(candidates).toHaveLength(1_000)
  expect(new Set(candidates.map(({ keys }) => dataIdOf(keys[0]!))).size).toBe(1_000)
  expect(clock.nowMs() - startedMs).toBeGreaterThan(4_000)
})
