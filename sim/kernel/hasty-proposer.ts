/** Mutant of P3: answers a failed condition upon the highest state of a quorum, chosen or not. */

import type { NodeId } from '../../protocol/ids.ts'
import { compareBallots } from '../../protocol/register/ballot.ts'
import { RegisterProposer } from '../../protocol/register/proposer.ts'
import { type ProposerOptions } from '../../protocol/register/proposer-options.ts'
import type { ProposerOutcome, Step } from '../../protocol/register/step.ts'
import type { Accepted, RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'

export class HastyProposer extends RegisterProposer {
  readonly #kept: { now: boolean }
  #prepare: RegisterRequest | undefined
  #highest: Accepted | undefined

  constructor(options: ProposerOptions) {
    const kept = { now: false }
    super({
      ...options,
      change: (current, chosen, clockMs) => {
        const result = options.change(current, chosen, clockMs)
        kept.now = 'keep' in result
        return result
      },
    })
    this.#kept = kept
  }

  override onReply(
    from: NodeId,
    request: RegisterRequest,
    reply: RegisterReply,
  ): Step<ProposerOutcome> {
    if (reply.type === 'promised') {
      if (request !== this.#prepare) this.#highest = undefined
      this.#prepare = request
      const { accepted } = reply
      if (
        accepted &&
        (!this.#highest || compareBallots(accepted.ballot, this.#highest.ballot) > 0)
      ) {
        this.#highest = accepted
      }
    }
    const step = super.onReply(from, request, reply)
    const current = this.#highest
    if (!this.#kept.now || step.outcome || !current || reply.type !== 'promised') return step
    return { send: [], outcome: { type: 'kept', current, ballot: current.ballot } }
  }
}
