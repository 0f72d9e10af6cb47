/**
 * Hosts the acceptors of this node: it persists what they say, then answers. Called by the RPC handlers of serving/, and
 * by repair and rebalance for states that are copied.
 *
 * Invariants:
 *   - a reply leaves only after the state that it reports is flushed: prepares and accepts of one
 *     register run one after the other, and reads see flushed states only             (A1)
 *   - epoch and membership are checked again after every wait: a request of one epoch is not answered
 *     in its name once the node is in the next                                         (L6b)
 *   - packed blocks come before the state that names them in the log                   (A5)
 *   - a register whose state is damaged is FAULTY: it does not vote                     (A4)
 *
 * Promises (A1) are in ballot-promises.ts, generations of buckets (T8) in minimum-generations.ts, flushed states and floors
 * in register-states.ts, and what takes registers out in register-removals.ts.
 */

import { bodyPlaceOf, decodeState, encodeState } from '../../protocol/codec/state.ts'
import type { NodeId, RegisterKey } from '../../protocol/ids.ts'
import { bucketIdOf } from '../../protocol/keyspace/register-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { handle, type AcceptorEnv, type Ready } from '../../protocol/register/acceptor.ts'
import { sameBallot, type Ballot } from '../../protocol/register/ballot.ts'
import { install } from '../../protocol/register/copy.ts'
import type { Accepted, RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import { blockRecord, type BlockStore, type OwnedBlock } from './blocks.ts'
import { LogError } from '../log/errors.ts'
import type { Store } from '../log/store.ts'
import type { NewRecord } from '../log/types.ts'
import { BallotPromises } from './ballot-promises.ts'
import { RegisterRemovals } from './register-removals.ts'
import { RECORD } from './record-types.ts'
import { RegisterStates, type StoredState } from './register-states.ts'
import { appendChange } from './full-disk.ts'
import type { HostReply, Learnt } from './host-replies.ts'
import { MinimumGenerations } from './minimum-generations.ts'
import { KeyedQueue } from '../tools/keyed-queue.ts'

const NO_BLOCKS: readonly OwnedBlock[] = []

/** What the host needs of its node. */
export interface RegisterHostOptions {
  readonly store: Store
  readonly blocks: BlockStore
  /** Epoch and membership of this node at this moment. */
  readonly epoch: () => number
  readonly isReplica: (partition: number) => boolean
  readonly self: NodeId
  /** The wall clock, which promises tell (T10). */
  readonly nowMs: () => number
  /** Called when a request meets a damaged state, which is to be mended (D3). */
  readonly onFaulty?: ((key: RegisterKey) => void) | undefined
  /** For promises kept in memory. Default: 32 MiB. */
  readonly promiseBytesMax?: number | undefined
}

export class AcceptorHost {
  /** The minimum generations of buckets that this node obeys (T8). */
  readonly generations: MinimumGenerations
  /** Takes registers out: collections, discards, drops. */
  readonly removals: RegisterRemovals
  readonly #options: RegisterHostOptions
  readonly #store: Store
  /** Prepares, accepts, copies and removals of one register run one after the other. Reads do not wait. */
  readonly #queue = new KeyedQueue<RegisterKey>()
  readonly #promises: BallotPromises
  readonly #states: RegisterStates
  /** Accepts on their way to the disk: they count as registers that are held. */
  #accepting = 0
  /** Accepts that have passed all checks and are not flushed yet. */
  readonly #flushing = new Set<Promise<unknown>>()

  constructor(options: RegisterHostOptions) {
    this.#options = options
    this.#store = options.store
    const isBusy = (key: RegisterKey): boolean => this.#queue.busy(key)
    this.#promises = new BallotPromises(options.store, isBusy, options.promiseBytesMax)
    this.#states = new RegisterStates(options.store)
    this.generations = new MinimumGenerations(options.store)
    this.removals = new RegisterRemovals({
      store: options.store,
      queue: this.#queue,
      states: this.#states,
      promises: this.#promises,
    })
  }

  /**
   * Answers a prepare, an accept or a read; the reply leaves after what it reports is flushed (A1). When the log is
   * full or has failed, a prepare or accept gets a reply without a vote, and a read that has to raise a minimum
   * generation rejects with LogError.
   *
   * `blocks`: those that come with an accept (A5). `withBlock`: a read wants the packed block of the value.
   */
  handle(
    request: RegisterRequest,
    extras: {
      blocks?: readonly OwnedBlock[] | undefined
      withBlock?: boolean | undefined
    } = {},
  ): Promise<HostReply> {
    const withBlock = extras.withBlock === true
    const known = this.answerAtOnce(request, withBlock)
    if (known !== undefined) return Promise.resolve(known)
    if (request.type === 'read') return this.#read(request, withBlock)
    return this.#queue.run(request.key, () => this.#vote(request, extras.blocks ?? NO_BLOCKS))
  }

  /**
   * The answer to what needs neither the disk nor a turn in the queue: most prepares, reads without a block, refusals.
   * Undefined when `handle` has to be asked.
   */
  answerAtOnce(request: RegisterRequest, withBlock = false): HostReply | undefined {
    const refusal = this.refusalOf(request)
    if (refusal !== undefined) return { reply: refusal }
    if (request.type === 'accept' || withBlock) return undefined
    if (request.type === 'prepare' && this.#queue.busy(request.key)) return undefined
    const ready = this.#ask(request, this.#loadFor(request.key))
    if (this.generations.mustRaise(request, ready.reply) || this.#mustReserve(ready)) {
      return undefined
    }
    if (ready.state !== undefined) this.#promises.remember(request.key, ready.state.promised)
    return { reply: ready.reply }
  }

  /**
   * Whether this node may still answer a request that has waited: undefined, or the refusal. It may not when it is in a
   * later epoch, in which it may have told others already what it holds, or is no replica any more (L6b). What was
   * stored stays: the refusal says neither that it was stored nor that it was not.
   */
  refusalOf({ key, epoch }: Pick<RegisterRequest, 'key' | 'epoch'>): RegisterReply | undefined {
    const { epoch: present, isReplica } = this.#options
    if (!isReplica(partitionOfKey(key))) return { type: 'no-vote', reason: 'not-a-replica' }
    return epoch < present() ? { type: 'stale-epoch', epoch: present() } : undefined
  }

  /** All promises that this node may have given and forgotten are below this counter (A1). */
  get mark(): number {
    return this.#promises.mark
  }

  /** Bytes of memory that promises without an accept take. */
  get promiseBytes(): number {
    return this.#promises.sizeBytes
  }

  /** The stored state is damaged: the register neither votes nor answers until it is mended (A4, D3). */
  isFaulty(key: RegisterKey): boolean {
    return this.#states.load(key) === 'faulty'
  }

  /**
   * Replaces a damaged state by what the other replicas have agreed on without this one, at a ballot above the mark (D3).
   * Its packed blocks must be here (A5). True when the register votes again. `epoch`: in which they have agreed.
   */
  mend(key: RegisterKey, agreed: Accepted, epoch = this.#options.epoch()): Promise<boolean> {
    return this.#queue.run(key, async () => {
      if (!this.isFaulty(key) || epoch !== this.#options.epoch()) return false
      if (agreed.value.blocks.some((block) => !this.#options.blocks.has(block))) return false
      await this.#put(key, agreed)
      return true
    })
  }

  /** From now on every register counts as promised up to `counter`, as after a restart with such a mark. Resolves when
   * accepts that had passed before are flushed: all later ones are above it (D8). */
  async outlaw(counter: number): Promise<void> {
    await this.#promises.outlaw(counter)
    await this.whenFlushed()
  }

  /** Resolves when all states are flushed that are on their way to the disk now. */
  async whenFlushed(): Promise<void> {
    await Promise.allSettled(this.#flushing)
  }

  /** Whether this node has any register, tombstones and accepts in flight included. */
  holdsRegisters(): boolean {
    return this.#accepting > 0 || this.#states.hasAny()
  }

  /** The flushed state, without a vote: for listings and repair. Undefined when absent or FAULTY. */
  peek(key: RegisterKey): Accepted | undefined {
    const stored = this.#states.load(key)
    return stored === 'faulty' ? undefined : stored
  }

  /**
   * Takes over a state that is known to be chosen. It does what a late accept would do, except that the promise stays as
   * it is: a proposer with a higher promise has asked a majority that holds this state already. `epoch`: in which the
   * state was read.
   */
  learn(key: RegisterKey, chosen: Accepted, epoch = this.#options.epoch()): Promise<Learnt> {
    return this.#queue.run(key, async () => {
      // By now it may have been collected (L6).
      if (epoch !== this.#options.epoch()) return 'late'
      const stored = this.#states.load(key)
      if (stored === 'faulty') return 'faulty'
      const partition = partitionOfKey(key)
      const copied = install(this.#promises.stateOf(key, stored), this.floor(partition), chosen)
      if (copied.type !== 'installed') return copied.type
      const { persist } = copied
      if (persist.value.blocks.some((block) => !this.#options.blocks.has(block)))
        return 'incomplete'
      await this.#put(key, persist)
      return epoch === this.#options.epoch() ? 'installed' : 'late'
    })
  }

  /** Appends a copied state. It may not be on the disk before its blocks, which the caller has checked. */
  async #put(key: RegisterKey, accepted: Accepted): Promise<void> {
    const body = encodeState(accepted)
    const record = { type: RECORD.register, partition: partitionOfKey(key), key, body }
    const flushed = this.#store.append([record])
    this.#flushing.add(flushed)
    await flushed.finally(() => this.#flushing.delete(flushed))
    this.#states.keep(key, decodeState(body))
    this.#promises.flushed(key, accepted)
  }

  /** The flushed floor: at or below it nothing is accepted or copied onto an absent register of the partition. */
  floor(partition: number): Ballot {
    return this.#states.floor(partition)
  }

  /** Answers from flushed states only, without a turn in the queue. */
  async #read(request: RegisterRequest, withBlock: boolean): Promise<HostReply> {
    const refusal = this.refusalOf(request)
    if (refusal !== undefined) return { reply: refusal }
    const ready = this.#ask(request, this.#loadFor(request.key))
    if (this.generations.mustRaise(request, ready.reply)) {
      // Accepts of lower generations are flushed now: look again.
      await this.generations.raise(request.fence!, [partitionOfKey(request.key)])
      return this.#read(request, withBlock)
    }
    if (!withBlock || ready.reply.type !== 'state') return { reply: ready.reply }
    const key = ready.reply.accepted?.value.blocks[0]
    if (key === undefined) return { reply: ready.reply }
    let bytes: Uint8Array | undefined
    try {
      const read = this.#options.blocks.read(key)
      bytes = read instanceof Promise ? await read : read
    } catch {
      // The vote counts without the block, which other replicas have too.
    }
    // The layout may have changed while the disk was read (L6b).
    const late = this.refusalOf(request)
    if (late !== undefined) return { reply: late }
    return bytes === undefined
      ? { reply: ready.reply }
      : { reply: ready.reply, block: { key, bytes } }
  }

  /**
   * Asks the pure acceptor, and obeys: minimum generation, reserve, state, then the reply. After each flush it asks
   * again.
   */
  async #vote(request: RegisterRequest, blocks: readonly OwnedBlock[]): Promise<HostReply> {
    const { key } = request
    try {
      for (;;) {
        const refusal = this.refusalOf(request)
        if (refusal !== undefined) return { reply: refusal }
        const stored = this.#loadFor(key)
        const ready = this.#ask(request, stored, blocks)
        // During these flushes epoch and minimum may move on: decide again afterwards.
        if (this.generations.mustRaise(request, ready.reply)) {
          await this.generations.raise(request.fence!, [partitionOfKey(key)])
        } else if (this.#mustReserve(ready)) {
          await this.#promises.reserve(ready.reserve)
        } else {
          if (ready.state !== undefined) this.#promises.remember(key, ready.state.promised)
          if (ready.persist === undefined) return { reply: ready.reply }
          await this.#persist(request, stored, ready.persist, blocks)
          return { reply: this.refusalOf(request) ?? ready.reply }
        }
      }
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      // "full" says that the value is not stored. But this ballot may have been stored before (P4).
      const isStored = request.type === 'accept' && this.#holds(key, request.ballot)
      const reason = error.code === 'DISK_FULL' && !isStored ? 'full' : 'failed'
      return { reply: { type: 'no-vote', reason } }
    }
  }

  /**
   * Appends the state, and in front of it the blocks that came along and are not here yet (A5). Resolves when they are
   * flushed.
   */
  async #persist(
    request: RegisterRequest,
    stored: StoredState,
    persist: Accepted,
    blocks: readonly OwnedBlock[],
  ): Promise<void> {
    const { key } = request
    const records: NewRecord[] = []
    for (const block of blocks) {
      if (!persist.value.blocks.includes(block.key)) continue
      if (!this.#options.blocks.has(block.key)) records.push(blockRecord(block))
    }
    const body = encodeState(persist)
    records.push({ type: RECORD.register, partition: partitionOfKey(key), key, body })
    const before = stored === 'faulty' ? undefined : stored
    this.#accepting++
    const flushed = appendChange(this.#store, records, { key, before, persist })
    const done = request.fence && this.generations.letIn(key, request.fence, flushed)
    this.#flushing.add(flushed)
    try {
      await flushed
    } finally {
      this.#accepting--
      this.#flushing.delete(flushed)
      done?.()
    }
    // The body is that of the record, because the request's bytes may be a small view of a large message.
    const value = { ...persist.value, body: body.subarray(bodyPlaceOf(body, 0)) }
    this.#states.keep(key, { ballot: persist.ballot, value })
    this.#promises.flushed(key, persist)
  }

  /** What the pure acceptor says. Changes nothing. */
  #ask(
    request: RegisterRequest,
    stored: StoredState,
    blocks: readonly OwnedBlock[] = NO_BLOCKS,
  ): Ready {
    const state = this.#promises.stateOf(request.key, stored)
    return handle(state, this.#env(request, stored, blocks), request)
  }

  /** The mark has to be flushed above the promise first (A1). */
  #mustReserve(ready: Ready): ready is Ready & { readonly reserve: number } {
    return ready.reserve !== undefined && ready.reserve >= this.mark
  }

  #holds(key: RegisterKey, ballot: Ballot): boolean {
    const stored = this.#states.load(key)
    return stored === 'faulty' || (stored !== undefined && sameBallot(stored.ballot, ballot))
  }

  /** The stored state. A damaged one is reported, to be mended. */
  #loadFor(key: RegisterKey): StoredState {
    const stored = this.#states.load(key)
    if (stored === 'faulty') this.#options.onFaulty?.(key)
    return stored
  }

  #env(request: RegisterRequest, stored: StoredState, blocks: readonly OwnedBlock[]): AcceptorEnv {
    const partition = partitionOfKey(request.key)
    const isFenced = bucketIdOf(request.key) !== undefined
    return {
      mark: this.mark,
      floor: this.floor(partition),
      epoch: this.#options.epoch(),
      minimumGeneration:
        isFenced && request.fence !== undefined
          ? this.generations.current(partition, request.fence)
          : 0,
      holdsBlock: (key) =>
        blocks.some((block) => block.key === key) || this.#options.blocks.has(key),
      // Whole milliseconds above 0: 0 means that a node did not say.
      clockMs: Math.max(1, Math.floor(this.#options.nowMs())),
      faulty: stored === 'faulty',
    }
  }
}
