/** The highest ballot counter that this node has used or seen, so that each new ballot is above it (P6). */
export class BallotCounter {
  #counter = 0

  /** The next counter to use. It is above `least` too. */
  next(least: number): number {
    this.#counter = Math.max(this.#counter, least) + 1
    return this.#counter
  }

  /** A replica has a ballot with this counter: later ones must be above it. */
  saw(counter: number): void {
    this.#counter = Math.max(this.#counter, counter)
  }
}
