/**
 * `node bench/turns.ts [--registers 100000]`
 *
 * How long background work over many registers of one partition holds the event loop: the longest delay of
 * a timer while it runs, by perf_hooks. Prints a line for each kind of work.
 */

import { scrubOf } from '../node/log/scrub.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { bytesOf, EMPTY_BYTES } from '../protocol/bytes.ts'
import { encodeState } from '../protocol/codec/state.ts'
import { bucketId, dataId, operationId, proposerId, type NodeId } from '../protocol/ids.ts'
import { blockKey } from '../protocol/keyspace/block-key.ts'
import { PARTITION_BITS, partitionOfKey } from '../protocol/keyspace/key.ts'
import { objectRegister } from '../protocol/keyspace/register-key.ts'
import type { LayoutView } from '../protocol/layout/view.ts'
import { BlockStore } from '../node/replica/blocks.ts'
import type { Store } from '../node/log/store.ts'
import type { NewRecord } from '../node/log/types.ts'
import { createDisk } from '../node/env/disk.ts'
import { openLmdb } from '../node/env/lmdb.ts'
import { SystemClock, SystemRandom } from '../node/env/system.ts'
import { checkDigests } from '../node/replica/digest-check.ts'
import { RECORD } from '../node/replica/record-types.ts'
import { openStore } from '../node/assembly/open-store.ts'
import { SyncAnswers, type SyncAnswersOptions } from '../node/repair/sync-answers.ts'
import { Puller, type PullerOptions } from '../node/repair/puller.ts'

const { values } = parseArgs({ options: { registers: { type: 'string', default: '100000' } } })
const wanted = Number(values.registers)
const BUCKET = bucketId('b'.repeat(16))
const PARTITION = partitionOfKey(objectRegister(BUCKET, 0, 'k', PARTITION_BITS))
const PARTITIONS = 1 << PARTITION_BITS
const PROPOSER = proposerId('p'.repeat(16))
const OTHER = 'other' as NodeId
const QUIET = { debug() {}, info() {}, warn() {}, error() {} }
const clock = new SystemClock()

function register(i: number): NewRecord {
  const key = objectRegister(BUCKET, 0, `key-${String(i).padStart(7, '0')}`, PARTITION_BITS)
  const body = encodeState({
    ballot: { counter: 1 + i, proposer: PROPOSER },
    value: {
      operation: operationId('o'.repeat(16)),
      tombstone: false,
      body: new Uint8Array(200),
      blocks: [],
    },
  })
  return { type: RECORD.register, partition: PARTITION, key, body }
}

async function measured(title: string, work: () => unknown): Promise<void> {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await new Promise((resolve) => setTimeout(resolve, 20))
  histogram.reset()
  await new Promise((resolve) => setTimeout(resolve, 10))
  const startMs = performance.now()
  // On a busy machine a turn also waits for the processor. Only its own processor time counts.
  let longestMs = 0
  let isOver = false
  let before = cpuMs()
  const turn = (): void => {
    const now = cpuMs()
    longestMs = Math.max(longestMs, now - before)
    before = now
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  isOver = true
  await new Promise((resolve) => setTimeout(resolve, 20))
  histogram.disable()
  const longest = (histogram.max / 1e6).toFixed(1).padStart(7)
  const tookMs = (performance.now() - startMs).toFixed(0).padStart(6)
  const cpu = longestMs.toFixed(1).padStart(6)
  console.log(
    `${title.padEnd(40)} longest turn ${longest} ms, of processor time ${cpu} ms; took ${tookMs} ms`,
  )
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

async function fill(store: Store, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += 500) {
    await store.append(Array.from({ length: 500 }, (_, i) => register(at + i)))
  }
}

const directory = mkdtempSync(join(tmpdir(), 'shoal-turns-'))
const store = await openStore(
  {
    clock,
    random: new SystemRandom(),
    disk: createDisk(directory),
    logger: QUIET,
    openIndex: () => openLmdb(join(directory, 'index')),
    fail: (reason) => {
      throw new Error(reason)
    },
  },
  { segmentSizeBytes: 64 << 20 },
)
try {
  await fill(store, 0, wanted)
  await store.commitIndex()
  const view = () =>
    ({
      epoch: 1,
      partitions: PARTITIONS,
      isMember: () => true,
      role: () => 'member',
      partitionsOf: () => Array.from({ length: PARTITIONS }, (_, partition) => partition),
    }) as unknown as LayoutView
  const nothing = { epoch: 1, keys: [], ballots: [], generations: [], more: false }
  const puller = new Puller({
    store,
    clock,
    view,
    pullsBlocks: () => true,
    host: { isFaulty: () => false },
    peers: { enumerate: () => Promise.resolve(nothing) },
  } as unknown as PullerOptions)
  await measured('damaged registers of a partition', () => puller.pull(OTHER, PARTITION))
  await measured('digests compared with their rows', () =>
    checkDigests({ store, clock, partitions: PARTITIONS, isStopped: () => false }),
  )
  const exchange = new SyncAnswers({
    store,
    clock,
    view,
    self: 'me' as NodeId,
  } as SyncAnswersOptions)
  await measured('digests of all partitions for a peer', () =>
    exchange.digests(OTHER, { epoch: 1, level: 0, groups: [] }),
  )
  const blocks = new BlockStore(store)
  const keys = Array.from({ length: 8_000 }, (_, i) =>
    blockKey(i % PARTITIONS, dataId(String(i).padStart(24, '0')), 0),
  )
  const records = keys.map((key): NewRecord => ({
    type: RECORD.block,
    partition: partitionOfKey(key),
    key,
    body: EMPTY_BYTES,
    payload: bytesOf('x'),
  }))
  for (let at = 0; at < records.length; at += 500) await store.append(records.slice(at, at + 500))
  await store.commitIndex()
  await measured('8,000 blocks freed', () => blocks.forget(keys))
  await measured('20,000 registers appended', () => fill(store, wanted, 20_000))
  await measured('a page of a list, rows pending', async () => {
    const pending = fill(store, wanted + 20_000, 20_000)
    for (let i = 0; i < 200; i++) {
      await new Promise((resolve) => setImmediate(resolve))
      store.range(bytesOf('r'), bytesOf('s'), 10, () => {})
    }
    await pending
  })
  await store.commitIndex()
  const scrub = scrubOf(store, { fetch: () => {}, bytesPerSecond: 1e9, patienceMs: 10 })
  await measured('a scrub', () => scrub.pass())
} finally {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
}
