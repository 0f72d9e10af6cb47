/**
 * Says which source of blocks is over, in STABLE with sources. A source ends with an entry. Before that, the present holders
 * of every partition that other nodes held in the source have to say that they have all its blocks durably. Safety needs a
 * majority of each set (L5, P7). All nodes that are alive are waited for, so that nothing is left to resync. Nodes that are
 * gone are not waited for: otherwise no node could be replaced once the greatest number of sources waits for dead nodes.
 */

import type { NodeId } from '../../protocol/ids.ts'
import { hasBit } from '../../protocol/keyspace/bitmap.ts'
import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { movedEntry } from '../../protocol/layout/transition.ts'
import type { LayoutView, SourceView } from '../../protocol/layout/view.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { Logger } from '../env/ports.ts'
import type { PartitionProgress } from './progress.ts'
import type { Polled, ProgressPoll } from './progress-poll.ts'
import { StepWatch } from './step-watch.ts'
import type { Timer } from './timer.ts'

const SAY_AGAIN_MS = 60_000

export class MovedStep {
  readonly #watch: StepWatch
  readonly #logger: Logger
  /** The epoch of the source that is waited for. */
  #source = 0

  constructor(poll: ProgressPoll, timer: Timer, logger: Logger) {
    this.#watch = new StepWatch(poll, timer, SAY_AGAIN_MS)
    this.#logger = logger
  }

  /**
   * The entry that ends the earliest source. Undefined while blocks are missing somewhere: ChangeDriver asks again
   * later.
   */
  async next(view: LayoutView): Promise<LayoutEntry | undefined> {
    const oldest = view.sources[0]
    if (oldest === undefined) return undefined
    if (oldest.epoch !== this.#source) {
      // No node was asked since the look before.
      this.#source = oldest.epoch
      this.#watch.forgetAbsences()
    }
    const nodes = view.members.map(({ nodeId }) => nodeId)
    const polled = await this.#watch.ask(view, nodes)
    const gone = this.#watch.gone(nodes, polled)
    const left = lacking(view, oldest, polled, gone)
    if (left.size === 0) {
      this.#logger.info(
        { epoch: view.epoch, since: oldest.epoch, partitions: oldest.movedTo().length },
        'all blocks of an earlier layout have moved: its holders may free them',
      )
      return movedEntry(view.entry, oldest.epoch)
    }
    this.#sayWaiting(view, left, polled)
    return undefined
  }

  #sayWaiting(view: LayoutView, left: ReadonlyMap<NodeId, number>, { at, answered }: Polled): void {
    if (!this.#watch.isTimeToSay()) return
    let pendingBytes = 0
    for (const { move } of at.values()) pendingBytes += move.pendingBytes
    const silent = [...left.keys()].filter((node) => !answered.has(node))
    this.#logger.info(
      {
        epoch: view.epoch,
        nodes: left.size,
        partitions: Math.max(...left.values()),
        pendingBytes,
        ...(silent.length > 0 && { silent }),
      },
      'blocks are being moved in the background',
    )
  }
}

/**
 * Nodes that have not yet said that they are whole, and for how many partitions. A node that is gone counts as
 * lacking only where the others of its set are no majority without it.
 */
function lacking(
  view: LayoutView,
  source: SourceView,
  { at }: Polled,
  gone: ReadonlySet<NodeId>,
): Map<NodeId, number> {
  const left = new Map<NodeId, number>()
  for (const partition of source.movedTo()) {
    const set = view.placement.replicas(partition)
    const missing = set.filter((node) => !isWhole(at.get(node), source.epoch, partition))
    const hasMajority = set.length - missing.length >= majority(set.length)
    for (const node of missing) {
      if (hasMajority && gone.has(node)) continue
      left.set(node, (left.get(node) ?? 0) + 1)
    }
  }
  return left
}

/** A node that is whole as to a source is whole as to all earlier ones: they are copied together. */
function isWhole(
  progress: PartitionProgress | undefined,
  epoch: number,
  partition: number,
): boolean {
  return (
    progress?.whole.some(({ source, bits }) => source >= epoch && hasBit(bits, partition)) === true
  )
}
