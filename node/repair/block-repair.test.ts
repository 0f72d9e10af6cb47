/** Damaged blocks: repaired, handed to the collector, or given up (F2, G5). */

import { beforeEach, expect, test } from 'vitest'
import { bucketId, dataId, type BlockKey, type NodeId } from '../../protocol/ids.ts'
import { dataIdOf, packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByObject, type BlockOwner } from '../../protocol/keyspace/owner.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { FreeCandidate } from '../reclaim/collector.ts'
import { BlockRepair } from './block-repair.ts'

const OBJECT = objectRegister(bucketId('b'.repeat(16)), 2, 'key', 6)
const KEY = packedBlockKey(OBJECT, dataId('d'.repeat(24)))
const BLOCK: OwnedBlock = { key: KEY, bytes: new Uint8Array(3), owner: ownedByObject(OBJECT) }

let elsewhere: Map<string, OwnedBlock | undefined>
let owner: BlockOwner | undefined
let over: boolean
let bad: boolean
/** Epochs of the layout, one for each time that it is asked. The last one stays. */
let epochs: number[]
let put: OwnedBlock[]
let forgotten: BlockKey[]
let candidates: FreeCandidate[]
let mender: BlockRepair

beforeEach(() => {
  elsewhere = new Map([
    ['b', undefined],
    ['c', undefined],
  ])
  owner = undefined
  over = true
  bad = true
  epochs = [7]
  put = []
  forgotten = []
  candidates = []
  mender = new BlockRepair({
    self: 'a' as NodeId,
    blocks: {
      put: (block) => Promise.resolve(void put.push(block)),
      ownerOf: () => Promise.resolve(owner),
      isBad: () => Promise.resolve(bad),
      forget: (keys) => {
        forgotten.push(...keys)
        return Promise.resolve({ blocks: keys.length, bytes: 0 })
      },
    },
    read: () => Promise.resolve([...elsewhere.values()].find((block) => block !== undefined)),
    peers: {
      getOwnedBlock: (to) =>
        elsewhere.has(to) ? Promise.resolve(elsewhere.get(to)) : Promise.reject(new Error('down')),
    },
    placement: {
      epoch: () => (epochs.length > 1 ? epochs.shift()! : epochs[0]!),
      sets: () => [['a', 'b', 'c'] as NodeId[]],
    },
    watermarks: { ask: (ids) => Promise.resolve(new Set(over ? ids : [])) },
    collector: { addCandidate: (candidate) => void candidates.push(candidate) },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  })
})

async function mended(): Promise<void> {
  mender.mend(KEY)
  mender.mend(KEY)
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

test('a damaged block is fetched from a replica once', async () => {
  elsewhere.set('c', BLOCK)
  await mended()
  expect(put).toEqual([BLOCK])
  expect([candidates, forgotten]).toEqual([[], []])
})

test('a block that no replica has is a candidate when its owner can be read', async () => {
  owner = BLOCK.owner
  await mended()
  expect(candidates).toEqual([{ owner, dataId: dataIdOf(KEY), keys: [KEY] }])
  expect(forgotten).toEqual([])
})

test('a block that no replica has is dropped when its owner is not known', async () => {
  await mended()
  expect(forgotten).toEqual([KEY])
})

test.each<[string, () => void]>([
  ['its attempt may be running', () => (over = false)],
  ['a replica does not answer', () => void elsewhere.delete('b')],
  ['it can be read after all', () => (bad = false)],
  ['other nodes may hold it by a later layout', () => (epochs = [7, 8])],
])('stays while %s', async (_, because) => {
  because()
  await mended()
  expect([put, candidates, forgotten]).toEqual([[], [], []])
})

test('while blocks move, a damaged block is a warning and a missing one is not', async () => {
  const warnings: string[] = []
  const moving = (isBad: boolean): BlockRepair =>
    new BlockRepair({
      self: 'a' as NodeId,
      blocks: {
        put: () => Promise.resolve(),
        ownerOf: () => Promise.resolve(owner),
        isBad: () => Promise.resolve(isBad),
        forget: () => Promise.resolve({ blocks: 0, bytes: 0 }),
      },
      read: () => Promise.resolve(BLOCK),
      peers: { getOwnedBlock: () => Promise.resolve(BLOCK) },
      placement: {
        epoch: () => 1,
        sets: () => [['a', 'b'] as NodeId[]],
        sources: () => ['c' as NodeId],
      },
      watermarks: { ask: () => Promise.resolve(new Set()) },
      collector: { addCandidate() {} },
      logger: { debug() {}, info() {}, warn: (_, text) => void warnings.push(text), error() {} },
    })
  mender = moving(false)
  await mended()
  expect(warnings).toEqual([])
  mender = moving(true)
  await mended()
  expect(warnings.length).toBe(1)
})

test('a block that moves while it is looked for stays: the sources are asked first', async () => {
  const holders = new Set(['c'])
  const given: BlockKey[] = []
  mender = new BlockRepair({
    self: 'a' as NodeId,
    blocks: {
      put: () => Promise.resolve(),
      ownerOf: () => Promise.resolve(undefined),
      isBad: () => Promise.resolve(true),
      forget: (keys) => {
        given.push(...keys)
        return Promise.resolve({ blocks: keys.length, bytes: 0 })
      },
    },
    read: () => Promise.resolve(undefined),
    peers: {
      getOwnedBlock: (to) => {
        const block = holders.has(to) ? BLOCK : undefined
        // After the holder has answered, it fetches the block, and the source drops it.
        if (to === 'b') holders.delete('c')
        if (to === 'b') holders.add('b')
        return Promise.resolve(block)
      },
    },
    placement: {
      epoch: () => 1,
      sets: () => [['a', 'b'] as NodeId[]],
      sources: () => ['c' as NodeId],
    },
    watermarks: { ask: (ids) => Promise.resolve(new Set(ids)) },
    collector: { addCandidate() {} },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  })
  await mended()
  expect(given).toEqual([])
})
