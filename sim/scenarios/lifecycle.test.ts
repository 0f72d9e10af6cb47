/** Lifecycles through whole clusters: what is due goes, once, on time, and nothing else. */

import { expect, test } from 'vitest'
import { bytesOf, utf8ByteString } from '../../protocol/bytes.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import type { LifecycleRule } from '../../protocol/lifecycle/rule.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  BUCKET,
  bytesLike,
  calmSleep,
  calmUntil,
  context,
  fill,
  keysOf,
  nodeOf,
  onCluster,
  put,
} from '../testing/calm-cluster.ts'

const DAY_MS = 24 * 3_600_000
const EXPIRE: LifecycleRule = { id: 'expire', enabled: true, prefix: 'key ', days: 1 }

function configure(cluster: SimulatedCluster, ...lifecycle: LifecycleRule[]): Promise<void> {
  return backendOf(cluster, 0).changeBucket(context(), { bucket: BUCKET, change: { lifecycle } })
}

/** Sets all clocks to just before the midnight after so many days from the start of the simulation. */
function beforeMidnight(cluster: SimulatedCluster, days: number, marginMs: number): void {
  const real = Object.getPrototypeOf(cluster.clock) as { nowMs(): number }
  const now = real.nowMs.call(cluster.clock)
  const to = (Math.floor(now / DAY_MS) + days) * DAY_MS - marginMs
  const aheadMs = to - now
  cluster.clock.nowMs = () => real.nowMs.call(cluster.clock) + aheadMs
}

/** How many rows of due times the nodes have. */
function dueRows(cluster: SimulatedCluster, number: number): number {
  let rows = 0
  nodeOf(cluster, number).store.range(bytesOf('ld'), bytesOf('le'), 1e6, () => void rows++)
  return rows
}

function markers(cluster: SimulatedCluster, number: number): number {
  let complete = 0
  nodeOf(cluster, number).store.range(bytesOf('la'), bytesOf('lb'), 1e6, (_key, row) => {
    if (row[0] === 1) complete++
  })
  return complete
}

async function untilIndexed(cluster: SimulatedCluster): Promise<void> {
  await calmUntil(cluster, 'due times are indexed', () =>
    [0, 1, 2].every((number) => markers(cluster, number) >= 16),
  )
}

async function versionsOf(cluster: SimulatedCluster, prefix: string) {
  const { versions } = await backendOf(cluster, 0).listVersions(context(), {
    bucket: BUCKET,
    prefix,
    limit: 1000,
  })
  return versions
}

const OBJECTS = 300

test('objects that are due are gone within a minute, and others are untouched', async () => {
  await onCluster(3, async (cluster) => {
    await fill(cluster, 0, OBJECTS / 2, 10)
    await put(backendOf(cluster, 0), 'other', bytesLike(10))
    await configure(cluster, EXPIRE)
    await untilIndexed(cluster)
    for (let i = OBJECTS / 2; i < OBJECTS; i++) {
      await put(backendOf(cluster, 1), `key ${i}`, bytesLike(10))
    }
    // The second midnight: one day, rounded up.
    beforeMidnight(cluster, 1, -1_000)
    await calmSleep(cluster, 60_000)
    expect(await keysOf(backendOf(cluster, 0))).toHaveLength(OBJECTS + 1)
    beforeMidnight(cluster, 2, 10_000)
    await put(backendOf(cluster, 2), 'key 7', bytesLike(11))
    await calmSleep(cluster, 70_000)
    expect((await keysOf(backendOf(cluster, 0))).sort()).toEqual(['key 7', 'other'])
    const isTidy = (): boolean => [0, 1, 2].every((number) => dueRows(cluster, number) <= 1)
    await calmUntil(cluster, 'no row is left of what is gone', isTidy, 10_000, 1_300_000)
  })
})

test('an index that is rebuilt, and a node that is away, change nothing about it', async () => {
  await onCluster(3, async (cluster) => {
    await configure(cluster, EXPIRE)
    await fill(cluster, 0, 40, 10)
    await untilIndexed(cluster)
    cluster.kill(1, true)
    cluster.wipeIndex(1)
    await calmSleep(cluster, 5_000)
    await cluster.start(1)
    await untilIndexed(cluster)
    cluster.kill(2, true)
    beforeMidnight(cluster, 2, 10_000)
    await calmSleep(cluster, 80_000)
    expect(await keysOf(backendOf(cluster, 0))).toEqual([])
    await cluster.start(2)
  })
})

test('a node whose clock is ahead deletes nothing early', async () => {
  await onCluster(3, async (cluster) => {
    await configure(cluster, EXPIRE)
    await fill(cluster, 0, 40, 10)
    await untilIndexed(cluster)
    for (const number of [0, 1, 2]) {
      cluster.jumpClock(number, 10 * DAY_MS)
      await calmSleep(cluster, 90_000)
      cluster.jumpClock(number, 0)
    }
    expect(await keysOf(backendOf(cluster, 0))).toHaveLength(40)
  })
})

test('rules that are replaced, and removed, do not act any more', async () => {
  await onCluster(3, async (cluster) => {
    await configure(cluster, EXPIRE)
    await fill(cluster, 0, 20, 10)
    await untilIndexed(cluster)
    await configure(cluster, { ...EXPIRE, days: 5 })
    beforeMidnight(cluster, 3, -1_000)
    await calmSleep(cluster, 60_000)
    expect(await keysOf(backendOf(cluster, 0))).toHaveLength(20)
    await backendOf(cluster, 0).changeBucket(context(), {
      bucket: BUCKET,
      change: { lifecycle: null },
    })
    beforeMidnight(cluster, 9, -1_000)
    await calmSleep(cluster, 120_000)
    expect(await keysOf(backendOf(cluster, 0))).toHaveLength(20)
    expect([0, 1, 2].map((number) => markers(cluster, number))).toEqual([0, 0, 0])
    await configure(cluster, EXPIRE)
    await calmSleep(cluster, 60_000)
    expect(await keysOf(backendOf(cluster, 0))).toEqual([])
  })
})

test('a bucket that is missing in the list of those with rules is put back by a node that starts', async () => {
  await onCluster(3, async (cluster) => {
    await configure(cluster, EXPIRE)
    await fill(cluster, 0, 20, 10)
    await untilIndexed(cluster)
    const { registers, layout } = nodeOf(cluster, 0)
    for (let register = 0; register < 8; register++) {
      const name = utf8ByteString(`lifecycle/${register}`)
      await registers.change(context(), {
        key: systemRegister('setting', name, layout.current()!.genesis),
        change: (value) =>
          value === undefined ? { keep: true } : { write: { ...value, tombstone: true } },
      })
    }
    await calmSleep(cluster, 60_000)
    expect([0, 1, 2].map((number) => markers(cluster, number))).toEqual([0, 0, 0])
    cluster.kill(1, true)
    await cluster.start(1)
    await untilIndexed(cluster)
    beforeMidnight(cluster, 2, -1_000)
    await calmSleep(cluster, 60_000)
    expect(await keysOf(backendOf(cluster, 0))).toEqual([])
  })
})

test('versions: a marker is made, noncurrent ones go, then the marker that is left', async () => {
  await onCluster(3, async (cluster) => {
    await backendOf(cluster, 0).changeBucket(context(), {
      bucket: BUCKET,
      change: { versioning: 'Enabled' },
    })
    for (let i = 0; i < 30; i++) await put(backendOf(cluster, i % 3), 'key 0', bytesLike(20, i))
    await configure(cluster, EXPIRE, {
      id: 'old',
      enabled: true,
      prefix: '',
      noncurrentDays: 1,
      newerNoncurrent: 2,
    })
    await untilIndexed(cluster)
    beforeMidnight(cluster, 2, 10_000)
    await calmSleep(cluster, 60_000)
    // The current version expired, and is noncurrent since then.
    const after = await versionsOf(cluster, 'key')
    expect(after.map(({ deleteMarker }) => deleteMarker)).toEqual([true, false, false])
    await configure(cluster, EXPIRE, { id: 'old', enabled: true, prefix: '', noncurrentDays: 1 })
    beforeMidnight(cluster, 4, 10_000)
    await calmSleep(cluster, 120_000)
    expect(await versionsOf(cluster, 'key')).toEqual([])
  })
})
