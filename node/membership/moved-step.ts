/**
 * Which source of blocks is over: STABLE with sources. A source goes when every node that holds one of its
 * partitions now, and other nodes held then, says durably that it has every block of it (L5, L8). It goes by an
 * epoch, never by a time-out: a node that is away keeps the source until it is back, or replaced.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { movedEntry } from '../../protocol/layout/transition.ts'
import type { LayoutView, SourceView } from '../../protocol/layout/view.ts'
import type { Logger } from '../env/ports.ts'
import { hasBit, type Progress } from './progress.ts'
import type { Polled, ProgressPoll } from './progress-poll.ts'
import type { Timer } from './timer.ts'

const SAY_AGAIN_MS = 60_000

export class MovedStep {
  readonly #poll: ProgressPoll
  readonly #timer: Timer
  readonly #logger: Logger
  #saidMs = Number.NEGATIVE_INFINITY

  constructor(poll: ProgressPoll, timer: Timer, logger: Logger) {
    this.#poll = poll
    this.#timer = timer
    this.#logger = logger
  }

  /** The entry to follow; undefined while blocks are missing somewhere. */
  async next(view: LayoutView): Promise<LayoutEntry | undefined> {
    const oldest = view.sources[0]
    if (oldest === undefined) return undefined
    const polled = await this.#poll.ask(
      view,
      view.members.map(({ nodeId }) => nodeId),
    )
    const left = lacking(view, oldest, polled)
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
    const nowMs = this.#timer.nowMs()
    if (nowMs - this.#saidMs < SAY_AGAIN_MS) return
    this.#saidMs = nowMs
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

/** Nodes that do not say yet that they are whole, and of how many partitions. */
function lacking(view: LayoutView, source: SourceView, { at }: Polled): Map<NodeId, number> {
  const left = new Map<NodeId, number>()
  for (const partition of source.movedTo()) {
    for (const node of view.placement.replicas(partition)) {
      if (isWhole(at.get(node), source.epoch, partition)) continue
      left.set(node, (left.get(node) ?? 0) + 1)
    }
  }
  return left
}

/** A node is whole as to a source when it is as to that one or to a later one: each was copied with all before. */
function isWhole(progress: Progress | undefined, epoch: number, partition: number): boolean {
  return (
    progress?.whole.some(({ source, bits }) => source >= epoch && hasBit(bits, partition)) === true
  )
}
