/**
 * Room for blocks that are being read for clients: one budget for the whole node. However many readers there are and
 * however slow they are, their buffers stay within it, and each reader makes progress.
 *
 *   1. Half of it is for whole blocks. A reader that finds room there keeps its block while its client takes it, and
 *      reads ahead while its client is quick.
 *   2. A reader that finds no room reads in turns: it waits in a queue for one of a few places, reads its block,
 *      copies a piece of it, and gives the place back when its client has not taken the piece within a moment. So a
 *      slow client holds only a piece, and its block is read again for the next piece.
 *   3. The more readers read in turns, the smaller the pieces, so that all of them fit the other half.
 */

import type { Clock } from '../env/ports.ts'

export const READ_ROOM_BYTES = 64 << 20
/** Shares of the budget: for whole blocks, and for blocks that are read in turns. The rest is for pieces. */
const WHOLE_SHARE = 0.5
const TURNS_SHARE = 0.25
const PIECE_BYTES_MAX = 256 << 10
const PIECE_BYTES_MIN = 16 << 10
/** Blocks that are read at the same time, from the disk or from peers. */
const READS_MAX = 16
/** Buffers that were unused for this long are returned to the system. */
const IDLE_MS = 10_000
/** A client that has taken a piece within this time is quick: its reader may go on with the same block. */
export const QUICK_MS = 20

export class ReadRoom {
  readonly #clock: Clock
  readonly #blockBytes: number
  readonly #wholeBytes: number
  readonly #pieceBytes: number
  /** Places for blocks that are read in turns. */
  readonly #turns: Line
  /** Places for reads that are under way. */
  readonly #reads = new Line(READS_MAX)
  readonly #onIdle: () => void
  /** Whole blocks that are being read or held. */
  #whole = 0
  /** A timer for `onIdle` runs. */
  #resting = false
  /** Readers that now read in turns. */
  #inTurns = 0
  /** Reads that found no room for a whole block. */
  waits = 0

  /** `onIdle`: called when no block has been read or held for a while. */
  constructor(
    clock: Clock,
    blockBytes: number,
    sizeBytes = READ_ROOM_BYTES,
    onIdle: () => void = () => {},
  ) {
    this.#onIdle = onIdle
    this.#clock = clock
    this.#blockBytes = blockBytes
    this.#wholeBytes = Math.max(blockBytes, sizeBytes * WHOLE_SHARE)
    this.#turns = new Line(Math.max(1, Math.floor((sizeBytes * TURNS_SHARE) / blockBytes)))
    this.#pieceBytes = sizeBytes * (1 - WHOLE_SHARE - TURNS_SHARE)
  }

  /** Bytes of blocks that are being read or held, without pieces. */
  get usedBytes(): number {
    return (this.#whole + this.#turns.taken) * this.#blockBytes
  }

  /** For status: readers that found no room for a whole block. */
  get readersInTurns(): number {
    return this.#inTurns
  }

  /** Room for a whole block, for as long as the reader likes. False when there is none: the reader reads in turns. */
  takeWhole(): boolean {
    return this.#takeWithin(this.#wholeBytes)
  }

  /** The same for a block that is read ahead. Half of the room is kept for readers that have no block yet. */
  takeWholeAhead(): boolean {
    return this.#takeWithin(this.#wholeBytes / 2)
  }

  /** Gives the room for a whole block back. */
  giveWhole(): void {
    this.#whole--
    this.#restWhenIdle()
  }

  /** Called for a reader that found no room: it reads in turns until `leaveTurns`. */
  enterTurns(): void {
    this.waits++
    this.#inTurns++
  }

  /** The reader has found room or has ended. */
  leaveTurns(): void {
    this.#inTurns--
  }

  /** A place for one block, for a short time. Rejects when the signal aborts. */
  takeTurn(signal: AbortSignal): Promise<void> {
    return this.#turns.take(signal)
  }

  /** Gives the place back. */
  giveTurn(): void {
    this.#turns.give()
    this.#restWhenIdle()
  }

  /** Reads a block when its turn comes. Too many reads at the same time would all run into their deadlines. */
  async reading<T>(signal: AbortSignal, read: () => Promise<T>): Promise<T> {
    if (!this.#reads.takeNow()) await this.#reads.take(signal)
    try {
      return await read()
    } finally {
      this.#reads.give()
    }
  }

  /**
   * How many bytes of its block a reader in turns may take at a time: a power of two, so that it seldom changes while
   * readers come and go, and their buffers stay.
   */
  pieceBytes(): number {
    let sizeBytes = PIECE_BYTES_MAX
    while (sizeBytes > PIECE_BYTES_MIN && sizeBytes * this.#inTurns > this.#pieceBytes)
      sizeBytes /= 2
    return sizeBytes
  }

  #takeWithin(limitBytes: number): boolean {
    if ((this.#whole + 1) * this.#blockBytes > limitBytes) return false
    this.#whole++
    return true
  }

  nowMs(): number {
    return this.#clock.monotonicMs()
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#clock.after(delayMs, run)
  }

  /** Calls `onIdle` when nothing is held now, and still nothing after a while. */
  #restWhenIdle(): void {
    if (this.usedBytes > 0 || this.#resting) return
    this.#resting = true
    this.#clock.after(IDLE_MS, () => {
      this.#resting = false
      if (this.usedBytes === 0) this.#onIdle()
    })
  }
}

/** A few places, and a queue of those that wait for one. */
class Line {
  readonly #max: number
  readonly #waiting = new Set<() => void>()
  taken = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Takes a place that nobody waits for. False when there is none. */
  takeNow(): boolean {
    if (this.taken >= this.#max || this.#waiting.size > 0) return false
    this.taken++
    return true
  }

  /** Waits for a place, first come, first served. Rejects with the signal's reason when it aborts. */
  async take(signal: AbortSignal): Promise<void> {
    if (this.takeNow()) return
    await new Promise<void>((resolve, reject) => {
      const over = (): void => {
        this.#waiting.delete(go)
        reject(signal.reason as Error)
      }
      const go = (): void => {
        this.#waiting.delete(go)
        signal.removeEventListener('abort', over)
        this.taken++
        resolve()
      }
      if (signal.aborted) return over()
      signal.addEventListener('abort', over, { once: true })
      this.#waiting.add(go)
    })
  }

  /** Gives the place back, and lets the first one that waits have it. */
  give(): void {
    this.taken--
    for (const go of this.#waiting) {
      if (this.taken >= this.#max) return
      go()
    }
  }
}
