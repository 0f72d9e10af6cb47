/**
 * Ids of operations (P4), never drawn twice: 8 random bytes of this process, the time in seconds (u32), then a count
 * (u32).
 */

import { byteString, readU32, u32 } from '../../protocol/bytes.ts'
import { operationId, type OperationId } from '../../protocol/ids.ts'
import type { Clock, Random } from '../env/ports.ts'

const ORIGIN_BYTES = 8
/** How far the clocks of two nodes may differ. */
const SLACK_MS = 3_000

export class OperationIds {
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #random: Pick<Random, 'bytes'>
  readonly #lastingSeconds: number
  /** Random bytes of this process, drawn with the first id. */
  #origin: string | undefined
  #count = 0

  /** @param lastingMs after this time a proposer has given its operation up */
  constructor(
    { clock, random }: { clock: Pick<Clock, 'nowMs'>; random: Pick<Random, 'bytes'> },
    lastingMs: number,
  ) {
    this.#clock = clock
    this.#random = random
    this.#lastingSeconds = Math.ceil((lastingMs + SLACK_MS) / 1_000)
  }

  /** An id that no operation of any node has had. */
  next(): OperationId {
    this.#origin ??= byteString(this.#random.bytes(ORIGIN_BYTES))
    this.#count = (this.#count + 1) >>> 0
    return operationId(this.#origin + u32(this.#seconds()) + u32(this.#count))
  }

  /** May the proposer of the operation still want to know its outcome? A wrong clock costs it only that knowledge. */
  isRecent(operation: OperationId): boolean {
    const ageSeconds = this.#seconds() - readU32(operation, ORIGIN_BYTES)
    return Math.abs(ageSeconds) <= this.#lastingSeconds
  }

  /** By the wall clock. A clock that is wrong does no harm: random bytes and count make an id unique. */
  #seconds(): number {
    return Math.floor(this.#clock.nowMs() / 1_000) >>> 0
  }
}
