/**
 * Says how a PLANNED epoch goes on. Learners copy and have no vote (L1b), so no safety depends on this. JOINT begins when it
 * promises to be short.
 *
 *   - every node of P′ that has something to copy has caught up: JOINT
 *   - a learner that does not answer for GONE_MS is dropped from the plan. When too few nodes would be left
 *     in P′, or nothing of the plan: back to P
 *   - a member that has something to copy and does not answer is not waited for, as long as each partition that
 *     moves has a majority of its P′ set that has caught up
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutEntry, Member } from '../../protocol/layout/entry.ts'
import { nextReplicationOf, replicationOf } from '../../protocol/layout/entry.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import {
  plannedJointEntry,
  replanEntry,
  stableEntry,
  transitionFault,
} from '../../protocol/layout/transition.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { Logger } from '../env/ports.ts'
import { GONE_MS } from './absences.ts'
import type { Polled, ProgressPoll } from './progress-poll.ts'
import { StepWatch } from './step-watch.ts'
import type { Timer } from './timer.ts'

const SAY_AGAIN_MS = 30_000

export class PlannedStep {
  readonly #watch: StepWatch
  readonly #logger: Logger
  /** The plan that is waited for, by the `run` of `next`. */
  #run = 0

  constructor(poll: ProgressPoll, timer: Timer, logger: Logger) {
    this.#watch = new StepWatch(poll, timer, SAY_AGAIN_MS)
    this.#logger = logger
  }

  /**
   * The entry that follows. Undefined while there is nothing to do but wait.
   *
   * @param run names the plan by the epoch of the last STABLE entry, also when other changes were added to it
   */
  async next(view: LayoutView, run: number): Promise<LayoutEntry | undefined> {
    const { entry } = view
    if (run !== this.#run) {
      // A node that was away during an earlier plan may be here for this one.
      this.#run = run
      this.#watch.forgetAbsences()
      this.#watch.forgetSaid()
    }
    const nodes = (entry.next ?? []).map(({ nodeId }) => nodeId)
    const polled = await this.#watch.ask(view, nodes)
    const gone = this.#watch.gone(nodes, polled)
    const lost = view.learners.filter(({ nodeId }) => gone.has(nodeId))
    if (lost.length > 0) return this.#without(view, lost)

    const ready = new Set<NodeId>()
    const waiting: NodeId[] = []
    for (const node of nodes) {
      const copies = view.isLearner(node) || view.learning(node).length > 0
      const isReady = copies
        ? polled.at.get(node)?.learning.isCaughtUp === true
        : polled.at.has(node)
      if (isReady) ready.add(node)
      else if (copies && !gone.has(node)) waiting.push(node)
    }
    if (waiting.length === 0 && hasMajorities(view, ready)) {
      this.#logger.info(
        { epoch: view.epoch, partitions: view.moved().length },
        'a change of the layout: the nodes that will hold partitions have caught up',
      )
      return plannedJointEntry(entry)
    }
    this.#sayWaiting(view, waiting, polled)
    return undefined
  }

  /** The plan without the learners that are gone. Nodes that the plan removes stay removed. */
  #without({ entry, epoch }: LayoutView, lost: readonly Member[]): LayoutEntry {
    const dropped = new Set(lost.map(({ nodeId }) => nodeId))
    const members = entry.next!.filter(({ nodeId }) => !dropped.has(nodeId))
    const replication = nextReplicationOf(entry)
    this.#logger.warn(
      { epoch, nodes: [...dropped], seconds: GONE_MS / 1_000 },
      'a change of the layout: nodes that were to join do not answer and are left out',
    )
    // With fewer members than replicas, any loss would do more harm than that of the node to be replaced.
    const least = Math.min(replication, entry.members.length, replicationOf(entry))
    const replanned = replanEntry(entry, { members, replication })
    const isPossible = members.length >= least && transitionFault(entry, replanned) === undefined
    return isPossible ? replanned : stableEntry(entry, 'abandoned')
  }

  #sayWaiting(view: LayoutView, waiting: readonly NodeId[], { at }: Polled): void {
    if (!this.#watch.isTimeToSay()) return
    const learning = [...at.values()].map((progress) => progress.learning)
    const sum = (key: 'done' | 'total'): number =>
      learning.reduce((total, each) => total + each[key], 0)
    this.#logger.info(
      { epoch: view.epoch, waitingFor: waiting, done: sum('done'), total: sum('total') },
      'a change of the layout is planned: nodes copy what they will hold',
    )
  }
}

/** Whether a majority of the P′ set of each partition that moves has caught up. */
export function hasMajorities(view: LayoutView, nodes: ReadonlySet<NodeId>): boolean {
  return view.moved().every((partition) => {
    const set = view.nextPlacement!.replicas(partition)
    return set.filter((node) => nodes.has(node)).length >= majority(set.length)
  })
}
