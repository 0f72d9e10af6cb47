/** Logs what repair has pulled: one line when it is done, and one every 30 s before, instead of one for each pull. */

import type { NodeId } from '../../protocol/ids.ts'
import type { Clock, Logger } from '../env/ports.ts'

const INTERVAL_MS = 30_000

export class PullNotes {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #peers = new Set<NodeId>()
  #pulled = 0
  /** When the first of what the next line will count was pulled. */
  #sinceMs = 0

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  /**
   * Called after each attempt to make this node level with a peer.
   *
   * @param pulled registers and blocks that came from the peer in this attempt
   * @param pending partitions that are left to compare; the line is written at once when there are none
   */
  note(peer: NodeId, pulled: number, pending: number): void {
    const nowMs = this.#clock.monotonicMs()
    if (pulled > 0) {
      if (this.#pulled === 0) this.#sinceMs = nowMs
      this.#pulled += pulled
      this.#peers.add(peer)
    }
    if (this.#pulled === 0 || (pending > 0 && nowMs - this.#sinceMs < INTERVAL_MS)) return
    const fields = { pulled: this.#pulled, peers: this.#peers.size, pending }
    this.#logger.info(fields, 'repair: pulled what this node had missed')
    this.#pulled = 0
    this.#peers.clear()
  }
}
