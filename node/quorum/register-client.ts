/**
 * The proposing half of the registers: drives the pure state machines of protocol/register over the
 * network, one operation in flight for a key (P1).
 */

import { assert } from '../../protocol/assert.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import {
  type BlockKey,
  type NodeId,
  type OperationId,
  type ProposerId,
  type RegisterKey,
} from '../../protocol/ids.ts'
import { StoreError } from '../../protocol/errors.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { identityProposer, RegisterProposer } from '../../protocol/register/proposer.ts'
import { type Change, type ChangeResult } from '../../protocol/register/proposer-options.ts'
import { Reader } from '../../protocol/register/read.ts'
import type {
  Attempt,
  ProposerOutcome,
  ReaderOutcome,
  Send,
  Step,
} from '../../protocol/register/step.ts'
import type {
  Accepted,
  AcceptRequest,
  Fence,
  RegisterReply,
  RegisterValue,
  ReplicaSets,
} from '../../protocol/register/types.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Clock, Random } from '../env/ports.ts'
import { firstAnswer } from './first-answer.ts'
import { BLOCK_RESULT, type Peers } from './peers.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { HostReply, PackedBlock } from '../replica/host-replies.ts'
import { AcceptTally } from './accept-tally.ts'
import type { FenceSource } from './fence-source.ts'
import { refreshFence } from './fence-refresh.ts'
import type { LostBlocks } from './lost-blocks.ts'
import { KeyedQueue } from '../tools/keyed-queue.ts'
import { OperationIds } from './operation-ids.ts'
import type { RegisterMachine } from './register-machine.ts'
import type { RegisterEvent, RegisterObserver } from './register-events.ts'
import { crowded, noRoom, unavailable } from './register-errors.ts'
import { NOTHING_AT_HAND, ridingWith, type AtHand } from './riding-blocks.ts'
import { sleep } from '../tools/sleep.ts'

/** A call to one replica. */
const CALL_TIMEOUT_MS = 4_000
/** A whole operation, retries and back-off included: then 503. */
const OPERATION_TIMEOUT_MS = 12_000
/** So long an operation of which nothing has happened yet waits for a majority to be there: a peer that
 * starts again, a connection that is made anew. Longer, and a node alone would pile up requests. */
const PATIENCE_MS = 2_500
const PATIENCE_POLL_MS = 60
const BACKOFF_FIRST_MS = 4
const BACKOFF_MAX_MS = 400

/** Where keys lie at this moment. */
export interface ReplicaPlacement {
  epoch(): number
  /** Nearest first is `preferred`'s business, not this one's. */
  sets(partition: number): ReplicaSets
  /** Nodes beside the sets that may have blocks of the partition, from earlier layouts (L5). */
  sources?(partition: number): readonly NodeId[]
  /** A peer spoke of a later epoch: fetch and adopt it (L4). */
  observe(epoch: number, from: NodeId): Promise<void>
}

export interface RegisterClientOptions {
  readonly peers: Peers
  readonly placement: ReplicaPlacement
  readonly clock: Clock
  readonly random: Random
  readonly proposer: () => ProposerId
  /** False while it is not known whether the proposer's boot is this start's own (D2). */
  readonly mayPropose?: (() => boolean) | undefined
  /** A replica may have missed a write of this partition (P7). */
  readonly onGap: (peer: NodeId, partition: number) => void
  readonly lost?: LostBlocks | undefined
  /** Told of every outcome: checker A of the simulation listens here. */
  readonly observer?: RegisterObserver | undefined
}

export type { RegisterEvent, RegisterObserver }

/** As the pure proposer's, with blocks that this very call has made and the written value names: they ride
 * with the accept too (A5). A data id has one content, so that each call draws new ones. */
export type NodeChange = (
  current: RegisterValue | undefined,
  chosen: boolean,
) => ChangeResult & { readonly blocks?: readonly OwnedBlock[] | undefined }

export interface ChangeRequest {
  readonly key: RegisterKey
  readonly change: NodeChange
  readonly fence?: FenceSource | undefined
  /** Rides with the accept: the packed block or manifest that the written value names (A5). */
  readonly block?: OwnedBlock | undefined
}

export type ChangeOutcome =
  /** `before`: the state from which the written value was made. The last call of `change` may have seen another one. */
  | {
      readonly type: 'written'
      readonly value: RegisterValue
      readonly before: RegisterValue | undefined
    }
  | { readonly type: 'kept'; readonly current: Accepted | undefined }

export interface ReadResult {
  readonly accepted: Accepted | undefined
  /** The packed block of the value, when it was asked for and came along. */
  readonly block?: PackedBlock | undefined
}

interface RunExtras {
  readonly atHand?: AtHand | undefined
  readonly withBlock?: boolean
  readonly onBlock?: (block: PackedBlock) => void
  /** Of every request, also when the operation is over. No reply: it failed. */
  readonly onAnswer?: (send: Send, reply: RegisterReply | undefined) => void
  readonly tally?: AcceptTally
  /** Of a read: who sends the value. */
  readonly first?: NodeId | undefined
  /** Asked before a back-off: true ends the operation there. */
  readonly hopeless?: () => boolean
}

export class RegisterClient {
  readonly #options: RegisterClientOptions
  readonly #queue = new KeyedQueue<RegisterKey>()
  #counter = 0
  readonly #operations: OperationIds

  constructor(options: RegisterClientOptions) {
    this.#options = options
    this.#operations = new OperationIds(options, OPERATION_TIMEOUT_MS)
  }

  /** One change of one register (P5). Throws StoreError Unavailable when it can't be known to have
   * happened, and what `fence.refresh` throws. */
  change(context: RequestContext, request: ChangeRequest): Promise<ChangeOutcome> {
    // What waits behind others for too long has not happened: 503 in time, no pile of late retries.
    const deadline = this.#deadline()
    return this.#queue.run(request.key, () => this.#change(context, request, deadline))
  }

  /** Linearizable: one round trip when a majority agrees (R1), else an identity change (R2). */
  async read(
    context: RequestContext,
    request: { key: RegisterKey; fence?: FenceSource | undefined; withBlock?: boolean },
  ): Promise<ReadResult> {
    const { peers, placement } = this.#options
    const partition = partitionOfKey(request.key)
    const deadline = this.#deadline()
    const startedMs = this.#options.clock.monotonicMs()
    for (let attempts = 0; ; attempts++) {
      if (request.fence?.stands?.() === false) await request.fence.refresh()
      const sets = placement.sets(partition)
      const epoch = placement.epoch()
      let block: PackedBlock | undefined
      // The first sends the value, so that its disk has to answer.
      const preferred = peers.preferred(sets.flat(), 'value')
      const reader = new Reader({
        key: request.key,
        epoch,
        sets,
        preferred,
        ...(request.fence && { fence: request.fence.current() }),
      })
      const outcome = await this.#run<ReaderOutcome>(context, reader, deadline, {
        withBlock: request.withBlock === true,
        onBlock: (found) => (block = found),
        first: preferred[0],
      })
      switch (outcome.type) {
        case 'state':
          if (request.fence?.stands?.() === false) await request.fence.refresh()
          this.#observe(request.key, 'read', startedMs, outcome.accepted)
          return { accepted: outcome.accepted, block }
        case 'needs-identity':
          return { accepted: await this.settle(context, request.key, request.fence) }
        case 'unavailable':
          await this.#wait(context, startedMs, attempts)
          break
        case 'stale-epoch':
          break
        case 'stale-fence':
          await request.fence?.refresh()
          break
      }
      if (this.#options.clock.monotonicMs() > deadline) throw unavailable()
    }
  }

  /** What the replicas other than this one hold, at a ballot above `above` that R−F of them have
   * promised and accepted: to mend this one's damaged state (D3). DataLost when there is no other. */
  settleAmongOthers(
    context: RequestContext,
    key: RegisterKey,
    above: number,
  ): Promise<Accepted | undefined> {
    const { self } = this.#options.peers
    const deadline = this.#deadline()
    return this.#queue.run(key, async () => {
      const startedMs = this.#options.clock.monotonicMs()
      const outcome = await this.#propose(context, { key }, deadline, (base) => {
        // A majority of the R − 1 others is R − F of them.
        const sets = base.sets.map((set) => set.filter((node) => node !== self))
        if (sets.some((set) => set.length === 0)) throw new StoreError('DataLost')
        return identityProposer({ ...base, sets, above, rewrite: true })
      })
      if (outcome.type !== 'kept') throw unavailable()
      this.#observe(key, 'kept', startedMs, outcome.current)
      return outcome.current
    })
  }

  /** Makes sure that what it returns is chosen, by an identity change where needed (R2, L5). `rewrite`: at
   * a new ballot anyway, with a counter over `above` (G3). */
  async settle(
    context: RequestContext,
    key: RegisterKey,
    fence?: FenceSource,
    rewrite = false,
    above = 0,
  ): Promise<Accepted | undefined> {
    const deadline = this.#deadline()
    return this.#queue.run(key, async () => {
      const startedMs = this.#options.clock.monotonicMs()
      const outcome = await this.#propose(context, { key, fence }, deadline, (base) =>
        identityProposer({ ...base, rewrite, above }),
      )
      if (outcome.type !== 'kept') throw unavailable()
      this.#observe(key, 'kept', startedMs, outcome.current)
      return outcome.current
    })
  }

  async #change(
    context: RequestContext,
    request: ChangeRequest,
    deadline: number,
  ): Promise<ChangeOutcome> {
    const operation = this.#operations.next()
    const { key } = request
    const startedMs = this.#options.clock.monotonicMs()
    const made: { before: RegisterValue | undefined; body: Uint8Array }[] = []
    const atHand = new Map<BlockKey, OwnedBlock>()
    if (request.block !== undefined) atHand.set(request.block.key, request.block)
    const change: Change = (current, chosen) => {
      const { blocks, ...result } = request.change(current, chosen)
      for (const block of blocks ?? []) atHand.set(block.key, block)
      if ('write' in result) {
        const { tombstone, body } = result.write
        made.push({ before: current, body })
        const base = current?.operation
        this.#options.observer?.({ key, type: 'proposed', startedMs, operation, base, tombstone })
      }
      return result
    }
    try {
      const outcome = await this.#propose(
        context,
        { ...request, atHand },
        deadline,
        (common, attempt) =>
          new RegisterProposer({
            ...common,
            operation,
            change,
            attempt,
            isRecent: (other) => this.#operations.isRecent(other),
          }),
      )
      if (outcome.type === 'written') {
        const { ballot, value, overtakenBy } = outcome
        const { replaced } = value
        if (overtakenBy === undefined) this.#observe(key, 'written', startedMs, outcome, replaced)
        else this.#observe(key, 'kept', startedMs, { ballot, value: overtakenBy })
        const origin = made.findLast(
          ({ before, body }) => before?.operation === replaced && equalBytes(body, value.body),
        )
        assert(origin !== undefined, 'a value written under this operation was made by it')
        return { type: 'written', value, before: origin.before }
      }
      if (outcome.type === 'kept') {
        this.#observe(key, 'kept', startedMs, outcome.current)
        return { type: 'kept', current: outcome.current }
      }
    } catch (error) {
      this.#options.observer?.({ key, type: 'unknown', startedMs, operation })
      throw error
    }
    this.#options.observer?.({ key, type: 'unknown', startedMs, operation })
    throw new StoreError('Unavailable', 'whether the change has happened is not known')
  }

  #observe(
    key: RegisterKey,
    type: RegisterEvent['type'],
    startedMs: number,
    accepted: Accepted | undefined,
    base?: OperationId,
  ): void {
    this.#options.observer?.({
      key,
      type,
      startedMs,
      ballot: accepted?.ballot,
      operation: accepted?.value.operation,
      base,
      tombstone: accepted?.value.tombstone,
    })
  }

  async #propose(
    context: RequestContext,
    { key, fence, atHand }: Pick<ChangeRequest, 'key' | 'fence'> & { readonly atHand?: AtHand },
    deadline: number,
    make: (
      base: {
        key: RegisterKey
        proposer: ProposerId
        nextCounter: (above: number) => number
        sets: ReplicaSets
        epoch: number
        fence?: Fence | undefined
        lost: ReadonlySet<BlockKey> | undefined
      },
      attempt: Attempt | undefined,
    ) => RegisterProposer,
  ): Promise<ProposerOutcome> {
    const { placement, onGap, clock } = this.#options
    const partition = partitionOfKey(key)
    const startedMs = this.#options.clock.monotonicMs()
    const tally = new AcceptTally()
    let attempt: Attempt | undefined
    for (let attempts = 0; ; attempts++) {
      if (this.#options.clock.monotonicMs() >= deadline) {
        throw attempts === 0 ? crowded() : unavailable()
      }
      if (this.#options.mayPropose?.() === false) {
        await this.#wait(context, startedMs, attempts)
        continue
      }
      if (fence?.stands?.() === false) {
        await refreshFence(fence, clock, deadline, attempt !== undefined)
      }
      const lacking = new Set<NodeId>()
      tally.begin()
      const sets = placement.sets(partition)
      let over = false
      const machine = make(
        {
          key,
          proposer: this.#options.proposer(),
          nextCounter: (above) => (this.#counter = Math.max(this.#counter, above) + 1),
          sets,
          epoch: placement.epoch(),
          fence: fence?.current(),
          lost: this.#options.lost?.keys,
        },
        attempt,
      )
      const outcome = await this.#run<ProposerOutcome>(context, machine, deadline, {
        atHand,
        tally,
        onAnswer: ({ to, request }, reply) => {
          if (request.type !== 'accept') return
          if (reply?.type === 'accepted') lacking.delete(to)
          else if (over) onGap(to, partition)
          else lacking.add(to)
        },
        hopeless: () => !tally.hasRoom(sets),
      })
      over = true
      if (!tally.hasRoom(sets)) {
        await tally.settled((delayMs, run) => this.#options.clock.after(delayMs, run))
      }
      if (tally.isFull(sets) && !tally.mayBeStored) {
        throw new StoreError('InsufficientStorage', 'no room left on the replicas')
      }
      if (outcome.type === 'stale-fence') {
        attempt = outcome.attempt ?? attempt
        if (fence !== undefined) {
          await refreshFence(fence, clock, deadline, attempt !== undefined)
        }
      } else if (outcome.type === 'stale-epoch') {
        attempt = outcome.attempt ?? attempt
      } else if (outcome.type === 'unavailable') {
        await this.#wait(context, startedMs, attempts, tally.hasRoom(sets))
      } else {
        // A replica that was down or refused lacks what the others chose without it (P7).
        const chosen = outcome.type === 'written' || outcome.type === 'kept'
        if (chosen) for (const node of lacking) onGap(node, partition)
        if (fence?.stands?.() === false) {
          // It may have happened: is its bucket still there?
          await refreshFence(fence, clock, deadline, true)
        }
        return outcome
      }
    }
  }

  /** No majority, and nothing has happened: waits a little, or gives up. */
  async #wait(
    context: RequestContext,
    startedMs: number,
    attempts: number,
    hasRoom = true,
  ): Promise<void> {
    const { clock, random } = this.#options
    const delayMs = PATIENCE_POLL_MS * 2 ** Math.min(attempts, 4) * (0.5 + random.float())
    if (clock.monotonicMs() + delayMs > startedMs + PATIENCE_MS || context.signal.aborted) {
      throw hasRoom ? unavailable() : noRoom()
    }
    await sleep(clock, delayMs)
  }

  #deadline(): number {
    return this.#options.clock.monotonicMs() + OPERATION_TIMEOUT_MS
  }

  #run<Outcome extends { readonly type: string }>(
    context: RequestContext,
    machine: RegisterMachine<Outcome>,
    deadline: number,
    extras: RunExtras,
  ): Promise<Outcome> {
    const { clock, random } = this.#options
    const { health } = this.#options.peers
    return new Promise<Outcome>((resolve, reject) => {
      let done = false
      let sentMs = 0
      const timers = new Set<() => void>()
      const after = (delayMs: number, run: () => void): void => {
        const cancel = clock.after(delayMs, () => {
          timers.delete(cancel)
          run()
        })
        timers.add(cancel)
      }
      const finish = (outcome: Outcome): void => {
        done = true
        for (const cancel of timers) cancel()
        context.rounds += machine.rounds
        resolve(outcome)
      }
      const guarded = (next: () => Step<Outcome>): void => {
        if (done) return
        try {
          obey(next())
        } catch (error) {
          done = true
          for (const cancel of timers) cancel()
          reject(error as Error)
        }
      }
      const { atHand = NOTHING_AT_HAND } = extras
      const send = (one: Send, blocks: readonly OwnedBlock[]): void => {
        extras.tally?.sent(one)
        this.#send(one, blocks, extras.withBlock).then(
          ({ reply, block: found }) => {
            extras.tally?.answered(one, reply, true)
            extras.onAnswer?.(one, reply)
            if (found !== undefined && !done) extras.onBlock?.(found)
            guarded(() => machine.onReply(one.to, one.request, reply))
          },
          (error: unknown) => {
            const maybeDelivered = (error as { maybeDelivered?: boolean }).maybeDelivered !== false
            extras.tally?.answered(one, undefined, maybeDelivered)
            extras.onAnswer?.(one, undefined)
            guarded(() => machine.onFailure(one.to, one.request, maybeDelivered))
          },
        )
      }
      const obey = (step: Step<Outcome>): void => {
        if (step.send.length > 0) sentMs = clock.monotonicMs()
        let riding: readonly OwnedBlock[] | undefined
        for (const one of step.send) send(one, (riding ??= ridingWith(one.request, atHand)))
        if (step.needBlocks !== undefined) {
          const { node, blocks, request } = step.needBlocks
          this.#supply(node, blocks, request, atHand).then(
            (riding) => send({ to: node, request }, riding),
            () => guarded(() => machine.onFailure(node, request, true)),
          )
        }
        if (step.backoff !== undefined && extras.hopeless?.() === true) {
          finish(machine.giveUp())
          return
        }
        if (step.backoff !== undefined) {
          const most = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** step.backoff.attempt)
          after(random.float() * most, () => guarded(() => machine.onBackoffOver()))
        }
        if (step.outcome !== undefined && !done) finish(step.outcome)
      }
      after(Math.max(1, deadline - clock.monotonicMs()), () => {
        if (!done) finish(machine.giveUp())
      })
      guarded(() => machine.start())
      const kind = extras.first === undefined ? 'write' : 'value'
      const hedgeLater = (delayMs: number): void =>
        after(delayMs, () => {
          const leftMs = sentMs + health.hedgeAfterMs(kind) - clock.monotonicMs()
          if (leftMs <= 0 && (extras.first === undefined || health.mayHedge(extras.first, kind))) {
            guarded(() => machine.hedge())
          }
          if (!done) hedgeLater(Math.max(leftMs, health.hedgeAfterMs(kind)))
        })
      if (!done) hedgeLater(health.hedgeAfterMs(kind))
    })
  }

  async #send(
    one: Send,
    blocks: readonly OwnedBlock[],
    withBlock: boolean | undefined,
  ): Promise<HostReply> {
    const { peers, placement } = this.#options
    const options = { timeoutMs: CALL_TIMEOUT_MS }
    const answer = await peers.register(one.to, one.request, { blocks, withBlock }, options)
    const { reply } = answer
    // Also when a majority does not need this one: else it would miss the next new register as well, whose
    // first ballot has to lie above its floor (P6, G2).
    if (reply.type === 'conflict') this.#counter = Math.max(this.#counter, reply.seen.counter)
    if (reply.type === 'stale-epoch') await placement.observe(reply.epoch, one.to)
    return answer
  }

  /** Finds the blocks that a replica lacks: they ride with the accept, sent again (A5). What does not fit
   * into one message goes ahead. */
  async #supply(
    node: NodeId,
    blocks: readonly BlockKey[],
    request: AcceptRequest,
    atHand: AtHand,
  ): Promise<OwnedBlock[]> {
    const { peers } = this.#options
    const riding: OwnedBlock[] = []
    let sizeBytes = 0
    for (const key of blocks) {
      const block = await this.#findBlock(key, request, atHand)
      if (sizeBytes + block.bytes.length <= BLOCK_BYTES) {
        riding.push(block)
        sizeBytes += block.bytes.length
        continue
      }
      const options = { timeoutMs: CALL_TIMEOUT_MS }
      const { result } = await peers.putBlock(node, block, request.epoch, options)
      if (result !== BLOCK_RESULT.ok) throw unavailable()
    }
    return riding
  }

  /** The one at hand, else a verified copy of a replica. */
  async #findBlock(key: BlockKey, request: AcceptRequest, atHand: AtHand): Promise<OwnedBlock> {
    const mine = atHand.get(key)
    if (mine !== undefined) return mine
    const { peers, placement, clock } = this.#options
    const replicas = placement.sets(partitionOfKey(request.key)).flat()
    const block = await firstAnswer(
      { clock, health: peers.health, kind: 'block' },
      peers.preferred(replicas, 'block'),
      (node) => peers.getOwnedBlock(node, key, { timeoutMs: CALL_TIMEOUT_MS }),
    )
    if (block !== undefined) return block
    await this.#options.lost?.noteIfLost(key)
    throw unavailable()
  }
}
