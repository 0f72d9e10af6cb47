/**
 * Which data is being read, and by whom. Readers are counted, not timed.
 *
 * A node that frees blocks keeps the blocks of data that is being read, here or through another node. Most reads end
 * within `reclaimDelayMs`, so other nodes need not know of them. A longer read is announced to all members and to the
 * source nodes, which may have the only copy of a block while it moves, and again every ten seconds while it lasts.
 *
 * Invariants:
 *   - a round of announcements names everything that the sender's clients are reading slowly; once its last
 *     message is in, it replaces the sender's earlier rounds
 *   - a reader is over when its node says so, shows a later boot, or left the layout. A node that was not heard of for
 *     minutes counts as gone too: no register names the data that it reads, so only its clients could miss it (G4 is
 *     about data that is named)
 */

import type { DataId, NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Clock } from '../env/ports.ts'

const TICK_MS = 1_000
/** How often an announcement is repeated while a read lasts. */
const RENEW_MS = 10_000
/** How long a node that was not heard of is believed. */
const LAPSE_MS = 300_000
const CALL_TIMEOUT_MS = 4_000
/** A read that lasts longer than this has been announced. */
export const READERS_TOLD_MS = 3_000
/** Data ids in one message. */
export const READERS_IDS_MAX = 2_000
/** How many reads are announced at most. Other reads have only `reclaimDelayMs`. */
const ANNOUNCED_MAX = 100_000

/** One message of a round of announcements. */
export interface ReadersRound {
  readonly boot: number
  readonly round: number
  /** The last message of the round. */
  readonly last: boolean
  readonly ids: readonly DataId[]
}

export interface ReadersOptions {
  readonly self: NodeId
  /** It may be raised before the first client is served (D2). */
  readonly boot: () => number
  readonly peers: {
    connected(node: NodeId): boolean
    readers(to: NodeId, round: ReadersRound, options: { timeoutMs: number }): Promise<void>
  }
  readonly view: () => Pick<LayoutView, 'known' | 'isMember'> | undefined
  readonly clock: Clock
}

/** Data that clients of this node read: how many of them, and since when the first one does. */
interface Own {
  count: number
  readonly sinceMs: number
}

/** What another node has announced. */
interface Others {
  readonly boot: number
  round: number
  heardMs: number
  /** The last round that named it. */
  readonly ids: Map<DataId, number>
}

export class Readers {
  readonly #options: ReadersOptions
  /** In the order in which the reads began. */
  readonly #own = new Map<DataId, Own>()
  readonly #others = new Map<NodeId, Others>()
  /** The version of the announcement that each node has. */
  readonly #told = new Map<NodeId, number>()
  /** Nodes that may believe that something is read through this node. */
  readonly #believing = new Set<NodeId>()
  /** What the present version of the announcement names. */
  #announced = new Set<DataId>()
  /** Raised when the announcement changes or is to be repeated. */
  #version = 0
  /** Counts announcements to any node: a later one replaces an earlier one. */
  #round = 0
  #renewedMs = 0
  #cancel: (() => void) | undefined
  readonly #sending = new Set<NodeId>()
  #stopped = false

  constructor(options: ReadersOptions) {
    this.#options = options
  }

  /** A client of this node begins to read the data. Call the result once, when the read has ended. */
  begin(ids: readonly DataId[]): () => void {
    const sinceMs = this.#options.clock.monotonicMs()
    for (const id of ids) {
      const own = this.#own.get(id)
      if (own === undefined) this.#own.set(id, { count: 1, sinceMs })
      else own.count++
    }
    this.#wake()
    return () => {
      for (const id of ids) {
        const own = this.#own.get(id)
        if (own !== undefined && --own.count === 0) this.#own.delete(id)
      }
    }
  }

  /** Whether the data is being read, as far as this node knows. */
  isRead(id: DataId): boolean {
    if (this.#own.has(id)) return true
    for (const [node, others] of this.#others) {
      if (others.ids.has(id) && !this.#isGone(node, others)) return true
    }
    return false
  }

  /** Data that is being read through this node, and slowly through others. */
  counts(): { own: number; others: number } {
    let others = 0
    for (const { ids } of this.#others.values()) others += ids.size
    return { own: this.#own.size, others }
  }

  /** What another node announced. */
  learn(from: NodeId, { boot, round, last, ids }: ReadersRound): void {
    const known = this.#others.get(from)
    if (known !== undefined && known.boot > boot) return
    if (known?.boot === boot && known.round > round) return
    const heardMs = this.#options.clock.monotonicMs()
    const others =
      known?.boot === boot ? known : { boot, round, heardMs, ids: new Map<DataId, number>() }
    this.#others.set(from, others)
    others.round = round
    others.heardMs = heardMs
    for (const id of ids) if (others.ids.size < ANNOUNCED_MAX) others.ids.set(id, round)
    if (!last) return
    for (const [id, named] of others.ids) if (named < round) others.ids.delete(id)
  }

  /** The member is back: it may have missed rounds, or remember those of an earlier boot of this node. */
  peerUp(node: NodeId): void {
    this.#told.delete(node)
    this.#wake()
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  #isGone(node: NodeId, { heardMs }: Others): boolean {
    const { clock, view } = this.#options
    if (clock.monotonicMs() - heardMs < LAPSE_MS && view()?.isMember(node) === true) return false
    this.#others.delete(node)
    return true
  }

  /** The timer runs while there is something to announce, or a node that has not been told yet. */
  #wake(): void {
    if (this.#cancel !== undefined || this.#stopped) return
    this.#cancel = this.#options.clock.after(TICK_MS, () => {
      this.#cancel = undefined
      this.#tick()
      if (this.#own.size > 0 || this.#announced.size > 0 || this.#waiting().length > 0) this.#wake()
    })
  }

  #tick(): void {
    const nowMs = this.#options.clock.monotonicMs()
    const slow = new Set<DataId>()
    for (const [id, { sinceMs }] of this.#own) {
      if (nowMs - sinceMs < TICK_MS || slow.size >= ANNOUNCED_MAX) break
      slow.add(id)
    }
    const renew = slow.size > 0 && nowMs - this.#renewedMs >= RENEW_MS
    const more = [...slow].some((id) => !this.#announced.has(id))
    if (more || renew || (slow.size === 0 && this.#announced.size > 0)) {
      this.#version++
      this.#renewedMs = nowMs
      this.#announced = slow
    }
    for (const node of this.#waiting()) {
      if (!this.#sending.has(node)) void this.#send(node)
    }
  }

  #waiting(): NodeId[] {
    const { view, peers, self } = this.#options
    return (view()?.known ?? [])
      .map(({ nodeId }) => nodeId)
      .filter(
        (node) => node !== self && peers.connected(node) && this.#told.get(node) !== this.#version,
      )
  }

  /** Each node by itself: one that is silent does not delay what the others are told. */
  async #send(node: NodeId): Promise<void> {
    const { peers, boot } = this.#options
    const version = this.#version
    const ids = [...this.#announced]
    const round = ++this.#round
    this.#sending.add(node)
    if (ids.length > 0) this.#believing.add(node)
    try {
      for (let at = 0; ; at += READERS_IDS_MAX) {
        const some = ids.slice(at, at + READERS_IDS_MAX)
        const last = at + READERS_IDS_MAX >= ids.length
        const message = { boot: boot(), round, last, ids: some }
        await peers.readers(node, message, { timeoutMs: CALL_TIMEOUT_MS })
        if (last) break
      }
      this.#told.set(node, version)
      if (ids.length === 0) this.#believing.delete(node)
    } catch {
      // It is told at the next tick. A node that believes in no reader is told when it is heard of again.
      if (ids.length === 0 && !this.#believing.has(node)) this.#told.set(node, version)
    } finally {
      this.#sending.delete(node)
    }
  }
}
