/**
 * What the parts of one kernel world know of the world and of each other. The classes import these interfaces, never
 * one another: `world.ts` alone makes them all and puts them together.
 */

import type { BlockKey, NodeId, OperationId, RegisterKey } from '../../protocol/ids.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import type { Accepted, RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import type { AcceptorState } from '../../protocol/register/acceptor.ts'
import type { Checker } from './checker.ts'
import type { Entry, Layout } from './layout.ts'
import type { KernelRandom } from './random.ts'
import type { Rules } from './rules.ts'
import type { KernelScenario } from './scenario.ts'

export type WriteKind = 'put' | 'create' | 'swap' | 'delete'

/** What a member of P tells one that syncs (L5). */
export interface KernelSummary {
  readonly states: readonly (Accepted | undefined)[]
  readonly floor: Ballot
  readonly minimum: number
  readonly mark: number
}

/** One node's acceptor half. The class says what each call does (replica.ts). */
export interface KernelReplica {
  readonly index: number
  readonly id: NodeId
  up: boolean
  lost: boolean
  readonly life: number
  readonly boot: number
  readonly epoch: number
  readonly blocks: Set<BlockKey>
  readonly data: Set<number>
  readonly whole: Set<number>
  readonly entering: boolean
  readonly holdsRegisters: boolean
  receive(from: number, request: RegisterRequest, respond: (reply: RegisterReply) => void): void
  state(key: number): AcceptorState
  copy(key: number, chosen: Accepted, done: (synced: boolean) => void): void
  summary(epoch: number, respond: (summary: KernelSummary | undefined) => void): void
  raise(bounds: Omit<KernelSummary, 'states'>, done: () => void): void
  raiseMinimum(epoch: number, generation: number, respond: (raised: boolean) => void): void
  tombstoneState(key: number, ballot: Ballot): 'exact' | 'absent' | 'other'
  collect(key: number, ballot: Ballot, epoch: number): void
  adopt(epoch: number): void
  dropRegisters(): void
  putData(id: number, done: () => void): void
}

/** One node's proposer half (host.ts). */
export interface KernelProposerHost {
  generation: number
  busy(key: number): boolean
  write(
    key: number,
    kind: WriteKind,
    expected: string | undefined,
    done: (known: string | undefined) => void,
  ): void
  read(
    key: number,
    done: (known: string | undefined, state?: { accepted?: Accepted | undefined }) => void,
  ): void
  level(key: number, deadline: number, done: (current: Accepted | undefined) => void): void
  identity(
    key: number,
    deadline: number,
    startedAt: number,
    done: (current: Accepted | undefined, settled: boolean) => void,
    rewrite?: boolean,
  ): void
}

/** Which attempt wrote which block beside a state (free.ts). */
export interface AttemptBook {
  begin(block: BlockKey, key: number, replica: KernelReplica): void
  end(block: BlockKey): void
  isOver(block: BlockKey, asker: KernelReplica): boolean
  free(key: number, block: BlockKey): void
  pick(): { key: number; block: BlockKey } | undefined
}

/** Which write has which block beside registers (data.ts). */
export interface BlockBook {
  begin(operation: string): number
  upload(
    replica: KernelReplica,
    id: number,
    deadline: number,
    done: (flushed: boolean) => void,
  ): void
  fetch(replica: KernelReplica, key: number, operation: string): void
  checkAll(): void
}

/** Messages between nodes (links.ts). */
export interface KernelLinks {
  /** One message: lost, doubled or late as the scenario has it. */
  message(from: number, to: number, deliver: () => void): void
  /** A question and the first of its replies, or undefined when none comes in time. */
  ask<Reply>(
    from: KernelReplica,
    to: number,
    serve: (respond: (reply: Reply) => void) => void,
    done: (reply: Reply | undefined, maybeDelivered: boolean) => void,
  ): void
  /** The same with a request of a proposer or reader. */
  call(
    from: KernelReplica,
    to: number,
    request: RegisterRequest,
    options: {
      done: (reply: RegisterReply | undefined, maybeDelivered: boolean) => void
      /** Runs on arrival, before the request: blocks that come along (A5). */
      before?: (() => void) | undefined
    },
  ): void
}

/** What the links need of the world. */
export interface KernelClock {
  readonly random: KernelRandom
  readonly scenario: KernelScenario
  readonly now: number
  after(delay: number, run: () => void): void
  replica(index: number): KernelReplica
}

/** One seed's world, as its parts see it. */
export interface KernelWorld extends KernelClock {
  readonly rules: Rules
  readonly layout: Layout
  readonly checker: Checker
  readonly attempts: AttemptBook
  readonly data: BlockBook
  readonly links: KernelLinks
  /** A read or a write with this generation succeeds (T8). */
  readonly bucket: { answered(startedAt: number, generation: number): void }
  readonly nodes: number
  readonly nodeId: (index: number) => NodeId
  readonly indexOf: (node: NodeId) => number
  readonly keyName: (key: number) => RegisterKey
  readonly keyIndex: (key: RegisterKey) => number
  host(replica: KernelReplica): KernelProposerHost
  /** Notes that a thing of this name has happened once more. */
  count(name: string): void
  /** The nodes of a mask, in order. */
  members(mask: number): number[]
  /** A node that was no member in any STABLE epoch, with a storage id of its own. */
  fresh(cluster: number): number | undefined
  /** The process may pause for a moment between an answer and what it does with it. */
  stall(run: () => void): void
  newOperation(): OperationId
  /** A node has learnt of an epoch, or has started in it, or has done what it had to do on entering. */
  adopted(replica: KernelReplica): void
  /** A learner has copied everything (L1b). */
  caughtUp(replica: KernelReplica, epoch: number): void
  /** A member of P' has synced (L5). */
  synced(replica: KernelReplica, epoch: number): void
  /** An entry has its signatures (L1). */
  decided(name: string, entry: Entry): void
  /** Some node tells the others of the latest epoch. */
  spread(permille?: number): void
}
