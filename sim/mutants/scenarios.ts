/** Scenarios that lead straight to what a broken rule would do: random seeds seldom come by there. */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { segmentPath } from '../../node/log/segment.ts'
import type { LogPosition } from '../../node/log/types.ts'
import { decodePosition } from '../../node/replica/row-format.ts'
import { AcceptorHost } from '../../node/replica/acceptor-host.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { freedButReferenced, tombstonesOf } from '../checkers/space-checker.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  get,
  nodeOf,
  onCluster,
  put,
  calmSleep,
  untilLevel,
} from '../testing/calm-cluster.ts'
import { Wiretap } from '../testing/wiretap.ts'
import type { MutantScenario } from './mutant.ts'
import { Patches } from './patches.ts'

const SPACE = {
  reclaimDelayMs: 500,
  scanPauseMs: 2_000,
  tombstoneDelayMs: 2_000,
}
const NODES = [0, 1, 2] as const
/** Without a block: a state that comes back is not given away by its block's being gone. */
const EMPTY = new Uint8Array(0)

async function until(
  cluster: SimulatedCluster,
  what: () => boolean,
  withinMs = 60_000,
): Promise<void> {
  const untilMs = cluster.clock.monotonicMs() + withinMs
  while (!what()) {
    if (cluster.clock.monotonicMs() > untilMs) throw new Error(`not within ${withinMs} ms`)
    await calmSleep(cluster, 100)
  }
}

async function remove(cluster: SimulatedCluster, key: string, node: number): Promise<void> {
  await backendOf(cluster, node).deleteObject(context(), {
    bucket: BUCKET,
    key,
  })
}

/** Complains of every node through which a deleted key can be read. */
async function mustBeGone(
  cluster: SimulatedCluster,
  key: string,
  nodes: readonly number[] = NODES,
): Promise<string[]> {
  const found: string[] = []
  for (const node of nodes) {
    let code = await codeOf(get(backendOf(cluster, node), key))
    // Those that are up may not have found each other yet.
    for (let tries = 0; code === 'Unavailable' && tries < 20; tries++) {
      await calmSleep(cluster, 500)
      code = await codeOf(get(backendOf(cluster, node), key))
    }
    if (code !== 'NoSuchKey') found.push(`${key} is back: ${code} through node ${node}`)
  }
  return found
}

/** An object's blocks are all in, and then it takes some seconds until its register is asked. */
export const slowPut: MutantScenario = async ({ seed }) => {
  const wires = new Wiretap()
  const found: string[] = []
  const gateway = seed % 3
  await onCluster(
    3,
    async (cluster) => {
      // A first key, so that all of them have spoken with each other.
      await put(backendOf(cluster, gateway), 'other', bytesLike(10))
      wires.filter = (from, _, { key }) =>
        from === gateway && key.endsWith('slow') ? 'drop' : 'pass'
      const slow = codeOf(put(backendOf(cluster, gateway), 'slow', bytesLike(3 * BLOCK_BYTES)))
      await calmSleep(cluster, 6_000)
      wires.filter = () => 'pass'
      const code = await slow
      if (code !== 'ok') found.push(`the put was answered ${code}`)
      found.push(...freedButReferenced(cluster).map((block) => `freed, but named: ${block}`))
    },
    { seed, space: SPACE, adapt: wires.adapt },
  )
  return found
}

/** Its accept reached one replica, its blocks were looked at and freed, and then that replica is asked. */
export const lonelyAccept: MutantScenario = async ({ seed }) => {
  const wires = new Wiretap()
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
      // A first key, so that all of them have spoken with each other.
      await put(backendOf(cluster, 0), 'other', bytesLike(10))
      const zero = cluster.idOf(0)
      wires.filter = (from, to, { type }) =>
        (from === 0 && type !== 'prepare') || (from !== 0 && to === zero) ? 'drop' : 'pass'
      await codeOf(put(backendOf(cluster, 0), 'key', bytesLike(3 * BLOCK_BYTES)))
      wires.filter = (from, to) => (from === 0 || to === zero ? 'drop' : 'pass')
      await until(cluster, () => nodeOf(cluster, 1).space.counters().freedBlocks > 0)
      await calmSleep(cluster, 10_000)
      wires.filter = () => 'pass'
      cluster.kill(2, false)
      await calmSleep(cluster, 100)
      for (const node of [0, 1]) await codeOf(get(backendOf(cluster, node), 'key'))
      await cluster.start(2)
      await untilLevel(cluster)
      found.push(...freedButReferenced(cluster).map((block) => `freed, but named: ${block}`))
    },
    { seed, space: SPACE, adapt: wires.adapt },
  )
  return found
}

/** An accept is on its way while its key is deleted, and the tombstone forgotten everywhere. */
export const acceptBehindCollection: MutantScenario = async ({ seed }) => {
  const wires = new Wiretap()
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'key', bytesLike(10), {
        body: bodyOf(bytesLike(10), 'old'),
      })
      wires.filter = (from, _, { type }) => (from === 0 && type === 'accept' ? 'drop' : 'pass')
      put(backendOf(cluster, 0), 'key', bytesLike(10)).catch(() => {})
      await calmSleep(cluster, 200)
      cluster.kill(0, false)
      const late = [...wires.taken]
      wires.filter = () => 'pass'
      await calmSleep(cluster, 100)
      await remove(cluster, 'key', 1)
      await cluster.start(0)
      await until(cluster, () => tombstonesOf(cluster).length === 0)
      for (const message of late) {
        for (const to of NODES) {
          const from = (to + 1) % 3
          const options = { timeoutMs: 1_000 }
          await wires.networks[from]!.call(cluster.idOf(to), 'control', message, options)
        }
      }
      found.push(...(await mustBeGone(cluster, 'key')))
    },
    { seed, space: SPACE, adapt: wires.adapt },
  )
  return found
}

/** A replica reads what it missed; before it has written it down, that is deleted and forgotten. */
export const copyBehindCollection: MutantScenario = async ({ seed }) => {
  const found: string[] = []
  const patches = new Patches()
  let open: () => void = () => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  let waiting = 0
  patches.method(
    AcceptorHost.prototype,
    'learn',
    (original) =>
      async function (this: AcceptorHost, key, chosen) {
        waiting++
        await gate
        return original.call(this, key, chosen)
      },
  )
  try {
    await onCluster(
      3,
      async (cluster) => {
        await calmSleep(cluster, 1_000)
        const away = cluster.idOf(2)
        const cut = (other: number): void => {
          cluster.wires.cut(cluster.idOf(other), away)
          cluster.wires.cut(away, cluster.idOf(other))
        }
        cut(0)
        cut(1)
        await calmSleep(cluster, 100)
        await put(backendOf(cluster, 0), 'key', EMPTY)
        cluster.wires.mend()
        await until(cluster, () => waiting > 0)
        await remove(cluster, 'key', 0)
        await until(cluster, () => tombstonesOf(cluster).length === 0)
        open()
        await calmSleep(cluster, 100)
        cluster.kill(0, false)
        await calmSleep(cluster, 100)
        found.push(...(await mustBeGone(cluster, 'key', [1, 2])))
        await cluster.start(0)
        found.push(...(await mustBeGone(cluster, 'key')))
      },
      { seed, space: SPACE },
    )
  } finally {
    patches.undo()
  }
  return found
}

/** A delete that one replica does not hear of, for long enough that the others forget it. */
export const deleteUnheard: MutantScenario = async ({ seed, adapt }) => {
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'key', EMPTY)
      await untilLevel(cluster)
      cluster.kill(2, false)
      await remove(cluster, 'key', 0)
      await calmSleep(cluster, 20_000)
      await cluster.start(2)
      cluster.kill(0, false)
      await calmSleep(cluster, 100)
      found.push(...(await mustBeGone(cluster, 'key', [1, 2])))
      await cluster.start(0)
      found.push(...(await mustBeGone(cluster, 'key')))
    },
    { seed, space: SPACE, adapt },
  )
  return found
}

/** A deleted and forgotten register is in a segment that stays; the record that says so is in one that is compacted. Then
 * the index is rebuilt from the log. */
export const deletedThenRebuilt: MutantScenario = async ({ seed }) => {
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
      const junk = (key: string): Promise<void> =>
        put(backendOf(cluster, 0), key, bytesLike(400 << 10))
      await put(backendOf(cluster, 0), 'key', EMPTY)
      await junk('stays')
      await junk('goes')
      await remove(cluster, 'key', 0)
      await until(cluster, () => tombstonesOf(cluster).length === 0)
      for (const key of ['stays too', 'stays as well']) await junk(key)
      await remove(cluster, 'goes', 0)
      const { compaction } = nodeOf(cluster, 2).upkeep
      await until(cluster, () => compaction.counters.segments > 0)
      await calmSleep(cluster, 10_000)
      cluster.kill(2, false)
      cluster.wipeIndex(2)
      await cluster.start(2)
      cluster.kill(0, false)
      found.push(...(await mustBeGone(cluster, 'key', [1, 2])))
      await cluster.start(0)
      await untilLevel(cluster)
    },
    {
      seed,
      space: SPACE,
      upkeep: { compactionIntervalMs: 500, compactionGainBytes: 64 << 10 },
      segmentSizeBytes: 512 << 10,
    },
  )
  return found
}

/** One of the two nodes that have a value lost its record, which cannot be named; the other is away. */
export const lostRecord: MutantScenario = async ({ seed }) => {
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
      await calmSleep(cluster, 1_000)
      for (const other of [0, 1]) {
        cluster.wires.cut(cluster.idOf(other), cluster.idOf(2))
        cluster.wires.cut(cluster.idOf(2), cluster.idOf(other))
      }
      await calmSleep(cluster, 100)
      await put(backendOf(cluster, 0), 'key', EMPTY)
      // The last record of a log would look like a torn tail (D4).
      for (const other of ['one', 'two']) await put(backendOf(cluster, 0), other, EMPTY)
      const record = registerRecord(cluster, 1, 'key')
      for (const node of [0, 1]) cluster.kill(node, false)
      cluster.diskOf(1).corrupt(segmentPath(record.segment), record.offset + 20, 1)
      cluster.wipeIndex(1)
      cluster.wires.mend()
      await cluster.start(1)
      const code = await codeOf(get(backendOf(cluster, 2), 'key'))
      if (code === 'NoSuchKey') found.push('what was acknowledged is lost')
      // Another complaint would hide it: two that disagree are not level in time.
      if (found.length > 0) return
      await cluster.start(0)
      await untilLevel(cluster)
      for (const node of NODES) {
        const late = await codeOf(get(backendOf(cluster, node), 'key'))
        if (late !== 'ok') found.push(`what was acknowledged is ${late} through node ${node}`)
      }
    },
    { seed, space: SPACE },
  )
  return found
}

function registerRecord(cluster: SimulatedCluster, node: number, key: string): LogPosition {
  let position: LogPosition | undefined
  nodeOf(cluster, node).store.range(bytesOf('r'), bytesOf('s'), 10_000, (rowKey, row) => {
    if (byteString(rowKey).endsWith(key)) position = decodePosition(row)
  })
  if (position === undefined) throw new Error(`node ${node} has no register ${key}`)
  return position
}
