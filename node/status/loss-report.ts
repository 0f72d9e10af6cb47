/**
 * What a change of the layout waits for in vain, and whether an operator may give it up. Pure.
 *
 * A partition of a source can be given up when its present holders have fetched every block that any node gives, and
 * wait only for nodes that do not answer: these may have the only copies of the rest. Nothing is given up while waiting,
 * or starting a node, would help. A holder may have all blocks but be unable to vouch for that, because it may have
 * forgotten something that no other node can compare with it (D8). Such a holder holds up nothing: no block of its
 * partition is lost.
 */

import type { LossReport, LostRegister, LostSource } from '../../gateway/port/layout.ts'
import { hex, utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { hasBit } from '../../protocol/keyspace/bitmap.ts'
import type { LayoutView, SourceView } from '../../protocol/layout/view.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import { nameOf } from '../process/node-name.ts'
import { lacks } from './spare-replicas.ts'

/** A node that has been away for less time may be about to come back. */
const AWAY_MS_MIN = 60_000

/** What the report needs of a node's status. */
export type LossReply = Pick<WireStatusReply, 'epoch' | 'unproven' | 'lacking' | 'stuck'>

export interface ReportedLosses {
  readonly view: LayoutView
  /** Status of the nodes that are up, this one included. */
  readonly replies: ReadonlyMap<NodeId, LossReply>
  /** For how long a node has been away; 0 while it is connected. */
  readonly silentMs: (node: NodeId) => number
  /** Damaged registers of this node without another replica. */
  readonly registers: readonly LostRegister[]
  /** Why `registers` can't be given up yet; undefined when they can. */
  readonly registersRefusal: string | undefined
}

/**
 * The report. Its id covers everything that would be given up, so that an operator confirms exactly
 * what was shown. The time that nodes have been away is not part of it.
 */
export function lossReportOf(losses: ReportedLosses): LossReport {
  const { view, registers } = losses
  const look = new Look(losses)
  const sources =
    view.state === 'STABLE' ? view.sources.flatMap((source) => look.source(source)) : []
  const refusal = look.refusal(sources)
  // Registers have nothing to do with blocks that move, so they can be given up without them.
  const isHeld = registers.length > 0 && refusal !== undefined
  const shown = isHeld ? [] : sources
  const { epoch } = view
  const named = shown.map(({ epoch: since, partitions, waitsFor }) => ({
    since,
    partitions,
    waitsFor,
  }))
  const id = hex(blake3(utf8(JSON.stringify({ epoch, named, registers }))).slice(0, 8))
  const why = registers.length > 0 ? losses.registersRefusal : refusal
  return {
    id,
    epoch,
    sources: shown,
    registers,
    ...(isHeld && { sourcesRefusal: refusal }),
    ...(why !== undefined && { refusal: why }),
  }
}

/** One look at all sources. It collects why nothing may be given up yet. */
class Look {
  readonly #losses: ReportedLosses
  /** Nodes without which too few present holders answer. */
  readonly #toStart = new Set<NodeId>()
  /** Nodes that a holder waits for although they are up. */
  readonly #back = new Set<NodeId>()
  /** Nodes that have been away for less than AWAY_MS_MIN. */
  readonly #justLeft = new Set<NodeId>()
  /** Nodes that answer, but do not give blocks that they have listed. */
  readonly #failing = new Set<NodeId>()
  /** How many partitions have blocks that are being fetched. */
  #moving = 0

  constructor(losses: ReportedLosses) {
    this.#losses = losses
  }

  /** What can be given up of one source; empty when there is nothing. Called before `refusal`. */
  source(source: SourceView): LostSource[] {
    const { view, replies } = this.#losses
    const partitions: number[] = []
    const waitsFor = new Set<NodeId>()
    const unreadable = new Map<NodeId, number>()
    for (const partition of source.movedTo()) {
      const set = view.placement.replicas(partition)
      const up = set.filter((node) => this.#isUp(node))
      if (up.length < majority(set.length)) {
        for (const node of set) if (!this.#isUp(node)) this.#toStart.add(node)
        continue
      }
      const lacking = up.filter((node) => lacks(replies.get(node)!, source.epoch, partition))
      if (lacking.length === 0) continue
      const awaited = this.#awaited(source, partition, lacking, unreadable)
      if (awaited === undefined) this.#moving++
      else {
        partitions.push(partition)
        for (const node of awaited) waitsFor.add(node)
      }
    }
    if (partitions.length === 0) return []
    const named = [...waitsFor].map((node) => ({ node, name: nameOf(view, node) }))
    named.sort((one, other) => (one.name < other.name ? -1 : 1))
    return [
      {
        epoch: source.epoch,
        partitions,
        waitsFor: named.map(({ name }) => name),
        awaySeconds: named.map(({ node }) => this.#awaySeconds(node)),
        unreadable: Math.max(0, ...unreadable.values()),
      },
    ]
  }

  /** The nodes for which the holders in `lacking` wait. Undefined while one of the holders still fetches. */
  #awaited(
    source: SourceView,
    partition: number,
    lacking: readonly NodeId[],
    unreadable: Map<NodeId, number>,
  ): Set<NodeId> | undefined {
    const { view, replies, silentMs } = this.#losses
    const nodes = new Set<NodeId>()
    const back = new Set<NodeId>()
    const failing = new Set<NodeId>()
    for (const node of lacking) {
      const { stuck } = replies.get(node)!
      const why = stuck.find(({ partitions }) => hasBit(partitions, partition))
      if (why === undefined) return undefined
      for (const awaited of why.nodes as NodeId[]) {
        nodes.add(awaited)
        if (awaited !== node && replies.has(awaited)) back.add(awaited)
      }
      for (const each of why.failing as NodeId[]) {
        nodes.add(each)
        if (replies.has(each)) failing.add(each)
      }
      if (why.unreadable === 0) continue
      unreadable.set(
        node,
        stuck.reduce((all, each) => all + each.unreadable, 0),
      )
      // Any node of these sets that is away may have such a block.
      for (const other of [...source.replicas(partition), ...view.placement.replicas(partition)]) {
        if (!replies.has(other)) nodes.add(other)
      }
    }
    if (nodes.size === 0) return undefined
    for (const node of back) this.#back.add(node)
    for (const node of failing) this.#failing.add(node)
    for (const node of nodes) {
      if (!replies.has(node) && silentMs(node) < AWAY_MS_MIN) this.#justLeft.add(node)
    }
    return nodes
  }

  /** Why nothing can be given up now, the most useful thing to do first. Undefined when it can. */
  refusal(sources: readonly LostSource[]): string | undefined {
    const { view, registers } = this.#losses
    const names = (nodes: ReadonlySet<NodeId>): string =>
      [...nodes]
        .map((node) => nameOf(view, node))
        .sort()
        .join(', ')
    if (view.state !== 'STABLE' && view.sources.length > 0) {
      return 'another change of the layout is under way: wait for it, or give it up (shoal layout cancel)'
    }
    if (this.#toStart.size > 0) {
      return `start ${names(this.#toStart)} first: too few of the present holders of some partitions answer`
    }
    if (this.#back.size > 0) {
      return `${names(this.#back)} answers again: wait until the others have asked it`
    }
    if (this.#justLeft.size > 0) {
      return `${names(this.#justLeft)} has been away for less than a minute: it may come back, ask again then`
    }
    if (this.#failing.size > 0) {
      return `${names(this.#failing)} answers, but does not give blocks that it has listed: check its disk, or stop it for good and ask again a minute later`
    }
    if (this.#moving > 0) {
      return `blocks of ${this.#moving} partitions are still being fetched: wait for that (shoal layout show --wait)`
    }
    if (sources.length + registers.length > 0) return undefined
    return 'no change waits in vain: there is nothing to give up'
  }

  /** Whole seconds; 0 for a node that answers. */
  #awaySeconds(node: NodeId): number {
    const { replies, silentMs } = this.#losses
    return replies.has(node) ? 0 : Math.floor(silentMs(node) / 1_000)
  }

  /** A node counts only when it answers at this epoch and is proven to be itself (D2). */
  #isUp(node: NodeId): boolean {
    const { view, replies } = this.#losses
    const reply = replies.get(node)
    return reply !== undefined && !reply.unproven && reply.epoch === view.epoch
  }
}
