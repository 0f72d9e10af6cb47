import { expect, test, vi } from 'vitest'
import { encodeState } from '../../protocol/codec/state.ts'
import { bucketId, operationId, proposerId } from '../../protocol/ids.ts'
import { bitmapOf } from '../../protocol/keyspace/bitmap.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { testMember, stable } from '../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import { ballotOfWire } from '../../protocol/rpc/message.ts'
import { WireSummaryReply } from '../../protocol/rpc/messages.js'
import { REGISTER_DIGEST_BYTES } from '../../protocol/sync/digest.ts'
import type { Clock } from '../env/ports.ts'
import { applyRecord } from '../replica/apply-record.ts'
import { floorOfRow, floorRow } from '../replica/index-rows.ts'
import { floorRaised } from '../replica/removal-records.ts'
import { RECORD } from '../replica/record-types.ts'
import { minimumGenerationRecord } from '../replica/minimum-generation-records.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import { HeldStore } from '../log/testing/held-store.ts'
import { fitsFrame } from '../net/framing.ts'
import { SyncAnswers } from '../repair/sync-answers.ts'
import { Witness } from './witness.ts'

const SELF = testMember('a')
const GENESIS = { ...stable([SELF]).genesis, partitionBits: 14 }
const VIEW = new LayoutView(stable([SELF], { genesis: GENESIS }))
const MARK = 4_711

function ballot(counter: number): Ballot {
  return { counter, proposer: proposerId('p'.repeat(16)) }
}

/** A witness with a few registers, minima and floors, each in its own partition; `turns` counts pauses. */
async function peer() {
  const held = new HeldStore(applyRecord)
  for (let i = 0; i < 30; i++) {
    const bucket = bucketId(`${i % 3}`.padStart(16, 'b'))
    const key = objectRegister(bucket, i, `key ${i}`, 14)
    const partition = partitionOfKey(key)
    const value = {
      operation: operationId('o'.repeat(16)),
      tombstone: false,
      body: new Uint8Array(10),
      blocks: [],
    }
    const body = encodeState({ ballot: ballot(i + 1), value })
    await held.append([{ type: RECORD.register, partition, key, body }])
    if (i % 2 === 0)
      await held.append([minimumGenerationRecord(partition, { bucket, generation: i })])
    if (i % 3 === 0) await held.append([floorRaised(partition, ballot(100 + i))])
    // The last partition of all, and neighbours, too.
    await held.append([minimumGenerationRecord(VIEW.partitions - 1 - i, { bucket, generation: 5 })])
  }
  const found = { turns: 0 }
  const clock = {
    monotonicMs: () => 0,
    after: (_: number, run: () => void) => {
      found.turns++
      setImmediate(run)
      return () => {}
    },
  } as unknown as Clock
  const { store } = held
  const common = { store, self: SELF.nodeId, view: () => VIEW, clock }
  const exchange = new SyncAnswers(common)
  const host = {
    mark: MARK,
    floor: (partition: number) => floorOfRow(store.get(floorRow(partition))),
    isFaulty: () => false,
  } as unknown as AcceptorHost
  const witness = new Witness({ ...common, host, exchange, votes: () => true })
  return { held, exchange, witness, host, found }
}

test('a summary of all partitions takes few pages and few turns of the event loop', async () => {
  const { exchange, witness, host, found } = await peer()
  const all = Array.from({ length: VIEW.partitions }, (_, partition) => partition)
  const wanted = bitmapOf(all)
  const told = new Map<number, unknown>()
  let pages = 0
  for (let from = 0; ;) {
    const reply = await witness.summary({ epoch: 1, wanted, from })
    expect(fitsFrame(WireSummaryReply.encode(reply), undefined)).toBe(true)
    expect([reply.epoch, reply.mark]).toEqual([1, MARK])
    pages++
    for (const { partition, registers, minima, floor } of reply.partitions) {
      told.set(partition, { registers, minima, floor: ballotOfWire(floor) })
    }
    if (reply.next === 0) break
    from = reply.next
  }
  let some = 0
  for (const partition of all) {
    const digest = exchange.digestOf(partition).slice(0, REGISTER_DIGEST_BYTES)
    const registers = digest.every((byte) => byte === 0) ? new Uint8Array(0) : digest
    const expected = {
      registers,
      minima: exchange.minimaDigest(partition),
      floor: host.floor(partition),
    }
    expect(told.get(partition)).toEqual(expected)
    if (registers.length + expected.minima.length > 0) some++
  }
  expect(some).toBeGreaterThan(50)
  expect(pages).toBeLessThanOrEqual(5)
  expect(found.turns).toBeLessThanOrEqual(20)
})

test('a full page of partitions that all have something fits into a frame', async () => {
  const { held, witness } = await peer()
  const bucket = bucketId('b'.repeat(16))
  const partitions = Array.from({ length: 5_000 }, (_, partition) => partition)
  for (const partition of partitions) {
    await held.append([
      minimumGenerationRecord(partition, { bucket, generation: 2 }),
      floorRaised(partition, ballot(Number.MAX_SAFE_INTEGER)),
    ])
  }
  const reply = await witness.summary({ epoch: 1, wanted: bitmapOf(partitions), from: 0 })
  expect(fitsFrame(WireSummaryReply.encode(reply), undefined)).toBe(true)
  expect(reply.next).toBeGreaterThan(0)
})

test('a scan of the registers that failed is made again for the next answer', async () => {
  const { held, witness } = await peer()
  const wanted = bitmapOf([0])
  const { store } = held
  vi.spyOn(store, 'range').mockImplementationOnce(() => {
    throw new Error('the index can not be read')
  })
  await expect(witness.summary({ epoch: 1, wanted, from: 0 })).rejects.toThrow('can not be read')
  expect(await witness.summary({ epoch: 1, wanted, from: 0 })).toMatchObject({ epoch: 1 })
})
