/** Time that passes only when a test runs the clock: events run in the order of their instants. */

import type { Clock } from '../../node/env/ports.ts'

interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export class VirtualClock implements Clock {
  private now = 0
  private order = 0
  /** A binary heap by (atMs, order). */
  private readonly heap: Event[] = []
  private readonly cancelled = new Set<Event>()

  nowMs(): number {
    return 1_800_000_000_000 + Math.floor(this.now)
  }

  monotonicMs(): number {
    return this.now
  }

  after(delayMs: number, run: () => void): () => void {
    const event: Event = { atMs: this.now + Math.max(0, delayMs), order: this.order++, run }
    push(this.heap, event)
    return () => this.cancelled.add(event)
  }

  get idle(): boolean {
    return this.heap.length === 0
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    for (;;) {
      const event = pop(this.heap)
      if (event === undefined) return false
      if (this.cancelled.delete(event)) continue
      this.now = event.atMs
      event.run()
      return true
    }
  }

  /** Runs events, and all that follows from each, until the promise settles. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    const outcome = { settled: false }
    const mark = (): void => {
      outcome.settled = true
    }
    promise.then(mark, mark)
    await turn()
    while (!outcome.settled) {
      if (!this.step()) throw new Error('waits for an event that never comes')
      await turn()
    }
    return promise
  }

  /** Runs events until `done` or until there is none. */
  async runUntil(done: () => boolean): Promise<void> {
    await turn()
    while (!done() && this.step()) await turn()
  }
}

/** The time of one machine whose process may be stopped: meanwhile nothing that is due happens. */
export class StoppableClock implements Clock {
  private readonly clock: Clock
  private held: (() => void)[] | undefined
  private offsetMs = 0

  constructor(clock: Clock) {
    this.clock = clock
  }

  nowMs(): number {
    return this.clock.nowMs() + this.offsetMs
  }

  /** Puts the wall clock `offsetMs` off the true time from now on. The monotonic clock is not affected. */
  jump(offsetMs: number): void {
    this.offsetMs = offsetMs
  }

  monotonicMs(): number {
    return this.clock.monotonicMs()
  }

  after(delayMs: number, run: () => void): () => void {
    let cancelled = false
    const due = (): void => {
      if (cancelled) return
      if (this.held === undefined) run()
      else this.held.push(due)
    }
    const cancel = this.clock.after(delayMs, due)
    return () => {
      cancelled = true
      cancel()
    }
  }

  stop(): void {
    this.held ??= []
  }

  /** All that was due happens now, in order. */
  resume(): void {
    const { held } = this
    this.held = undefined
    for (const due of held ?? []) due()
  }
}

/** Lets every promise that can go on do so. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

function push(heap: Event[], event: Event): void {
  let at = heap.length
  heap.push(event)
  while (at > 0) {
    const parent = (at - 1) >> 1
    const other = heap[parent] as Event
    if (!isBefore(event, other)) break
    heap[at] = other
    at = parent
  }
  heap[at] = event
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (first === undefined || last === undefined || heap.length === 0) return first
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++
    if (!isBefore(heap[child] as Event, last)) break
    heap[at] = heap[child] as Event
    at = child
  }
  heap[at] = last
  return first
}
