/** What proposers and readers of registers tell about: checkers of the simulation listen. */

import type { OperationId, RegisterKey } from '../../protocol/ids.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'

/** What a proposer or reader learnt, between two instants of its own clock. */
export interface RegisterEvent {
  readonly key: RegisterKey
  /** `proposed`: told before any accept of it is sent, each time anew. */
  readonly type: 'proposed' | 'written' | 'kept' | 'read' | 'unknown'
  readonly startedMs: number
  /** Absent: the register is absent, or, of `proposed` and `unknown`, not known. */
  readonly ballot?: Ballot | undefined
  readonly operation?: OperationId | undefined
  /** Operation of the state that a write replaced; absent: there was none. */
  readonly base?: OperationId | undefined
  /** What was proposed, written or found is one: later the register may be absent (G2). */
  readonly tombstone?: boolean | undefined
}

export type RegisterObserver = (event: RegisterEvent) => void
