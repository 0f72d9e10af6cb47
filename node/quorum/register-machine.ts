/** The interface of proposers and readers, by which register-driver.ts drives an operation on a register. */

import type { NodeId } from '../../protocol/ids.ts'
import type { Step } from '../../protocol/register/step.ts'
import type { RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'

export interface RegisterMachine<Outcome> {
  readonly rounds: number
  start(): Step<Outcome>
  onReply(from: NodeId, request: RegisterRequest, reply: RegisterReply): Step<Outcome>
  onFailure(from: NodeId, request: RegisterRequest, maybeDelivered: boolean): Step<Outcome>
  onBackoffOver(): Step<Outcome>
  /** Called when answers are slow to come. */
  hedge(): Step<Outcome>
  giveUp(): Outcome
}
