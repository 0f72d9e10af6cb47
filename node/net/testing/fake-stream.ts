/** Two ends of a stream in one process, for tests: limited like yamux, and bytes arrive when the test says so. */

import type { Clock } from '../../env/ports.ts'
import type { ByteChunks, ByteStream } from '../byte-stream.ts'

type Event = { data: Uint8Array | ByteChunks; error?: Error }

export class FakeStream implements ByteStream {
  status = 'open'
  writableNeedsDrain = false
  paused = false
  /** Bytes per call of `send`, for tests of batching. */
  readonly sent: Uint8Array[] = []
  peer: FakeStream | undefined
  readonly #windowBytes: number
  #undelivered: Uint8Array[] = []
  readonly #listeners = new Map<string, ((event: Event) => void)[]>()

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes
  }

  send(bytes: Uint8Array): boolean {
    if (this.status !== 'open') throw new Error(`cannot write to a stream that is ${this.status}`)
    this.sent.push(bytes)
    this.#undelivered.push(bytes)
    const total = this.#undelivered.reduce((sum, { length }) => sum + length, 0)
    if (total > this.#windowBytes) this.writableNeedsDrain = true
    return !this.writableNeedsDrain
  }

  /** Delivers to the peer what was sent, unless it has paused. Returns whether there was anything. */
  deliver(): boolean {
    if (this.#undelivered.length === 0 || this.peer === undefined || this.peer.paused) return false
    const bytes = this.#undelivered
    this.#undelivered = []
    for (const data of bytes) this.peer.emit('message', { data })
    if (this.writableNeedsDrain) {
      this.writableNeedsDrain = false
      this.emit('drain', { data: new Uint8Array(0) })
    }
    return true
  }

  emit(type: string, event: Event): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  abort(error: Error): void {
    if (this.status !== 'open') return
    this.status = 'aborted'
    this.emit('close', { data: new Uint8Array(0), error })
    const { peer } = this
    if (peer === undefined || peer.status !== 'open') return
    peer.status = 'reset'
    peer.emit('close', { data: new Uint8Array(0), error: new Error('reset') })
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    const listeners = this.#listeners.get(type) ?? []
    listeners.push(listener as (event: Event) => void)
    this.#listeners.set(type, listeners)
  }
}

export function fakePair(windowBytes = 64 * 1024): [FakeStream, FakeStream] {
  const a = new FakeStream(windowBytes)
  const b = new FakeStream(windowBytes)
  a.peer = b
  b.peer = a
  return [a, b]
}

/** A clock that moves only when the test says so. */
export class StreamClock implements Clock {
  #nowMs = 1_000
  readonly #timers = new Map<object, { atMs: number; run: () => void }>()

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): () => void {
    const key = {}
    this.#timers.set(key, { atMs: this.#nowMs + delayMs, run })
    return () => this.#timers.delete(key)
  }

  get timers(): number {
    return this.#timers.size
  }

  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs
    for (;;) {
      const due = [...this.#timers].filter(([, { atMs }]) => atMs <= untilMs)
      const next = due.sort(([, a], [, b]) => a.atMs - b.atMs)[0]
      if (next === undefined) break
      this.#timers.delete(next[0])
      this.#nowMs = next[1].atMs
      next[1].run()
    }
    this.#nowMs = untilMs
  }
}
