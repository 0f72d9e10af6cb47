/**
 * Long synchronous work that can be interrupted, and a count of what it has cost.
 *
 * A `Work` is a generator: it yields when it has taken about a millisecond, so that the program can serve
 * others in between, and returns its result. What it does is counted in steps, never in time, so
 * that the same input stops at the same place everywhere. One step is about the comparison of two
 * characters (some nanoseconds).
 */

export type Work<T> = Generator<void, T, void>

/** About a millisecond. */
export const SLICE_STEPS = 250_000

/** The work would take more steps than it may. */
export class BudgetError extends Error {
  override readonly name = 'BudgetError'

  constructor() {
    super('the work takes more steps than it may')
  }
}

/** Steps taken by one or several works together. */
export class Meter {
  readonly #stepsMax: number
  #steps = 0
  #sliceEnd = SLICE_STEPS

  constructor(stepsMax = Number.MAX_SAFE_INTEGER) {
    this.#stepsMax = stepsMax
  }

  get steps(): number {
    return this.#steps
  }

  take(steps: number): void {
    this.#steps += steps
  }

  /** True when it is time to yield. Throws BudgetError once more steps were taken than allowed. */
  isDue(): boolean {
    if (this.#steps > this.#stepsMax) throw new BudgetError()
    if (this.#steps < this.#sliceEnd) return false
    this.#sliceEnd = this.#steps + SLICE_STEPS
    return true
  }
}

/** The result, without interruption. */
export function finish<T>(work: Work<T>): T {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}
