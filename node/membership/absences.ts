/** Who does not answer any more, as one driver sees it. For liveness only: nothing that is safe rests on it. */

import type { NodeId } from '../../protocol/ids.ts'
import type { Timer } from './timer.ts'

/** A node that does not answer for so long is not waited for. */
export const GONE_MS = 30_000

export class Absences {
  readonly #timer: Timer
  /** When a node answered last, or was first asked. */
  readonly #heardMs = new Map<NodeId, number>()

  constructor(timer: Timer) {
    this.#timer = timer
  }

  reset(): void {
    this.#heardMs.clear()
  }

  /** Those of `nodes` that are gone, once these have answered. */
  gone(nodes: readonly NodeId[], answered: ReadonlySet<NodeId>): Set<NodeId> {
    const nowMs = this.#timer.nowMs()
    const gone = new Set<NodeId>()
    for (const node of nodes) {
      const heardMs = answered.has(node) ? nowMs : (this.#heardMs.get(node) ?? nowMs)
      this.#heardMs.set(node, heardMs)
      if (nowMs - heardMs >= GONE_MS) gone.add(node)
    }
    return gone
  }
}
