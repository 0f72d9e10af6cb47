/** A change of the layout that waits for something lost for good, and the operator's command that ends the wait (L5,
 * D3, D8). */

import { afterEach, expect, test } from 'vitest'
import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { BlockMover } from '../../node/rebalance/block-mover.ts'
import { LayoutRefusal } from '../../gateway/port/layout.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { Patches } from '../mutants/patches.ts'
import { flipBits, placesOf } from '../world/places.ts'
import {
  backendOf,
  bytesLike,
  codeOf,
  fill,
  get,
  nodeOf,
  onCluster,
  put,
  readBack,
  calmSleep,
  calmUntil,
} from '../testing/calm-cluster.ts'

const OBJECTS = 8
const SIZE = 90_000
const LOOK_MS = 100
const ALL = { partitions: 'all', mark: false, reason: 'damage', detail: 'test' } as const
const patches = new Patches()
afterEach(() => patches.undo())

const sources = (cluster: SimulatedCluster): number =>
  nodeOf(cluster, 0).layout.current()!.sources.length

const refusal = async (cluster: SimulatedCluster): Promise<string> =>
  (await nodeOf(cluster, 0).admin.lossReport()).refusal ?? 'none'

/** Three nodes and a fourth one that has joined. Node 0 has lost something, and node 2 is gone. */
async function oneGone(check: (cluster: SimulatedCluster) => Promise<void>): Promise<void> {
  patches.method(BlockMover.prototype, 'start', () => () => {})
  await onCluster(
    4,
    async (cluster) => {
      await fill(cluster, 0, OBJECTS, SIZE)
      await cluster.start(3)
      await calmUntil(
        cluster,
        'it has joined',
        () => nodeOf(cluster, 3).layout.isMember() && sources(cluster) === 1,
        LOOK_MS,
      )
      expect(await refusal(cluster)).toMatch(/^blocks of \d+ partitions are still being fetched/)
      // It votes again, and lacks blocks.
      await nodeOf(cluster, 0).forgotten.add([ALL])
      await calmUntil(
        cluster,
        'it votes',
        () => nodeOf(cluster, 0).recall.forgotten().length === 0,
        LOOK_MS,
      )
      cluster.kill(2, false)
      patches.undo()
      for (const number of [0, 1, 3]) nodeOf(cluster, number).moves.start()
      await calmSleep(cluster, 30_000)
      expect(await refusal(cluster)).toMatch(/has been away for less than a minute/)
      await calmSleep(cluster, 60_000)
      expect(sources(cluster)).toBe(1)
      await check(cluster)
    },
    { members: 3 },
  )
}

test('a source with a node gone for good ends at the operator’s word, after a report', async () => {
  await oneGone(async (cluster) => {
    const { admin } = nodeOf(cluster, 0)
    const { underWay } = await admin.layoutTable()
    expect(underWay).toMatch(
      /\d+ partitions wait for \S+ \(away for 1m \d+s\): too few of their holders answer; .*; start \S+; if that is impossible, `shoal layout accept-loss` lists what is lost$/,
    )
    const status = await admin.status()
    expect(status.warnings.join()).toContain('accept-loss')
    expect(status.held?.partitions).toBeGreaterThan(OBJECTS)
    const stuck = admin.gauges().find(({ name }) => name === 'shoal_move_stuck_partitions')
    expect(stuck?.value).toBeGreaterThan(0)
    const report = await admin.lossReport()
    expect(report).toMatchObject({ registers: [], sources: [{ unreadable: 0 }] })
    expect(report.refusal).toBeUndefined()
    const [source] = report.sources
    expect(source!.waitsFor).toHaveLength(1)
    expect(source!.awaySeconds[0]).toBeGreaterThanOrEqual(60)
    expect(source!.partitions.length).toBe(status.held?.partitions)
    await expect(admin.acceptLoss('0'.repeat(16))).rejects.toThrow(/has changed since/)
    expect(sources(cluster)).toBe(1)
    await admin.acceptLoss(report.id)
    expect(sources(cluster)).toBe(0)
    expect(await refusal(cluster)).toMatch(/^no change waits in vain/)
    await calmSleep(cluster, 20_000)
    // Blocks that some node still has are not given up.
    for (const number of [0, 1, 3]) await readBack(cluster, number, OBJECTS, SIZE)
  })
}, 120_000)

test('the source ends by itself when that node comes back, and nothing may be given up then', async () => {
  await oneGone(async (cluster) => {
    const { id } = await nodeOf(cluster, 0).admin.lossReport()
    await cluster.start(2)
    await expect(nodeOf(cluster, 0).admin.acceptLoss(id)).rejects.toThrow(LayoutRefusal)
    await calmUntil(cluster, 'the source is over', () => sources(cluster) === 0, LOOK_MS)
    await readBack(cluster, 3, OBJECTS, SIZE)
  })
}, 120_000)

/** A single node whose register of this key is damaged. */
async function aloneWithFaulty(check: (cluster: SimulatedCluster) => Promise<void>): Promise<void> {
  await onCluster(
    2,
    async (cluster) => {
      for (const key of ['key', 'one', 'two']) {
        await put(backendOf(cluster, 0), key, bytesLike(0))
      }
      await nodeOf(cluster, 0).store.commitIndex()
      cluster.kill(0, false)
      const disk = cluster.diskOf(0)
      const [place] = placesOf(disk).filter(
        ({ kind, type, record }) =>
          kind === 'record-body' &&
          type === 'register' &&
          byteString(bytesOf(record!.key)).endsWith('key'),
      )
      flipBits(disk, place!, 8, 1)
      await cluster.rebuildIndex(0)
      await cluster.start(0)
      await check(cluster)
    },
    { members: 1 },
  )
}

test('a single node with a damaged register says why it can’t grow, and grows at the operator’s word', async () => {
  const grown = aloneWithFaulty(async (cluster) => {
    const { admin, layout } = nodeOf(cluster, 0)
    expect(await codeOf(get(backendOf(cluster, 0), 'key'))).not.toBe('ok')
    const joining = cluster.start(1)
    await calmUntil(cluster, 'a plan', () => layout.current()!.state === 'PLANNED', LOOK_MS)
    await calmSleep(cluster, 60_000)
    expect(layout.current()!.state).toBe('PLANNED')
    expect((await admin.layoutTable()).underWay).toMatch(
      /; 1 partition waits for \S+; \S+ has 1 damaged register: `shoal scrub` there repairs what it can, and `shoal layout accept-loss` there lists the rest$/,
    )
    expect((await admin.status()).held).toMatchObject({ partitions: 1 })
    await cluster.scrub(0)
    const report = await admin.lossReport()
    expect(report.refusal).toBeUndefined()
    expect(report.registers).toEqual([
      { partition: report.registers[0]!.partition, kind: 'object', name: 'bucket/key' },
    ])
    await admin.acceptLoss(report.id)
    await joining
    expect(layout.current()!.members).toHaveLength(2)
    expect(await codeOf(get(backendOf(cluster, 1), 'key'))).toBe('NoSuchKey')
    for (const key of ['one', 'two']) {
      expect(await codeOf(get(backendOf(cluster, 1), key))).toBe('ok')
    }
    const { warnings } = await admin.status()
    expect(warnings.join()).toMatch(/has lost something of 1 partitions for good/)
    // The register does not come back when the index is made again from the log.
    cluster.kill(0, false)
    await cluster.rebuildIndex(0)
    await cluster.start(0)
    await calmUntil(
      cluster,
      'it votes',
      () => nodeOf(cluster, 0).recall.forgotten().length === 0,
      LOOK_MS,
    )
    expect(await codeOf(get(backendOf(cluster, 0), 'key'))).toBe('NoSuchKey')
    // The name can be used again, and late messages of its earlier life are refused.
    await put(backendOf(cluster, 1), 'key', bytesLike(3))
    const written = await get(backendOf(cluster, 0), 'key')
    expect(Buffer.compare(written, bytesLike(3))).toBe(0)
  })
  // Checker A reports the loss that was accepted, and nothing else.
  const seen = await grown.then(
    () => '',
    (error: unknown) => (error as Error).message,
  )
  const lines = seen.split('\n')
  expect(lines[0]).toMatch(/6b6579: absent at \d+ ms after it was known to be present$/)
  for (const line of lines) {
    expect(line).toMatch(/ read of [0-9a-f]*6b6579: absent | of [0-9a-f]*6b6579 replaced nothing, /)
  }
}, 120_000)
