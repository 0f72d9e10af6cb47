/**
 * Proposers and readers against real acceptors, one message at a time. Each test is named after the rule
 * it shows; transcripts read "node request -> reply" and are rewritten by `vitest -u`.
 */

import { describe, expect, test } from 'vitest'
import { unreachable } from '../assert.ts'
import type { BlockKey, BucketId, NodeId, OperationId, ProposerId, RegisterKey } from '../ids.ts'
import { type AcceptorEnv, type AcceptorState, handle } from './acceptor.ts'
import { type Ballot, ZERO_BALLOT } from './ballot.ts'
import { EARLIER_MAX } from './lineage.ts'
import {
  type Change,
  FAILED_ROUNDS_MAX,
  identityProposer,
  RegisterProposer,
  type ProposerOptions,
} from './proposer.ts'
import { Reader, type ReaderOptions } from './read.ts'
import type { ProposerOutcome, ReaderOutcome, Send, Step } from './step.ts'
import type { RegisterReply, RegisterRequest, RegisterValue, ReplicaSets } from './types.ts'

type Outcome = ProposerOutcome | ReaderOutcome

interface Machine {
  readonly rounds: number
  start(): Step<Outcome>
  onReply(from: NodeId, request: RegisterRequest, reply: RegisterReply): Step<Outcome>
  onFailure(from: NodeId, request: RegisterRequest, maybeDelivered: boolean): Step<Outcome>
  onBackoffOver(): Step<Outcome>
  giveUp(): Outcome
}

const KEY = 'key' as RegisterKey
const ids = (text: string): NodeId[] => text.split('') as NodeId[]
const SETS: ReplicaSets = [ids('abc')]
const write =
  (body = 0, blocks: string[] = []): Change =>
  () => ({
    write: { tombstone: false, body: new Uint8Array([body]), blocks: blocks as BlockKey[] },
  })
const keep: Change = () => ({ keep: true })

const show = ({ counter, proposer }: Ballot): string => `${counter}${proposer}`

/** Acceptors a, b, c, … and what was sent to them but has not arrived. */
class Lab {
  readonly log: string[] = []
  readonly states = new Map<string, AcceptorState>()
  readonly env: { -readonly [Field in keyof AcceptorEnv]: AcceptorEnv[Field] } = {
    mark: 1000,
    floor: ZERO_BALLOT,
    epoch: 1,
    minimumGeneration: 0,
    holdsBlock: () => true,
    faulty: false,
  }
  #counter = 0
  readonly #machines = new Map<string, { machine: Machine; mail: Send[] }>()
  readonly outcomes = new Map<string, Outcome>()

  propose(name: string, options: Partial<ProposerOptions> = {}): RegisterProposer {
    const proposer = new RegisterProposer({ ...this.base(name), change: write(), ...options })
    this.begin(name, proposer)
    return proposer
  }

  base(name: string): Omit<ProposerOptions, 'change'> {
    return {
      key: KEY,
      operation: `op-${name}` as OperationId,
      proposer: name as ProposerId,
      nextCounter: (above) => (this.#counter = Math.max(this.#counter, above) + 1),
      sets: SETS,
      epoch: 1,
    }
  }

  read(name: string, options: Partial<ReaderOptions> = {}): Reader {
    const reader = new Reader({ key: KEY, sets: SETS, epoch: 1, ...options })
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
    if (!found) throw new Error(`nobody is called ${name}`)
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

describe('proposer', () => {
  test('two rounds, and no waiting for the third replica (L3)', () => {
    const lab = new Lab()
    const proposer = lab.propose('p')
    lab.deliver('p', 'ab')
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      a accept 1p op-p -> accepted
      b accept 1p op-p -> accepted
      p => written at 1p, prior
      "
    `)
    expect(proposer.rounds).toBe(2)
  })

  test('P1: after an accept without a quorum, a higher ballot is prepared', () => {
    const lab = new Lab()
    lab.propose('p')
    lab.deliver('p', 'abc')
    lab.deliver('p', 'a')
    lab.fail('p', 'bc')
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      c prepare 1p -> promised absent
      a accept 1p op-p -> accepted
      b accept 1p op-p -> failed
      c accept 1p op-p -> failed
      p backs off 0
      a prepare 35p -> promised op-p at 1p
      b prepare 35p -> promised absent
      a accept 35p op-p -> accepted
      b accept 35p op-p -> accepted
      p => written at 35p, prior
      "
    `)
  })

  test('P2: upon a prior, one round; another epoch has to prepare', () => {
    const lab = new Lab()
    const { prior } = lab.written('p')
    const next = { operation: 'next' as OperationId, prior }
    const proposer = lab.propose('p', next)
    lab.deliver('p', 'bc')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      b accept 2p next -> accepted
      c accept 2p next -> accepted
      p => written at 2p, prior
      "
    `)
    expect(proposer.rounds).toBe(1)

    const elsewhere = new RegisterProposer({ ...lab.base('p'), change: write(), ...next, epoch: 2 })
    expect(elsewhere.start().send[0]?.request.type).toBe('prepare')
  })

  test('P2: no prior after a conflict', () => {
    const lab = new Lab()
    lab.propose('p')
    lab.deliver('p', 'abc')
    lab.propose('q')
    lab.deliver('q', 'a')
    lab.deliver('p', 'abc')
    expect(lab.outcomes.get('p')).toMatchObject({ type: 'written' })
    expect(lab.outcomes.get('p')).not.toHaveProperty('prior')
  })

  test('P2: a failed condition upon a prior still asks a quorum (P3)', () => {
    const lab = new Lab()
    const { prior } = lab.written('p')
    lab.propose('p', { operation: 'next' as OperationId, prior, change: keep })
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 3p -> promised op-p at 1p
      b prepare 3p -> promised op-p at 1p
      p => kept op-p at 1p
      "
    `)
  })

  test('P4: an operation that was proposed upon two states is no one state to build upon again', () => {
    const lab = new Lab()
    const append =
      (letter: string): Change =>
      (current) => ({
        write: {
          tombstone: false,
          body: new Uint8Array([...(current?.body ?? []), letter.charCodeAt(0)]),
          blocks: [],
        },
      })
    const propose = (name: string): unknown => lab.propose(name, { change: append(name) })
    const text = (node: string): string =>
      String.fromCharCode(...(lab.states.get(node)?.accepted?.value.body ?? []))
    propose('z')
    lab.deliver('z', 'abc')
    lab.deliver('z', 'abc')
    // q upon z, on one replica only.
    propose('q')
    lab.deliver('q', 'abc')
    lab.deliver('q', 'a')
    lab.fail('q', 'bc')
    // r upon that q, nowhere.
    propose('r')
    lab.deliver('r', 'ab')
    lab.fail('r', 'abc')
    // s upon z, and q upon s: chosen.
    propose('s')
    lab.deliver('s', 'bc')
    lab.deliver('s', 'bc')
    lab.backoffOver('q')
    lab.deliver('q', 'bc')
    lab.deliver('q', 'bc')
    expect(text('b')).toBe('zsq')
    lab.backoffOver('r')
    lab.deliver('r', 'bc')
    lab.deliver('r', 'bc')
    expect(lab.outcomes.get('r')).toMatchObject({ type: 'written' })
    expect(text('b')).toBe('zsqr')
  })

  test('P3: a failed condition upon a state that is not known to be chosen writes it again', () => {
    const lab = new Lab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.propose('q', { change: keep })
    lab.deliver('q', 'ac')
    lab.deliver('q', 'ac')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      a accept 1p op-p -> lost
      a prepare 3q -> promised op-p at 1p
      c prepare 3q -> promised absent
      a accept 3q op-p -> accepted
      c accept 3q op-p -> accepted
      q => kept op-p at 3q
      "
    `)
  })

  test('P3: nothing is written when a quorum promised upon the same state, or upon absence', () => {
    const lab = new Lab()
    lab.propose('p', { change: keep })
    lab.deliver('p', 'ab')
    lab.written('q')
    lab.propose('r', { change: keep })
    lab.deliver('r', 'bc')
    expect(lab.outcomes.get('p')).toEqual({ type: 'kept', ballot: expect.anything() as unknown })
    expect(lab.outcomes.get('r')).toMatchObject({
      type: 'kept',
      current: { value: { operation: 'op-q' } },
    })
  })

  test('P4: its own value found again: written again, and done', () => {
    const lab = new Lab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'b')
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      a accept 1p op-p -> lost
      b accept 1p op-p -> failed
      p backs off 0
      a prepare 35p -> promised op-p at 1p
      b prepare 35p -> promised absent
      a accept 35p op-p -> accepted
      b accept 35p op-p -> accepted
      p => written at 35p, prior
      "
    `)
  })

  test('P4: the state it meant to replace still stands: applied again', () => {
    const lab = new Lab()
    lab.written('q')
    lab.propose('p')
    lab.deliver('p', 'abc')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'bc')
    lab.backoffOver('p')
    lab.deliver('p', 'bc')
    lab.deliver('p', 'bc')
    expect(lab.outcomes.get('p')).toMatchObject({ type: 'written', value: { operation: 'op-p' } })
  })

  test('P4: overtaken twice, it has not happened as long as the lineage reaches back to what it replaces', () => {
    const lab = new Lab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'b')
    lab.propose('q')
    lab.deliver('q', 'bc')
    lab.deliver('q', 'bc')
    lab.propose('r')
    lab.deliver('r', 'bc')
    lab.deliver('r', 'bc')
    lab.backoffOver('p')
    lab.deliver('p', 'bc')
    lab.deliver('p', 'bc')
    expect(lab.outcomes.get('p')).toMatchObject({
      type: 'written',
      value: { operation: 'op-p', replaced: 'op-r', earlier: ['op-q'] },
    })
  })

  test('P4: accepted, overtaken before its proposer learnt it: written, once what came after is chosen', () => {
    const lab = new Lab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.arriveOnly('p', 'b')
    lab.propose('q')
    lab.deliver('q', 'bc')
    lab.deliver('q', 'bc')
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    expect(lab.outcomes.get('p')).toBeUndefined()
    lab.deliver('p', 'ab')
    expect(lab.outcomes.get('p')).toMatchObject({
      type: 'written',
      value: { operation: 'op-p' },
      overtakenBy: { operation: 'op-q', replaced: 'op-p' },
    })
  })

  test('P4: overtaken beyond what a lineage holds: unknown, never a failed condition', () => {
    const lab = new Lab()
    lab.propose('first')
    lab.deliver('first', 'bc')
    lab.deliver('first', 'bc')
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'b')
    for (let i = 0; i < EARLIER_MAX + 2; i++) {
      lab.propose(`q${i}`, { isRecent: () => true })
      lab.deliver(`q${i}`, 'bc')
      lab.deliver(`q${i}`, 'bc')
    }
    lab.backoffOver('p')
    lab.deliver('p', 'bc')
    expect(lab.outcomes.get('p')).toEqual({ type: 'unknown' })
  })

  test('P4: operations whose proposers have given up are left out of a lineage, but the first', () => {
    const lab = new Lab()
    for (let i = 0; i < 6; i++) {
      lab.propose(`q${i}`, { isRecent: (operation) => operation > 'op-q2' })
      lab.deliver(`q${i}`, 'bc')
      lab.deliver(`q${i}`, 'bc')
    }
    expect(lab.outcomes.get('q5')).toMatchObject({
      value: { replaced: 'op-q4', earlier: ['op-q3', 'op-q2'] },
    })
  })

  test('P4: a state that replaced the very one the attempt meant to replace: it has not happened', () => {
    const lab = new Lab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'b')
    lab.propose('q')
    lab.deliver('q', 'bc')
    lab.deliver('q', 'bc')
    lab.backoffOver('p')
    lab.deliver('p', 'bc')
    expect(lab.outcomes.get('p')).toBeUndefined()
    lab.deliver('p', 'bc')
    expect(lab.outcomes.get('p')).toMatchObject({
      type: 'written',
      value: { operation: 'op-p', replaced: 'op-q' },
    })
  })

  test('P4: a deleted and collected value is not written a second time', () => {
    const lab = new Lab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'b')
    // Chosen through c, deleted and collected, all behind its back: absent as before, but for the floor.
    lab.states.clear()
    lab.env.floor = { counter: 50, proposer: 'z' as ProposerId }
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    expect(lab.outcomes.get('p')).toEqual({ type: 'unknown' })
  })

  test('P4: refused for good by every replica, it has not happened: the change starts afresh', () => {
    const lab = new Lab()
    lab.propose('p')
    lab.deliver('p', 'abc')
    lab.propose('q')
    lab.deliver('q', 'abc')
    lab.deliver('p', 'abc')
    lab.deliver('q', 'abc')
    lab.backoffOver('p')
    lab.deliver('p', 'abc')
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      c prepare 1p -> promised absent
      a prepare 3q -> promised absent
      b prepare 3q -> promised absent
      c prepare 3q -> promised absent
      a accept 1p op-p -> conflict 3q never
      b accept 1p op-p -> conflict 3q never
      p backs off 0
      c accept 1p op-p -> conflict 3q never
      a accept 3q op-q -> accepted
      b accept 3q op-q -> accepted
      q => written at 3q, prior
      c accept 3q op-q -> accepted
      a prepare 36p -> promised op-q at 3q
      b prepare 36p -> promised op-q at 3q
      c prepare 36p -> promised op-q at 3q
      a accept 36p op-p -> accepted
      b accept 36p op-p -> accepted
      p => written at 36p, prior
      "
    `)
  })

  test('P4: a request that never left counts as refused, unless it was sent twice', () => {
    const lab = new Lab()
    const proposer = lab.propose('p')
    lab.deliver('p', 'abc')
    lab.fail('p', 'abc', false)
    expect(proposer.giveUp()).toEqual({ type: 'unavailable' })

    const other = lab.propose('q')
    lab.deliver('q', 'abc')
    lab.env.holdsBlock = () => false
    lab.fail('q', 'abc')
    expect(other.giveUp()).toEqual({ type: 'unknown' })
  })

  test('P6: a counter left behind moves past what was seen at once, then backs off', () => {
    const lab = new Lab()
    lab.states.set('a', { promised: { counter: 40, proposer: 'z' as ProposerId } })
    lab.states.set('b', { promised: { counter: 50, proposer: 'z' as ProposerId } })
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.states.set('a', { promised: { counter: 60, proposer: 'z' as ProposerId } })
    lab.states.set('b', { promised: { counter: 60, proposer: 'z' as ProposerId } })
    lab.fail('p', 'c')
    lab.deliver('p', 'ab')
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> conflict 40z
      b prepare 1p -> conflict 50z
      c prepare 1p -> failed
      a prepare 51p -> conflict 60z
      b prepare 51p -> conflict 60z
      p backs off 0
      a prepare 93p -> promised absent
      b prepare 93p -> promised absent
      "
    `)
  })

  test('without replicas: unavailable; with an accept on its way: unknown', () => {
    const lab = new Lab()
    lab.propose('p')
    for (let round = 1; round <= FAILED_ROUNDS_MAX; round++) {
      lab.fail('p', 'abc')
      lab.backoffOver('p')
    }
    expect(lab.outcomes.get('p')).toEqual({ type: 'unavailable' })

    const proposer = lab.propose('q')
    lab.deliver('q', 'abc')
    expect(proposer.giveUp()).toEqual({ type: 'unknown' })
    expect(proposer.onBackoffOver()).toEqual({ send: [] })
  })

  test('A5: an acceptor that needs the block is sent the same accept again', () => {
    const lab = new Lab()
    lab.propose('p', { change: write(1, ['block']) })
    lab.deliver('p', 'ab')
    lab.env.holdsBlock = () => false
    lab.deliver('p', 'a')
    lab.env.holdsBlock = () => true
    lab.deliver('p', 'ba')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      a accept 1p op-p -> need-blocks
      p brings block to a
      b accept 1p op-p -> accepted
      a accept 1p op-p -> accepted
      p => written at 1p, prior
      "
    `)
  })

  test('L4, T8: a fenced proposer hands its attempt on; another epoch trusts no absence', () => {
    const lab = new Lab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.env.epoch = 2
    lab.deliver('p', 'b')
    const fenced = lab.outcomes.get('p')
    expect(fenced).toMatchObject({ type: 'stale-epoch', epoch: 2, attempt: { epoch: 1 } })
    if (fenced?.type !== 'stale-epoch' || !('attempt' in fenced)) return

    lab.states.clear()
    lab.propose('p', { epoch: 2, attempt: fenced.attempt })
    lab.deliver('p', 'ab')
    expect(lab.outcomes.get('p')).toEqual({ type: 'unknown' })
  })

  test('T8: a lower generation than an acceptor has seen ends it', () => {
    const lab = new Lab()
    lab.env.minimumGeneration = 5
    lab.propose('p', { fence: { bucket: 'bucket' as BucketId, generation: 4 } })
    lab.deliver('p', 'a')
    expect(lab.outcomes.get('p')).toEqual({ type: 'stale-fence', generation: 5 })
  })

  test('A5: a change is told whether what it replaces lies on a majority', () => {
    const told: [string | undefined, boolean][] = []
    const change: Change = (current, chosen) => {
      told.push([current?.operation, chosen])
      return write()(current, chosen)
    }
    const lab = new Lab()
    lab.propose('p', { change })
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.propose('q', { change })
    lab.deliver('q', 'ab')
    lab.deliver('q', 'ab')
    lab.propose('r', { change })
    lab.deliver('r', 'ab')
    expect(told).toEqual([
      [undefined, true],
      ['op-p', false],
      ['op-q', true],
    ])
  })

  test('L3: in JOINT, a majority of both sets promises and accepts', () => {
    const lab = new Lab()
    const sets = [ids('abc'), ids('ade')]
    lab.propose('p', { sets })
    lab.deliver('p', 'abc')
    expect(lab.log.at(-1)).toContain('c prepare')
    lab.deliver('p', 'e')
    lab.deliver('p', 'bce')
    expect(lab.outcomes.size).toBe(0)
    lab.deliver('p', 'a')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      c prepare 1p -> promised absent
      e prepare 1p -> promised absent
      b accept 1p op-p -> accepted
      c accept 1p op-p -> accepted
      e accept 1p op-p -> accepted
      a accept 1p op-p -> accepted
      p => written at 1p, prior
      "
    `)
  })

  test('R2, D3: an identity change keeps the operation id, and rewrites when told to', () => {
    const lab = new Lab()
    lab.written('p')
    const { change: _, ...base } = { ...lab.base('q'), change: keep }
    lab.begin('q', identityProposer(base))
    lab.deliver('q', 'ab')
    lab.begin('r', identityProposer({ ...lab.base('r'), rewrite: true, above: 100 }))
    lab.deliver('r', 'ab')
    lab.deliver('r', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 3q -> promised op-p at 1p
      b prepare 3q -> promised op-p at 1p
      q => kept op-p at 1p
      a prepare 101r -> promised op-p at 1p
      b prepare 101r -> promised op-p at 1p
      a accept 101r op-p -> accepted
      b accept 101r op-p -> accepted
      r => kept op-p at 101r
      "
    `)
  })
})

describe('reader', () => {
  test('R1: one round trip when a majority agrees; only the nearest sends the value', () => {
    const lab = new Lab()
    lab.written('p')
    const reader = lab.read('r', { preferred: ids('b') })
    lab.deliver('r', 'bc')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      b read value -> 1p with value
      c read ballot -> 1p
      r => state op-p at 1p
      "
    `)
    expect(reader.rounds).toBe(1)
  })

  test('R1: absence is agreed upon like a ballot', () => {
    const lab = new Lab()
    lab.read('r')
    lab.deliver('r', 'ab')
    expect(lab.outcomes.get('r')).toEqual({ type: 'state' })
  })

  test('R1: the value is fetched where the agreed ballot lies when the nearest has another', () => {
    const lab = new Lab()
    lab.written('p')
    lab.propose('q')
    lab.deliver('q', 'bc')
    lab.deliver('q', 'bc')
    lab.log.length = 0
    const reader = lab.read('r')
    lab.deliver('r', 'abc')
    lab.deliver('r', 'b')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a read value -> 1p with value
      b read ballot -> 3q
      c read ballot -> 3q
      b read value -> 3q with value
      r => state op-q at 3q
      "
    `)
    expect(reader.rounds).toBe(2)
  })

  test('R1: a slow nearest replica is hedged, a failed one replaced', () => {
    const lab = new Lab()
    lab.written('p')
    const reader = lab.read('r')
    lab.deliver('r', 'bc')
    expect(lab.outcomes.has('r')).toBe(false)
    expect(lab.pending('r')).toBe('a')
    lab.take('r', reader.hedge())
    lab.deliver('r', 'b')
    lab.read('s')
    lab.deliver('s', 'bc')
    lab.fail('s', 'a')
    lab.deliver('s', 'b')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      b read ballot -> 1p
      c read ballot -> 1p
      b read value -> 1p with value
      r => state op-p at 1p
      b read ballot -> 1p
      c read ballot -> 1p
      a read value -> failed
      b read value -> 1p with value
      s => state op-p at 1p
      "
    `)
  })

  test('R2: read twice more, then an identity change', () => {
    const lab = new Lab()
    lab.written('p')
    lab.propose('q')
    lab.deliver('q', 'abc')
    lab.arriveOnly('q', 'a')
    lab.log.length = 0
    const reader = lab.read('r')
    for (let again = 0; again < 3; again++) {
      lab.fail('r', 'c')
      lab.deliver('r', 'ab')
      lab.backoffOver('r')
    }
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      c read ballot -> failed
      a read value -> 3q with value
      b read ballot -> 1p
      r backs off 0
      c read ballot -> failed
      a read value -> 3q with value
      b read ballot -> 1p
      r backs off 1
      c read ballot -> failed
      a read value -> 3q with value
      b read ballot -> 1p
      r => needs-identity
      "
    `)
    expect(reader.rounds).toBe(3)
  })

  test('R2: votes of one reading are not added to those of another', () => {
    const lab = new Lab()
    lab.written('p')
    lab.read('r')
    lab.fail('r', 'bc')
    lab.backoffOver('r', { late: true })
    // The first to a is from the first reading.
    lab.deliver('r', 'ab')
    expect(lab.outcomes.has('r')).toBe(false)
    lab.deliver('r', 'a')
    expect(lab.outcomes.get('r')).toMatchObject({ type: 'state' })
  })

  test('R3: damaged states do not count, a later epoch ends the reading', () => {
    const lab = new Lab()
    lab.written('p')
    lab.read('r')
    lab.env.faulty = true
    lab.deliver('r', 'a')
    lab.env.faulty = false
    lab.deliver('r', 'b')
    expect(lab.outcomes.has('r')).toBe(false)
    lab.env.epoch = 2
    lab.deliver('r', 'c')
    expect(lab.outcomes.get('r')).toEqual({ type: 'stale-epoch', epoch: 2 })
  })

  test('L3: in JOINT, both majorities report the ballot', () => {
    const lab = new Lab()
    lab.written('p')
    lab.read('r', { sets: [ids('abc'), ids('ade')] })
    lab.deliver('r', 'abc')
    expect(lab.outcomes.has('r')).toBe(false)
    lab.deliver('r', 'd')
    expect(lab.log.at(-1)).toBe('d read ballot -> absent')
    lab.deliver('r', 'e')
    expect(lab.log.at(-1)).toBe('r backs off 0')
  })

  test('no majority within three readings: unavailable', () => {
    const lab = new Lab()
    lab.read('r')
    for (let again = 0; again < 3; again++) {
      lab.fail('r', 'ab')
      lab.backoffOver('r')
    }
    expect(lab.outcomes.get('r')).toEqual({ type: 'unavailable' })
  })
})
