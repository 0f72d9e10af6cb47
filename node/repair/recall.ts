/**
 * How a node that may have forgotten something comes to vote again, partition by partition (D8): it is
 * compared with so many of the other replicas that every quorum it may have been part of has one of them.
 *
 * 1. Each of these says below which mark all its promises lie. Above the highest mark no accept of an earlier
 *    time is on its way.
 * 2. Each promises nothing below that mark any more. So what this node accepted and forgot can be chosen only
 *    if one of these has accepted it by now, and keeps it.
 * 3. Of each partition whose digests differ, this node pulls everything that they have, registers by quorum
 *    (without its own vote, as in D3), bucket minima, floors.
 * 4. What it has below that mark and none of them has was collected, or never chosen: it goes, with a
 *    removal. Not before step 3, so that no copy is given up while another replica is away.
 * 5. The partition is cleared when enough are compared, in one epoch, since the last loss.
 *
 * Invariants:
 *   - a partition is cleared only by replicas that vote on it themselves
 *   - a replica that is away keeps only those partitions from being cleared that need it
 *   - where there are no other replicas, in any active set, nothing can be compared: cleared, and noted as lost for
 *     good. So is what was compared, where in one of two sets there are none
 */

import type { NodeId, RegisterKey } from '../../protocol/ids.ts'
import { byteString, bytesOf, equalBytes } from '../../protocol/bytes.ts'
import { shortBitmapOf } from '../../protocol/keyspace/bitmap.ts'
import { partitionRange } from '../../protocol/keyspace/register-key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { compareBallots } from '../../protocol/register/ballot.ts'
import { majority } from '../../protocol/register/quorum.ts'
import { ballotOfWire } from '../../protocol/rpc/message.ts'
import type { WireRecalled } from '../../protocol/rpc/messages.js'
import type { Store } from '../log/store.ts'
import type { Clock, Logger, Random } from '../env/ports.ts'
import { floorRaised } from '../replica/removal-records.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import type { Peers } from '../quorum/peers.ts'
import type { SyncAnswers } from './sync-answers.ts'
import type { Forgotten } from './forgotten.ts'
import { highestCounter, MARK_LEAP } from './lost-mark.ts'
import type { Puller } from './puller.ts'

const CALL_TIMEOUT_MS = 10_000
const RETRY_MS = 1_000
const RETRY_MS_MAX = 16_000
/** Partitions cleared in one go: a cluster has 33,024, and clearing costs a write of the file. */
const CLEARED_AT_ONCE = 4_096
const ROWS_MAX = 10_000_000

export interface RecallOptions {
  readonly self: NodeId
  readonly store: Store
  readonly host: AcceptorHost
  readonly forgotten: Forgotten
  readonly peers: Peers
  readonly exchange: SyncAnswers
  readonly puller: Puller
  /** Undefined while this node is no member. */
  readonly view: () => LayoutView | undefined
  /** This node's boot is one of its own (D2): it may compare, and learn. */
  readonly mayBegin: () => boolean
  /** What it still lacks is brought by the ordinary resync. */
  readonly lacks: (partitions: readonly number[]) => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Of one partition in one session. */
interface Compared {
  readonly peers: Set<NodeId>
  /** All registers of those whose digests differed. */
  readonly keys: Set<RegisterKey>
  /** One of them has exactly what this node has. */
  same: boolean
}

export class Recall {
  readonly #options: RecallOptions
  #running = false
  #again = false
  #stopped = false
  #cancelRetry: (() => void) | undefined
  /** Of the peers that were asked since the loss `#serial`, and the mark above all of them. */
  readonly #marks = new Map<NodeId, number>()
  #serial = 0
  #fenced = 0
  #delayMs = RETRY_MS
  /** For the log: a loss was announced, and its end is not. */
  #open = false

  constructor(options: RecallOptions) {
    this.#options = options
    options.forgotten.onLoss(() => this.kick())
  }

  /** Of this node's own partitions. */
  forgotten(): number[] {
    const { view, forgotten, self } = this.#options
    return forgotten.among(view()?.partitionsOf(self) ?? [])
  }

  stop(): void {
    this.#stopped = true
    this.#cancelRetry?.()
  }

  /** A peer came up, the layout changed, something was lost: tries whatever is left to try. */
  kick(): void {
    this.#delayMs = RETRY_MS
    // It was for later, since it seemed that nothing changes.
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    this.#begin()
  }

  #begin(): void {
    if (this.#stopped) return
    if (this.#running) {
      this.#again = true
      return
    }
    this.#running = true
    this.#again = false
    this.#run()
      .catch((error: unknown) => {
        const { logger } = this.#options
        logger.debug(
          { error: String(error) },
          'the comparison of what was forgotten did not finish',
        )
      })
      .finally(() => {
        this.#running = false
        if (this.#again) this.#begin()
        else if (this.forgotten().length > 0 || this.#options.forgotten.mustRaiseMark) {
          this.#retryLater()
        }
      })
  }

  #retryLater(): void {
    const { clock, random } = this.#options
    if (this.#cancelRetry !== undefined || this.#stopped) return
    this.#cancelRetry = clock.after(this.#delayMs * (1 + random.float()), () => {
      this.#cancelRetry = undefined
      this.#begin()
    })
    this.#delayMs = Math.min(2 * this.#delayMs, RETRY_MS_MAX)
  }

  async #run(): Promise<void> {
    const { view: current, store, forgotten, host, mayBegin, logger, self } = this.#options
    const view = current()
    if (view === undefined || !mayBegin()) return
    const wanted = this.forgotten()
    if (wanted.length === 0 && !forgotten.mustRaiseMark) return
    const { serial } = forgotten
    if (!this.#open && wanted.length > 0) {
      this.#open = true
      const why = [...new Set(forgotten.notes.open.map(({ reason }) => reason))]
      logger.warn(
        { partitions: wanted.length, why },
        'this node may have forgotten something: it does not vote on these partitions before they are compared',
      )
    }
    const alone = wanted.filter((partition) => isAlone(view, partition, self))
    const others = this.#others(view, wanted)
    const connected = new Set(others)
    const possible = wanted.filter(
      (partition) => !isAlone(view, partition, self) && this.isEnough(view, partition, connected),
    )
    const mustRaise = forgotten.mustRaiseMark
    if (possible.length === 0 && alone.length === 0 && !mustRaise) return
    const highest = mustRaise ? await highestCounter(store, this.#options.clock) : 0
    const fence = await this.#fence(others, view.epoch, highest)
    await host.outlaw(fence)
    if (mustRaise && serial === forgotten.serial) await forgotten.markRaised(fence)
    if (alone.length > 0) {
      if (!(await forgotten.clear(alone, serial, true))) return
      logger.error(
        { partitions: alone.length },
        'what these partitions have lost is lost for good: they have no other replica',
      )
    }
    const compared = new Map<number, Compared>()
    for (const peer of others) {
      if (this.#stopped) return
      if (!this.#marks.has(peer)) continue
      try {
        await this.#compare(peer, view.epoch, fence, possible, compared)
      } catch (error) {
        logger.debug({ peer, error: String(error) }, 'a peer did not say what should be known')
      }
    }
    const cleared = await this.#clear(view, fence, serial, compared)
    const left = this.forgotten().length
    if (cleared > 0) logger.info({ cleared, left }, 'compared: this node votes again on partitions')
    if (left === 0 && wanted.length > 0) {
      await forgotten.closeNotes()
      this.#open = false
      logger.info({}, 'this node votes on all its partitions again')
    }
  }

  /** Connected replicas of any of these partitions. */
  #others(view: LayoutView, wanted: readonly number[]): NodeId[] {
    const { self, peers } = this.#options
    const others = new Set<NodeId>()
    for (const partition of wanted) for (const node of view.replicas(partition)) others.add(node)
    others.delete(self)
    return [...others].filter((node) => peers.connected(node))
  }

  /** Step 1, once for each peer and loss. */
  async #fence(others: readonly NodeId[], epoch: number, highest: number): Promise<number> {
    const { peers, host, forgotten } = this.#options
    if (this.#serial !== forgotten.serial || this.#fenced === 0) {
      this.#serial = forgotten.serial
      this.#marks.clear()
      this.#fenced = Math.max(host.mark, forgotten.mark, highest) + MARK_LEAP
    }
    const nothing = { epoch, fence: 0, wanted: new Uint8Array(0), from: 0 }
    for (const peer of others) {
      if (this.#marks.has(peer)) continue
      const reply = await peers
        .recall(peer, nothing, { timeoutMs: CALL_TIMEOUT_MS })
        .catch(() => undefined)
      if (reply?.epoch === epoch) this.#marks.set(peer, reply.mark)
    }
    const above = Math.max(0, ...this.#marks.values())
    if (above > this.#fenced) this.#fenced = above + MARK_LEAP
    return this.#fenced
  }

  /** Steps 2 and 3. Throws when the peer does not answer, or is at another epoch. */
  async #compare(
    peer: NodeId,
    epoch: number,
    fence: number,
    wanted: readonly number[],
    compared: Map<number, Compared>,
  ): Promise<void> {
    const { peers } = this.#options
    const bits = shortBitmapOf(wanted)
    for (let from = 0; ;) {
      const request = { epoch, fence, wanted: bits, from }
      const reply = await peers.recall(peer, request, { timeoutMs: CALL_TIMEOUT_MS })
      if (reply.epoch !== epoch) throw new Error('the peer is at another epoch')
      for (const one of reply.partitions) {
        if (this.#stopped) return
        await this.#level(peer, one, compared)
      }
      if (reply.next <= from) return
      from = reply.next
    }
  }

  /** Of one partition: this node has all that the peer has, or it is left for the next session. */
  async #level(peer: NodeId, there: WireRecalled, compared: Map<number, Compared>): Promise<void> {
    const { store, exchange, host, puller, lacks, logger } = this.#options
    const { partition } = there
    let known = compared.get(partition)
    if (known === undefined) {
      known = { peers: new Set(), keys: new Set(), same: false }
      compared.set(partition, known)
    }
    const floor = ballotOfWire(there.floor)
    const isSame =
      equalBytes(there.digest, exchange.digestOf(partition)) &&
      equalBytes(there.minima, exchange.minimaDigest(partition))
    try {
      if (isSame) known.same = true
      else {
        const { settled, lacksBlocks, keys } = await puller.pull(peer, partition, true)
        for (const key of keys) known.keys.add(key)
        // Votes do not depend on it, and each start compares everything once more (P7).
        if (lacksBlocks) lacks([partition])
        if (!settled) return
      }
      if (compareBallots(host.floor(partition), floor) < 0) {
        await store.append([floorRaised(partition, floor)], { urgent: true })
      }
      known.peers.add(peer)
    } catch (error) {
      logger.debug(
        { peer, partition, error: String(error) },
        'a forgotten partition is not level yet',
      )
    }
  }

  /** Steps 4 and 5. */
  async #clear(
    view: LayoutView,
    fence: number,
    serial: number,
    compared: ReadonlyMap<number, Compared>,
  ): Promise<number> {
    const { forgotten, self } = this.#options
    let cleared = 0
    let ready: number[] = []
    const flush = async (): Promise<boolean> => {
      // Checked again after every wait (L6b): whoever has moved on compares anew.
      if (this.#options.view()?.epoch !== view.epoch) return false
      // What only one set knew of, this node alone, may be lost all the same.
      const single = new Set(ready.filter((one) => isAloneInASet(view, one, self)))
      for (const isLost of [false, true]) {
        const some = ready.filter((partition) => single.has(partition) === isLost)
        if (some.length > 0 && !(await forgotten.clear(some, serial, isLost))) return false
      }
      cleared += ready.length
      ready = []
      return true
    }
    for (const [partition, { peers, keys, same }] of compared) {
      if (!this.isEnough(view, partition, peers)) continue
      // A replica that has exactly what this node has leaves nothing that nobody else has.
      if (!same) await this.discard(partition, keys, fence)
      ready.push(partition)
      if (ready.length >= CLEARED_AT_ONCE && !(await flush())) return cleared
    }
    if (ready.length > 0) await flush()
    return cleared
  }

  /** In each active set that has others so many of them that a majority of the set, this node among it, has one. */
  isEnough(view: LayoutView, partition: number, peers: ReadonlySet<NodeId>): boolean {
    const { self } = this.#options
    return view.replicaSets(partition).every((set) => {
      const others = set.filter((node) => node !== self)
      if (others.length === 0) return true
      return others.filter((node) => peers.has(node)).length >= majority(others.length)
    })
  }

  /** Step 4, of one partition. */
  async discard(partition: number, keys: ReadonlySet<RegisterKey>, fence: number): Promise<void> {
    const { store, host, logger } = this.#options
    const { start, end } = partitionRange(partition)
    const only: RegisterKey[] = []
    store.range(bytesOf(`r${start}`), bytesOf(`r${end}`), ROWS_MAX, (row) => {
      const key = byteString(row.subarray(1)) as RegisterKey
      if (!keys.has(key)) only.push(key)
    })
    let gone = 0
    for (const key of only) if (await host.discard(key, fence)) gone++
    if (gone > 0) {
      logger.warn(
        { partition, registers: gone },
        'collected or never chosen: no other replica has them',
      )
    }
  }
}

/** There is nobody to compare with: in JOINT the other set may have others, who know what was chosen since. */
export function isAlone(view: LayoutView, partition: number, self: NodeId): boolean {
  return view.replicaSets(partition).every((set) => isOnly(set, self))
}

function isAloneInASet(view: LayoutView, partition: number, self: NodeId): boolean {
  return view.replicaSets(partition).some((set) => isOnly(set, self))
}

function isOnly(set: readonly NodeId[], self: NodeId): boolean {
  return set.includes(self) && set.every((node) => node === self)
}
