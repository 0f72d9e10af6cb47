/**
 * Hosts the acceptors of this node: persists, then sends.
 *
 * Invariants:
 *   - a reply leaves only after the state it reports is flushed: prepares and accepts of one register
 *     run one after the other, reads see flushed states only                          (A1)
 *   - a promise that lives in memory only has a counter below the durable mark         (A1)
 *   - once a higher generation has come, a lower one is refused; it is answered only after what passed
 *     before it is flushed too, so that a list at the new one sees it                   (T8)
 *   - promises dropped from memory count as at least `#forgotten`                       (A1)
 *   - epoch and membership are checked again after every wait: what was begun in one epoch is not
 *     answered as if it were of it once the node is in the next                        (L6b)
 *   - packed blocks are in the log in front of the state that names them               (A5)
 *   - a damaged state is FAULTY: no vote                                                (A4)
 *   - a tombstone is forgotten in one flush with the floor that keeps it from coming back  (G2, G3)
 */

import { bytesOf } from '../../protocol/bytes.ts'
import { decodeState, encodeState } from '../../protocol/codec/state.ts'
import type { BucketId, NodeId, RegisterKey } from '../../protocol/ids.ts'
import { bucketIdOf } from '../../protocol/keyspace/register-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import {
  handle,
  recovered,
  type AcceptorEnv,
  type AcceptorState,
  type Ready,
} from '../../protocol/register/acceptor.ts'
import {
  compareBallots,
  maxBallot,
  sameBallot,
  type Ballot,
} from '../../protocol/register/ballot.ts'
import { collect, install } from '../../protocol/register/copy.ts'
import type { Accepted, RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import { blockRecord, type BlockStore, type OwnedBlock } from './blocks.ts'
import { LogError } from '../log/errors.ts'
import type { Store } from '../log/store.ts'
import type { NewRecord } from '../log/types.ts'
import { floorOfRow, floorRow, MARK_ROW, minimumRow, registerRow } from './index-rows.ts'
import { floorRaised, minimumGone, registerDropped, registerGone } from './removal-records.ts'
import { RECORD } from './record-types.ts'
import { decodeNumber, encodeNumber, stateOfRow } from './row-format.ts'
import { deletes, givesSpace } from './gives-space.ts'
import type { HostReply, Learnt } from './host-replies.ts'
import { FINAL_GENERATION, minimumName, minimumRecord, type Rise } from './minimum-records.ts'
import { KeyedQueue } from '../tools/keyed-queue.ts'
import { SizedMap } from '../tools/sized-map.ts'

/** How far the mark is raised in one step: one flush for a million promises. */
const MARK_STEP = 1 << 20
/** Promises without an acceptance kept in memory: proposers that failed a condition leave them. */
const PROMISE_BYTES_MAX = 32 << 20
/** Minima kept in memory. */
const MINIMA_MAX = 200_000
/** Decoded states kept in memory. */
const STATE_BYTES_MAX = 32 << 20
/** Of a decoded state, beside its body. */
const STATE_OVERHEAD_BYTES = 400
const BALLOT_BYTES = 100

export interface RegisterHostOptions {
  readonly store: Store
  readonly blocks: BlockStore
  /** Epoch and membership of this node at this moment. */
  readonly epoch: () => number
  readonly isReplica: (partition: number) => boolean
  readonly self: NodeId
  /** A request met a damaged state: it is to be mended (D3). */
  readonly onFaulty?: ((key: RegisterKey) => void) | undefined
  /** For promises kept in memory. Default: 32 MiB. */
  readonly promiseBytesMax?: number | undefined
}

export class AcceptorHost {
  readonly #options: RegisterHostOptions
  readonly #store: Store
  readonly #queue = new KeyedQueue<RegisterKey>()
  readonly #promises = new SizedMap<RegisterKey, Ballot>()
  /** Flushed states that were asked for or written lately. */
  readonly #states = new SizedMap<RegisterKey, Accepted>()
  /** Flushed. */
  readonly #minima = new Map<string, number>()
  /** On their way to the disk: lower ones are refused already. */
  readonly #rising = new Map<string, Rise>()
  /** Accepts that passed the check of the minimum and are not flushed yet. */
  readonly #passed = new Map<string, Set<Promise<unknown>>>()
  #mark: number
  /** Counter that every register not in #promises counts as promised. */
  #forgotten: number
  #reserving: Promise<void> | undefined
  #accepting = 0
  /** Acceptances that have passed all checks and are not flushed yet. */
  readonly #flushing = new Set<Promise<unknown>>()

  constructor(options: RegisterHostOptions) {
    this.#options = options
    this.#store = options.store
    const row = this.#store.get(MARK_ROW)
    this.#mark = row === undefined ? 0 : decodeNumber(row)
    this.#forgotten = this.#mark
  }

  /** `blocks` ride with an accept (A5). `withBlock`: a read wants the packed block of the value. */
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
   * Of a request that waited: whether this node may still answer it. It may not when it has moved to a later
   * epoch, in which it was asked already what it holds, or is no replica any more (L6b). What was stored
   * stays: to the asker this says neither that it was nor that it was not.
   */
  refusalOf({ key, epoch }: Pick<RegisterRequest, 'key' | 'epoch'>): RegisterReply | undefined {
    const { epoch: present, isReplica } = this.#options
    if (!isReplica(partitionOfKey(key))) return { type: 'no-vote', reason: 'not-a-replica' }
    return epoch < present() ? { type: 'stale-epoch', epoch: present() } : undefined
  }

  /** Every promise that this node may have given, and forgotten, lies below it (A1). */
  get mark(): number {
    return this.#mark
  }

  /** What promises without an acceptance hold of the memory. */
  get promiseBytes(): number {
    return this.#promises.sizeBytes
  }

  /** Its stored state is damaged: it neither votes nor answers until it is mended (A4, D3). */
  isFaulty(key: RegisterKey): boolean {
    return this.#load(key) === 'faulty'
  }

  /**
   * Puts in place of a damaged state what the other replicas have agreed on, at a ballot above the mark,
   * without this one (D3). Its packed blocks must be here (A5). True when it votes again. `epoch`: in which
   * they have agreed.
   */
  mend(key: RegisterKey, agreed: Accepted, epoch = this.#options.epoch()): Promise<boolean> {
    return this.#queue.run(key, async () => {
      if (!this.isFaulty(key) || epoch !== this.#options.epoch()) return false
      if (agreed.value.blocks.some((block) => !this.#options.blocks.has(block))) return false
      await this.#put(key, agreed)
      return true
    })
  }

  /** From now on every register counts as promised up to `counter`, as after a restart with such a mark, and
   * what had passed before is flushed: whatever is accepted later lies above (D8). */
  async outlaw(counter: number): Promise<void> {
    await this.#reserve(counter)
    this.#forgotten = Math.max(this.#forgotten, counter)
    for (const key of this.#promises.keys()) {
      if (this.#promises.get(key)!.counter < counter) this.#promises.delete(key)
    }
    await this.settled()
  }

  /**
   * Forgets a state with a counter below `below`. The caller has asked so many other replicas that every quorum has one
   * of them, and none of these has the state: it was collected, or never chosen (D8). Nothing at or below its promise
   * ever comes back. With `isLost` only a FAULTY state that no other replica has, at the operator's word (D3). */
  discard(key: RegisterKey, below: number, isLost = false): Promise<boolean> {
    return this.#queue.run(key, async () => {
      const stored = this.#load(key)
      if (isLost ? stored !== 'faulty' : stored === undefined || stored === 'faulty') return false
      if (stored !== 'faulty' && stored!.ballot.counter >= below) return false
      const partition = partitionOfKey(key)
      const floor = maxBallot(this.floor(partition), this.#stateOf(key, stored).promised)
      if (!isLost) await this.#remove(key, registerGone(key, floor))
      else await this.#remove(key, floorRaised(partition, floor), registerDropped(key, undefined))
      this.#promises.delete(key)
      return true
    })
  }

  /** Takes the register away, FAULTY too: the node has left its partition (L8), or enters it again (L9). It may
   * come back at any ballot. What was promised stays promised. */
  drop(key: RegisterKey, isAllowed: () => boolean): Promise<boolean> {
    return this.#queue.run(key, async () => {
      const stored = this.#load(key)
      if (stored === undefined || !isAllowed()) return false
      const ballot = stored === 'faulty' ? undefined : stored.ballot
      await this.#remove(key, registerDropped(key, ballot))
      return true
    })
  }

  async #remove(key: RegisterKey, ...removal: readonly NewRecord[]): Promise<void> {
    await this.#store.append(removal, { urgent: true })
    this.#states.delete(key)
  }

  /** Resolves when everything is flushed that is on its way to the disk now. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#flushing)
  }

  /** Any register at all, tombstones and acceptances on their way to the disk included. */
  holdsRegisters(): boolean {
    if (this.#accepting > 0) return true
    let found = false
    this.#store.range(bytesOf('r'), bytesOf('s'), 1, () => {
      found = true
    })
    return found
  }

  /** The flushed state, without a vote: for listings and repair. Undefined when absent or FAULTY. */
  peek(key: RegisterKey): Accepted | undefined {
    const stored = this.#load(key)
    return stored === 'faulty' ? undefined : stored
  }

  /**
   * Takes over a state that is known to be chosen: what a late accept would do, but for the promise,
   * which stays where it is. A proposer that was promised more has asked a majority that holds this
   * state already. `epoch`: in which it was read.
   */
  learn(key: RegisterKey, chosen: Accepted, epoch = this.#options.epoch()): Promise<Learnt> {
    return this.#queue.run(key, async () => {
      // By now it may have been collected (L6).
      if (epoch !== this.#options.epoch()) return 'late'
      const stored = this.#load(key)
      if (stored === 'faulty') return 'faulty'
      const partition = partitionOfKey(key)
      const copied = install(this.#stateOf(key, stored), this.floor(partition), chosen)
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
    this.#keep(key, decodeState(body))
    this.#settle(key, accepted.ballot)
  }

  /** Flushed: at or below it nothing is accepted or copied onto an absent register of the partition. */
  floor(partition: number): Ballot {
    return floorOfRow(this.#store.get(floorRow(partition)))
  }

  /** Exactly this tombstone and flushed, or absent and unable to accept it any more, or anything else. */
  tombstoneState(key: RegisterKey, ballot: Ballot): 'exact' | 'absent' | 'other' {
    const stored = this.#load(key)
    if (stored === undefined) {
      return compareBallots(this.floor(partitionOfKey(key)), ballot) >= 0 ? 'absent' : 'other'
    }
    if (stored === 'faulty' || !stored.value.tombstone) return 'other'
    return sameBallot(stored.ballot, ballot) ? 'exact' : 'other'
  }

  /** Forgets a tombstone that every replica has said to have, if it is still there at that ballot and the
   * layout has not begun to change (G2). */
  collect(key: RegisterKey, ballot: Ballot, isAllowed: () => boolean): Promise<boolean> {
    return this.#queue.run(key, async () => {
      const stored = this.#load(key)
      if (stored === undefined || stored === 'faulty' || !isAllowed()) return false
      const partition = partitionOfKey(key)
      const collected = collect(this.#stateOf(key, stored), this.floor(partition), ballot)
      if (collected === undefined) return false
      await this.#remove(key, registerGone(key, collected.floor))
      // The floor says the same, and for good.
      this.#promises.delete(key)
      return true
    })
  }

  /** Below it everything is refused. It may still be on its way to the disk: `raiseMinimum` waits. */
  minimumGeneration(partition: number, request: RegisterRequest['fence']): number {
    if (request === undefined) return 0
    const rising = this.#rising.get(minimumName(partition, request))
    return Math.max(rising?.generation ?? 0, this.flushedMinimum(partition, request))
  }

  /** A generation that obeys the minimum, and is not on the disk as such yet. */
  #mustRaise({ key, fence }: RegisterRequest, { reply }: Ready): boolean {
    if (fence === undefined || bucketIdOf(key) === undefined) return false
    if (reply.type === 'stale-fence' || reply.type === 'stale-epoch' || reply.type === 'no-vote')
      return false
    return this.flushedMinimum(partitionOfKey(key), fence) < fence.generation
  }

  flushedMinimum(partition: number, request: NonNullable<RegisterRequest['fence']>): number {
    const name = minimumName(partition, request)
    const cached = this.#minima.get(name)
    if (cached !== undefined) return cached
    const row = this.#store.get(minimumRow(partition, request.bucket))
    const minimum = row === undefined ? 0 : decodeNumber(row)
    if (this.#minima.size >= MINIMA_MAX) this.#minima.clear()
    this.#minima.set(name, minimum)
    return minimum
  }

  /** T8: resolves when the minimum is flushed for each of the partitions. */
  async raiseMinimum(
    fence: NonNullable<RegisterRequest['fence']>,
    partitions: readonly number[],
  ): Promise<void> {
    const records: NewRecord[] = []
    const names: string[] = []
    const waits = new Set<Promise<unknown>>()
    for (const partition of partitions) {
      if (this.flushedMinimum(partition, fence) >= fence.generation) continue
      const name = minimumName(partition, fence)
      const rising = this.#rising.get(name)
      if (rising !== undefined && rising.generation >= fence.generation) {
        waits.add(rising.flushed)
        continue
      }
      names.push(name)
      records.push(minimumRecord(partition, fence))
    }
    if (records.length > 0) waits.add(this.#raise(fence, records, names))
    await Promise.all(waits)
  }

  /** Of buckets that are gone for good: whoever has a minimum of one obeys nothing of it any more. */
  async finalise(partition: number, buckets: readonly BucketId[]): Promise<void> {
    const known = buckets.filter(
      (bucket) => this.flushedMinimum(partition, { bucket, generation: 0 }) > 0,
    )
    await Promise.all(
      known.map((bucket) =>
        this.raiseMinimum({ bucket, generation: FINAL_GENERATION }, [partition]),
      ),
    )
  }

  /** Drops final minima, which are obeyed until that is flushed. No node knows these buckets any more (T8). */
  async dropMinima(partition: number, buckets: readonly BucketId[]): Promise<number> {
    const final = buckets.filter(
      (bucket) => this.flushedMinimum(partition, { bucket, generation: 0 }) === FINAL_GENERATION,
    )
    if (final.length === 0) return 0
    await this.#store.append(
      final.map((bucket) => minimumGone(partition, bucket)),
      { urgent: true },
    )
    for (const bucket of final)
      this.#minima.delete(minimumName(partition, { bucket, generation: 0 }))
    return final.length
  }

  async #raise(
    { generation }: NonNullable<RegisterRequest['fence']>,
    records: readonly NewRecord[],
    names: readonly string[],
  ): Promise<void> {
    const before = names.flatMap((name) => [...(this.#passed.get(name) ?? [])])
    const flushed = Promise.all([
      this.#store.append(records, { urgent: true }),
      Promise.allSettled(before),
    ])
    const rise: Rise = { generation, flushed }
    for (const name of names) this.#rising.set(name, rise)
    try {
      await flushed
      for (const name of names) {
        this.#minima.set(name, Math.max(this.#minima.get(name) ?? 0, generation))
      }
    } finally {
      for (const name of names) if (this.#rising.get(name) === rise) this.#rising.delete(name)
    }
  }

  async #read(request: RegisterRequest, withBlock: boolean): Promise<HostReply> {
    const refusal = this.refusalOf(request)
    if (refusal !== undefined) return { reply: refusal }
    const stored = this.#loadFor(request.key)
    const ready = handle(this.#stateOf(request.key, stored), this.#env(request, stored), request)
    if (this.#mustRaise(request, ready)) {
      // What passed before it is flushed by then: look again.
      await this.raiseMinimum(request.fence!, [partitionOfKey(request.key)])
      return this.#read(request, withBlock)
    }
    if (!withBlock || ready.reply.type !== 'state') return { reply: ready.reply }
    const key = ready.reply.accepted?.value.blocks[0]
    if (key === undefined) return { reply: ready.reply }
    // The vote counts without it, and the block lies on others, too.
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
        const ready = handle(this.#stateOf(key, stored), env, request)
        // While one of these is flushed, epoch and minimum may move on: judge again afterwards.
        if (this.#mustRaise(request, ready)) {
          await this.raiseMinimum(request.fence!, [partitionOfKey(key)])
        } else if (ready.reserve !== undefined && ready.reserve >= this.#mark) {
          await this.#reserve(ready.reserve)
        } else {
          if (ready.state !== undefined) this.#remember(key, ready.state)
          if (ready.persist === undefined) return { reply: ready.reply }
          await this.#persist(request, ready.persist, blocks)
          return { reply: this.refusalOf(request) ?? ready.reply }
        }
      }
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      // "full" says that it is not stored. The same ballot may have been stored before (P4).
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
    const partition = partitionOfKey(key)
    const records: NewRecord[] = []
    for (const block of blocks) {
      if (!persist.value.blocks.includes(block.key)) continue
      if (!this.#options.blocks.has(block.key)) records.push(blockRecord(block))
    }
    const body = encodeState(persist)
    const before = this.peek(key)
    const urgent = records.length === 0 && givesSpace(key, before, persist)
    records.push({ type: RECORD.register, partition, key, body })
    this.#accepting++
    const flushed = this.#store.append(records, { urgent }).catch((error: unknown) => {
      // Asked only now, since the records have to be read for it.
      const full = error instanceof LogError && error.code === 'DISK_FULL'
      if (!full || urgent || !deletes(key, before, persist)) throw error
      return this.#store.append(records, { urgent: true })
    })
    const passed = this.#passedOf(request)
    passed?.add(flushed)
    this.#flushing.add(flushed)
    try {
      await flushed
    } finally {
      this.#accepting--
      this.#flushing.delete(flushed)
      passed?.delete(flushed)
      if (passed?.size === 0) this.#passed.delete(minimumName(partition, request.fence!))
    }
    // Decoded anew: the request's own bytes may be a small view of a large message.
    this.#keep(key, decodeState(body))
    this.#settle(key, persist.ballot)
  }

  #holds(key: RegisterKey, ballot: Ballot): boolean {
    const stored = this.#load(key)
    return stored === 'faulty' || (stored !== undefined && sameBallot(stored.ballot, ballot))
  }

  #passedOf({ key, fence }: RegisterRequest): Set<Promise<unknown>> | undefined {
    if (fence === undefined) return undefined
    const name = minimumName(partitionOfKey(key), fence)
    let passed = this.#passed.get(name)
    if (passed === undefined) {
      passed = new Set()
      this.#passed.set(name, passed)
    }
    return passed
  }

  /** A promise that the flushed state already implies need not be kept in memory. */
  #settle(key: RegisterKey, accepted: Ballot): void {
    const promised = this.#promises.get(key)
    if (promised !== undefined && compareBallots(promised, accepted) <= 0) {
      this.#promises.delete(key)
    }
  }

  #remember(key: RegisterKey, state: AcceptorState): void {
    this.#promises.set(key, state.promised, BALLOT_BYTES)
    const bytesMax = this.#options.promiseBytesMax ?? PROMISE_BYTES_MAX
    if (this.#promises.sizeBytes <= bytesMax) return
    for (const oldest of this.#promises.keys()) {
      if (this.#queue.busy(oldest)) continue
      const ballot = this.#promises.get(oldest)!
      this.#promises.delete(oldest)
      this.#forgotten = Math.max(this.#forgotten, ballot.counter + 1)
      if (this.#promises.sizeBytes <= bytesMax) break
    }
  }

  #reserve(counter: number): Promise<void> {
    if (counter < this.#mark) return Promise.resolve()
    this.#reserving ??= this.#raiseMark(counter).finally(() => (this.#reserving = undefined))
    return this.#reserving.then(() => this.#reserve(counter))
  }

  async #raiseMark(counter: number): Promise<void> {
    const mark = counter + MARK_STEP
    const body = encodeNumber(mark)
    await this.#store.append([{ type: RECORD.mark, partition: 0, key: 'mark', body }], {
      urgent: true,
    })
    this.#mark = mark
  }

  #keep(key: RegisterKey, flushed: Accepted): void {
    this.#states.set(key, flushed, flushed.value.body.length + STATE_OVERHEAD_BYTES)
    for (const oldest of this.#states.keys()) {
      if (this.#states.sizeBytes <= STATE_BYTES_MAX) break
      this.#states.delete(oldest)
    }
  }

  #loadFor(key: RegisterKey): Accepted | undefined | 'faulty' {
    const stored = this.#load(key)
    if (stored === 'faulty') this.#options.onFaulty?.(key)
    return stored
  }

  #load(key: RegisterKey): Accepted | undefined | 'faulty' {
    const kept = this.#states.get(key)
    if (kept !== undefined) return kept
    const row = this.#store.get(registerRow(key))
    if (row === undefined) return undefined
    const state = stateOfRow(row)
    if (state === undefined) return 'faulty'
    // The row's memory is the index's: the value must outlive the next look-up.
    const accepted = decodeState(state.slice())
    this.#keep(key, accepted)
    return accepted
  }

  #stateOf(key: RegisterKey, stored: Accepted | undefined | 'faulty'): AcceptorState {
    const accepted = stored === 'faulty' ? undefined : stored
    const promised = this.#promises.get(key)
    if (promised === undefined) {
      // A state accepted since the start is its own promise; `recovered` adds what was forgotten.
      if (accepted !== undefined && accepted.ballot.counter >= this.#forgotten) {
        return { promised: accepted.ballot, accepted }
      }
      return recovered(accepted, this.#forgotten)
    }
    return { promised, accepted }
  }

  #env(
    request: RegisterRequest,
    stored: Accepted | undefined | 'faulty',
    blocks: readonly OwnedBlock[] = [],
  ): AcceptorEnv {
    const partition = partitionOfKey(request.key)
    const bucket = bucketIdOf(request.key)
    return {
      mark: this.#mark,
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
