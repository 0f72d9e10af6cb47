/**
 * Drives one state machine of protocol/register (a proposer or a reader) over the network until it has an outcome:
 * sends what it asks for, and brings back replies, failures, back-offs and hedges. Called by register-client.ts for
 * reads and by proposed-change.ts for changes.
 *
 * Invariants:
 *   - the machine is told of each request that was sent once: a reply or a failure
 *   - the machine is told nothing after its outcome, and its timers are cancelled
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Send, Step } from '../../protocol/register/step.ts'
import type { RegisterReply } from '../../protocol/register/types.ts'
import type { Random } from '../env/ports.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { HostReply, PackedBlock } from '../replica/host-replies.ts'
import type { AcceptTally } from './accept-tally.ts'
import type { BallotCounter } from './ballot-counter.ts'
import { BlockSupply, type BlockSupplyOptions } from './block-supply.ts'
import type { RegisterMachine } from './register-machine.ts'
import { NOTHING_AT_HAND, ridingWith, type AtHand } from './riding-blocks.ts'

/** A call to one replica. */
const CALL_TIMEOUT_MS = 4_000
/** A conflict is followed by a random wait of at most this, doubled with each further one (P6). */
const BACKOFF_FIRST_MS = 4
const BACKOFF_MAX_MS = 400

export interface RegisterDriverOptions extends BlockSupplyOptions {
  readonly random: Random
  readonly counter: BallotCounter
}

/** What a caller has at hand for the machine, and what it wants to hear of. */
export interface DriveExtras {
  /** Blocks of the value that the caller has in its hands. */
  readonly atHand?: AtHand | undefined
  /** Reads ask for the packed block of the value. */
  readonly withBlock?: boolean
  readonly onBlock?: (block: PackedBlock) => void
  /** Called for every request, also after the outcome. `reply` is undefined when the request failed. */
  readonly onAnswer?: (send: Send, reply: RegisterReply | undefined) => void
  readonly tally?: AcceptTally
  /** For a read: the replica that sends the value. */
  readonly first?: NodeId | undefined
  /** Asked before each back-off. True ends the operation. */
  readonly hopeless?: () => boolean
}

/** Shared by all operations of the node. */
export class RegisterDriver {
  readonly options: RegisterDriverOptions
  readonly supply: BlockSupply

  constructor(options: RegisterDriverOptions) {
    this.options = options
    this.supply = new BlockSupply(options)
  }

  /** Resolves with the machine's outcome; at the deadline with the outcome of giving up. Throws what the machine
   * throws. */
  run<Outcome>(
    context: RequestContext,
    machine: RegisterMachine<Outcome>,
    deadlineMs: number,
    extras: DriveExtras,
  ): Promise<Outcome> {
    return new Drive(this, context, machine, extras).run(deadlineMs)
  }

  /**
   * Sends one request to one replica. Notes what the answer says besides: a higher ballot, a later epoch. Throws
   * NetworkError.
   */
  async send(
    { to, request }: Send,
    blocks: readonly OwnedBlock[],
    withBlock: boolean | undefined,
  ): Promise<HostReply> {
    const { peers, placement, counter } = this.options
    const options = { timeoutMs: CALL_TIMEOUT_MS }
    const answer = await peers.register(to, request, { blocks, withBlock }, options)
    const { reply } = answer
    // Also when a majority does not need this reply. Otherwise the next new register would be refused as well: its
    // first ballot has to be above the replica's floor (P6, G2).
    if (reply.type === 'conflict') counter.saw(reply.seen.counter)
    if (reply.type === 'stale-epoch') await placement.observe(reply.epoch, to)
    return answer
  }
}

/** One machine, until its outcome. */
class Drive<Outcome> {
  readonly #driver: RegisterDriver
  readonly #context: RequestContext
  readonly #machine: RegisterMachine<Outcome>
  readonly #extras: DriveExtras
  readonly #atHand: AtHand
  #deadlineMs = 0
  /** Cancels the timer for hedges and the deadline. */
  #cancelWatch: (() => void) | undefined
  #cancelBackoff: (() => void) | undefined
  #resolve: (outcome: Outcome) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  #done = false
  /** When something was sent last. */
  #sentMs = 0

  constructor(
    driver: RegisterDriver,
    context: RequestContext,
    machine: RegisterMachine<Outcome>,
    extras: DriveExtras,
  ) {
    this.#driver = driver
    this.#context = context
    this.#machine = machine
    this.#extras = extras
    this.#atHand = extras.atHand ?? NOTHING_AT_HAND
  }

  run(deadlineMs: number): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#deadlineMs = deadlineMs
      this.#advance(() => this.#machine.start())
      if (!this.#done) this.#watch()
    })
  }

  /** Gives the machine one event and obeys the step that it answers with. */
  #advance(event: () => Step<Outcome>): void {
    if (this.#done) return
    try {
      this.#obey(event())
    } catch (error) {
      this.#end()
      this.#reject(error)
    }
  }

  /** Does what a step says: sends, fetches blocks, waits, or ends. */
  #obey(step: Step<Outcome>): void {
    if (step.send.length > 0) this.#sentMs = this.#nowMs()
    let riding: readonly OwnedBlock[] | undefined
    for (const one of step.send) {
      this.#send(one, (riding ??= ridingWith(one.request, this.#atHand)))
    }
    if (step.needBlocks !== undefined) {
      const { node, blocks, request } = step.needBlocks
      this.#driver.supply.supply(node, blocks, request, this.#atHand).then(
        (found) => this.#send({ to: node, request }, found),
        () => this.#advance(() => this.#machine.onFailure(node, request, true)),
      )
    }
    if (step.backoff !== undefined) {
      if (this.#extras.hopeless?.() === true) {
        this.#finish(this.#machine.giveUp())
        return
      }
      const most = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** step.backoff.attempt)
      const { clock, random } = this.#driver.options
      this.#cancelBackoff = clock.after(random.float() * most, () =>
        this.#advance(() => this.#machine.onBackoffOver()),
      )
    }
    if (step.outcome !== undefined && !this.#done) this.#finish(step.outcome)
  }

  /**
   * Sends, and brings the answer or the failure back to the machine. Tally and `onAnswer` hear of it even after the
   * outcome.
   */
  #send(one: Send, blocks: readonly OwnedBlock[]): void {
    const { tally, onAnswer, onBlock, withBlock } = this.#extras
    tally?.sent(one)
    this.#driver.send(one, blocks, withBlock).then(
      ({ reply, block }) => {
        tally?.answered(one, reply, true)
        onAnswer?.(one, reply)
        if (block !== undefined && !this.#done) onBlock?.(block)
        this.#advance(() => this.#machine.onReply(one.to, one.request, reply))
      },
      (error: unknown) => {
        const maybeDelivered = (error as { maybeDelivered?: boolean }).maybeDelivered !== false
        tally?.answered(one, undefined, maybeDelivered)
        onAnswer?.(one, undefined)
        this.#advance(() => this.#machine.onFailure(one.to, one.request, maybeDelivered))
      },
    )
  }

  /** One timer for both: hedges whenever nothing was sent for as long as answers usually take, and gives up at the
   * deadline. */
  #watch(): void {
    const leftMs = Math.max(1, this.#deadlineMs - this.#nowMs())
    const delayMs = Math.min(this.#hedgeAfterMs(), leftMs)
    this.#cancelWatch = this.#driver.options.clock.after(delayMs, () => {
      const nowMs = this.#nowMs()
      if (nowMs >= this.#deadlineMs) {
        this.#finish(this.#machine.giveUp())
        return
      }
      const isQuiet = this.#sentMs + this.#hedgeAfterMs() <= nowMs
      if (isQuiet && this.#mayHedge()) this.#advance(() => this.#machine.hedge())
      if (!this.#done) this.#watch()
    })
  }

  #hedgeAfterMs(): number {
    const kind = this.#extras.first === undefined ? 'write' : 'value'
    return this.#driver.options.peers.health.hedgeAfterMs(kind)
  }

  #mayHedge(): boolean {
    const { first } = this.#extras
    return first === undefined || this.#driver.options.peers.health.mayHedge(first, 'value')
  }

  /** Ends the drive, and adds the machine's rounds to those of the request. */
  #finish(outcome: Outcome): void {
    this.#end()
    this.#context.rounds += this.#machine.rounds
    this.#resolve(outcome)
  }

  #end(): void {
    this.#done = true
    this.#cancelWatch?.()
    this.#cancelBackoff?.()
  }

  #nowMs(): number {
    return this.#driver.options.clock.monotonicMs()
  }
}
