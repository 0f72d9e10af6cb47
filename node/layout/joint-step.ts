/**
 * Says how a JOINT epoch ends. In JOINT, at exactly its epoch, the members of P and P′ say what they hold and what they have
 * synced.
 *
 *   - all of them say that they hold nothing: STABLE(P′), and P is no source. Nothing was accepted in an earlier epoch, and
 *     nothing can be any more, because they refuse earlier epochs from now on (L4). The joiners are up and keep nothing
 *     from an earlier life (L9). Majorities are not enough: a node that does not answer may hold a value that was accepted
 *     at a ballot of which no node of P′ has heard (L5)
 *   - one of them holds something: STABLE(P′) once a majority of the P′ set of each partition that moves has synced it at
 *     exactly this epoch, durably (L5, L7). P becomes a source of blocks
 *   - no progress for too long: back to STABLE(P), which is always allowed (L8). A synced partition and a copied or newly chosen
 *     register count as progress, because a large partition takes long
 */

import type { NodeId } from '../../protocol/ids.ts'
import { countBits, hasBit } from '../../protocol/keyspace/bitmap.ts'
import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { stableEntry } from '../../protocol/layout/transition.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { isQuorum, majority } from '../../protocol/register/quorum.ts'
import type { EpochWitness } from './epoch-witness.ts'
import type { LayoutPeers } from './layout-peers.ts'
import { epochMessage, LAYOUT_RPC, readyMessage } from './messages.ts'
import type { Polled, ProgressPoll } from './progress-poll.ts'
import type { Timer } from './timer.ts'

/** How long a JOINT epoch of an empty cluster may wait for answers before it goes back. */
const JOINT_MS_MAX = 10_000
/** How long all nodes may take to say that they hold nothing. After that the change goes on as one with data. */
const JOINT_ALL_MS = 2_000
/** How long, with data, no node may make progress before the change goes back. */
export const JOINT_STALL_MS = 20_000
const ASK_AGAIN_MS = 200
/** A node that starts more often in one JOINT has to come further than before. Otherwise it could hold JOINT open. */
const STARTS_COUNTED = 3

export interface JointStepParts {
  readonly peers: LayoutPeers
  readonly poll: ProgressPoll
  readonly witness: EpochWitness
  readonly timer: Timer
  readonly epoch: () => number
}

export class JointStep {
  readonly #parts: JointStepParts

  constructor(parts: JointStepParts) {
    this.#parts = parts
  }

  /** The entry that follows. Undefined once there is a later epoch anyway. */
  async next(view: LayoutView): Promise<LayoutEntry | undefined> {
    const { entry } = view
    const look = await this.#look(view)
    if (look === 'over') return undefined
    if (look === 'no-answer') return stableEntry(entry, 'no-answer')
    if (look === 'empty') return stableEntry(entry, 'synced')
    return this.#untilSynced(view)
  }

  /** Finds out whether any node holds registers. */
  async #look(view: LayoutView): Promise<'empty' | 'holds' | 'no-answer' | 'over'> {
    const { peers, timer, witness, epoch } = this.#parts
    const sinceMs = timer.nowMs()
    const nodes = view.members.map((member) => member.nodeId)
    for (;;) {
      const empty: NodeId[] = []
      let holds = false
      await peers.gather(
        nodes,
        LAYOUT_RPC.ready,
        epochMessage.encode(view.epoch),
        (from, bytes) => {
          const ready = readyMessage.decode(bytes)
          witness.hear(from, ready.epoch)
          if (ready.epoch !== view.epoch) return
          if (ready.holds) holds = true
          else empty.push(from)
        },
        () => holds || empty.length === nodes.length,
      )
      if (epoch() !== view.epoch) return 'over'
      if (holds) return 'holds'
      const waitedMs = timer.nowMs() - sinceMs
      if (empty.length === nodes.length) return 'empty'
      if (waitedMs >= JOINT_ALL_MS && coversAll(view, empty)) return 'holds'
      if (waitedMs >= JOINT_MS_MAX) return 'no-answer'
      await timer.sleep(timer.jittered(ASK_AGAIN_MS))
    }
  }

  async #untilSynced(view: LayoutView): Promise<LayoutEntry | undefined> {
    const { poll, timer, epoch } = this.#parts
    const nodes = view.members.map((member) => member.nodeId)
    const moved = view.moved()
    const before = new Map<NodeId, Come>()
    let progressMs = timer.nowMs()
    for (;;) {
      const polled = await poll.ask(view, nodes)
      if (epoch() !== view.epoch) return undefined
      if (isSynced(view, moved, polled)) return stableEntry(view.entry, 'synced', moved.length > 0)
      const nowMs = timer.nowMs()
      if (hasMoved(before, polled)) {
        progressMs = nowMs
      } else if (nowMs - progressMs >= JOINT_STALL_MS) {
        return stableEntry(view.entry, 'abandoned')
      }
      await timer.sleep(timer.jittered(ASK_AGAIN_MS))
    }
  }
}

/** Whether a majority of each active set of every partition is among `nodes` (L3). */
function coversAll(view: LayoutView, nodes: readonly NodeId[]): boolean {
  for (let p = 0; p < view.partitions; p++) {
    if (!isQuorum(view.replicaSets(p), nodes)) return false
  }
  return true
}

/** Whether a majority of the P′ set of each partition that moves has synced it (L7). */
function isSynced(view: LayoutView, moved: readonly number[], { at }: Polled): boolean {
  const next = view.nextPlacement!
  return moved.every((partition) => {
    const set = next.replicas(partition)
    const synced = set.filter((node) => hasBit(at.get(node)?.synced ?? NO_BITS, partition))
    return synced.length >= majority(set.length)
  })
}

/** How far one node has come in this epoch. */
interface Come {
  /** Most partitions that it has said it has synced. */
  readonly synced: number
  /** Registers and bytes of its last answer, and the most that count. They begin at 0 when the node restarts. */
  readonly work: number
  readonly most: number
  readonly starts: number
}

/** Whether some node has come further than ever before or, for its first few restarts, than since its restart. */
function hasMoved(before: Map<NodeId, Come>, { at }: Polled): boolean {
  let moved = false
  for (const [node, { synced, move }] of at) {
    const known = before.get(node) ?? { synced: -1, work: 0, most: 0, starts: 0 }
    const count = countBits(synced)
    const work = move.doneBytes
    const isAnew = work < known.work && known.starts < STARTS_COUNTED
    if (count > known.synced || work > known.most) moved = true
    before.set(node, {
      synced: Math.max(known.synced, count),
      work,
      most: isAnew ? work : Math.max(known.most, work),
      starts: isAnew ? known.starts + 1 : known.starts,
    })
  }
  return moved
}

const NO_BITS = new Uint8Array(0)
