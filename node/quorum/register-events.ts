/** What proposers and readers of registers report. The checkers of the simulation listen. */

import type { OperationId, RegisterKey } from '../../protocol/ids.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'

/** What a proposer or reader has learnt between two instants of its own clock. */
export interface RegisterEvent {
  readonly key: RegisterKey
  /** `proposed` is reported before any accept of the value is sent, again for each proposer. */
  readonly type: 'proposed' | 'written' | 'kept' | 'read' | 'unknown'
  readonly startedMs: number
  /** Left out when the register is absent; for `proposed` and `unknown`, when it is not known. */
  readonly ballot?: Ballot | undefined
  readonly operation?: OperationId | undefined
  /** Operation of the state that a write replaced. Left out when there was none. */
  readonly base?: OperationId | undefined
  /** The state that was proposed, written or found is a tombstone: the register may be absent later (G2). */
  readonly tombstone?: boolean | undefined
}

export type RegisterObserver = (event: RegisterEvent) => void
