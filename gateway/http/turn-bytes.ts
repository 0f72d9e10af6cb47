/**
 * How many bytes of bodies one turn of the event loop moves, over all connections. Copying and hashing them is what large
 * bodies cost, and hundreds of clients can become ready at once: everything else that waits for the loop would wait for
 * all of them. There is one budget for answers, and one for bodies that arrive.
 *
 * Invariants:
 *   - a slice goes out when the turn has bytes left, else in a later turn, in the order in which the slices came
 *   - a turn begins no further slice once `bytesPerTurn` are used. The kernel may take the rest of slices that were begun
 *     before at any time, so slices get smaller when there are many answers: up to 64 answers, all slices together are no more
 *     than one turn's bytes. Beyond that slices get no smaller, so those of 200 answers are three times as much
 *   - a slice that is dropped uses nothing
 */

import type { GatewayClock } from './clock.ts'
import { byTimer, inNextTurn } from './next-turn.ts'

/** Of answers. Copying them takes one to two milliseconds, and up to ten on a machine that is busy with other things. */
export const SENT_BYTES_PER_TURN = 4 << 20
/** Of bodies that arrive: each byte is hashed two or three times, and copied. */
export const RECEIVED_BYTES_PER_TURN = 2 << 20
/** A whole block. With few answers nothing is cut. */
const SLICE_BYTES_MAX = 1 << 20
/** As large as the pieces of clients that share the room for reads (node/quorum/read-room.ts), so that a piece waits once. */
const SLICE_BYTES_MIN = 64 << 10

interface Waiting {
  readonly sizeBytes: number
  readonly go: () => void
}

/** Two for each gateway: each thread has a loop of its own. */
export class TurnBytes {
  readonly #bytesPerTurn: number
  readonly #waiting = new Set<Waiting>()
  readonly #arm: () => void
  #leftBytes: number
  /** Answers that are being sent. */
  #answers = 0
  /** Counts turns in which bytes were used. */
  turn = 0

  constructor(clock: Pick<GatewayClock, 'after'>, bytesPerTurn: number) {
    this.#arm = inNextTurn(byTimer(clock), () => this.#begin())
    this.#bytesPerTurn = bytesPerTurn
    this.#leftBytes = bytesPerTurn
  }

  /** Slices that wait for a later turn. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** An answer in slices begins. Call `ended` once when it is over. */
  began(): void {
    this.#answers++
  }

  ended(): void {
    this.#answers--
  }

  /** How large slices should be now: a power of two, between 64 KiB and 1 MiB. */
  sliceBytes(): number {
    let sizeBytes = SLICE_BYTES_MAX
    while (sizeBytes > SLICE_BYTES_MIN && sizeBytes * this.#answers > this.#bytesPerTurn)
      sizeBytes /= 2
    return sizeBytes
  }

  /** Uses bytes of this turn. False when none are left, or other slices wait for theirs: then call `wait`. */
  take(sizeBytes: number): boolean {
    if (this.#leftBytes <= 0 || this.#waiting.size > 0) return false
    this.use(sizeBytes)
    return true
  }

  /** As `take`, for who cannot be dropped: undefined when the bytes are there now, else resolves in the turn that has them. */
  taken(sizeBytes: number): Promise<void> | undefined {
    if (this.take(sizeBytes)) return undefined
    return new Promise((resolve) => void this.wait(sizeBytes, resolve))
  }

  /** Calls `go` in a later turn, whose bytes have been used then. The returned function drops the slice before that. */
  wait(sizeBytes: number, go: () => void): () => void {
    const waiting = { sizeBytes, go }
    this.#waiting.add(waiting)
    this.#arm()
    return () => void this.#waiting.delete(waiting)
  }

  /** The kernel has taken bytes in this turn that belong to a slice of an earlier one. */
  use(sizeBytes: number): void {
    this.#leftBytes -= sizeBytes
    this.#arm()
  }

  #begin(): void {
    this.turn++
    this.#leftBytes = this.#bytesPerTurn
    for (const waiting of this.#waiting) {
      if (this.#leftBytes <= 0) return
      this.#waiting.delete(waiting)
      this.use(waiting.sizeBytes)
      waiting.go()
    }
  }
}
