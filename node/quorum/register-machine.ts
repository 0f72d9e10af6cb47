/** The interface of proposers and readers, by which register-driver.ts drives an operation on a register. */

import type { NodeId } from '../../protocol/ids.ts'
import type { Step } from '../../protocol/register/step.ts'
import type { RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'

export interface RegisterMachine<Outcome> {
  /** Round trips so far, for the request's figures. */
  readonly rounds: number
  /** Called first, once. Every method returns what to do next. */
  start(): Step<Outcome>
  /** Called for each answer, in the order in which they come. */
  onReply(from: NodeId, request: RegisterRequest, reply: RegisterReply): Step<Outcome>
  /** The request got no answer. `maybeDelivered`: it may have been carried out all the same (P4). */
  onFailure(from: NodeId, request: RegisterRequest, maybeDelivered: boolean): Step<Outcome>
  /** The back-off that a step asked for is over (P6). */
  onBackoffOver(): Step<Outcome>
  /** Called when answers are slow to come. */
  hedge(): Step<Outcome>
  /** Called at the deadline: the outcome by what is known then. Nothing is called after it. */
  giveUp(): Outcome
}
