/** How long an operation that has had no effect yet waits for a majority of the replicas to be reachable. */

import type { RequestContext } from '../../protocol/context.ts'
import type { Clock, Random } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import { noRoom, unavailable } from './register-errors.ts'

/** Enough for a peer to restart or a connection to be made again. With a longer wait, requests would pile up on a node
 * that is cut off. */
const PATIENCE_MS = 2_500
/** The first wait, doubled with each further one up to sixteen times, with a random factor from 0.5 to 1.5. */
const POLL_MS = 60

export class Patience {
  readonly #clock: Clock
  readonly #random: Random
  readonly #signal: AbortSignal
  /** When the operation began, on the monotonic clock. */
  readonly startedMs: number

  constructor(
    { clock, random }: { readonly clock: Clock; readonly random: Random },
    { signal }: RequestContext,
  ) {
    this.#clock = clock
    this.#random = random
    this.#signal = signal
    this.startedMs = clock.monotonicMs()
  }

  /** Waits a little longer after each attempt, or throws Unavailable. `hasRoom`: false when full replicas were the reason. */
  async wait(attempts: number, hasRoom = true): Promise<void> {
    const delayMs = POLL_MS * 2 ** Math.min(attempts, 4) * (0.5 + this.#random.float())
    const isOver = this.#clock.monotonicMs() + delayMs > this.startedMs + PATIENCE_MS
    if (isOver || this.#signal.aborted) throw hasRoom ? unavailable() : noRoom()
    await sleep(this.#clock, delayMs)
  }
}
