/**
 * Leads a JOINT epoch to its end (L2, L7, L8). Any voter may, several at once do no harm: what they
 * propose is decided once.
 *
 * Data does not move yet, so a cluster may only change while it holds none. In JOINT, at exactly its
 * epoch, the members of P and P′ say whether they hold registers:
 *
 *   - a majority of every partition's replica set in P says no: nothing was chosen in an earlier epoch,
 *     and nothing can be any more, since these members refuse earlier epochs from now on (L4). With the
 *     same from P′ (the joiners are up, and keep nothing from an earlier life, L9): STABLE(P′);
 *   - any says yes: back to STABLE(P), which is always allowed (L8);
 *   - too few answer until the deadline: back to STABLE(P).
 */

import { LayoutView } from '../../protocol/layout/view.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Cause } from '../../protocol/layout/entry.ts'
import { stableEntry } from '../../protocol/layout/transition.ts'
import { isQuorum } from '../../protocol/register/quorum.ts'
import type { Logger } from '../env/ports.ts'
import type { LayoutLog } from './layout-log.ts'
import type { LayoutPeers } from './layout-peers.ts'
import { epochMessage, LAYOUT_RPC, readyMessage } from './messages.ts'
import type { Proposer } from './proposer.ts'
import type { Timer } from './timer.ts'

/** How long a JOINT epoch may wait for answers before it goes back. */
const JOINT_MS_MAX = 10_000
/** For so long all are waited for, then majorities do. */
const JOINT_ALL_MS = 2_000
const ASK_AGAIN_MS = 200
const DECIDE_MS = 5_000

export class ChangeDriver {
  readonly #log: LayoutLog
  readonly #peers: LayoutPeers
  readonly #proposer: Proposer
  readonly #timer: Timer
  readonly #logger: Logger
  #driving: Promise<void> | undefined

  constructor(
    log: LayoutLog,
    peers: LayoutPeers,
    proposer: Proposer,
    timer: Timer,
    logger: Logger,
  ) {
    this.#log = log
    this.#peers = peers
    this.#proposer = proposer
    this.#timer = timer
    this.#logger = logger
  }

  get driving(): boolean {
    return this.#driving !== undefined
  }

  /** Until this node knows a STABLE entry again. Never rejects. */
  drive(): Promise<void> {
    this.#driving ??= this.#run()
      .catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error)
        this.#logger.warn({ why }, 'the layout change is not finished yet')
      })
      .finally(() => {
        this.#driving = undefined
      })
    return this.#driving
  }

  async #run(): Promise<void> {
    const view = this.#log.view
    if (view === undefined || view.state === 'STABLE' || !this.#log.votes) return
    const cause = await this.#verdict(view)
    if (this.#log.epoch !== view.epoch) return
    const decided = await this.#proposer.decide(stableEntry(view.entry, cause), DECIDE_MS)
    this.#logger.info({ epoch: decided.epoch, cause: decided.cause }, 'layout change finished')
  }

  /** What the JOINT epoch should end with. */
  async #verdict(view: LayoutView): Promise<Cause> {
    const sinceMs = this.#timer.nowMs()
    const nodes = view.members.map((member) => member.nodeId)
    for (;;) {
      const empty: NodeId[] = []
      let holds = false
      await this.#peers.gather(
        nodes,
        LAYOUT_RPC.ready,
        epochMessage.encode(view.epoch),
        (from, bytes) => {
          const ready = readyMessage.decode(bytes)
          if (ready.epoch !== view.epoch) return
          if (ready.holds) holds = true
          else empty.push(from)
        },
        () => holds || empty.length === nodes.length,
      )
      if (holds) return 'holds-data'
      const waitedMs = this.#timer.nowMs() - sinceMs
      if (empty.length === nodes.length) return 'synced'
      if (waitedMs >= JOINT_ALL_MS && coversAll(view, empty)) return 'synced'
      if (waitedMs >= JOINT_MS_MAX || this.#log.epoch !== view.epoch) return 'no-answer'
      await this.#timer.sleep(this.#timer.jittered(ASK_AGAIN_MS))
    }
  }
}

/** A majority of each active set of every partition is among `nodes` (L3). */
function coversAll(view: LayoutView, nodes: readonly NodeId[]): boolean {
  for (let p = 0; p < view.partitions; p++) {
    if (!isQuorum(view.replicaSets(p), nodes)) return false
  }
  return true
}
