/**
 * Brings this node level with the other replicas of its partitions: says when to compare with whom, and pulls what is
 * missing here. Started by the node's assembly.
 *
 * 1. When a peer comes up, when the layout changes, and now and then without a reason, compare digests with it
 *    (digest-comparison.ts).
 * 2. Of each differing partition, pull the blocks, minima and registers that the peer has and this node lacks (puller.ts).
 *    The other direction is the peer's own work: it does the same with this node.
 * 3. Tell peers of gaps that this node knows of (hints.ts), and compare partitions of which a peer has told this node.
 *
 * Invariants:
 *   - no gap depends on a hint: when a peer comes up, both nodes compare all that they share
 *   - a hint to a replica is durable until the replica was told                             (P7)
 *   - a partition counts as level only after all that the peer had was pulled
 *   - a request that arrives while a comparison is under way is kept: the digests may have been read before it
 */

import type { NodeId } from '../../protocol/ids.ts'
import { addBit, bitmapOf, hasBit } from '../../protocol/keyspace/bitmap.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Store } from '../log/store.ts'
import type { Clock, Logger, Random } from '../env/ports.ts'
import { PullNotes } from './pull-notes.ts'
import type { Peers } from '../quorum/peers.ts'
import { type SyncAnswers } from './sync-answers.ts'
import { DigestComparison } from './digest-comparison.ts'
import { Hints } from './hints.ts'
import { JitteredTimers } from './jittered-timers.ts'
import type { Puller } from './puller.ts'

const RETRY_MS = 1_000
/** Everything is compared again after this time, also without a reason, so that no gap lasts. */
const PERIOD_MS = 25_000

export interface ResyncOptions {
  readonly self: NodeId
  readonly store: Store
  readonly puller: Puller
  readonly peers: Peers
  readonly exchange: SyncAnswers
  readonly view: () => LayoutView
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/**
 * Everything that this node shares with a peer is still to be compared. Each request is an object of its own. So a
 * comparison sees at its end whether the same request is still pending, or a later one for which it began too early.
 */
interface WholeRequest {
  /** Partitions that were hinted at since the comparison began. They are pulled whatever it finds. */
  readonly hinted: Set<number>
}

/** The partitions that are still to be pulled from a peer, or a request to compare everything first. */
type Pending = Set<number> | WholeRequest

/** One for each node. It runs one comparison or pull at a time, with one peer after the other. */
export class Resync {
  readonly #options: ResyncOptions
  readonly #puller: Puller
  readonly #notes: PullNotes
  readonly #pending = new Map<NodeId, Pending>()
  /** Peers to compare with for no special reason: they count as level until a difference is found. */
  readonly #recheck = new Set<NodeId>()
  /** Partitions of records that were found damaged, and that were not pulled since. Digests do not show them. */
  readonly #damaged = new Set<number>()
  /** A timer is set that begins a run for what is left. */
  #retrying = false
  /** A run is under way. Requests that come meanwhile are taken by it, or by a retry soon after. */
  #running = false
  #started = false
  readonly #comparison: DigestComparison
  readonly #timers: JitteredTimers
  readonly #hints: Hints

  constructor(options: ResyncOptions) {
    this.#options = options
    this.#puller = options.puller
    this.#notes = new PullNotes(options.clock, options.logger)
    this.#comparison = new DigestComparison(options)
    this.#timers = new JitteredTimers(options.clock, options.random)
    this.#hints = new Hints({ ...options, timers: this.#timers })
    // A damaged state is in no digest: when the others have forgotten the register, the digests are equal.
    for (const { identity } of options.store.damage()) {
      if (identity !== undefined) this.#damaged.add(identity.partition)
    }
  }

  start(): void {
    this.#started = true
    this.membersChanged()
    const again = (): void => {
      for (const peer of this.#others()) this.#recheck.add(peer)
      this.#kick()
      this.#timers.after(PERIOD_MS, again)
    }
    this.#timers.after(PERIOD_MS, again)
    if (this.#hints.count > 0) this.#hints.sendLater()
  }

  stop(): void {
    this.#timers.stop()
  }

  /** Called at the start and with each new epoch: compares everything with every member. */
  membersChanged(): void {
    for (const peer of this.#others()) this.#pending.set(peer, wholeRequest())
    for (const peer of this.#pending.keys()) {
      if (!this.#options.view().isMember(peer)) this.#pending.delete(peer)
    }
    this.#kick()
  }

  /**
   * Called when a connection to the peer begins. What either node missed meanwhile is found by comparing everything.
   */
  peerUp(peer: NodeId): void {
    if (!this.#options.view().isMember(peer)) return
    this.#pending.set(peer, wholeRequest())
    this.#kick()
    this.#hints.sendLater()
  }

  /** Called with partitions of which this node may lack something. */
  hinted(partitions: readonly number[]): void {
    const { view, self } = this.#options
    for (const partition of partitions) {
      if (partition >= view().partitions) continue
      for (const node of view().replicas(partition)) {
        if (node === self) continue
        this.#add(node, [partition])
      }
    }
    this.#kick()
  }

  /** Called when a register of the partition is damaged here: it is pulled whatever the digests say. */
  foundDamage(partition: number): void {
    this.#damaged.add(partition)
    this.hinted([partition])
  }

  /** Called when a replica may have missed a write of this partition (P7). */
  gap(peer: NodeId, partition: number): void {
    if (peer === this.#options.self) {
      this.hinted([partition])
      return
    }
    this.#hints.add(peer, partition)
  }

  /** Partitions of this node that may lack something: one bit each, most significant first. */
  lagging(): Uint8Array<ArrayBuffer> {
    const { view, exchange } = this.#options
    const bits = new Uint8Array(Math.ceil(view().partitions / 8))
    for (const [peer, pending] of this.#pending) {
      for (const partition of pending instanceof Set ? pending : exchange.shared(peer)) {
        addBit(bits, partition)
      }
    }
    return bits
  }

  /** Pairs of partition and peer that are still to compare, hints to give included. */
  get pendingCount(): number {
    let count = 0
    for (const [peer, pending] of this.#pending) {
      count += pending instanceof Set ? pending.size : this.#options.exchange.shared(peer).length
    }
    return count + this.#hints.count
  }

  /** Registers and blocks pulled since the start. */
  get doneBytes(): number {
    return this.#puller.doneBytes
  }

  get doneCount(): number {
    return this.#puller.done
  }

  get running(): boolean {
    return this.#running
  }

  /** This node has compared with every other member since its start, and nothing is left to pull. */
  get isLevel(): boolean {
    return this.#started && !this.#running && this.#pending.size === 0
  }

  #others(): NodeId[] {
    const { view, self } = this.#options
    return view()
      .members.map(({ nodeId }) => nodeId)
      .filter((node) => node !== self)
  }

  #kick(): void {
    if (this.#running || this.#timers.stopped) return
    this.#running = true
    this.#run()
      .catch((error: unknown) => {
        this.#options.logger.warn(
          { error: String(error) },
          'comparing with the other replicas stopped and will be tried again',
        )
      })
      .finally(() => {
        this.#running = false
        if (this.#pending.size > 0) this.#retryLater()
      })
  }

  /** One timer at a time, however often a pull fails while a peer is away. */
  #retryLater(): void {
    if (this.#retrying) return
    this.#retrying = true
    this.#timers.after(RETRY_MS, () => {
      this.#retrying = false
      this.#kick()
    })
  }

  /**
   * Goes through all that is pending with peers that are connected. A peer with which it fails is left to the next
   * run.
   */
  async #run(): Promise<void> {
    const { peers, logger } = this.#options
    for (const peer of this.#recheck) {
      this.#recheck.delete(peer)
      if (this.#pending.has(peer) || !peers.connected(peer)) continue
      const differing = await this.#comparison.differing(peer).catch(() => [])
      this.#add(peer, differing)
    }
    const tried = new Set<NodeId>()
    for (;;) {
      const peer = [...this.#pending.keys()].find(
        (node) => !tried.has(node) && peers.connected(node),
      )
      if (peer === undefined || this.#timers.stopped) return
      tried.add(peer)
      const before = this.#puller.done
      try {
        await this.#withPeer(peer)
        tried.delete(peer)
      } catch (error) {
        logger.debug({ peer, error: String(error) }, 'comparing with a peer did not finish')
      }
      this.#notes.note(peer, this.#puller.done - before, this.pendingCount)
    }
  }

  /** Notes partitions to pull from the peer, besides those that are noted already. */
  #add(peer: NodeId, partitions: readonly number[]): void {
    const pending = this.#pending.get(peer)
    if (pending === undefined) {
      if (partitions.length > 0) this.#pending.set(peer, new Set(partitions))
      return
    }
    const noted = pending instanceof Set ? pending : pending.hinted
    for (const partition of partitions) noted.add(partition)
  }

  /** One step towards being level with the peer: a comparison, or the pulls that one has found to be needed. */
  #withPeer(peer: NodeId): Promise<void> {
    const pending = this.#pending.get(peer)
    if (pending === undefined) return Promise.resolve()
    return pending instanceof Set ? this.#pull(peer, pending) : this.#compare(peer, pending)
  }

  /** Compares all that is shared with the peer. What differs is then pending. Rejects when the peer does not answer. */
  async #compare(peer: NodeId, request: WholeRequest): Promise<void> {
    // The digests that are read from here on show what was hinted at before.
    request.hinted.clear()
    const differing = new Set(await this.#comparison.differing(peer))
    // The peer left meanwhile, or everything has to be compared again.
    if (this.#pending.get(peer) !== request) return
    const shared = bitmapOf(this.#damaged.size === 0 ? [] : this.#options.exchange.shared(peer))
    for (const one of this.#damaged) if (hasBit(shared, one)) differing.add(one)
    for (const partition of request.hinted) differing.add(partition)
    if (differing.size === 0) this.#pending.delete(peer)
    else this.#pending.set(peer, differing)
  }

  /** Pulls these partitions, until the peer fails or there is another request for it. */
  async #pull(peer: NodeId, pending: Set<number>): Promise<void> {
    for (const partition of pending) {
      if (this.#timers.stopped || this.#pending.get(peer) !== pending) return
      // Removed first: if it is noted again while it is pulled, it stays in the set.
      pending.delete(partition)
      const isDamaged = this.#damaged.delete(partition)
      try {
        await this.#puller.pull(peer, partition)
      } catch (error) {
        pending.add(partition)
        if (isDamaged) this.#damaged.add(partition)
        throw error
      }
    }
    if (pending.size === 0 && this.#pending.get(peer) === pending) this.#pending.delete(peer)
  }
}

function wholeRequest(): WholeRequest {
  return { hinted: new Set() }
}
