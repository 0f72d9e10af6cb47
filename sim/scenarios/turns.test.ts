/** Background work over many rows gives way to others: rows are counted for each turn of the event loop. */

import { beforeAll, expect, test, vi } from 'vitest'
import { bytesOf } from '../../protocol/bytes.ts'
import { bucketId, dataId, type NodeId } from '../../protocol/ids.ts'
import { blockKey } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { BlockStore } from '../../node/replica/blocks.ts'
import { Memtable } from '../../node/log/memtable.ts'
import { SortedRows } from '../../node/log/sorted-rows.ts'
import type { Store } from '../../node/log/store.ts'
import type { Clock } from '../../node/env/ports.ts'
import { TURN_ROWS_MAX } from '../../node/tools/sleep.ts'
import { checkDigests } from '../../node/replica/digest-check.ts'
import { SyncAnswers } from '../../node/repair/sync-answers.ts'
import { Puller, type PullerOptions } from '../../node/repair/puller.ts'
import { RowsWorld } from '../log/rows-world.ts'

const BUCKET = bucketId('c'.repeat(16))
const PARTITION = partitionOfKey(objectRegister(BUCKET, 0, 'k', 4))
const REGISTERS = 3_000
const OTHER = 'other' as NodeId

let world: RowsWorld
let store: Store
let most = 0
let inTurn = 0

/** The world's, and a new turn with every timer. */
const clock: Clock = {
  nowMs: () => world.clock.nowMs(),
  monotonicMs: () => world.clock.monotonicMs(),
  after: (delayMs, run) =>
    world.clock.after(delayMs, () => {
      inTurn = 0
      run()
    }),
}

function counted(rows = 1): void {
  inTurn += rows
  most = Math.max(most, inTurn)
}

beforeAll(async () => {
  world = new RowsWorld(1)
  await world.open()
  const real = world.store!
  for (let at = 0; at < REGISTERS; at += 500) {
    const records = Array.from({ length: 500 }, (_, i) =>
      world.records.registerRecord(objectRegister(BUCKET, 0, `k${at + i}`, 4)),
    )
    await world.clock.settle(real.append(records))
  }
  await world.clock.settle(real.commitIndex())
  const range: Store['range'] = (start, end, limit, visit) =>
    real.range(start, end, limit, (key, row) => {
      counted()
      return visit(key, row)
    })
  store = new Proxy(real, {
    get(target, name) {
      if (name === 'range') return range
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
})

async function rowsInATurn(work: () => Promise<unknown>): Promise<number> {
  most = inTurn = 0
  await world.clock.settle(work())
  return most
}

test('the search for damaged registers', async () => {
  const options: Partial<PullerOptions> = {
    store,
    clock,
    host: { isFaulty: () => false } as unknown as PullerOptions['host'],
    peers: {
      enumerate: () =>
        Promise.resolve({ epoch: 1, keys: [], ballots: [], generations: [], more: false }),
    } as unknown as PullerOptions['peers'],
    view: () => ({ epoch: 1, isMember: () => true }) as unknown as LayoutView,
    pullsBlocks: () => true,
  }
  const puller = new Puller(options as PullerOptions)
  const rows = await rowsInATurn(() => puller.pull(OTHER, PARTITION))
  expect(rows).toBeGreaterThan(0)
  expect(rows).toBeLessThanOrEqual(TURN_ROWS_MAX)
})

test('the comparison of digests with their rows', async () => {
  const check = () => checkDigests({ store, clock, partitions: 16, isStopped: () => false })
  expect(await rowsInATurn(check)).toBeLessThanOrEqual(2 * TURN_ROWS_MAX)
})

test('digests of all partitions, for a peer', async () => {
  const all = Array.from({ length: 16 }, (_, partition) => partition)
  const view = () =>
    ({
      epoch: 1,
      partitions: 16,
      isMember: () => true,
      role: () => 'member',
      partitionsOf: () => all,
    }) as unknown as LayoutView
  const exchange = new SyncAnswers({ store, self: 'me' as NodeId, view, clock })
  const request = { epoch: 1, level: 0, groups: [] }
  expect(await rowsInATurn(() => exchange.digests(OTHER, request))).toBeLessThanOrEqual(
    TURN_ROWS_MAX,
  )
})

test('thousands of blocks that are freed at once', async () => {
  const blocks = new BlockStore(world.store!)
  const keys = Array.from({ length: 3_000 }, (_, i) =>
    blockKey(3, dataId(String(i).padStart(24, '0')), 0),
  )
  const puts = keys.map((key) => blocks.put({ key, bytes: bytesOf('x'), owner: 'o' as never }))
  await world.clock.settle(Promise.all(puts))
  const append = vi.spyOn(world.store!, 'append')
  const forgetting = blocks.forget(keys)
  expect(await world.clock.settle(forgetting)).toMatchObject({ blocks: 3_000 })
  const sizes = append.mock.calls.map(([records]) => records.length)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(TURN_ROWS_MAX)
})

test('a range over pending rows takes those that it gives, not all', () => {
  const memtable = new Memtable()
  for (let i = 0; i < 20_000; i++) {
    memtable.put({ key: bytesOf(`k${(i * 7_919) % 20_000}`), value: bytesOf('x') })
  }
  const looked = vi.spyOn(SortedRows.prototype, 'get')
  const rows = memtable.range(bytesOf('k5'), bytesOf('l'))
  for (let i = 0; i < 3; i++) expect(rows.next().done).toBe(false)
  expect(looked.mock.calls.length).toBeLessThanOrEqual(6)
  looked.mockRestore()
})
