/**
 * Copies partitions to a node that will hold them, while the layout is PLANNED, so that the sync in JOINT has little left
 * to do. The node has no vote, proposes nothing and counts in no quorum (L1b). Called by Rebalance.
 *
 * 1. Drop what an earlier life left of these partitions (L9).
 * 2. Pass after pass, copy what a majority of P agrees on and this node does not have yet.
 * 3. The node has caught up when a pass was short or found little.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import type { Copier } from './copier.ts'
import type { Entering } from './entering.ts'

const PAUSE_MS = 500
/** JOINT takes about as long as the last pass. */
const SHORT_PASS_MS = 2_000
/** Registers that a pass may have found and still count as little. */
const LITTLE = 500

export interface LearnerOptions {
  readonly self: NodeId
  readonly entering: Entering
  readonly copier: Copier
  readonly clock: Clock
  readonly logger: Logger
}

/** How far a node has come in PLANNED. Both counts are of partitions. */
export interface LearningProgress {
  readonly total: number
  readonly done: number
  readonly isCaughtUp: boolean
}

/** Learns in one PLANNED epoch. */
export class Learner {
  readonly #options: LearnerOptions
  readonly #view: LayoutView
  /** What this node will hold and does not hold yet. */
  readonly #partitions: readonly number[]
  /** Partitions that were finished in the last pass, or so far in the present one if that is more. */
  #done = 0
  /** By the last pass that ended. JOINT may begin once this holds of all nodes that copy (planned-step.ts). */
  #isCaughtUp = false

  constructor(options: LearnerOptions, view: LayoutView) {
    this.#options = options
    this.#view = view
    this.#partitions = view.learning(options.self)
    this.#isCaughtUp = this.#partitions.length === 0
  }

  get epoch(): number {
    return this.#view.epoch
  }

  get progress(): LearningProgress {
    return { total: this.#partitions.length, done: this.#done, isCaughtUp: this.#isCaughtUp }
  }

  /** Runs until the epoch is over. */
  async run(isOver: () => boolean): Promise<void> {
    if (this.#partitions.length === 0) return
    while (!isOver()) {
      await this.#pass(isOver).catch((error: unknown) => {
        this.#options.logger.debug({ error: String(error) }, 'a pass of learning did not finish')
      })
      if (isOver()) return
      await sleep(this.#options.clock, PAUSE_MS)
    }
  }

  async #pass(isOver: () => boolean): Promise<void> {
    const { entering, copier, clock } = this.#options
    const left = entering.among(this.#partitions)
    if (left.length > 0) await entering.clear(left, isOver)
    if (isOver() || entering.among(this.#partitions).length > 0) return
    const startedMs = clock.monotonicMs()
    let done = 0
    const result = await copier.pass({
      layout: this.#view,
      partitions: this.#partitions,
      mode: 'learn',
      marks: new Map(),
      isOver,
      done: (partitions) => {
        done += partitions.length
        this.#done = Math.max(this.#done, done)
        return Promise.resolve()
      },
    })
    this.#done = done
    const isShort = clock.monotonicMs() - startedMs <= SHORT_PASS_MS
    this.#isCaughtUp = result.left === 0 && (isShort || result.copied <= LITTLE)
  }
}
