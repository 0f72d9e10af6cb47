/** What relays do to the bytes between two places, each way by itself. */

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

  /** Of all, those not asked for yet as well. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs
    for (const direction of this.#known.values()) direction.delayMs = delayMs
  }

  heal(): void {
    for (const direction of this.#known.values()) direction.cut = false
  }
}
