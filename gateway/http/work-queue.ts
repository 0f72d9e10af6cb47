/**
 * The queue of long synchronous work (protocol/work.ts): parsing large documents, evaluating large sets of
 * policies. All requests of a node share it, so that many of them together hold the event loop no longer
 * than one does.
 *
 * Invariants:
 *   - work of at most one slice is done immediately, without a promise
 *   - all other work takes turns, one slice each, and one turn of the event loop runs slices for at most
 *     TURN_MS_MAX (and at most SLICES_PER_TURN) before everything else that waits for the loop
 *   - work whose request was aborted is dropped at its next slice
 */

import type { Work } from '../../protocol/work.ts'
import type { GatewayClock } from './clock.ts'
import { RequestAborted, type AbortCause } from './exchange.ts'
import { byTimer, inNextTurn } from './next-turn.ts'

const TURN_MS_MAX = 8
/** Simulated clocks do not advance while code runs, so the number of slices ends a turn too. */
const SLICES_PER_TURN = 8

/** The request that the work belongs to. */
export interface WorkOwner {
  readonly aborted?: AbortCause | undefined
}

interface Task {
  readonly work: Work<unknown>
  readonly owner: WorkOwner
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** One for each gateway; requests use it through `inTurns`. */
export class WorkQueue {
  readonly #clock: Pick<GatewayClock, 'after' | 'monotonicMs'>
  readonly #arm: () => void
  #waiting: Task[] = []

  constructor(clock: Pick<GatewayClock, 'after' | 'monotonicMs'>) {
    this.#clock = clock
    this.#arm = inNextTurn(byTimer(clock), () => {
      this.#turn()
      if (this.#waiting.length > 0) this.#arm()
    })
  }

  /** Throws or rejects with what `work` throws, or with RequestAborted when its request was aborted. */
  run<T>(work: Work<T>, owner: WorkOwner): T | Promise<T> {
    const first = work.next()
    if (first.done === true) return first.value
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, owner, resolve: resolve as (value: unknown) => void, reject })
      this.#arm()
    })
  }

  #turn(): void {
    const beganMs = this.#clock.monotonicMs()
    for (let slice = 0; slice < SLICES_PER_TURN; slice++) {
      const task = this.#waiting.shift()
      if (task === undefined) return
      if (!isOver(task)) this.#waiting.push(task)
      if (this.#clock.monotonicMs() - beganMs >= TURN_MS_MAX) return
    }
  }
}

/** Runs one slice. */
function isOver({ work, owner, resolve, reject }: Task): boolean {
  try {
    if (owner.aborted !== undefined) throw new RequestAborted(owner.aborted)
    const step = work.next()
    if (step.done !== true) return false
    resolve(step.value)
  } catch (error) {
    reject(error)
  }
  return true
}
