/** Changes of the layout that move blocks, led straight to where a broken rule does harm (L5, L6, L8). */

import { hasBit } from '../../protocol/keyspace/bitmap.ts'
import { RPC } from '../../protocol/rpc/message.ts'
import { BlockMover } from '../../node/rebalance/block-mover.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  bytesLike,
  codeOf,
  fill,
  get,
  nodeOf,
  calmSleep,
  calmUntil,
  view,
} from '../testing/calm-cluster.ts'
import { withHandLayout } from '../testing/hand-layout.ts'
import type { Adapt, MutantScenario } from './mutant.ts'
import { Patches } from './patches.ts'
import { withNetwork } from '../testing/changed-ports.ts'
import { scene } from './scene.ts'

const OBJECTS = 8
const SIZE = 90_000
/** A node looks every five seconds for what it may drop, so by then it has dropped it. */
const DROPPED_BY_MS = 12_000
const MOVE_BYTES_PER_SECOND = 40_000

async function read(cluster: SimulatedCluster, through: number, found: string[]): Promise<void> {
  for (let i = 0; i < OBJECTS; i++) {
    let bytes: Uint8Array | undefined
    const code = await codeOf(
      get(backendOf(cluster, through), `key ${i}`).then((read) => void (bytes = read)),
    )
    if (code !== 'ok') found.push(`key ${i} is ${code}: it is lost`)
    else if (Buffer.compare(bytes!, bytesLike(SIZE, i)) !== 0) found.push(`key ${i} is wrong`)
  }
}

/** One replica of each block. Its holder is drained, and switched off once the layout no longer names it. */
export const sourceLeaves = scene(
  2,
  async ({ cluster, found }) => {
    await fill(cluster, 0, OBJECTS, SIZE)
    await cluster.start(1)
    const isAtRest = (): boolean =>
      view(cluster, 1).state === 'STABLE' && view(cluster, 1).sources.length === 0
    await calmUntil(cluster, 'the other one is in', isAtRest)
    const leaver = cluster.idOf(0)
    await nodeOf(cluster, 1).layout.changes.apply({ kind: 'drain', nodeId: leaver })
    await calmUntil(cluster, 'it has left', () => view(cluster, 1).role(leaver) === undefined)
    cluster.retire(0)
    await read(cluster, 1, found)
  },
  { members: 1, moveBytesPerSecond: MOVE_BYTES_PER_SECOND },
)

/** Blocks do not move, so the source must keep them. */
export const sourceKeeps: MutantScenario = async ({ seed, adapt }) => {
  const found: string[] = []
  const patches = new Patches()
  patches.method(BlockMover.prototype, 'start', () => () => {})
  try {
    await withHandLayout(
      2,
      async (hand) => {
        await hand.become([0], true)
        await hand.moved()
        await fill(hand.cluster, 0, OBJECTS, SIZE)
        await hand.become([1], true)
        await calmSleep(hand.cluster, DROPPED_BY_MS)
        await read(hand.cluster, 1, found)
      },
      { seed, adapt },
    )
  } finally {
    patches.undo()
  }
  return found
}

/** A node asks which blocks there are. When the answer comes, the node has left again. */
export function lateWhole(): MutantScenario {
  return async ({ seed, adapt }) => {
    const found: string[] = []
    let hold = false
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => (release = resolve))
    const holding: Adapt = (environment, node) => {
      const { network } = environment
      const own =
        node !== 3
          ? environment
          : withNetwork(environment, {
              call: async (peer, traffic, message, options) => {
                const answer = await network.call(peer, traffic, message, options)
                if (hold && message.type === RPC.enumerate) await gate
                return answer
              },
            })
      return adapt?.(own, node) ?? own
    }
    await withHandLayout(
      4,
      async (hand) => {
        await hand.become([0, 1, 2], true)
        await fill(hand.cluster, 0, OBJECTS, SIZE)
        await hand.plan([0, 1, 3])
        await hand.untilCaughtUp(3)
        await hand.joint()
        await hand.untilSynced(0, 1, 3)
        hold = true
        await hand.synced(true)
        await calmSleep(hand.cluster, 3_000)
        const waiting = nodeOf(hand.cluster, 3).moves.mover.waiting()
        if (waiting.length === 0) throw new Error('it asks for no names')
        hold = false
        await hand.become([0, 1, 2], true)
        release()
        await calmSleep(hand.cluster, 3_000)
        for (const { source, bits } of nodeOf(hand.cluster, 3).rebalance.progress().whole) {
          const said = waiting.filter((partition) => hasBit(bits, partition))
          if (said.length === 0) continue
          found.push(
            `it says that it is whole as to ${source} of ${said.length} partitions that left`,
          )
        }
      },
      { seed, adapt: holding },
    )
    return found
  }
}
