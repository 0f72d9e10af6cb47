/**
 * Finds out whether this node's data directory is an old copy that was put back (D2). The node tells every member its boot,
 * and each member answers how far it has ever seen this node come. The node votes and proposes only when the members that
 * have its boot on their disks, together with itself, are a majority.
 *
 * An old copy begins with a boot that was used already, or its log is shorter than some member has seen it. A majority,
 * this node included, has every boot that ever voted on disk. So one of the first members that answer says so, unless all
 * others that saw the later life are away (docs/protocol.md, Old copies, says what is then missed). The node then notes
 * that it has forgotten everything, and takes a boot that was never used, before it proposes or votes on anything.
 *
 * Invariants:
 *   - no vote and no proposal before a majority has this boot on disk
 *   - a boot is raised durably before any node is told of it                                 (P1, G5)
 *   - a log position that a member saw and this log did not have at the start is a loss (D8)
 *   - an old copy abstains from the epoch after each one that it hears of, until every majority that includes this node
 *     also includes a member that has said its epoch. A member that voted on an entry together with the earlier life knew
 *     the entry before, so this covers that vote (D8). After that the node abstains from nothing more
 */

import type { NodeId, StorageId } from '../../protocol/ids.ts'
import { hex } from '../../protocol/bytes.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { Clock, Logger, Random } from '../env/ports.ts'
import type { Peers, SeenBefore } from '../quorum/peers.ts'
import type { Forgotten } from './forgotten.ts'
import { isUsedUp, type Sighting } from '../replica/sightings.ts'

const CALL_TIMEOUT_MS = 3_000
const RETRY_MS = 300
const PERIOD_MS = 2_000
const LIFE_BYTES = 8

export interface SelfCheckOptions {
  readonly self: NodeId
  readonly storageId: StorageId
  readonly boot: number
  /** How many records the log ever had, as this start found it. */
  readonly startSequence: number
  /** How many records the log has had up to now, flushed. */
  readonly sequence: () => number
  readonly forgotten: Pick<Forgotten, 'add'>
  readonly peers: Pick<Peers, 'hello' | 'connected'>
  /** Undefined while this node is no member. */
  readonly view: () => LayoutView | undefined
  /** Makes durable that `boot` belongs to this start and to no earlier one. */
  readonly raiseBoot: (boot: number) => Promise<void> | void
  /** Called when this node may have voted on the layout entry of this epoch and has forgotten its vote. */
  readonly abstain: (epoch: number) => Promise<void>
  /** Called when this node may vote and propose from now on. */
  readonly onProven: () => void
  /** Called when this node has proposed under a boot that another life of it had. */
  readonly fail: (reason: string) => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export class SelfCheck {
  readonly #options: SelfCheckOptions
  /** Members that have this boot on their disks. */
  readonly #recorded = new Set<NodeId>()
  #boot: number
  #life: string
  #proven = false
  #stopped = false
  #restored = false
  /** Members that have said their epoch since this node was found to be an old copy. */
  readonly #abstainedFor = new Set<NodeId>()
  /** The highest of these. */
  #heardEpoch = 0
  /** This node abstains from every epoch on which the earlier life may have voted. */
  #isCovered = false
  #work: Promise<void> = Promise.resolve()

  constructor(options: SelfCheckOptions) {
    this.#options = options
    this.#boot = options.boot
    this.#life = hex(options.random.bytes(LIFE_BYTES))
  }

  get boot(): number {
    return this.#boot
  }

  /** Whether a majority has this boot on disk, so that the node may vote and propose. Once true it stays true. */
  get isProven(): boolean {
    return this.#proven
  }

  start(): void {
    this.membersChanged()
    const again = (): void => {
      if (this.#stopped) return
      this.#greetAll()
      const delayMs = this.#proven ? PERIOD_MS : RETRY_MS
      this.#options.clock.after(delayMs * (1 + this.#options.random.float()), again)
    }
    again()
  }

  stop(): void {
    this.#stopped = true
  }

  /** Called with each new epoch: the majority may be another one, or complete already. */
  membersChanged(): void {
    this.#conclude()
    this.#greetAll()
  }

  peerUp(peer: NodeId): void {
    this.#greet(peer)
  }

  #greetAll(): void {
    const { view, self } = this.#options
    for (const { nodeId } of view()?.members ?? []) if (nodeId !== self) this.#greet(nodeId)
  }

  #greet(peer: NodeId): void {
    const { peers, storageId, sequence, logger } = this.#options
    if (this.#stopped || !peers.connected(peer)) return
    const told = { storage: storageId, boot: this.#boot, life: this.#life, sequence: sequence() }
    peers
      .hello(peer, told, { timeoutMs: CALL_TIMEOUT_MS })
      .then((seen) => {
        // One answer is dealt with before the next one.
        this.#work = this.#work.then(() => this.#hear(peer, told, seen))
        return this.#work
      })
      .catch((error: unknown) => {
        logger.debug(
          { peer, error: String(error) },
          'a member did not answer how far it has seen this node come',
        )
      })
  }

  async #hear(peer: NodeId, told: Sighting, seen: SeenBefore): Promise<void> {
    // The answer is about a boot that was given up meanwhile.
    if (told.life !== this.#life || this.#stopped) return
    const { startSequence } = this.#options
    if (seen.boot > 0) {
      const before: Sighting = { ...seen, storage: told.storage }
      if (isUsedUp(before, told)) {
        await this.#surpassed(peer, before, seen.epoch)
        return
      }
      const wasFurther = before.life !== told.life && before.sequence > startSequence
      if (wasFurther) {
        const found = `${before.sequence} records were seen by ${peer}, ${startSequence} were found`
        await this.#forget(`the log had more records: ${found}`, seen.epoch)
      }
    }
    if (this.#restored) await this.#abstainBehind(peer, seen.epoch)
    this.#recorded.add(peer)
    this.#conclude()
  }

  /**
   * Abstains from the epoch after the one that the peer named, until enough members have named theirs. A member that
   * joins later can't have voted with the earlier life.
   */
  async #abstainBehind(peer: NodeId, epoch: number): Promise<void> {
    if (this.#isCovered) return
    const { view: current, self, abstain } = this.#options
    await abstain(epoch + 1)
    this.#abstainedFor.add(peer)
    this.#heardEpoch = Math.max(this.#heardEpoch, epoch)
    const view = current()
    // The voters of that time are looked up among the members of the latest epoch that was heard of.
    if (view === undefined || view.epoch < this.#heardEpoch) return
    const { members } = view.entry
    const others = members.filter(({ nodeId }) => nodeId !== self)
    const heard = others.filter(({ nodeId }) => this.#abstainedFor.has(nodeId))
    this.#isCovered = heard.length > members.length - majority(members.length)
  }

  /** Called when the peer has seen a later state of this directory. */
  async #surpassed(peer: NodeId, seen: Sighting, epoch: number): Promise<void> {
    const { raiseBoot, fail, logger } = this.#options
    const was = this.#boot
    await this.#forget(`${peer} saw boot ${seen.boot}, this directory began boot ${was}`, epoch)
    const boot = Math.max(seen.boot, was) + 1
    await raiseBoot(boot)
    if (this.#proven) {
      fail(`boot ${was} was used by another run of this node: start it again`)
      return
    }
    this.#boot = boot
    this.#life = hex(this.#options.random.bytes(LIFE_BYTES))
    this.#recorded.clear()
    this.#abstainedFor.clear()
    this.#isCovered = false
    logger.warn({ boot }, 'this node goes on with a boot number that was never used')
    this.#greetAll()
  }

  async #forget(detail: string, epoch: number): Promise<void> {
    const { forgotten, abstain, logger } = this.#options
    logger.error(
      { detail },
      'this data directory is an old copy, or its log has lost its end: the node votes again once it was compared with the others',
    )
    this.#restored = true
    await forgotten.add([{ partitions: 'all', mark: true, reason: 'restored-image', detail }])
    await abstain(epoch + 1)
  }

  #conclude(): void {
    const { view: current, self, onProven } = this.#options
    const view = current()
    if (this.#proven || view === undefined) return
    const { members, next } = view.entry
    // In PLANNED the nodes of P′ that only learn are not asked, and none of them votes (L1b).
    const sets = view.state === 'JOINT' && next !== undefined ? [members, next] : [members]
    const isEnough = sets.every((set) => {
      const heard = set.filter(({ nodeId }) => nodeId === self || this.#recorded.has(nodeId))
      return heard.length >= majority(set.length)
    })
    if (!isEnough) return
    this.#proven = true
    onProven()
  }
}
