/**
 * What became of the accepts of one operation: whether every replica is full, and whether one of them may have stored
 * the value all the same. The client is told "full" only when none has (P4), because 507 says that nothing happened.
 */

import type { NodeId } from '../../protocol/ids.ts'
import { majority, membersOf } from '../../protocol/register/quorum.ts'
import type { Send } from '../../protocol/register/step.ts'
import type { RegisterReply, ReplicaSets } from '../../protocol/register/types.ts'

/** How long to wait for replicas that a majority did not wait for. */
const PATIENCE_MS = 500

export class AcceptTally {
  /** Replicas that told the present proposer that they have no room (F6). */
  readonly #full = new Set<NodeId>()
  /** Accepts that were sent and neither answered nor failed, of all proposers. */
  #unanswered = 0
  /** Accepts that a replica has stored, or may have stored. Never falls: what was stored stays. */
  #perhapsStored = 0
  /** Wakes `allAnswered`. */
  #idle: (() => void) | undefined

  /** A new proposer of the same operation. What earlier ones sent still counts. */
  begin(): void {
    this.#full.clear()
  }

  /** Must be called for every request, before its answer. */
  sent({ request }: Send): void {
    if (request.type === 'accept') this.#unanswered++
  }

  /** `reply` is undefined when the request failed; `maybeDelivered` says whether it may have been carried out. */
  answered({ to, request }: Send, reply: RegisterReply | undefined, maybeDelivered: boolean): void {
    if (request.type !== 'accept') return
    this.#unanswered--
    const isFull = reply?.type === 'no-vote' && reply.reason === 'full'
    if (isFull) this.#full.add(to)
    else this.#full.delete(to)
    if (!isFull && (reply === undefined ? maybeDelivered : !isCertainlyRefused(reply))) {
      this.#perhapsStored++
    }
    if (this.#unanswered === 0) this.#idle?.()
  }

  /** May a majority of each set have room? */
  hasRoom(sets: ReplicaSets): boolean {
    if (this.#full.size === 0) return true
    return sets.every((set) => {
      const left = set.filter((node) => !this.#full.has(node)).length
      return left >= majority(set.length)
    })
  }

  /** Is every replica full? */
  isFull(sets: ReplicaSets): boolean {
    return this.#full.size > 0 && membersOf(sets).every((node) => this.#full.has(node))
  }

  /**
   * Whether a replica may have the value. While this holds, nothing may be answered that says "nothing happened" (P4).
   */
  get mayBeStored(): boolean {
    return this.#perhapsStored > 0 || this.#unanswered > 0
  }

  /** Resolves when every accept is answered, or after a short while. */
  async allAnswered(after: (delayMs: number, run: () => void) => () => void): Promise<void> {
    if (this.#unanswered === 0) return
    await new Promise<void>((resolve) => {
      const cancel = after(PATIENCE_MS, resolve)
      this.#idle = () => {
        cancel()
        resolve()
      }
    })
  }
}

/**
 * These replies were decided before anything was stored. "Stale epoch" is not among them: a replica may learn of a
 * later epoch while it stores (L6b).
 */
function isCertainlyRefused(reply: RegisterReply): boolean {
  switch (reply.type) {
    case 'conflict':
      return reply.never === true
    case 'need-blocks':
    case 'stale-fence':
      return true
    case 'accepted':
    case 'no-vote':
    case 'promised':
    case 'stale-epoch':
    case 'state':
      return false
  }
}
