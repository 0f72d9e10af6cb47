/** Which nodes no longer answer, as one driver sees it. For liveness only: no safety depends on it. */

import type { NodeId } from '../../protocol/ids.ts'
import type { Timer } from './timer.ts'

/** A node that does not answer for this long is not waited for. */
export const GONE_MS = 30_000

export class Absences {
  readonly #timer: Timer
  /** When a node that does not answer was first asked in vain. */
  readonly #silentMs = new Map<NodeId, number>()

  constructor(timer: Timer) {
    this.#timer = timer
  }

  reset(): void {
    this.#silentMs.clear()
  }

  /** Notes which nodes have answered, and returns those of `nodes` that are gone. */
  gone(nodes: readonly NodeId[], answered: ReadonlySet<NodeId>): Set<NodeId> {
    const nowMs = this.#timer.nowMs()
    const gone = new Set<NodeId>()
    for (const node of nodes) {
      if (answered.has(node)) {
        this.#silentMs.delete(node)
        continue
      }
      // Not counted from the last answer: a driver that asks seldom must not take one lost message for an absence.
      const sinceMs = this.#silentMs.get(node) ?? nowMs
      this.#silentMs.set(node, sinceMs)
      if (nowMs - sinceMs >= GONE_MS) gone.add(node)
    }
    return gone
  }
}
