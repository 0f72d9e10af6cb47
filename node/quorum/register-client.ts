/**
 * Reads and changes of registers (P5, R1): the proposing half. The state machines of protocol/register decide;
 * register-driver.ts drives them over the network. One operation of this node is in flight for a key (P1).
 */

import { StoreError } from '../../protocol/errors.ts'
import type { BlockKey, OperationId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { identityProposer } from '../../protocol/register/identity-proposer.ts'
import { RegisterProposer } from '../../protocol/register/proposer.ts'
import type { Change } from '../../protocol/register/proposer-options.ts'
import { Reader } from '../../protocol/register/read.ts'
import type { ProposerOutcome, ReaderOutcome } from '../../protocol/register/step.ts'
import type { Accepted } from '../../protocol/register/types.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { KeyedQueue } from '../tools/keyed-queue.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { PackedBlock } from '../replica/host-replies.ts'
import { BallotCounter } from './ballot-counter.ts'
import type { FenceSource } from './fence-source.ts'
import { OperationIds } from './operation-ids.ts'
import { ProposedChange, type ProposalOptions, type ProposalRequest } from './proposed-change.ts'
import { MadeValues, type ChangeOutcome, type ChangeRequest } from './register-change.ts'
import { RegisterDriver } from './register-driver.ts'
import { unavailable } from './register-errors.ts'
import type { RegisterEvent, RegisterObserver } from './register-events.ts'
import { Patience } from './register-patience.ts'

/** The time for a whole operation, retries and back-off included. After it: 503. */
const OPERATION_TIMEOUT_MS = 12_000

export interface RegisterClientOptions extends Omit<ProposalOptions, 'counter'> {
  /** Told of every outcome: checker A of the simulation listens here. */
  readonly observer?: RegisterObserver | undefined
}

/** A state that is chosen; undefined when the register is absent. Tombstones are passed as they are. */
export interface ReadResult {
  readonly accepted: Accepted | undefined
  /** The packed block of the value, when it was asked for and a replica sent it. */
  readonly block?: PackedBlock | undefined
}

export interface EnsureOptions {
  readonly fence?: FenceSource | undefined
  /** Writes the state again at a new ballot even when it is chosen already. */
  readonly rewrite?: boolean
  /** The new ballot's counter is above this one: for a copy that a floor has refused (G3). */
  readonly above?: number
}

export class RegisterClient {
  readonly #options: ProposalOptions
  readonly #observer: RegisterObserver | undefined
  readonly #driver: RegisterDriver
  /** Changes of one key run one after the other (P1). Reads do not wait. */
  readonly #queue = new KeyedQueue<RegisterKey>()
  readonly #operations: OperationIds

  constructor({ observer, ...options }: RegisterClientOptions) {
    this.#options = { ...options, counter: new BallotCounter() }
    this.#observer = observer
    this.#driver = new RegisterDriver(this.#options)
    this.#operations = new OperationIds(options, OPERATION_TIMEOUT_MS)
  }

  /**
   * One change of one register (P5): reads it, calls `request.change`, and proposes what that returns. `request.change`
   * is called again on each retry.
   *
   * Throws StoreError Unavailable when it is not known whether the change has happened, OverloadedError when it waited
   * too long behind others, InsufficientStorage, and what `fence.refresh` throws.
   */
  change(context: RequestContext, request: ChangeRequest): Promise<ChangeOutcome> {
    // A change that waits too long behind others has not happened: answer 503 in time instead of piling up late
    // retries.
    const deadlineMs = this.#deadlineMs()
    return this.#queue.run(request.key, () => this.#change(context, request, deadlineMs))
  }

  /**
   * Linearizable: one round trip when a majority agrees (R1), otherwise an identity change (R2). Throws Unavailable,
   * and what `fence.refresh` throws.
   */
  async read(
    context: RequestContext,
    request: { key: RegisterKey; fence?: FenceSource | undefined; withBlock?: boolean },
  ): Promise<ReadResult> {
    const { peers, placement } = this.#options
    const partition = partitionOfKey(request.key)
    const deadlineMs = this.#deadlineMs()
    const patience = new Patience(this.#options, context)
    for (let attempts = 0; ; attempts++) {
      if (request.fence?.isUsable?.() === false) await request.fence.refresh()
      const sets = placement.sets(partition)
      const epoch = placement.epoch()
      let block: PackedBlock | undefined
      // The first replica sends the value, so its disk has to answer.
      const preferred = peers.preferred(sets.flat(), 'value')
      const reader = new Reader({
        key: request.key,
        epoch,
        sets,
        preferred,
        ...(request.fence && { fence: request.fence.current() }),
      })
      const outcome = await this.#driver.run<ReaderOutcome>(context, reader, deadlineMs, {
        withBlock: request.withBlock === true,
        onBlock: (found) => (block = found),
        first: preferred[0],
      })
      switch (outcome.type) {
        case 'state':
          if (request.fence?.isUsable?.() === false) await request.fence.refresh()
          this.#observe(request.key, 'read', patience.startedMs, outcome.accepted)
          return { accepted: outcome.accepted, block }
        case 'needs-identity':
          return {
            accepted: await this.ensureChosen(context, request.key, { fence: request.fence }),
          }
        case 'unavailable':
          await patience.wait(attempts)
          break
        case 'stale-epoch':
          break
        case 'stale-fence':
          await request.fence?.refresh()
          break
      }
      if (this.#options.clock.monotonicMs() > deadlineMs) throw unavailable()
    }
  }

  /** What the replicas other than this one hold, at a ballot above `above` that R−F of them have promised and
   * accepted. Used to mend damaged state of this node (D3). Throws DataLost when there is no other replica. */
  ensureChosenByOthers(
    context: RequestContext,
    key: RegisterKey,
    above: number,
  ): Promise<Accepted | undefined> {
    const { self } = this.#options.peers
    const deadlineMs = this.#deadlineMs()
    return this.#queue.run(key, async () => {
      const startedMs = this.#options.clock.monotonicMs()
      const outcome = await this.#propose(context, {
        key,
        deadlineMs,
        make: (base) => {
          // A majority of the R − 1 others is R − F of them.
          const sets = base.sets.map((set) => set.filter((node) => node !== self))
          if (sets.some((set) => set.length === 0)) throw new StoreError('DataLost')
          return identityProposer({ ...base, sets, isPartial: true, above, rewrite: true })
        },
      })
      if (outcome.type !== 'kept') throw unavailable()
      this.#observe(key, 'kept', startedMs, outcome.current)
      return outcome.current
    })
  }

  /** Makes sure that the state it returns is chosen, by an identity change where needed (R2, L5). Undefined when the register
   * is absent on a majority. Throws as `change` does. */
  async ensureChosen(
    context: RequestContext,
    key: RegisterKey,
    { fence, rewrite = false, above = 0 }: EnsureOptions = {},
  ): Promise<Accepted | undefined> {
    const deadlineMs = this.#deadlineMs()
    return this.#queue.run(key, async () => {
      const startedMs = this.#options.clock.monotonicMs()
      const outcome = await this.#propose(context, {
        key,
        fence,
        deadlineMs,
        make: (base) => identityProposer({ ...base, rewrite, above }),
      })
      if (outcome.type !== 'kept') throw unavailable()
      this.#observe(key, 'kept', startedMs, outcome.current)
      return outcome.current
    })
  }

  /** Runs when the key's queue has come to it. An operation id is drawn once, for all proposers (P4). */
  async #change(
    context: RequestContext,
    request: ChangeRequest,
    deadlineMs: number,
  ): Promise<ChangeOutcome> {
    const operation = this.#operations.next()
    const { key } = request
    const startedMs = this.#options.clock.monotonicMs()
    const made = new MadeValues()
    const atHand = new Map<BlockKey, OwnedBlock>()
    if (request.block !== undefined) atHand.set(request.block.key, request.block)
    const change: Change = (current, chosen, clockMs) => {
      const { blocks, ...result } = request.change(current, chosen, clockMs)
      for (const block of blocks ?? []) atHand.set(block.key, block)
      if ('write' in result) {
        const { tombstone, body } = result.write
        made.add(current, body)
        const base = current?.operation
        this.#observer?.({ key, type: 'proposed', startedMs, operation, base, tombstone })
      }
      return result
    }
    try {
      const outcome = await this.#propose(context, {
        key,
        fence: request.fence,
        atHand,
        deadlineMs,
        make: (base, attempt) =>
          new RegisterProposer({
            ...base,
            operation,
            change,
            attempt,
            isRecent: (other) => this.#operations.isRecent(other),
          }),
      })
      if (outcome.type === 'written') {
        const { ballot, value, writtenAt, overtakenBy } = outcome
        const { replaced } = value
        if (overtakenBy === undefined) this.#observe(key, 'written', startedMs, outcome, replaced)
        else this.#observe(key, 'kept', startedMs, { ballot, value: overtakenBy })
        return { type: 'written', value, before: made.origin(value.body, replaced), writtenAt }
      }
      if (outcome.type === 'kept') {
        this.#observe(key, 'kept', startedMs, outcome.current)
        return { type: 'kept', current: outcome.current }
      }
    } catch (error) {
      this.#observer?.({ key, type: 'unknown', startedMs, operation })
      throw error
    }
    this.#observer?.({ key, type: 'unknown', startedMs, operation })
    throw new StoreError('Unavailable', 'it is not known whether the change has happened')
  }

  /** Tells the simulation's checkers what this node has learnt. */
  #observe(
    key: RegisterKey,
    type: RegisterEvent['type'],
    startedMs: number,
    accepted: Accepted | undefined,
    base?: OperationId,
  ): void {
    this.#observer?.({
      key,
      type,
      startedMs,
      ballot: accepted?.ballot,
      operation: accepted?.value.operation,
      base,
      tombstone: accepted?.value.tombstone,
    })
  }

  /** Drives one proposal to its outcome. */
  #propose(context: RequestContext, request: ProposalRequest): Promise<ProposerOutcome> {
    return new ProposedChange(this.#driver, this.#options, context, request).run()
  }

  #deadlineMs(): number {
    return this.#options.clock.monotonicMs() + OPERATION_TIMEOUT_MS
  }
}
