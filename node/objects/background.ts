/** A bounded queue for work that no request waits for. What does not fit is picked up by the upload sweep. */

/** How many pieces of work run at the same time. */
const WIDTH = 4
/** How many wait. Further ones are not done here. */
const WAITING_MAX = 1_000

/** Used by uploads.ts, for parts that are not needed any more. */
export class Background {
  readonly #waiting: (() => Promise<unknown>)[] = []
  #running = 0

  /**
   * Runs the work now or later, or never when too much is waiting. A failure is ignored: the upload sweep finds what
   * was not done.
   */
  run(work: () => Promise<unknown>): void {
    if (this.#running >= WIDTH) {
      if (this.#waiting.length < WAITING_MAX) this.#waiting.push(work)
      return
    }
    this.#running++
    void this.#go(work)
  }

  /** One of the `WIDTH` runners: goes on until nothing waits. */
  async #go(first: () => Promise<unknown>): Promise<void> {
    let work: (() => Promise<unknown>) | undefined = first
    while (work !== undefined) {
      try {
        await work()
      } catch {
        // The queue is full: the upload sweep does it later.
      }
      work = this.#waiting.shift()
    }
    this.#running--
  }
}
