/**
 * How this node takes part in a change of the layout that moves data: what it learns, syncs and drops, epoch by epoch.
 * It decides nothing: node/layout asks how far this node has come. Started by the node's assembly.
 */

import type { StorageId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { isSameSet } from '../../protocol/register/quorum.ts'
import type { Random } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import type { Forgotten } from '../repair/forgotten.ts'
import { addBit } from '../../protocol/keyspace/bitmap.ts'
import { Copier, type CopierOptions } from './copier.ts'
import { Entering, type Chain } from './entering.ts'
import { Learner, type LearningProgress } from './learner.ts'
import type { MoveFile } from './move-file.ts'
import { Syncer } from './syncer.ts'
import { Witness } from './witness.ts'

const RETRY_MS = 200
const FILE_AGAIN_MS = 10_000

export interface RebalanceOptions extends Omit<CopierOptions, 'witness'> {
  readonly storageId: StorageId
  readonly file: MoveFile
  /** The decided entries of the layout, as LayoutManager knows them. */
  readonly chain: Chain
  /** As the register host asks it. */
  readonly votes: (partition: number) => boolean
  readonly forgotten: Pick<Forgotten, 'has' | 'lacksBlocks'>
  readonly random: Random
  /** Progress of the blocks. */
  readonly move: () => RegisterMoveProgress['move']
}

/** How far this node has come. In bits, partition p is bit 7 - p % 8 of byte p / 8. */
export interface RegisterMoveProgress {
  /** In PLANNED. */
  readonly learning: LearningProgress
  /** In JOINT: partitions that are synced at exactly this epoch, durably. */
  readonly synced: Uint8Array
  /** In JOINT: registers that were copied for the sync, since the node started. */
  readonly copied: number
  /** In STABLE with sources: partitions of which every block is here, durably, by the source's epoch. */
  readonly whole: readonly {
    readonly source: number
    readonly bits: Uint8Array
  }[]
  readonly move: {
    readonly pendingBytes: number
    readonly doneBytes: number
    readonly bytesPerSecond: number
  }
}

export class Rebalance {
  /** Answers the nodes that copy from this one. */
  readonly witness: Witness
  readonly #options: RebalanceOptions
  readonly #entering: Entering
  readonly #copier: Copier
  /** Learns in the present epoch. Undefined unless it is PLANNED. */
  #learner: Learner | undefined
  /** Of the last JOINT epoch. Its count is reported only while that epoch lasts. */
  #syncer: Syncer | undefined
  /** The epoch for which work was begun last. */
  #epoch = 0
  #started = false
  #stopped = false

  constructor(options: RebalanceOptions) {
    const view = (): LayoutView => {
      const current = options.chain.current()
      if (current === undefined) throw new Error('this node is not in a cluster yet')
      return current
    }
    this.#options = options
    this.witness = new Witness({ ...options, view })
    this.#entering = new Entering(options)
    this.#copier = new Copier({ ...options, witness: this.witness })
  }

  /** Whether this node may vote on the partition: its registers are not left over from an earlier time (L9). */
  serves(partition: number): boolean {
    return this.#entering.serves(partition)
  }

  /** Whether the block mover brings the partition's blocks to this node, at a rate of its own. */
  movesBlocks(partition: number): boolean {
    const { chain, file, self } = this.#options
    const view = chain.current()
    if (view === undefined) return false
    if (view.state === 'JOINT') {
      const [before, after] = view.replicaSets(partition)
      return !isSameSet(before!, after!)
    }
    if (!view.replicas(partition).includes(self)) return false
    return view.sources.some(
      (source) =>
        !file.isWhole(source.epoch, partition) &&
        !isSameSet(source.replicas(partition), view.replicas(partition)),
    )
  }

  /** Called when the network is up. */
  start(): void {
    this.#started = true
    this.#begin()
    void this.#keepFile()
  }

  /** Work that is under way ends at its next look at the epoch. */
  stop(): void {
    this.#stopped = true
  }

  /**
   * Called when one or several later entries were adopted. What was left over is noted before anything is answered in
   * the new epoch (L9). Then the work of that epoch begins; that of the one before ends by itself.
   */
  adopted(): void {
    this.#entering.follow()
    const { file } = this.#options
    if (file.isLagging) void file.write().catch(() => {})
    if (this.#started) this.#begin()
  }

  /** Bytes of registers, and of the packed blocks and pages with them, fetched for changes of the layout. */
  get copiedBytes(): number {
    return this.#copier.counters.bytes
  }

  /**
   * What node/layout reports to the driver of the change. All of it is true of the epoch that is in force at the
   * call.
   */
  progress(): RegisterMoveProgress {
    const { chain, file, forgotten } = this.#options
    this.#entering.follow()
    const view = chain.current()
    const bitsBy = (has: (partition: number) => boolean): Uint8Array => {
      const bits = new Uint8Array(Math.ceil((view?.partitions ?? 0) / 8))
      for (let p = 0; p < (view?.partitions ?? 0); p++) if (has(p)) addBit(bits, p)
      return bits
    }
    return {
      learning: this.#learning(view),
      synced: bitsBy((p) => this.#isSynced(view!.epoch, p)),
      copied: this.#syncer?.epoch === view?.epoch ? (this.#syncer?.copied ?? 0) : 0,
      whole: (view?.sources ?? []).map(({ epoch: source }) => ({
        source,
        bits: bitsBy((p) => file.isWhole(source, p) && !forgotten.lacksBlocks(p)),
      })),
      move: this.#options.move(),
    }
  }

  /** Durably synced, and nothing was forgotten of it since (D8). */
  #isSynced(epoch: number, partition: number): boolean {
    const { file, forgotten } = this.#options
    return file.isSynced(epoch, partition) && !forgotten.has(partition)
  }

  #learning(view: LayoutView | undefined): LearningProgress {
    if (view !== undefined && this.#learner?.epoch === view.epoch) return this.#learner.progress
    const total = view?.learning(this.#options.self).length ?? 0
    return { total, done: 0, isCaughtUp: total === 0 }
  }

  /** Writes the file of moves, which a start on a full disk leaves out. Once data moves, a missing file counts as damage. */
  async #keepFile(): Promise<void> {
    const { file, clock } = this.#options
    while (file.isOwed && !this.#stopped) {
      await sleep(clock, FILE_AGAIN_MS)
      if (file.isOwed && !this.#stopped) await file.write().catch(() => {})
    }
  }

  /** Begins the work of the present epoch, once for each epoch. */
  #begin(): void {
    const view = this.#options.chain.current()
    if (view === undefined || view.epoch === this.#epoch || this.#stopped) return
    this.#epoch = view.epoch
    const isOver = (): boolean =>
      this.#stopped || this.#options.chain.current()?.epoch !== view.epoch
    this.#learner = undefined
    this.#work(view, isOver).catch((error: unknown) => {
      this.#options.logger.warn(
        { error: String(error) },
        'this node could not go on with a change of the layout',
      )
    })
  }

  /**
   * In PLANNED the learner runs beside the rest. In JOINT the partitions that this node enters are cleared first
   * (L9): the syncer passes over those that are not.
   */
  async #work(view: LayoutView, isOver: () => boolean): Promise<void> {
    const { self } = this.#options
    if (view.state === 'PLANNED') {
      this.#learner = new Learner(
        { ...this.#options, entering: this.#entering, copier: this.#copier },
        view,
      )
      void this.#learner.run(isOver).catch(() => {})
    }
    await this.#enter(view.partitionsOf(self), isOver)
    if (view.state === 'JOINT' && !isOver()) {
      const options = {
        ...this.#options,
        entering: this.#entering,
        copier: this.#copier,
      }
      this.#syncer = new Syncer(options, view)
      await this.#syncer.run(isOver)
    }
  }

  /** Partitions that this node holds from this epoch on (L9). */
  async #enter(partitions: readonly number[], isOver: () => boolean): Promise<void> {
    const { clock, logger } = this.#options
    while (!isOver()) {
      const left = this.#entering.among(partitions)
      if (left.length === 0) return
      try {
        await this.#entering.clear(left, isOver)
      } catch (error) {
        logger.warn(
          { error: String(error) },
          'data that is left over from an earlier time is not dropped yet',
        )
      }
      if (isOver() || this.#entering.among(left).length === 0) return
      await sleep(clock, RETRY_MS)
    }
  }
}
