/** The one event queue: a binary heap by time, then by order of insertion. */

export class EventQueue {
  /** time * 2^24 + insertion number, so that one comparison decides. */
  readonly #keys: number[] = []
  readonly #runs: (() => void)[] = []
  #inserted = 0
  now = 0

  get size(): number {
    return this.#keys.length
  }

  after(delay: number, run: () => void): void {
    const key = (this.now + delay) * 0x1000000 + this.#inserted++
    const keys = this.#keys
    const runs = this.#runs
    let at = keys.length
    keys.push(key)
    runs.push(run)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const parentKey = keys[parent] as number
      if (parentKey <= key) break
      keys[at] = parentKey
      runs[at] = runs[parent] as () => void
      at = parent
    }
    keys[at] = key
    runs[at] = run
  }

  /** Takes the earliest event out and moves the time to it. */
  next(): (() => void) | undefined {
    const keys = this.#keys
    const runs = this.#runs
    const first = runs[0]
    if (first === undefined) return undefined
    this.now = Math.floor((keys[0] as number) / 0x1000000)
    const key = keys.pop() as number
    const run = runs.pop() as () => void
    const size = keys.length
    if (size === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && (keys[child + 1] as number) < (keys[child] as number)) child++
      const childKey = keys[child] as number
      if (childKey >= key) break
      keys[at] = childKey
      runs[at] = runs[child] as () => void
      at = child
    }
    keys[at] = key
    runs[at] = run
    return first
  }
}
