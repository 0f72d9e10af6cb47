/**
 * Lets a node that may have forgotten something vote again, partition by partition (D8). It compares itself with so many of
 * the other replicas that every quorum that it may have been part of includes one of them.
 *
 * 1. Each of these replicas names the mark below which all its promises are. Above the highest mark no accept of an
 *    earlier time is on its way.
 * 2. From then on none of them promises anything below that mark. So a state that this node accepted and forgot can be chosen
 *    only if one of them has accepted it by now, and keeps it.
 * 3. Of each partition whose digests differ, this node pulls everything that they have: registers by quorum (without its own
 *    vote, as in D3), bucket minima, floors.
 * 4. A register that this node has below that mark, and none of them has, was collected or never chosen. It is removed, but
 *    not before step 3, so that no copy is given up while another replica is away.
 * 5. The partition is cleared when enough replicas are compared, in one epoch, since the last loss.
 *
 * Invariants:
 *   - a partition is cleared only by replicas that vote on it themselves
 *   - a replica that is away keeps only those partitions from being cleared that need it
 *   - where no active set has other replicas, nothing can be compared: the partition is cleared, and noted as lost for
 *     good. A compared partition is noted as lost, too, when one of its two sets has no other replicas
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
/** Partitions cleared at once: a cluster has 33,024, and each clearing writes the file. */
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
  /** Whether this node's boot belongs to this life of it (D2), so that it may compare and learn. */
  readonly mayBegin: () => boolean
  /** Called with partitions that still lack blocks, which the ordinary resync brings. */
  readonly lacks: (partitions: readonly number[]) => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** What was compared of one partition in one session. */
interface Compared {
  readonly peers: Set<NodeId>
  /** All registers of the peers whose digests differed. */
  readonly keys: Set<RegisterKey>
  /** One of the peers has exactly what this node has. */
  same: boolean
}

export class Recall {
  readonly #options: RecallOptions
  /** A session is under way. */
  #running = false
  /** Something changed during the session, so another one follows at once. */
  #again = false
  #stopped = false
  #cancelRetry: (() => void) | undefined
  /** Marks of the peers that were asked since the loss `#serial`. */
  readonly #marks = new Map<NodeId, number>()
  /** The loss (Forgotten.serial) for which `#marks` and `#fenced` hold. A later loss begins step 1 once more. */
  #serial = 0
  /** The mark above all of these. */
  #fenced = 0
  /** Until the next session. It doubles up to RETRY_MS_MAX, and starts from RETRY_MS again when something changes. */
  #delayMs = RETRY_MS
  /** The log names a loss, and not yet its end. */
  #open = false

  constructor(options: RecallOptions) {
    this.#options = options
    options.forgotten.onLoss(() => this.kick())
  }

  /** Those of this node's partitions of which it may have forgotten something. */
  forgotten(): number[] {
    const { view, forgotten, self } = this.#options
    return forgotten.among(view()?.partitionsOf(self) ?? [])
  }

  stop(): void {
    this.#stopped = true
    this.#cancelRetry?.()
  }

  /** Called when a peer came up, the layout changed or something was lost: tries again at once. */
  kick(): void {
    this.#delayMs = RETRY_MS
    // The retry was put off because nothing seemed to change.
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

  /**
   * One session: steps 1 to 5 for all partitions that can be compared now. It belongs to the epoch and the loss with
   * which it began; what it found is not used after either has changed (L6b).
   */
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
        'this node may have forgotten something: it does not vote on these partitions until they are compared',
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
      if (!(await forgotten.clearAsLost(alone, serial))) return
      logger.error(
        { partitions: alone.length },
        'what these partitions lost is lost for good: they have no other replica',
      )
    }
    const compared = new Map<number, Compared>()
    for (const peer of others) {
      if (this.#stopped) return
      if (!this.#marks.has(peer)) continue
      try {
        await this.#compare(peer, view.epoch, fence, possible, compared)
      } catch (error) {
        logger.debug(
          { peer, error: String(error) },
          'a peer did not answer what this node should know',
        )
      }
    }
    const cleared = await this.#clear(view, fence, serial, compared)
    const left = this.forgotten().length
    if (cleared > 0)
      logger.info({ cleared, left }, 'this node votes again on partitions that were compared')
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

  /** Steps 2 and 3. Rejects when the peer does not answer, or is at another epoch. */
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

  /** Makes this node level with the peer in one partition. What fails is left to the next session. */
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
        const { isLevel, lacksBlocks, keys } = await puller.pull(peer, partition, {
          mayHaveForgotten: true,
        })
        for (const key of keys) known.keys.add(key)
        // Votes do not depend on blocks, and each start compares everything once more (P7).
        if (lacksBlocks) lacks([partition])
        if (!isLevel) return
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

  /**
   * Steps 4 and 5. Resolves with how many partitions were cleared. Stops when the epoch or the loss is another one by
   * now.
   */
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
      // Checked again after every wait (L6b): in a later epoch everything is compared again.
      if (this.#options.view()?.epoch !== view.epoch) return false
      // Where this node is the only one of a set, what that set knew may be lost all the same.
      const single = new Set(ready.filter((one) => isAloneInASet(view, one, self)))
      const others = ready.filter((partition) => !single.has(partition))
      if (others.length > 0 && !(await forgotten.clear(others, serial))) return false
      const lost = ready.filter((partition) => single.has(partition))
      if (lost.length > 0 && !(await forgotten.clearAsLost(lost, serial))) return false
      cleared += ready.length
      ready = []
      return true
    }
    for (const [partition, { peers, keys, same }] of compared) {
      if (!this.isEnough(view, partition, peers)) continue
      // If another replica has exactly what this node has, there is nothing that only this node has.
      if (!same) await this.discard(partition, keys, fence)
      ready.push(partition)
      if (ready.length >= CLEARED_AT_ONCE && !(await flush())) return cleared
    }
    if (ready.length > 0) await flush()
    return cleared
  }

  /** Whether these peers are enough: every majority of an active set that includes this node also includes one of them. */
  isEnough(view: LayoutView, partition: number, peers: ReadonlySet<NodeId>): boolean {
    const { self } = this.#options
    return view.replicaSets(partition).every((set) => {
      const others = set.filter((node) => node !== self)
      if (others.length === 0) return true
      return others.filter((node) => peers.has(node)).length >= majority(others.length)
    })
  }

  /** Step 4, for one partition. */
  async discard(partition: number, keys: ReadonlySet<RegisterKey>, fence: number): Promise<void> {
    const { store, host, logger } = this.#options
    const { start, end } = partitionRange(partition)
    const only: RegisterKey[] = []
    store.range(bytesOf(`r${start}`), bytesOf(`r${end}`), ROWS_MAX, (row) => {
      const key = byteString(row.subarray(1)) as RegisterKey
      if (!keys.has(key)) only.push(key)
    })
    let gone = 0
    for (const key of only) if (await host.removals.discard(key, fence)) gone++
    if (gone > 0) {
      logger.warn(
        { partition, registers: gone },
        'registers that no other replica has were dropped: they were collected or never chosen',
      )
    }
  }
}

/** Whether there is no other replica to compare with. In JOINT the other set may have some that know what was chosen since. */
export function isAlone(view: LayoutView, partition: number, self: NodeId): boolean {
  return view.replicaSets(partition).every((set) => isOnly(set, self))
}

function isAloneInASet(view: LayoutView, partition: number, self: NodeId): boolean {
  return view.replicaSets(partition).some((set) => isOnly(set, self))
}

function isOnly(set: readonly NodeId[], self: NodeId): boolean {
  return set.includes(self) && set.every((node) => node === self)
}
