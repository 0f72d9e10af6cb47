/**
 * Room for blocks that are being written to the replicas. A block that finds no room waits its turn, and so does its
 * client. Without this, a burst of uploads would fill what may wait for one peer, and be refused (F18).
 */

import { OverloadedError } from '../../protocol/errors.ts'
import type { Clock } from '../env/ports.ts'

/** Well below what may be in flight to one peer and wait for it (net/limits.ts: 80 MiB). */
export const WRITE_ROOM_BYTES = 40 << 20
/** How long blocks wait while none gets room. */
const STANDSTILL_MS = 30_000

/** A block without room yet. */
interface Waiting {
  readonly bytes: number
  readonly go: () => void
}

export class WriteRoom {
  readonly #clock: Clock
  /** In the order in which they came: a small block does not pass a large one. */
  readonly #waiting = new Set<Waiting>()
  #freeBytes: number
  /** When a block got room last. While blocks move, the others go on waiting. */
  #movedMs = 0
  /** Blocks that had to wait, and blocks that were refused after waiting. */
  waits = 0
  refused = 0

  constructor(clock: Clock, sizeBytes = WRITE_ROOM_BYTES) {
    this.#clock = clock
    this.#freeBytes = sizeBytes
  }

  /** True while blocks wait. Each of them holds a buffer already, so bodies should gather no more than they must. */
  get isCrowded(): boolean {
    return this.#waiting.size > 0
  }

  /** For status. */
  get waitingBytes(): number {
    let sum = 0
    for (const { bytes } of this.#waiting) sum += bytes
    return sum
  }

  /** Waits for room, first come, first served. Throws OverloadedError when no block has got room for too long. */
  async take(bytes: number): Promise<void> {
    if (this.#waiting.size === 0 && this.#freeBytes >= bytes) {
      this.#freeBytes -= bytes
      return
    }
    this.waits++
    await new Promise<void>((resolve, reject) => {
      let cancel = (): void => {}
      const waiting: Waiting = {
        bytes,
        go: () => {
          cancel()
          this.#waiting.delete(waiting)
          this.#freeBytes -= bytes
          this.#movedMs = this.#clock.monotonicMs()
          resolve()
        },
      }
      const giveUpAfter = (delayMs: number): void => {
        cancel = this.#clock.after(delayMs, () => {
          const leftMs = this.#movedMs + STANDSTILL_MS - this.#clock.monotonicMs()
          if (leftMs > 0) return giveUpAfter(leftMs)
          this.#waiting.delete(waiting)
          this.refused++
          reject(new OverloadedError('blocks are waiting for replicas that do not accept them'))
          this.#admit()
        })
      }
      giveUpAfter(STANDSTILL_MS)
      this.#waiting.add(waiting)
    })
  }

  /** Must be called once for each `take`, with the same number. */
  give(bytes: number): void {
    this.#freeBytes += bytes
    this.#admit()
  }

  /** Lets blocks in as far as there is room. */
  #admit(): void {
    for (const waiting of this.#waiting) {
      if (this.#freeBytes < waiting.bytes) return
      waiting.go()
    }
  }
}
