/** Reading a register (R1-R3). (Signatures first; the body follows.) */

import type { NodeId, RegisterKey } from '../ids.ts'
import type { ReaderOutcome, Step } from './step.ts'
import type { Fence, RegisterReply, RegisterRequest, ReplicaSets } from './types.ts'

export interface ReaderOptions {
  readonly key: RegisterKey
  readonly sets: ReplicaSets
  readonly epoch: number
  readonly fence?: Fence | undefined
  /** Nearest first: the first that is a member sends the value, the others their ballot. */
  readonly preferred?: readonly NodeId[] | undefined
}

export class Reader {
  /** Quorum rounds waited for so far. */
  rounds = 0

  constructor(_options: ReaderOptions) {
    throw new Error('not written yet')
  }

  start(): Step<ReaderOutcome> {
    throw new Error('not written yet')
  }

  onReply(_from: NodeId, _request: RegisterRequest, _reply: RegisterReply): Step<ReaderOutcome> {
    throw new Error('not written yet')
  }

  onFailure(
    _from: NodeId,
    _request: RegisterRequest,
    _maybeDelivered: boolean,
  ): Step<ReaderOutcome> {
    throw new Error('not written yet')
  }

  onBackoffOver(): Step<ReaderOutcome> {
    throw new Error('not written yet')
  }

  /** Call when the value is slow to come: asks one more replica for it. Empty when nothing is to ask. */
  hedge(): Step<ReaderOutcome> {
    throw new Error('not written yet')
  }

  /** The deadline has passed: `unavailable`. */
  giveUp(): ReaderOutcome {
    throw new Error('not written yet')
  }
}
