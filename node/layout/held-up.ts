/**
 * Finds out why a change of the layout does not move on: for some partition too few nodes answer, or too few of those that
 * answer say what they have. This is only shown to people, and decides nothing.
 *
 *   PLANNED, JOINT        a majority of P's set has to say what it has; in JOINT, a majority of P′'s set has to sync it
 *                         (L5, L7). A member with a damaged register says nothing of its partition (A4)
 *   STABLE with sources   a majority of the source's set and one of the present set have to name their blocks, counting
 *                         only nodes that lack nothing; or all nodes of the set have to answer (L5, D8)
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { Logger } from '../env/ports.ts'

/** Beats between two looks for which all nodes are asked. */
const ASK_EVERY_BEATS = 5

export interface HeldUp {
  readonly partitions: number
  /** Nodes whose return would help. */
  readonly nodes: readonly NodeId[]
  /** Nodes that answer, but are damaged or have forgotten something, so that they do not say what they have. */
  readonly mute?: readonly NodeId[] | undefined
}

/** What the nodes that answer can say of a partition. */
export interface Telling {
  /** The node says which registers it has of the partition. */
  readonly registers: (node: NodeId, partition: number) => boolean
  /** The node names its blocks of the partition, and lacks none that it acknowledged. */
  readonly blocks: (node: NodeId, partition: number) => boolean
}

/**
 * @param lacks whether some holder may still lack blocks of the source. Default: true for every partition that moved
 * @param tells what each node can say. Default: every node that answers says all
 */
export function heldUp(
  view: LayoutView,
  answers: (node: NodeId) => boolean,
  lacks: (source: number, partition: number) => boolean = () => true,
  tells?: Telling,
): HeldUp | undefined {
  if (tells === undefined && view.known.every(({ nodeId }) => answers(nodeId))) return undefined
  const held = new Set<number>()
  const nodes = new Set<NodeId>()
  const mute = new Set<NodeId>()
  const look = (
    partition: number,
    set: readonly NodeId[],
    says: (node: NodeId, partition: number) => boolean = () => true,
    allMayDo = false,
  ): void => {
    const silent = set.filter((node) => !answers(node))
    const dumb = set.filter((node) => answers(node) && !says(node, partition))
    if (set.length - silent.length - dumb.length >= majority(set.length)) return
    if (allMayDo && silent.length === 0) return
    held.add(partition)
    for (const node of silent) nodes.add(node)
    for (const node of dumb) mute.add(node)
  }
  for (const partition of view.moved()) {
    const [before, after] = view.replicaSets(partition)
    look(partition, before!, tells?.registers)
    if (after !== undefined) look(partition, after)
  }
  // JOINT does not wait for blocks.
  const sources = view.state === 'JOINT' ? [] : view.sources
  for (const source of sources) {
    for (const partition of source.movedTo()) {
      if (!lacks(source.epoch, partition)) continue
      look(partition, source.replicas(partition), tells?.blocks, true)
      look(partition, view.placement.replicas(partition), tells?.blocks, true)
    }
  }
  if (held.size === 0) return undefined
  return {
    partitions: held.size,
    nodes: [...nodes].sort(),
    ...(mute.size > 0 && { mute: [...mute].sort() }),
  }
}

/**
 * Writes one line to the log when a change is held up, and another one when the reason changes. `line` is the line of
 * `shoal layout show`, which uses what the nodes say of themselves.
 */
export class HeldUpLog {
  readonly #logger: Logger
  /** The reason at the last look. A node that is away only for a moment is not reported. */
  #seen = ''
  #said = ''

  constructor(logger: Logger) {
    this.#logger = logger
  }

  look(view: LayoutView, held: HeldUp | undefined, line?: string): void {
    const [away, mute] = [held?.nodes ?? [], held?.mute ?? []]
    const now = held === undefined ? '' : `${view.state} ${away.join(' ')} | ${mute.join(' ')}`
    const isNews = now === this.#seen && now !== this.#said
    this.#seen = now
    if (!isNews) return
    this.#said = now
    if (held === undefined) return
    this.#logger.warn(
      {
        epoch: view.epoch,
        state: view.state,
        partitions: held.partitions,
        nodes: held.nodes,
        ...(mute.length > 0 && { mute }),
      },
      `the change of the layout waits: ${line ?? 'too few holders of some partitions answer'}`,
    )
  }
}

/** Partitions that are held up, with a line for people. */
export interface HeldPartitions extends HeldUp {
  readonly line: string
}

export interface HeldUpWatchParts {
  readonly log: { readonly view: LayoutView | undefined }
  readonly self: NodeId
  /** True for this node itself, too. */
  readonly connected: (node: NodeId) => boolean
  readonly logger: Logger
}

/** Looks now and then why a change does not move on, by its connections or, where `report` is set, by asking the nodes. */
export class HeldUpWatch {
  /** Asks all nodes. */
  report: ((view: LayoutView) => Promise<HeldPartitions | undefined>) | undefined
  readonly #parts: HeldUpWatchParts
  readonly #log: HeldUpLog
  #beats = 0

  constructor(parts: HeldUpWatchParts) {
    this.#parts = parts
    this.#log = new HeldUpLog(parts.logger)
  }

  beat(view: LayoutView): void {
    const isUnderWay = view.state !== 'STABLE' || view.sources.length > 0
    if (this.report === undefined || !isUnderWay) {
      this.#log.look(view, heldUp(view, this.#parts.connected))
    } else if (this.#beats++ % ASK_EVERY_BEATS === 0) void this.#ask(view).catch(() => {})
  }

  /** Only the first of the members that are up asks. */
  async #ask(view: LayoutView): Promise<void> {
    const { log, self, connected } = this.#parts
    const up = view.members.map(({ nodeId }) => nodeId).filter(connected)
    if (up.toSorted()[0] !== self) return
    const held = await this.report?.(view)
    if (view === log.view) this.#log.look(view, held, held?.line)
  }
}
