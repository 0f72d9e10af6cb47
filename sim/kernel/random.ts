/** Seeded numbers for the kernel simulation: splitmix32, one word of state. */

export class KernelRandom {
  #state: number

  constructor(seed: number) {
    // Neighbouring seeds must not give neighbouring streams.
    this.#state = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) | 0
    this.next()
  }

  /** 32 bits, unsigned. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0
    let z = this.#state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }

  /** In [0, below). */
  int(below: number): number {
    return this.next() % below
  }

  chance(permille: number): boolean {
    return this.next() % 1000 < permille
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(from.length)] as T
  }
}
