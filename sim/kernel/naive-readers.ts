/** Mutants of R1: readers that take a quorum's answers without agreement on the ballot. */

import type { NodeId } from '../../protocol/ids.ts'
import { compareBallots } from '../../protocol/register/ballot.ts'
import { isQuorum, membersOf } from '../../protocol/register/quorum.ts'
import type { ReaderOptions } from '../../protocol/register/read.ts'
import type { ReaderOutcome, Step } from '../../protocol/register/step.ts'
import type {
  Accepted,
  ReadRequest,
  RegisterReply,
  RegisterRequest,
} from '../../protocol/register/types.ts'
import type { KernelMachine } from './rules.ts'

abstract class NaiveReader implements KernelMachine<ReaderOutcome> {
  protected readonly options: ReaderOptions
  readonly #answers: { from: NodeId; accepted: Accepted | undefined }[] = []

  constructor(options: ReaderOptions) {
    this.options = options
  }

  /** The nodes whose answers so far count for one state, and that state. */
  protected abstract judge(answers: readonly { from: NodeId; accepted: Accepted | undefined }[]): {
    nodes: NodeId[]
    accepted: Accepted | undefined
  }

  start(): Step<ReaderOutcome> {
    const { key, epoch, sets } = this.options
    const request: ReadRequest = { type: 'read', key, epoch, want: 'value' }
    return { send: membersOf(sets).map((to) => ({ to, request })) }
  }

  onReply(from: NodeId, _: RegisterRequest, reply: RegisterReply): Step<ReaderOutcome> {
    if (reply.type !== 'state') return { send: [] }
    this.#answers.push({ from, accepted: reply.accepted })
    const { nodes, accepted } = this.judge(this.#answers)
    if (!isQuorum(this.options.sets, nodes)) return { send: [] }
    return { send: [], outcome: { type: 'state', ...(accepted && { accepted }) } }
  }

  onFailure(): Step<ReaderOutcome> {
    return { send: [] }
  }

  onBackoffOver(): Step<ReaderOutcome> {
    return { send: [] }
  }

  giveUp(): ReaderOutcome {
    return { type: 'unavailable' }
  }
}

/** Takes the highest of a quorum. */
export class HighestReader extends NaiveReader {
  protected override judge(answers: readonly { from: NodeId; accepted: Accepted | undefined }[]): {
    nodes: NodeId[]
    accepted: Accepted | undefined
  } {
    return { nodes: answers.map(({ from }) => from), accepted: highest(answers) }
  }
}

/** Counts those whose value is that of the latest answer, whatever its ballot. */
export class SameValueReader extends NaiveReader {
  protected override judge(answers: readonly { from: NodeId; accepted: Accepted | undefined }[]): {
    nodes: NodeId[]
    accepted: Accepted | undefined
  } {
    const operation = answers.at(-1)?.accepted?.value.operation
    const same = answers.filter(({ accepted }) => accepted?.value.operation === operation)
    return { nodes: same.map(({ from }) => from), accepted: highest(same) }
  }
}

function highest(answers: readonly { accepted: Accepted | undefined }[]): Accepted | undefined {
  let top: Accepted | undefined
  for (const { accepted } of answers) {
    if (accepted && (!top || compareBallots(accepted.ballot, top.ballot) > 0)) top = accepted
  }
  return top
}
