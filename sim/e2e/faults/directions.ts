/** What relays do to bytes between two places, for each way separately. */

import type { Direction } from '../wan/relay.ts'

export class Directions {
  readonly #known = new Map<string, Direction>()
  #delayMs = 0

  of(from: number, to: number): Direction {
    const name = `${from} ${to}`
    let direction = this.#known.get(name)
    if (direction === undefined) {
      direction = { delayMs: this.#delayMs, cut: false }
      this.#known.set(name, direction)
    }
    return direction
  }

  /** Delays all directions, one way, also those that are asked for later. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs
    for (const direction of this.#known.values()) direction.delayMs = delayMs
  }

  heal(): void {
    for (const direction of this.#known.values()) direction.cut = false
  }
}
