/**
 * A node comes back to partitions whose floors it raised when it held them. No copy of an older ballot may be installed
 * there (G3), so each register is settled in JOINT (L5).
 */

import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  bucketId,
  operationId,
  proposerId,
  type ByteString,
  type RegisterKey,
} from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { floorRaised } from '../../node/replica/removal-records.ts'
import { RegisterClient } from '../../node/quorum/register-client.ts'
import { MoveFile } from '../../node/rebalance/move-file.ts'
import { Patches } from '../mutants/patches.ts'
import { nodeOf } from '../testing/calm-cluster.ts'
import { withHandLayout, type HandLayout } from '../testing/hand-layout.ts'

const BUCKET = bucketId('c'.repeat(16))
/** Registers of four shards, one of which is large. */
const KEYS: readonly RegisterKey[] = [
  ...keysOf(0, 2_100),
  ...keysOf(1, 200),
  ...keysOf(2, 200),
  ...keysOf(3, 200),
]
const BALLOT = { counter: 5, proposer: proposerId('p'.repeat(16)) }
/** Above BALLOT. */
const FLOOR = { counter: 1_000_000, proposer: proposerId('q'.repeat(16)) }

function keysOf(shard: number, count: number): RegisterKey[] {
  return Array.from({ length: count }, (_, i) =>
    objectRegister(BUCKET, shard, `${i}`.padStart(6, '0') as ByteString, 6),
  )
}

let patches: Patches
let settles: number
let underWay: number
let underWayMax: number
/** The value of `settles` at each report of a partition of KEYS. */
let reports: number[]
/** Partitions that were reported durably. */
let reported: Set<number>
/** Whether node 3, which may be starting, has the register. */
let isHere: (key: RegisterKey) => boolean
/** Registers that were missing when their partition was reported. */
let missing: RegisterKey[]

beforeEach(() => {
  patches = new Patches()
  settles = 0
  underWay = 0
  underWayMax = 0
  reports = []
  reported = new Set()
  isHere = () => true
  missing = []
  patches.method(
    RegisterClient.prototype,
    'ensureChosen',
    (original) =>
      async function (this: RegisterClient, ...call) {
        settles++
        underWayMax = Math.max(underWayMax, ++underWay)
        return original.call(this, ...call).finally(() => underWay--)
      },
  )
  const partitions = new Set(KEYS.map(partitionOfKey))
  patches.method(
    MoveFile.prototype,
    'addSynced',
    (original) =>
      async function (this: MoveFile, epoch, synced) {
        const some = [...synced].filter((partition) => partitions.has(partition))
        // At the beginning of JOINT nodes 0 and 1 report what they have.
        const isReturning = settles > 0
        if (isReturning && some.length > 0) {
          reports.push(settles)
          const copied = KEYS.filter((key) => some.includes(partitionOfKey(key)))
          missing.push(...copied.filter((key) => !isHere(key)))
        }
        await original.call(this, epoch, synced)
        if (isReturning) for (const partition of some) reported.add(partition)
      },
  )
})

afterEach(() => patches.undo())

const VALUE = {
  operation: operationId('o'.repeat(16)),
  tombstone: false,
  body: new Uint8Array(100),
  blocks: [],
}

/** JOINT of 0, 1, 2 and 0, 1, 3. Node 3 has copied nothing as a learner, since its floors refuse the copies. */
async function withFloors(run: (hand: HandLayout) => Promise<void>): Promise<void> {
  await withHandLayout(4, async (hand) => {
    await hand.become([0, 1, 2])
    for (const node of [0, 1, 2]) {
      const { host } = nodeOf(hand.cluster, node)
      await Promise.all(KEYS.map((key) => host.learn(key, { ballot: BALLOT, value: VALUE })))
    }
    const returning = nodeOf(hand.cluster, 3)
    await returning.store.append(
      [...new Set(KEYS.map(partitionOfKey))].map((partition) => floorRaised(partition, FLOOR)),
    )
    await hand.plan([0, 1, 3])
    await hand.untilCaughtUp(3)
    expect(KEYS.filter((key) => returning.host.peek(key) !== undefined)).toEqual([])
    settles = 0
    isHere = (key) => hand.cluster.node(3)?.host.peek(key) !== undefined
    await hand.joint()
    await run(hand)
    expect(missing).toEqual([])
    const { host } = nodeOf(hand.cluster, 3)
    for (const key of KEYS) {
      expect(host.peek(key)!.ballot.counter).toBeGreaterThan(FLOOR.counter)
    }
  })
}

test('each register is settled once, several at a time, and counts as progress before its partition is done', async () => {
  await withFloors(async (hand) => {
    const { rebalance } = nodeOf(hand.cluster, 3)
    await hand.until(() => rebalance.progress().copied > 1_000)
    expect(hand.unsynced(3)).toContain(partitionOfKey(KEYS[0]!))
    await hand.untilSynced(0, 1, 3)
    expect(rebalance.progress().copied).toBe(KEYS.length)
    expect(settles).toBe(KEYS.length)
    expect(underWayMax).toBeGreaterThan(16)
    expect(underWayMax).toBeLessThanOrEqual(64)
    // Partitions that are done do not wait for all the others.
    expect(reports[0]).toBeLessThan(KEYS.length)
  })
})

test('a node that loses power in JOINT goes on with what it has', async () => {
  await withFloors(async (hand) => {
    const { cluster } = hand
    const { rebalance } = nodeOf(cluster, 3)
    await hand.until(() => rebalance.progress().copied > 1_500)
    expect(reported.size).toBeLessThan(4)
    isHere = () => true
    cluster.kill(3, true)
    // It is up as a member of P when JOINT is over.
    const started = cluster.start(3)
    await hand.until(() => reported.size === 4)
    await hand.synced()
    await started
    // Except those that were under way.
    expect(settles).toBeLessThanOrEqual(KEYS.length + underWayMax)
  })
})
