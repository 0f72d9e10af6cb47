/** What runs an operation on a register, a proposer or a reader, as node/metadata/registers.ts drives it. */

import type { NodeId } from '../../protocol/ids.ts'
import type { Step } from '../../protocol/register/step.ts'
import type { RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'

export interface Machine<Outcome> {
  readonly rounds: number
  start(): Step<Outcome>
  onReply(from: NodeId, request: RegisterRequest, reply: RegisterReply): Step<Outcome>
  onFailure(from: NodeId, request: RegisterRequest, maybeDelivered: boolean): Step<Outcome>
  onBackoffOver(): Step<Outcome>
  /** Answers are slow to come. */
  hedge(): Step<Outcome>
  giveUp(): Outcome
}
