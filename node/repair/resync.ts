/**
 * Brings this node level with the other replicas of its partitions.
 *
 * Invariants:
 *   - nobody else has to know of a gap: when a peer comes up, both compare everything they share
 *   - a duty to tell a replica of a gap is durable until it was told                        (P7)
 *   - a partition counts as level only after all that the peer had was pulled
 *
 * 1. Digests of groups, then of partitions, find what differs.
 *    While the layout changes, partitions that move are left to those who move them (node/rebalance): in JOINT
 *    altogether, and as long as their blocks are on the way, these.
 * 2. Of a differing partition, pull blocks, minima and registers that the peer has and this node lacks.
 *    The other direction is the peer's own work: it does the same with us.
 */

import { bytesOf, equalBytes } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { addBit, bitmapOf, hasBit } from '../../protocol/keyspace/bitmap.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { DIGEST_BYTES, REGISTER_DIGEST_BYTES } from '../../protocol/sync/digest.ts'
import type { Store } from '../log/store.ts'
import type { Clock, Logger, Random } from '../env/ports.ts'
import { dutyRow, partitionOfDutyRow } from '../replica/index-rows.ts'
import { RECORD } from '../replica/record-types.ts'
import { PullNotes } from './pull-notes.ts'
import type { Peers } from '../quorum/peers.ts'
import { GROUP_PARTITIONS, GROUPS_MAX, type SyncAnswers } from './sync-answers.ts'
import type { Puller } from './puller.ts'

const CALL_TIMEOUT_MS = 10_000
const RETRY_MS = 1_000
/** Everything is compared again, also without a reason, so that no gap lasts. */
const PERIOD_MS = 25_000
const HINT_DELAY_MS = 300

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

export class Resync {
  readonly #options: ResyncOptions
  readonly #puller: Puller
  readonly #notes: PullNotes
  /** What is still to compare with whom. 'all': since the peer came up, or never yet. */
  readonly #pending = new Map<NodeId, Set<number> | 'all'>()
  /** Compared now and then without a reason: these count as level until a difference is found. */
  readonly #recheck = new Set<NodeId>()
  readonly #duties = new Map<NodeId, Set<number>>()
  /** Partitions of records that were found damaged at the start, to be pulled whatever digests say. */
  readonly #damaged = new Set<number>()
  #hinting = false
  #retrying = false
  #running = false
  #started = false
  #stopped = false
  readonly #timers = new Set<() => void>()

  constructor(options: ResyncOptions) {
    this.#options = options
    this.#puller = options.puller
    this.#notes = new PullNotes(options.clock, options.logger)
    options.store.range(bytesOf('y'), bytesOf('z'), 1_000_000, (key) => {
      const { peer, partition } = partitionOfDutyRow(key)
      setOf(this.#duties, peer).add(partition)
    })
    // A damaged state is in no digest: when the others have forgotten the register, these are the same.
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
      this.#after(PERIOD_MS, again)
    }
    this.#after(PERIOD_MS, again)
    if (this.#duties.size > 0) this.#hintLater()
  }

  stop(): void {
    this.#stopped = true
    for (const cancel of this.#timers) cancel()
  }

  /** A new epoch, or the start: everything with everyone. */
  membersChanged(): void {
    for (const peer of this.#others()) this.#pending.set(peer, 'all')
    for (const peer of this.#pending.keys()) {
      if (!this.#options.view().isMember(peer)) this.#pending.delete(peer)
    }
    this.#kick()
  }

  peerUp(peer: NodeId): void {
    if (!this.#options.view().isMember(peer)) return
    this.#pending.set(peer, 'all')
    this.#kick()
    this.#hintLater()
  }

  /** A peer knows that this node may lack something of these partitions. */
  hinted(partitions: readonly number[]): void {
    const { view, self } = this.#options
    for (const partition of partitions) {
      if (partition >= view().partitions) continue
      for (const node of view().replicas(partition)) {
        if (node === self) continue
        const set = this.#pending.get(node)
        if (set === 'all') continue
        setOf(this.#pending as Map<NodeId, Set<number>>, node).add(partition)
      }
    }
    this.#kick()
  }

  /** A register of the partition is damaged here: it is pulled whatever the digests say. */
  foundDamage(partition: number): void {
    this.#damaged.add(partition)
    this.hinted([partition])
  }

  /** A replica may have missed a write of this partition (P7). */
  gap(peer: NodeId, partition: number): void {
    if (peer === this.#options.self) {
      this.hinted([partition])
      return
    }
    const duties = setOf(this.#duties, peer)
    if (duties.has(partition)) return
    duties.add(partition)
    // Nobody waits for it: should this node die first, everyone compares with it when it is back.
    this.#record(RECORD.duty, peer, partition)
    this.#hintLater()
  }

  /** Partitions of this node that may lack something: one bit each, most significant first. */
  behind(): Uint8Array<ArrayBuffer> {
    const { view, exchange } = this.#options
    const bits = new Uint8Array(Math.ceil(view().partitions / 8))
    for (const [peer, pending] of this.#pending) {
      for (const partition of pending === 'all' ? exchange.shared(peer) : pending) {
        addBit(bits, partition)
      }
    }
    return bits
  }

  /** Pairs of partition and peer that are still to compare, hints to give included. */
  get pendingCount(): number {
    let count = 0
    for (const [peer, pending] of this.#pending) {
      count += pending === 'all' ? this.#options.exchange.shared(peer).length : pending.size
    }
    for (const duties of this.#duties.values()) count += duties.size
    return count
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

  /** Compared with every other member since the start, and nothing left to pull. */
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
    if (this.#running || this.#stopped) return
    this.#running = true
    this.#run()
      .catch((error: unknown) => {
        this.#options.logger.warn({ error: String(error) }, 'resync stopped; it tries again')
      })
      .finally(() => {
        this.#running = false
        if (this.#pending.size > 0) this.#retryLater()
      })
  }

  /** One timer, however often it is asked for while a peer is away. */
  #retryLater(): void {
    if (this.#retrying) return
    this.#retrying = true
    this.#after(RETRY_MS, () => {
      this.#retrying = false
      this.#kick()
    })
  }

  #after(delayMs: number, run: () => void): void {
    const cancel = this.#options.clock.after(delayMs * (1 + this.#options.random.float()), () => {
      this.#timers.delete(cancel)
      if (!this.#stopped) run()
    })
    this.#timers.add(cancel)
  }

  async #run(): Promise<void> {
    const { peers, logger } = this.#options
    for (const peer of this.#recheck) {
      this.#recheck.delete(peer)
      if (this.#pending.has(peer) || !peers.connected(peer)) continue
      const differing = await this.#compare(peer).catch(() => [])
      if (differing.length > 0 && !this.#pending.has(peer)) {
        this.#pending.set(peer, new Set(differing))
      }
    }
    const tried = new Set<NodeId>()
    for (;;) {
      const peer = [...this.#pending.keys()].find(
        (node) => !tried.has(node) && peers.connected(node),
      )
      if (peer === undefined || this.#stopped) return
      tried.add(peer)
      const before = this.#puller.done
      try {
        await this.#withPeer(peer)
        tried.delete(peer)
      } catch (error) {
        logger.debug({ peer, error: String(error) }, 'resync with a peer did not finish')
      }
      this.#notes.note(peer, this.#puller.done - before, this.pendingCount)
    }
  }

  async #withPeer(peer: NodeId): Promise<void> {
    const pending = this.#pending.get(peer)
    if (pending === undefined) return
    if (pending === 'all') {
      const shared = bitmapOf(this.#damaged.size === 0 ? [] : this.#options.exchange.shared(peer))
      const damaged = [...this.#damaged].filter((partition) => hasBit(shared, partition))
      const differing = [...new Set([...(await this.#compare(peer)), ...damaged])]
      for (const partition of damaged) this.#damaged.delete(partition)
      // Since the digests were taken, nothing new may have been found missing.
      if (this.#pending.get(peer) !== pending) return
      if (differing.length === 0) this.#pending.delete(peer)
      else this.#pending.set(peer, new Set(differing))
      return
    }
    for (const partition of pending) {
      if (this.#stopped || this.#pending.get(peer) !== pending) return
      // Noted again while it is being pulled: it then stays in the set.
      pending.delete(partition)
      try {
        await this.#puller.pull(peer, partition)
      } catch (error) {
        pending.add(partition)
        throw error
      }
    }
    if (pending.size === 0 && this.#pending.get(peer) === pending) this.#pending.delete(peer)
  }

  /** Shared partitions whose digests differ. */
  async #compare(peer: NodeId): Promise<number[]> {
    const { peers, exchange, view } = this.#options
    const options = { timeoutMs: CALL_TIMEOUT_MS }
    const epoch = view().epoch
    const theirs = await peers.digests(peer, { epoch, level: 0, groups: [] }, options)
    const mustBe = (other: number): void => {
      if (other !== epoch || view().epoch !== epoch) throw new Error('the epoch is over')
    }
    mustBe(theirs.epoch)
    const mine = await exchange.groupDigests(peer)
    mustBe(epoch)
    const none = new Uint8Array(DIGEST_BYTES)
    const groups: number[] = []
    for (let group = 0; group * DIGEST_BYTES < theirs.digests.length; group++) {
      const digest = theirs.digests.subarray(group * DIGEST_BYTES, (group + 1) * DIGEST_BYTES)
      if (!equalBytes(digest, mine.get(group) ?? none)) groups.push(group)
    }
    if (groups.length === 0) return []
    const { shared, registersOnly } = this.#comparable(peer)
    const differing: number[] = []
    for (let at = 0; at < groups.length; at += GROUPS_MAX) {
      const some = groups.slice(at, at + GROUPS_MAX)
      const reply = await peers.digests(peer, { epoch, level: 1, groups: some }, options)
      mustBe(reply.epoch)
      for (let i = 0; (i + 1) * DIGEST_BYTES <= reply.digests.length; i++) {
        const group = some[Math.floor(i / GROUP_PARTITIONS)]!
        const partition = group * GROUP_PARTITIONS + (i % GROUP_PARTITIONS)
        if (!shared.has(partition)) continue
        const bytes = registersOnly.has(partition) ? REGISTER_DIGEST_BYTES : DIGEST_BYTES
        const digest = reply.digests.subarray(i * DIGEST_BYTES, i * DIGEST_BYTES + bytes)
        if (!equalBytes(digest, exchange.digestOf(partition).subarray(0, bytes))) {
          differing.push(partition)
        }
      }
    }
    return differing
  }

  #comparable(peer: NodeId): { shared: Set<number>; registersOnly: Set<number> } {
    const { exchange, view, self } = this.#options
    const layout = view()
    const shared = new Set(exchange.shared(peer))
    if (layout.state === 'JOINT') for (const partition of layout.moved()) shared.delete(partition)
    const registersOnly = new Set([...layout.waiting(self), ...layout.waiting(peer)])
    return { shared, registersOnly }
  }

  #hintLater(): void {
    if (this.#hinting || this.#stopped) return
    this.#hinting = true
    this.#after(HINT_DELAY_MS, () => {
      this.#hint()
        .catch(() => {})
        .finally(() => {
          this.#hinting = false
          if (this.#duties.size > 0) this.#after(RETRY_MS, () => this.#hintLater())
        })
    })
  }

  async #hint(): Promise<void> {
    const { peers, view } = this.#options
    const all = [...this.#duties]
    for (const [peer, duties] of all) {
      if (!view().isMember(peer)) {
        this.#duties.delete(peer)
        continue
      }
      if (!peers.connected(peer)) continue
      // A gap that shows while the hint is on its way is a duty of its own: the peer may have looked.
      this.#duties.delete(peer)
      try {
        await peers.hint(peer, [...duties], view().epoch, { timeoutMs: CALL_TIMEOUT_MS })
      } catch {
        for (const partition of duties) setOf(this.#duties, peer).add(partition)
        continue
      }
      for (const partition of duties) {
        if (this.#duties.get(peer)?.has(partition) === true) continue
        this.#record(RECORD.dutyDone, peer, partition)
      }
    }
  }

  #record(type: number, peer: NodeId, partition: number): void {
    const { store } = this.#options
    if (type === RECORD.dutyDone && store.get(dutyRow(peer, partition)) === undefined) return
    store
      .append([{ type, partition, key: peer, body: new Uint8Array(0) }], { urgent: true })
      .catch(() => {})
  }
}

function setOf(map: Map<NodeId, Set<number>>, peer: NodeId): Set<number> {
  let set = map.get(peer)
  if (set === undefined) {
    set = new Set()
    map.set(peer, set)
  }
  return set
}
