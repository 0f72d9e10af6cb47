/**
 * Real acceptors with proposers and readers against them, one message at a time. What happens is written down as a
 * transcript
 * of lines that read "node request -> reply".
 */

import { unreachable } from '../../assert.ts'
import type { BlockKey, NodeId, OperationId, ProposerId, RegisterKey } from '../../ids.ts'
import { type AcceptorEnv, type AcceptorState, handle } from '../acceptor.ts'
import { type Ballot, ZERO_BALLOT } from '../ballot.ts'
import { RegisterProposer } from '../proposer.ts'
import { type Change, type ProposerOptions } from '../proposer-options.ts'
import { Reader, type ReaderOptions } from '../read.ts'
import type { ProposerOutcome, ReaderOutcome, Send, Step } from '../step.ts'
import type { RegisterReply, RegisterRequest, RegisterValue, ReplicaSets } from '../types.ts'

type Outcome = ProposerOutcome | ReaderOutcome

interface Machine {
  readonly rounds: number
  start(): Step<Outcome>
  onReply(from: NodeId, request: RegisterRequest, reply: RegisterReply): Step<Outcome>
  onFailure(from: NodeId, request: RegisterRequest, maybeDelivered: boolean): Step<Outcome>
  onBackoffOver(): Step<Outcome>
  giveUp(): Outcome
}

const LAB_KEY = 'key' as RegisterKey

export const labNodes = (text: string): NodeId[] => text.split('') as NodeId[]

const LAB_SETS: ReplicaSets = [labNodes('abc')]

export const writing =
  (body = 0, blocks: string[] = []): Change =>
  () => ({
    write: { tombstone: false, body: new Uint8Array([body]), blocks: blocks as BlockKey[] },
  })

export const keeping: Change = () => ({ keep: true })

const show = ({ counter, proposer }: Ballot): string => `${counter}${proposer}`

/** Acceptors a, b, c, … and what was sent to them but has not arrived. */
export class RegisterLab {
  readonly log: string[] = []
  readonly states = new Map<string, AcceptorState>()
  readonly env: { -readonly [Field in keyof AcceptorEnv]: AcceptorEnv[Field] } = {
    mark: 1000,
    floor: ZERO_BALLOT,
    epoch: 1,
    minimumGeneration: 0,
    holdsBlock: () => true,
    clockMs: 1,
    faulty: false,
  }
  #counter = 0
  readonly #machines = new Map<string, { machine: Machine; mail: Send[] }>()
  readonly outcomes = new Map<string, Outcome>()

  propose(name: string, options: Partial<ProposerOptions> = {}): RegisterProposer {
    const proposer = new RegisterProposer({ ...this.base(name), change: writing(), ...options })
    this.begin(name, proposer)
    return proposer
  }

  base(name: string): Omit<ProposerOptions, 'change'> {
    return {
      key: LAB_KEY,
      operation: `op-${name}` as OperationId,
      proposer: name as ProposerId,
      nextCounter: (above) => (this.#counter = Math.max(this.#counter, above) + 1),
      sets: LAB_SETS,
      epoch: 1,
    }
  }

  read(name: string, options: Partial<ReaderOptions> = {}): Reader {
    const reader = new Reader({ key: LAB_KEY, sets: LAB_SETS, epoch: 1, ...options })
    this.begin(name, reader)
    return reader
  }

  begin(name: string, machine: Machine): void {
    this.#machines.set(name, { machine, mail: [] })
    this.take(name, machine.start())
  }

  take(name: string, step: Step<Outcome>): void {
    const { mail } = this.#at(name)
    mail.push(...step.send)
    if (step.backoff) this.log.push(`${name} backs off ${step.backoff.attempt}`)
    if (step.needBlocks) {
      const { node, blocks, request } = step.needBlocks
      mail.push({ to: node, request })
      this.log.push(`${name} brings ${blocks.join()} to ${node}`)
    }
    if (step.outcome) {
      this.outcomes.set(name, step.outcome)
      this.log.push(`${name} => ${showOutcome(step.outcome)}`)
    }
  }

  /** The oldest message of `name` to each of these nodes arrives, and so does its answer. */
  deliver(name: string, nodes: string): void {
    for (const node of nodes) {
      const { request } = this.#mail(name, node)
      const reply = this.arrive(node, request)
      this.log.push(`${node} ${showRequest(request)} -> ${showReply(reply)}`)
      this.take(name, this.#at(name).machine.onReply(node as NodeId, request, reply))
    }
  }

  /** Arrives, but the answer is lost. */
  arriveOnly(name: string, node: string): void {
    const { request } = this.#mail(name, node)
    this.arrive(node, request)
    this.log.push(`${node} ${showRequest(request)} -> lost`)
    this.take(name, this.#at(name).machine.onFailure(node as NodeId, request, true))
  }

  fail(name: string, nodes: string, maybeDelivered = true): void {
    for (const node of nodes) {
      const { request } = this.#mail(name, node)
      this.log.push(`${node} ${showRequest(request)} -> failed`)
      this.take(name, this.#at(name).machine.onFailure(node as NodeId, request, maybeDelivered))
    }
  }

  /** What has not arrived by now never does, unless it may be late. */
  backoffOver(name: string, { late = false } = {}): void {
    if (!late) this.#at(name).mail.length = 0
    this.take(name, this.#at(name).machine.onBackoffOver())
  }

  arrive(node: string, request: RegisterRequest): RegisterReply {
    const state = this.states.get(node) ?? { promised: ZERO_BALLOT }
    const ready = handle(state, this.env, request)
    if (ready.state) this.states.set(node, ready.state)
    return ready.reply
  }

  /** A whole write that all replicas take part in. */
  written(name: string): ProposerOutcome & { type: 'written' } {
    this.propose(name)
    this.deliver(name, 'abc')
    if (!this.outcomes.has(name)) this.deliver(name, 'abc')
    const outcome = this.outcomes.get(name)
    if (outcome?.type !== 'written') throw new Error(`not written: ${outcome?.type}`)
    this.log.length = 0
    return outcome
  }

  /** To whom messages of `name` are on their way. */
  pending(name: string): string {
    return this.#at(name)
      .mail.map(({ to }) => to)
      .join('')
  }

  get transcript(): string {
    return `\n${this.log.join('\n')}\n`
  }

  #at(name: string): { machine: Machine; mail: Send[] } {
    const found = this.#machines.get(name)
    if (!found) throw new Error(`no machine is called ${name}`)
    return found
  }

  #mail(name: string, node: string): Send {
    const { mail } = this.#at(name)
    const at = mail.findIndex(({ to }) => to === node)
    const [send] = at < 0 ? [] : mail.splice(at, 1)
    if (!send) throw new Error(`${name} has sent nothing to ${node}`)
    return send
  }
}

function showRequest(request: RegisterRequest): string {
  switch (request.type) {
    case 'prepare':
      return `prepare ${show(request.ballot)}`
    case 'accept':
      return `accept ${show(request.ballot)} ${request.value.operation}`
    case 'read':
      return `read ${request.want}`
  }
}

function showReply(reply: RegisterReply): string {
  switch (reply.type) {
    case 'promised':
      return `promised ${showState(reply.accepted)}`
    case 'state':
      return reply.ballot ? `${show(reply.ballot)}${reply.accepted ? ' with value' : ''}` : 'absent'
    case 'conflict':
      return `conflict ${show(reply.seen)}${reply.never === true ? ' never' : ''}`
    case 'accepted':
    case 'need-blocks':
    case 'no-vote':
      return reply.type
    case 'stale-epoch':
      return `stale-epoch ${reply.epoch}`
    case 'stale-fence':
      return `stale-fence ${reply.generation}`
    default:
      return unreachable(reply)
  }
}

function showState(state: { ballot: Ballot; value: RegisterValue } | undefined): string {
  return state ? `${state.value.operation} at ${show(state.ballot)}` : 'absent'
}

function showOutcome(outcome: Outcome): string {
  switch (outcome.type) {
    case 'written':
      return `written at ${show(outcome.ballot)}${outcome.prior ? ', prior' : ''}`
    case 'kept':
      return `kept ${showState(outcome.current)}`
    case 'state':
      return `state ${showState(outcome.accepted)}`
    case 'stale-epoch':
    case 'stale-fence':
    case 'unknown':
    case 'unavailable':
    case 'needs-identity':
      return outcome.type
  }
}
