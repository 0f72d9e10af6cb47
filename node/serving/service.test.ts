/** A request that belongs to one epoch is not answered as if it did in the next one (L6b), and who may send what (L1b). */

import { beforeEach, expect, test } from 'vitest'
import { bytesOf } from '../../protocol/bytes.ts'
import {
  bucketId,
  dataId,
  proposerId,
  storageId,
  type ByteString,
  type NodeId,
} from '../../protocol/ids.ts'
import { blockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByObject } from '../../protocol/keyspace/owner.ts'
import { objectRegister, partitionRange } from '../../protocol/keyspace/register-key.ts'
import type { Role } from '../../protocol/layout/view.ts'
import { encodeRegisterCall, RPC } from '../../protocol/rpc/message.ts'
import {
  WireBlockRequest,
  WireCollectRequest,
  WireHelloRequest,
  WireHoldsReply,
  WireHoldsRequest,
  WireRaiseRequest,
} from '../../protocol/rpc/messages.js'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { BlockStore } from '../replica/blocks.ts'
import { applyRecord } from '../replica/apply-record.ts'
import { ListService, LIST_RESULT } from '../replica/list-service.ts'
import { AcceptorHost } from '../replica/acceptor-host.ts'
import { HeldStore } from '../log/testing/held-store.ts'
import { DeadData } from '../replica/dead-data.ts'
import { BLOCK_RESULT } from '../quorum/peers.ts'
import { Service, type ServiceOptions } from './service.ts'

const STORAGE = storageId('ab'.repeat(12))
const BUCKET = bucketId('b'.repeat(16))
const KEY = objectRegister(BUCKET, 0, 'key', 6)
const BLOCK = blockKey(3, dataId('d'.repeat(24)), 0)

let store: HeldStore
let service: Service
let epoch = 1
let role: Role | undefined
let noted: string[] = []
let missed: string[] = []

beforeEach(() => {
  epoch = 1
  role = 'member'
  noted = []
  missed = []
  store = new HeldStore(applyRecord)
  const blocks = new BlockStore(store.store)
  const common = { epoch: () => epoch, isReplica: () => true }
  const host = new AcceptorHost({
    store: store.store,
    blocks,
    self: 'me' as NodeId,
    nowMs: () => 1,
    ...common,
  })
  const lists = new ListService({ store: store.store, host, ...common })
  const rest: Partial<ServiceOptions> = {
    host,
    blocks,
    lists,
    dead: new DeadData(),
    role: () => role,
    storageOf: () => STORAGE,
    onMissing: (key) => missed.push(key),
    sightings: {
      note: ({ storage }) => {
        noted.push(storage)
        return Promise.resolve(undefined)
      },
    },
    isStable: () => true,
    votes: () => true,
    ...common,
  }
  service = new Service(rest as ServiceOptions)
})

/** Runs `work`, whose write is flushed only when the node is in the next epoch. */
async function acrossEpochs<T>(work: () => Promise<T>): Promise<T> {
  store.hold()
  const answer = work()
  epoch = 2
  await store.flush()
  return answer
}

test('a minimum that is raised across an epoch is answered in the next one', async () => {
  const request = {
    epoch: 1,
    bucket: bytesOf(BUCKET),
    generation: 4,
    partitions: [partitionOfKey(KEY)],
  }
  expect(await acrossEpochs(() => service.raise(request))).toMatchObject({ result: 1, epoch: 2 })
  expect(await service.raise({ ...request, epoch: 2 })).toMatchObject({ result: 0 })
})

test('a block that is stored across an epoch is answered in the next one', async () => {
  const block = { key: BLOCK, bytes: new Uint8Array(9), owner: ownedByObject(KEY) }
  const put = await acrossEpochs(() => service.putBlock(block, 1))
  expect(put).toMatchObject({ result: BLOCK_RESULT.staleEpoch, epoch: 2 })
  expect(await service.putBlock(block, 2)).toMatchObject({ result: BLOCK_RESULT.ok })
})

test('a page of a list that waited for its minimum across an epoch is answered in the next one', async () => {
  const { start, end } = partitionRange(partitionOfKey(KEY))
  const request: Parameters<Service['list']>[0] = {
    epoch: 1,
    fenceBucket: bytesOf(BUCKET),
    fenceGeneration: 4,
    limit: 10,
    intervals: [{ start: bytesOf(start), end: bytesOf(end), digestOnly: false }],
    alone: true,
    intervalBytesMax: 0,
  }
  const page = await acrossEpochs(() => service.list(request))
  expect(page).toMatchObject({ kind: LIST_RESULT.staleEpoch, epoch: 2 })
  expect(await service.list({ ...request, epoch: 2 })).toMatchObject({ kind: LIST_RESULT.ok })
})

test('learners and sources read, and change nothing (L1b)', async () => {
  const peer = 'peer' as NodeId
  const ballot = { counter: 1, proposer: proposerId('p'.repeat(16) as ByteString) }
  const read = encodeRegisterCall({ request: { type: 'read', key: KEY, epoch: 1, want: 'value' } })
  const prepare = encodeRegisterCall({ request: { type: 'prepare', key: KEY, epoch: 1, ballot } })
  const fence = { bucket: BUCKET, generation: 4 }
  const fenced = encodeRegisterCall({
    request: { type: 'read', key: KEY, epoch: 1, want: 'value', fence },
  })
  const raise = { epoch: 1, bucket: bytesOf(BUCKET), generation: 4, partitions: [] }
  const put = { key: bytesOf(BLOCK), epoch: 1, owner: bytesOf(ownedByObject(KEY)) }
  const changes: [number, Uint8Array][] = [
    [RPC.register, prepare],
    [RPC.putBlock, WireBlockRequest.encode(put)],
    [RPC.raise, WireRaiseRequest.encode(raise)],
    [RPC.collect, WireCollectRequest.encode({ epoch: 1, keys: [], ballots: [], forget: true })],
    [RPC.free, new Uint8Array(0)],
    [RPC.hint, new Uint8Array(0)],
    [RPC.list, new Uint8Array(0)],
    [RPC.recall, new Uint8Array(0)],
    [RPC.register, fenced],
  ]
  for (const who of ['learner', 'source', undefined] as const) {
    role = who
    for (const [type, body] of changes) {
      await expect(service.serve(peer, { type, body })).rejects.toThrow(/only a member/)
    }
  }
  for (const who of ['learner', 'source', 'member'] as const) {
    role = who
    await service.serve(peer, { type: RPC.register, body: read })
    const get = WireBlockRequest.encode({ key: bytesOf(BLOCK) })
    await service.serve(peer, { type: RPC.getBlock, body: get })
  }
  await service.serve(peer, { type: RPC.register, body: prepare })
})

test('only a member’s question starts a search for a block that is missing (L1b)', async () => {
  const body = WireHoldsRequest.encode({ epoch: 1, keys: [bytesOf(BLOCK)] })
  for (const asker of ['learner', 'source', 'member'] as const) {
    role = asker
    const { body: answer } = await service.serve('peer' as NodeId, { type: RPC.holds, body })
    expect(WireHoldsReply.decode(answer)).toMatchObject({ result: 0, held: [false] })
    expect(missed).toHaveLength(asker === 'member' ? 1 : 0)
  }
})

test('a node may speak only of its own storage, because a noted sighting can make the storage’s node give up (D2)', async () => {
  const peer = 'peer' as NodeId
  const told = { boot: 2 ** 40, life: new Uint8Array(8), sequence: 1 }
  const hello = (storage: string): Promise<unknown> =>
    service.serve(peer, {
      type: RPC.hello,
      body: WireHelloRequest.encode({ storage, ...told }),
    })
  await expect(hello('cd'.repeat(12))).rejects.toThrow(/its own storage/)
  expect(noted).toEqual([])
  await hello(STORAGE)
  expect(noted).toEqual([STORAGE])
})
