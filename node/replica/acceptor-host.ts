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
 *   - a tombstone is forgotten in the same flush as the floor that keeps it away          (G2, G3)
 *
 * Promises (A1) are in ballot-promises.ts, generations of buckets (T8) in minimum-generations.ts, flushed states in
 * register-states.ts.
 */

import { decodeState, encodeState } from '../../protocol/codec/state.ts'
import type { BucketId, NodeId, RegisterKey } from '../../protocol/ids.ts'
import { bucketIdOf } from '../../protocol/keyspace/register-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { handle, type AcceptorEnv } from '../../protocol/register/acceptor.ts'
import {
  compareBallots,
  maxBallot,
  sameBallot,
  type Ballot,
} from '../../protocol/register/ballot.ts'
import { collect, install } from '../../protocol/register/copy.ts'
import type {
  Accepted,
  Fence,
  RegisterReply,
  RegisterRequest,
} from '../../protocol/register/types.ts'
import { blockRecord, type BlockStore, type OwnedBlock } from './blocks.ts'
import { LogError } from '../log/errors.ts'
import type { Store } from '../log/store.ts'
import type { NewRecord } from '../log/types.ts'
import { BallotPromises } from './ballot-promises.ts'
import { floorOfRow, floorRow } from './index-rows.ts'
import { floorRaised, registerDropped, registerGone } from './removal-records.ts'
import { RECORD } from './record-types.ts'
import { RegisterStates, type StoredState } from './register-states.ts'
import { appendChange } from './full-disk.ts'
import type { HostReply, Learnt } from './host-replies.ts'
import { MinimumGenerations } from './minimum-generations.ts'
import { KeyedQueue } from '../tools/keyed-queue.ts'

export interface RegisterHostOptions {
  readonly store: Store
  readonly blocks: BlockStore
  /** Epoch and membership of this node at this moment. */
  readonly epoch: () => number
  readonly isReplica: (partition: number) => boolean
  readonly self: NodeId
  /** Called when a request meets a damaged state, which is to be mended (D3). */
  readonly onFaulty?: ((key: RegisterKey) => void) | undefined
  /** For promises kept in memory. Default: 32 MiB. */
  readonly promiseBytesMax?: number | undefined
}

export class AcceptorHost {
  readonly #options: RegisterHostOptions
  readonly #store: Store
  readonly #queue = new KeyedQueue<RegisterKey>()
  readonly #promises: BallotPromises
  readonly #states: RegisterStates
  readonly #minima: MinimumGenerations
  #accepting = 0
  /** Accepts that have passed all checks and are not flushed yet. */
  readonly #flushing = new Set<Promise<unknown>>()

  constructor(options: RegisterHostOptions) {
    this.#options = options
    this.#store = options.store
    const isBusy = (key: RegisterKey): boolean => this.#queue.busy(key)
    this.#promises = new BallotPromises(options.store, isBusy, options.promiseBytesMax)
    this.#states = new RegisterStates(options.store)
    this.#minima = new MinimumGenerations(options.store)
  }

  /** `blocks`: those that come with an accept (A5). `withBlock`: a read wants the packed block of the value. */
  handle(
    request: RegisterRequest,
    extras: {
      blocks?: readonly OwnedBlock[] | undefined
      withBlock?: boolean | undefined
    } = {},
  ): Promise<HostReply> {
    const refusal = this.refusalOf(request)
    if (refusal !== undefined) return Promise.resolve({ reply: refusal })
    if (request.type === 'read') return this.#read(request, extras.withBlock === true)
    return this.#queue.run(request.key, () => this.#vote(request, extras.blocks ?? []))
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

  /**
   * Forgets a state with a counter below `below`. The caller has asked so many other replicas that every quorum has one of
   * them, and none of these has the state: it was collected, or never chosen (D8). Nothing at or below its promise ever
   * comes back. With `isLost` it forgets only a FAULTY state that no other replica has, when the operator says so (D3). */
  discard(key: RegisterKey, below: number, isLost = false): Promise<boolean> {
    return this.#queue.run(key, async () => {
      const stored = this.#states.load(key)
      if (isLost ? stored !== 'faulty' : stored === undefined || stored === 'faulty') return false
      if (stored !== 'faulty' && stored!.ballot.counter >= below) return false
      const partition = partitionOfKey(key)
      const floor = maxBallot(this.floor(partition), this.#promises.stateOf(key, stored).promised)
      if (!isLost) await this.#remove(key, registerGone(key, floor))
      else await this.#remove(key, floorRaised(partition, floor), registerDropped(key, undefined))
      this.#promises.forget(key)
      return true
    })
  }

  /** Removes the register, also a FAULTY one: the node has left its partition (L8), or enters it again (L9). It may come
   * back at any ballot. Promises stay. */
  drop(key: RegisterKey, isAllowed: () => boolean): Promise<boolean> {
    return this.#queue.run(key, async () => {
      const stored = this.#states.load(key)
      if (stored === undefined || !isAllowed()) return false
      const ballot = stored === 'faulty' ? undefined : stored.ballot
      await this.#remove(key, registerDropped(key, ballot))
      return true
    })
  }

  async #remove(key: RegisterKey, ...removal: readonly NewRecord[]): Promise<void> {
    await this.#store.append(removal, { urgent: true })
    this.#states.forget(key)
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
    return floorOfRow(this.#store.get(floorRow(partition)))
  }

  /** `exact`: this tombstone is here, flushed. `absent`: no register is, and the tombstone can't be accepted any more.
   * `other`: anything else. */
  tombstoneState(key: RegisterKey, ballot: Ballot): 'exact' | 'absent' | 'other' {
    const stored = this.#states.load(key)
    if (stored === undefined) {
      return compareBallots(this.floor(partitionOfKey(key)), ballot) >= 0 ? 'absent' : 'other'
    }
    if (stored === 'faulty' || !stored.value.tombstone) return 'other'
    return sameBallot(stored.ballot, ballot) ? 'exact' : 'other'
  }

  /** Forgets a tombstone that every replica has, if it is still here at that ballot and the layout has not begun to change
   * (G2). */
  collect(key: RegisterKey, ballot: Ballot, isAllowed: () => boolean): Promise<boolean> {
    return this.#queue.run(key, async () => {
      const stored = this.#states.load(key)
      if (stored === undefined || stored === 'faulty' || !isAllowed()) return false
      const partition = partitionOfKey(key)
      const collected = collect(this.#promises.stateOf(key, stored), this.floor(partition), ballot)
      if (collected === undefined) return false
      await this.#remove(key, registerGone(key, collected.floor))
      // The floor covers the promise, for good.
      this.#promises.forget(key)
      return true
    })
  }

  /** Lower generations are refused. It may still be on its way to the disk: `raiseMinimum` waits for that. */
  minimumGeneration(partition: number, request: RegisterRequest['fence']): number {
    return request === undefined ? 0 : this.#minima.current(partition, request)
  }

  flushedMinimum(partition: number, request: Fence): number {
    return this.#minima.flushed(partition, request)
  }

  /** T8: resolves when the minimum is flushed for each of the partitions. */
  raiseMinimum(fence: Fence, partitions: readonly number[]): Promise<void> {
    return this.#minima.raise(fence, partitions)
  }

  /** The buckets are gone for good: where this node has a minimum of one, it obeys no generation of it any more. */
  finalise(partition: number, buckets: readonly BucketId[]): Promise<void> {
    return this.#minima.finalise(partition, buckets)
  }

  /** Drops final minima, which are obeyed until that is flushed. No node knows these buckets any more (T8). */
  dropMinima(partition: number, buckets: readonly BucketId[]): Promise<number> {
    return this.#minima.drop(partition, buckets)
  }

  async #read(request: RegisterRequest, withBlock: boolean): Promise<HostReply> {
    const refusal = this.refusalOf(request)
    if (refusal !== undefined) return { reply: refusal }
    const stored = this.#loadFor(request.key)
    const ready = handle(
      this.#promises.stateOf(request.key, stored),
      this.#env(request, stored),
      request,
    )
    if (this.#minima.mustRaise(request, ready.reply)) {
      // Accepts of lower generations are flushed now: look again.
      await this.raiseMinimum(request.fence!, [partitionOfKey(request.key)])
      return this.#read(request, withBlock)
    }
    if (!withBlock || ready.reply.type !== 'state') return { reply: ready.reply }
    const key = ready.reply.accepted?.value.blocks[0]
    if (key === undefined) return { reply: ready.reply }
    // The vote counts without the block, which other replicas have too.
    const bytes = await this.#options.blocks.read(key).catch(() => undefined)
    // The layout may have changed while the disk was read (L6b).
    const late = this.refusalOf(request)
    if (late !== undefined) return { reply: late }
    return bytes === undefined
      ? { reply: ready.reply }
      : { reply: ready.reply, block: { key, bytes } }
  }

  async #vote(request: RegisterRequest, blocks: readonly OwnedBlock[]): Promise<HostReply> {
    const { key } = request
    try {
      for (;;) {
        const refusal = this.refusalOf(request)
        if (refusal !== undefined) return { reply: refusal }
        const stored = this.#loadFor(key)
        const env = this.#env(request, stored, blocks)
        const ready = handle(this.#promises.stateOf(key, stored), env, request)
        // During these flushes epoch and minimum may move on: decide again afterwards.
        if (this.#minima.mustRaise(request, ready.reply)) {
          await this.raiseMinimum(request.fence!, [partitionOfKey(key)])
        } else if (ready.reserve !== undefined && ready.reserve >= this.mark) {
          await this.#promises.reserve(ready.reserve)
        } else {
          if (ready.state !== undefined) this.#promises.remember(key, ready.state.promised)
          if (ready.persist === undefined) return { reply: ready.reply }
          await this.#persist(request, ready.persist, blocks)
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

  async #persist(
    request: RegisterRequest,
    persist: Accepted,
    blocks: readonly OwnedBlock[],
  ): Promise<void> {
    const { key } = request
    const lacking = blocks
      .filter(({ key: block }) => persist.value.blocks.includes(block))
      .filter(({ key: block }) => !this.#options.blocks.has(block))
    const body = encodeState(persist)
    const records = [
      ...lacking.map(blockRecord),
      { type: RECORD.register, partition: partitionOfKey(key), key, body },
    ]
    const before = this.peek(key)
    this.#accepting++
    const flushed = appendChange(this.#store, records, { key, before, persist })
    const done = request.fence && this.#minima.letIn(key, request.fence, flushed)
    this.#flushing.add(flushed)
    try {
      await flushed
    } finally {
      this.#accepting--
      this.#flushing.delete(flushed)
      done?.()
    }
    // Decoded again, because the request's bytes may be a small view of a large message.
    this.#states.keep(key, decodeState(body))
    this.#promises.flushed(key, persist)
  }

  #holds(key: RegisterKey, ballot: Ballot): boolean {
    const stored = this.#states.load(key)
    return stored === 'faulty' || (stored !== undefined && sameBallot(stored.ballot, ballot))
  }

  #loadFor(key: RegisterKey): StoredState {
    const stored = this.#states.load(key)
    if (stored === 'faulty') this.#options.onFaulty?.(key)
    return stored
  }

  #env(
    request: RegisterRequest,
    stored: StoredState,
    blocks: readonly OwnedBlock[] = [],
  ): AcceptorEnv {
    const partition = partitionOfKey(request.key)
    const bucket = bucketIdOf(request.key)
    return {
      mark: this.mark,
      floor: this.floor(partition),
      epoch: this.#options.epoch(),
      minimumGeneration:
        bucket === undefined ? 0 : this.minimumGeneration(partition, request.fence),
      holdsBlock: (key) =>
        blocks.some((block) => block.key === key) || this.#options.blocks.has(key),
      faulty: stored === 'faulty',
    }
  }
}
