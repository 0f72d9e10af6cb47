/**
 * Whether this node is what it was when it was last seen (D2). It tells every member its boot, and is told how
 * far that one has ever seen it come. It votes and proposes only when so many members have its boot on
 * their disks that these and itself are a majority.
 *
 * An old copy of a data directory that is put back begins with a boot that was used already, or its log is
 * shorter than somebody saw it. A majority has every boot that ever voted on disk, this node included. So one of
 * those that are heard first says so, unless all of the others that saw the later life are away: see
 * docs/protocol.md, Old copies, for what is then missed. Otherwise the node notes that it has forgotten
 * everything, and takes a boot that was never used, before it has proposed or voted on anything.
 *
 * Invariants:
 *   - no vote and no proposal before a majority has this boot on disk
 *   - a boot is raised durably before it is told to anyone                                  (P1, G5)
 *   - a position of the log that somebody saw and this log did not have at the start is a loss (D8)
 *   - an old copy abstains from the epoch behind each one that it hears of, until so many members have said theirs that
 *     each majority with this node in it has another one among them. Whoever voted on an entry together with the
 *     earlier life knew the entry before, so this covers that vote (D8). Then it abstains from nothing more
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
  /** Records that the log ever had, as this start found it. */
  readonly startSequence: number
  /** As of now, flushed. */
  readonly sequence: () => number
  readonly forgotten: Pick<Forgotten, 'add'>
  readonly peers: Pick<Peers, 'hello' | 'connected'>
  /** Undefined while this node is no member. */
  readonly view: () => LayoutView | undefined
  /** Durably: `boot` is this start's, and no earlier one had it. */
  readonly raiseBoot: (boot: number) => Promise<void> | void
  /** This node may have voted on the layout behind this epoch, and has forgotten it. */
  readonly abstain: (epoch: number) => Promise<void>
  /** From now on it votes and proposes. */
  readonly onProven: () => void
  /** It has proposed under a boot that another life had. */
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
  /** It abstains from every epoch on which the earlier life may have voted. */
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
        // What one member says is worked through before the next one is heard.
        this.#work = this.#work.then(() => this.#hear(peer, told, seen))
        return this.#work
      })
      .catch((error: unknown) => {
        logger.debug(
          { peer, error: String(error) },
          'a member did not say how far it saw this node',
        )
      })
  }

  async #hear(peer: NodeId, told: Sighting, seen: SeenBefore): Promise<void> {
    // Of a boot that was given up meanwhile.
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

  /** Until enough have said what they know. A member that comes in later can't have voted with the earlier life. */
  async #abstainBehind(peer: NodeId, epoch: number): Promise<void> {
    if (this.#isCovered) return
    const { view: current, self, abstain } = this.#options
    await abstain(epoch + 1)
    this.#abstainedFor.add(peer)
    this.#heardEpoch = Math.max(this.#heardEpoch, epoch)
    const view = current()
    // Whoever voted then is looked up among the members of the latest epoch that was heard of.
    if (view === undefined || view.epoch < this.#heardEpoch) return
    const { members } = view.entry
    const others = members.filter(({ nodeId }) => nodeId !== self)
    const heard = others.filter(({ nodeId }) => this.#abstainedFor.has(nodeId))
    this.#isCovered = heard.length > members.length - majority(members.length)
  }

  /** This directory is older than what the peer has seen of it. */
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
      'an old copy of this data directory was put back, or its log has lost its end: it votes again when it was compared with the others',
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
