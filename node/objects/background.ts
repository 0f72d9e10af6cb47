/** A bounded queue for work that no request waits for. What does not fit is picked up by the upload sweep. */

const WIDTH = 4
const WAITING_MAX = 1_000

export class Background {
  readonly #waiting: (() => Promise<unknown>)[] = []
  #running = 0

  /** A failure is ignored: the upload sweep finds what was not done. */
  run(work: () => Promise<unknown>): void {
    if (this.#running >= WIDTH) {
      if (this.#waiting.length < WAITING_MAX) this.#waiting.push(work)
      return
    }
    this.#running++
    void this.#go(work)
  }

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
