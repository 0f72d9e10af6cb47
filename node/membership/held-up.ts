/**
 * Why a change of the layout does not move on: of some partition too few nodes answer. Only for people: nothing is
 * decided by it.
 *
 *   PLANNED, JOINT        a majority of P's set has to tell what it has; in JOINT, one of P′'s has to sync it (L5, L7)
 *   STABLE with sources   a majority of the source's set has to name its blocks, and one of the present set (L5)
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { Logger } from '../env/ports.ts'

export interface HeldUp {
  readonly partitions: number
  /** Whose return would help. */
  readonly nodes: readonly NodeId[]
}

/** @param lacks some holder may still lack blocks of the source. Default: of every partition that has moved */
export function heldUp(
  view: LayoutView,
  answers: (node: NodeId) => boolean,
  lacks: (source: number, partition: number) => boolean = () => true,
): HeldUp | undefined {
  if (view.known.every(({ nodeId }) => answers(nodeId))) return undefined
  const held = new Set<number>()
  const nodes = new Set<NodeId>()
  const look = (partition: number, set: readonly NodeId[]): void => {
    const silent = set.filter((node) => !answers(node))
    if (set.length - silent.length >= majority(set.length)) return
    held.add(partition)
    for (const node of silent) nodes.add(node)
  }
  for (const partition of view.moved()) {
    for (const set of view.replicaSets(partition)) look(partition, set)
  }
  // In JOINT no block is waited for.
  const sources = view.state === 'JOINT' ? [] : view.sources
  for (const source of sources) {
    for (const partition of source.movedTo()) {
      if (!lacks(source.epoch, partition)) continue
      look(partition, source.replicas(partition))
      look(partition, view.placement.replicas(partition))
    }
  }
  return held.size === 0 ? undefined : { partitions: held.size, nodes: [...nodes].sort() }
}

/** One line in the log when a change is held up, and another one when the reason is another. */
export class HeldUpLog {
  readonly #logger: Logger
  /** As of the last look. A node that is away for a moment is no news. */
  #seen = ''
  #said = ''

  constructor(logger: Logger) {
    this.#logger = logger
  }

  look(view: LayoutView, answers: (node: NodeId) => boolean): void {
    const held = heldUp(view, answers)
    const now = held === undefined ? '' : `${view.state} ${held.nodes.join(' ')}`
    const isNews = now === this.#seen && now !== this.#said
    this.#seen = now
    if (!isNews) return
    this.#said = now
    if (held === undefined) return
    this.#logger.warn(
      { epoch: view.epoch, state: view.state, partitions: held.partitions, nodes: held.nodes },
      'the change of the layout waits: too few holders of some partitions answer',
    )
  }
}
