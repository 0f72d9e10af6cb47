/** Work that nobody waits for, a little at a time. What finds no room is left to care, which comes by
 * again. */

const WIDTH = 4
const WAITING_MAX = 1_000

export class Background {
  readonly #waiting: (() => Promise<unknown>)[] = []
  #running = 0

  /** A failure is nobody's: whatever it leaves behind is found again. */
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
        // Care does it later.
      }
      work = this.#waiting.shift()
    }
    this.#running--
  }
}
