/**
 * One proposed change of a register, from the first proposer to the outcome. A proposer is replaced by a new one when
 * the layout or the bucket's fence turns out to be stale (L4, T8), or when no majority answered and the change has had
 * no effect yet.
 */

import type { RequestContext } from '../../protocol/context.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { BlockKey, NodeId, ProposerId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { RegisterProposer } from '../../protocol/register/proposer.ts'
import type { Attempt, ProposerOutcome, Send } from '../../protocol/register/step.ts'
import type { Fence, RegisterReply, ReplicaSets } from '../../protocol/register/types.ts'
import { AcceptTally } from './accept-tally.ts'
import { refreshFence } from './fence-refresh.ts'
import type { FenceSource } from './fence-source.ts'
import { crowded, unavailable } from './register-errors.ts'
import type { RegisterDriver, RegisterDriverOptions } from './register-driver.ts'
import { Patience } from './register-patience.ts'
import type { AtHand } from './riding-blocks.ts'

export interface ProposalOptions extends RegisterDriverOptions {
  readonly proposer: () => ProposerId
  /** False while it is not known whether the proposer's boot number belongs to this start of the node (D2). */
  readonly mayPropose?: (() => boolean) | undefined
  /** A replica may have missed a write of this partition (P7). */
  readonly onGap: (peer: NodeId, partition: number) => void
}

/** What every proposer of a proposal is made from. */
export interface ProposerBase {
  readonly key: RegisterKey
  readonly proposer: ProposerId
  readonly nextCounter: (above: number) => number
  readonly sets: ReplicaSets
  readonly epoch: number
  readonly fence?: Fence | undefined
  readonly lost: ReadonlySet<BlockKey> | undefined
  readonly promisesNext: boolean
}

export interface ProposalRequest {
  readonly key: RegisterKey
  readonly fence?: FenceSource | undefined
  /** Blocks that the values of this change name. */
  readonly atHand?: AtHand
  /** For the whole proposal, on the monotonic clock. */
  readonly deadlineMs: number
  /**
   * Makes the next proposer. `attempt`: what an earlier proposer of this proposal may have written, so that it is not
   * written twice (P4).
   */
  readonly make: (base: ProposerBase, attempt: Attempt | undefined) => RegisterProposer
}

/** Used once, by register-client.ts. */
export class ProposedChange {
  readonly #driver: RegisterDriver
  readonly #options: ProposalOptions
  readonly #context: RequestContext
  readonly #request: ProposalRequest
  readonly #partition: number
  /** How long the proposal waits for a majority, while it has had no effect. */
  readonly #patience: Patience
  /** Over all proposers: what one of them may have stored counts to the end. */
  readonly #tally = new AcceptTally()
  /** Set once an accept may have been stored: from then on a failure means "not known" (P4). */
  #attempt: Attempt | undefined

  constructor(
    driver: RegisterDriver,
    options: ProposalOptions,
    context: RequestContext,
    request: ProposalRequest,
  ) {
    this.#driver = driver
    this.#options = options
    this.#context = context
    this.#request = request
    this.#partition = partitionOfKey(request.key)
    this.#patience = new Patience(options, context)
  }

  /**
   * Resolves with `written`, `kept` or `unknown`. Throws StoreError Unavailable, InsufficientStorage when every replica
   * is full and none has stored the value, and what `fence.refresh` throws.
   */
  async run(): Promise<ProposerOutcome> {
    const { clock, mayPropose } = this.#options
    const { fence, deadlineMs } = this.#request
    for (let attempts = 0; ; attempts++) {
      if (clock.monotonicMs() >= deadlineMs) throw attempts === 0 ? crowded() : unavailable()
      if (mayPropose?.() === false) {
        await this.#patience.wait(attempts)
        continue
      }
      if (fence?.isUsable?.() === false) {
        await refreshFence(fence, clock, deadlineMs, this.#attempt !== undefined)
      }
      const outcome = await this.#propose(attempts)
      if (outcome !== undefined) return outcome
    }
  }

  /** With one proposer. Undefined when another one has to try. */
  async #propose(attempts: number): Promise<ProposerOutcome | undefined> {
    const { placement, onGap, clock } = this.#options
    const { atHand, deadlineMs } = this.#request
    const tally = this.#tally
    const lacking = new Set<NodeId>()
    let over = false
    const onAnswer = ({ to, request }: Send, reply: RegisterReply | undefined): void => {
      if (request.type !== 'accept') return
      if (reply?.type === 'accepted') lacking.delete(to)
      else if (over) onGap(to, this.#partition)
      else lacking.add(to)
    }
    tally.begin()
    const sets = placement.sets(this.#partition)
    const machine = this.#request.make(this.#base(sets), this.#attempt)
    const outcome = await this.#driver.run<ProposerOutcome>(this.#context, machine, deadlineMs, {
      atHand,
      tally,
      onAnswer,
      hopeless: () => !tally.hasRoom(sets),
    })
    over = true
    if (!tally.hasRoom(sets)) {
      await tally.allAnswered((delayMs, run) => clock.after(delayMs, run))
    }
    if (tally.isFull(sets) && !tally.mayBeStored) {
      throw new StoreError('InsufficientStorage', 'no room left on the replicas')
    }
    return this.#judge(outcome, attempts, sets, lacking)
  }

  /** Epoch, sets and fence as they are now: a proposer keeps them to its end (L4, T8). */
  #base(sets: ReplicaSets): ProposerBase {
    const { placement, proposer, counter, lost } = this.#options
    return {
      key: this.#request.key,
      proposer: proposer(),
      nextCounter: (above) => counter.next(above),
      sets,
      epoch: placement.epoch(),
      fence: this.#request.fence?.current(),
      lost: lost?.keys,
      // Nobody keeps outcomes for the next change of the same register, so no acceptor has to keep a promise for it.
      promisesNext: false,
    }
  }

  /** The outcome of the whole proposal; undefined when a new proposer has to try. `lacking`: replicas that did not
   * accept. */
  async #judge(
    outcome: ProposerOutcome,
    attempts: number,
    sets: ReplicaSets,
    lacking: ReadonlySet<NodeId>,
  ): Promise<ProposerOutcome | undefined> {
    const { clock, onGap } = this.#options
    const { fence, deadlineMs } = this.#request
    switch (outcome.type) {
      case 'stale-fence':
        this.#attempt = outcome.attempt ?? this.#attempt
        if (fence !== undefined) {
          await refreshFence(fence, clock, deadlineMs, this.#attempt !== undefined)
        }
        return undefined
      case 'stale-epoch':
        this.#attempt = outcome.attempt ?? this.#attempt
        return undefined
      case 'unavailable':
        await this.#patience.wait(attempts, this.#tally.hasRoom(sets))
        return undefined
      case 'written':
      case 'kept':
        // A replica that was down or refused lacks what the others chose without it (P7).
        for (const node of lacking) onGap(node, this.#partition)
        break
      case 'unknown':
        break
    }
    if (fence?.isUsable?.() === false) {
      // The change may have happened: check that its bucket still exists.
      await refreshFence(fence, clock, deadlineMs, true)
    }
    return outcome
  }
}
