/**
 * Syncs a member of P′ in JOINT (L5). A partition is synced once this node has everything that a majority of P's set has, at
 * exactly this epoch. Members that hold the partition already sync it, too, because they may be lagging. What is synced is
 * written down with the epoch, and proves nothing in another one (L6). Called by Rebalance.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Clock, Logger, Random } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import type { Forgotten } from '../repair/forgotten.ts'
import type { Copier } from './copier.ts'
import type { Entering } from './entering.ts'
import type { MoveFile } from './move-file.ts'

const RETRY_MS = 100
const RETRY_MS_MAX = 2_000
/** Copies count as progress in the first looks at a partition only. */
const LOOKS_COUNTED = 3

export interface SyncerOptions {
  readonly self: NodeId
  readonly file: MoveFile
  readonly entering: Entering
  readonly copier: Copier
  readonly forgotten: Pick<Forgotten, 'has'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Syncs in one JOINT epoch. */
export class Syncer {
  readonly #options: SyncerOptions
  readonly #view: LayoutView
  /** What this node has to sync (`toSync`). */
  readonly #partitions: readonly number[]
  /** The mark that each member of P first named in this epoch (A1). */
  readonly #marks = new Map<NodeId, number>()
  /** How often the registers of each partition were looked at. */
  readonly #looks: Uint8Array
  #copied = 0

  constructor(options: SyncerOptions, view: LayoutView) {
    this.#options = options
    this.#view = view
    this.#partitions = toSync(view, options.self)
    this.#looks = new Uint8Array(view.partitions)
  }

  get epoch(): number {
    return this.#view.epoch
  }

  /**
   * Registers that were copied or newly chosen so far. Those of a partition that is looked at again and again do not count:
   * clients write them all the time, and a sync that is stuck would seem to make progress.
   */
  get copied(): number {
    return this.#copied
  }

  /** Runs until all is synced, or the epoch is over. */
  async run(isOver: () => boolean): Promise<void> {
    const { clock, random, logger } = this.#options
    let delayMs = RETRY_MS
    while (!isOver()) {
      const left = this.left()
      if (left.length === 0) return
      try {
        await this.#pass(left, isOver)
      } catch (error) {
        logger.debug({ error: String(error) }, 'a pass of the sync did not finish')
      }
      if (isOver()) return
      const now = this.left().length
      if (now === 0) {
        logger.info({ epoch: this.#view.epoch, partitions: this.#partitions.length }, 'synced')
        return
      }
      delayMs = now < left.length ? RETRY_MS : Math.min(2 * delayMs, RETRY_MS_MAX)
      await sleep(clock, delayMs * (0.5 + random.float()))
    }
  }

  /** Partitions that are not yet durably synced at this epoch, ascending. */
  left(): number[] {
    const { file } = this.#options
    return this.#partitions.filter((partition) => !file.isSynced(this.#view.epoch, partition))
  }

  /** One pass of the copier. Partitions with left-over registers wait for Rebalance to clear them (L9). */
  async #pass(left: readonly number[], isOver: () => boolean): Promise<void> {
    const { entering, copier, file, forgotten } = this.#options
    const { epoch } = this.#view
    await copier.pass({
      layout: this.#view,
      partitions: left.filter((partition) => entering.serves(partition)),
      mode: 'sync',
      marks: this.#marks,
      begun: (partitions) => {
        for (const partition of partitions) {
          this.#looks[partition] = Math.min(this.#looks[partition]! + 1, LOOKS_COUNTED + 1)
        }
      },
      copied: (partition) => {
        if (this.#looks[partition]! <= LOOKS_COUNTED) this.#copied++
      },
      isOver,
      done: async (partitions) => {
        // The registers that were lost meanwhile may be those that were copied (D8).
        const whole = partitions.filter((partition) => !forgotten.has(partition))
        if (!isOver() && whole.length > 0) await file.addSynced(epoch, whole)
      },
    })
  }
}

/** Partitions that the node holds in P′, and whose holders differ between P and P′. */
export function toSync(view: LayoutView, node: NodeId): number[] {
  const next = view.nextPlacement
  if (next === undefined) return []
  return view.moved().filter((partition) => next.replicas(partition).includes(node))
}
