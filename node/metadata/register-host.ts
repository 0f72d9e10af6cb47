/**
 * Hosts the acceptors of this node: persists, then sends.
 *
 * Invariants:
 *   - a reply leaves only after the state it reports is flushed: prepares and accepts of one register
 *     run one after the other, reads see flushed states only                          (A1)
 *   - a promise that lives in memory only has a counter below the durable mark         (A1)
 *   - promises dropped from memory count as at least `#forgotten`                       (A1)
 *   - packed blocks are in the log in front of the state that names them               (A5)
 *   - a damaged state is FAULTY: no vote                                                (A4)
 */

import { bytesOf } from '../../protocol/bytes.ts'
import { decodeState, encodeState } from '../../protocol/codec/state.ts'
import type { BlockKey, NodeId, RegisterKey } from '../../protocol/ids.ts'
import { bucketIdOf } from '../../protocol/keyspace/register-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import {
  handle,
  recovered,
  type AcceptorEnv,
  type AcceptorState,
  type Ready,
} from '../../protocol/register/acceptor.ts'
import { compareBallots, ZERO_BALLOT, type Ballot } from '../../protocol/register/ballot.ts'
import type { Accepted, RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import type { BlockStore } from '../data/blocks.ts'
import { LogError } from '../data/errors.ts'
import type { Store } from '../data/store.ts'
import type { NewRecord } from '../data/types.ts'
import {
  decodeNumber,
  encodeNumber,
  MARK_ROW,
  minimumRow,
  RECORD,
  registerRow,
  stateOfRow,
} from './index-rows.ts'
import { KeyedQueue } from './keyed-queue.ts'

/** How far the mark is raised in one step: one flush for a million promises. */
const MARK_STEP = 1 << 20
/** Promises without an acceptance kept in memory: proposers that failed a condition leave them. */
const PROMISES_MAX = 200_000

export interface PackedBlock {
  readonly key: BlockKey
  readonly bytes: Uint8Array
}

export interface HostReply {
  readonly reply: RegisterReply
  readonly block?: PackedBlock | undefined
}

export interface RegisterHostOptions {
  readonly store: Store
  readonly blocks: BlockStore
  /** Epoch and membership of this node at this moment. */
  readonly epoch: () => number
  readonly isReplica: (partition: number) => boolean
  readonly self: NodeId
}

export class RegisterHost {
  readonly #options: RegisterHostOptions
  readonly #store: Store
  readonly #queue = new KeyedQueue<RegisterKey>()
  readonly #promises = new Map<RegisterKey, Ballot>()
  readonly #minima = new Map<string, number>()
  #mark: number
  /** Counter that every register not in #promises counts as promised. */
  #forgotten: number
  #reserving: Promise<void> | undefined
  #accepting = 0

  constructor(options: RegisterHostOptions) {
    this.#options = options
    this.#store = options.store
    const row = this.#store.get(MARK_ROW)
    this.#mark = row === undefined ? 0 : decodeNumber(row)
    this.#forgotten = this.#mark
  }

  /** `block` rides with an accept (A5). `withBlock`: a read wants the packed block of the value. */
  handle(
    request: RegisterRequest,
    extras: { block?: PackedBlock | undefined; withBlock?: boolean | undefined } = {},
  ): Promise<HostReply> {
    if (!this.#options.isReplica(partitionOfKey(request.key))) {
      return Promise.resolve({ reply: { type: 'no-vote', reason: 'not-a-replica' } })
    }
    if (request.type === 'read') return this.#read(request, extras.withBlock === true)
    return this.#queue.run(request.key, () => this.#vote(request, extras.block))
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
   * state already. True when it was news. Its packed blocks must be here (A5).
   */
  learn(key: RegisterKey, chosen: Accepted): Promise<boolean> {
    return this.#queue.run(key, async () => {
      const stored = this.#load(key)
      // A damaged one may have voted for something later: it comes back by an identity change (D3).
      if (stored === 'faulty') return false
      if (stored !== undefined && compareBallots(stored.ballot, chosen.ballot) >= 0) return false
      if (chosen.value.blocks.some((block) => !this.#options.blocks.has(block))) return false
      const partition = partitionOfKey(key)
      const body = encodeState(chosen)
      await this.#store.append([{ type: RECORD.register, partition, key, body }])
      this.#settle(key, chosen.ballot)
      return true
    })
  }

  minimumGeneration(partition: number, request: RegisterRequest['fence']): number {
    if (request === undefined) return 0
    const name = String.fromCharCode(partition) + request.bucket
    const cached = this.#minima.get(name)
    if (cached !== undefined) return cached
    const row = this.#store.get(minimumRow(partition, request.bucket))
    const minimum = row === undefined ? 0 : decodeNumber(row)
    if (this.#minima.size >= PROMISES_MAX) this.#minima.clear()
    this.#minima.set(name, minimum)
    return minimum
  }

  /** T8: resolves when the minimum is flushed for each of the partitions. */
  async raiseMinimum(
    fence: NonNullable<RegisterRequest['fence']>,
    partitions: readonly number[],
  ): Promise<void> {
    const records: NewRecord[] = []
    for (const partition of partitions) {
      if (this.minimumGeneration(partition, fence) >= fence.generation) continue
      records.push(minimumRecord(partition, fence))
    }
    if (records.length === 0) return
    await this.#store.append(records, { urgent: true })
    for (const partition of partitions) this.#noteMinimum(partition, fence)
  }

  async #read(request: RegisterRequest, withBlock: boolean): Promise<HostReply> {
    const stored = this.#load(request.key)
    const ready = handle(this.#stateOf(request.key, stored), this.#env(request, stored), request)
    if (ready.raise !== undefined) {
      await this.raiseMinimum(ready.raise, [partitionOfKey(request.key)])
    }
    if (!withBlock || ready.reply.type !== 'state') return { reply: ready.reply }
    const key = ready.reply.accepted?.value.blocks[0]
    if (key === undefined) return { reply: ready.reply }
    const bytes = this.#options.blocks.readSync(key)
    return bytes === undefined
      ? { reply: ready.reply }
      : { reply: ready.reply, block: { key, bytes } }
  }

  async #vote(request: RegisterRequest, block: PackedBlock | undefined): Promise<HostReply> {
    const { key } = request
    const stored = this.#load(key)
    const env = this.#env(request, stored, block)
    const ready = handle(this.#stateOf(key, stored), env, request)
    if (ready.state !== undefined) this.#remember(key, ready.state)
    try {
      if (ready.reserve !== undefined) await this.#reserve(ready.reserve)
      await this.#persist(request, ready, block)
    } catch (error) {
      if (error instanceof LogError) {
        return {
          reply: { type: 'no-vote', reason: error.code === 'DISK_FULL' ? 'full' : 'failed' },
        }
      }
      throw error
    }
    return { reply: ready.reply }
  }

  async #persist(
    request: RegisterRequest,
    ready: Ready,
    block: PackedBlock | undefined,
  ): Promise<void> {
    const { persist, raise } = ready
    if (persist === undefined && raise === undefined) return
    const partition = partitionOfKey(request.key)
    const records: NewRecord[] = []
    if (raise !== undefined) records.push(minimumRecord(partition, raise))
    if (persist !== undefined) {
      if (block !== undefined && persist.value.blocks.includes(block.key)) {
        if (!this.#options.blocks.has(block.key)) records.push(blockRecord(block))
      }
      records.push({
        type: RECORD.register,
        partition,
        key: request.key,
        body: encodeState(persist),
      })
    }
    this.#accepting++
    try {
      // Deletes go on when the disk is full (fault 6).
      await this.#store.append(records, { urgent: persist?.value.tombstone === true })
    } finally {
      this.#accepting--
    }
    if (raise !== undefined) this.#noteMinimum(partition, raise)
    if (persist !== undefined) this.#settle(request.key, persist.ballot)
  }

  /** A promise that the flushed state already implies need not be kept in memory. */
  #settle(key: RegisterKey, accepted: Ballot): void {
    const promised = this.#promises.get(key)
    if (promised !== undefined && compareBallots(promised, accepted) <= 0) {
      this.#promises.delete(key)
    }
  }

  #remember(key: RegisterKey, state: AcceptorState): void {
    this.#promises.delete(key)
    this.#promises.set(key, state.promised)
    if (this.#promises.size <= PROMISES_MAX) return
    for (const [oldest, ballot] of this.#promises) {
      if (this.#queue.busy(oldest)) continue
      this.#promises.delete(oldest)
      this.#forgotten = Math.max(this.#forgotten, ballot.counter + 1)
      break
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

  #load(key: RegisterKey): Accepted | undefined | 'faulty' {
    const row = this.#store.get(registerRow(key))
    if (row === undefined) return undefined
    const state = stateOfRow(row)
    // The row's memory is the index's: the value must outlive the next look-up.
    return state === undefined ? 'faulty' : decodeState(state.slice())
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
    block?: PackedBlock,
  ): AcceptorEnv {
    const partition = partitionOfKey(request.key)
    const bucket = bucketIdOf(request.key)
    return {
      mark: this.#mark,
      floor: ZERO_BALLOT,
      epoch: this.#options.epoch(),
      minimumGeneration:
        bucket === undefined ? 0 : this.minimumGeneration(partition, request.fence),
      holdsBlock: (key) => block?.key === key || this.#options.blocks.has(key),
      faulty: stored === 'faulty',
    }
  }

  #noteMinimum(partition: number, fence: NonNullable<RegisterRequest['fence']>): void {
    const name = String.fromCharCode(partition) + fence.bucket
    this.#minima.set(name, Math.max(this.#minima.get(name) ?? 0, fence.generation))
  }
}

export function blockRecord(block: PackedBlock): NewRecord {
  return {
    type: RECORD.block,
    partition: partitionOfKey(block.key),
    key: block.key,
    body: new Uint8Array(0),
    payload: block.bytes,
  }
}

function minimumRecord(partition: number, fence: NonNullable<RegisterRequest['fence']>): NewRecord {
  return {
    type: RECORD.minimum,
    partition,
    key: fence.bucket,
    body: encodeNumber(fence.generation),
  }
}
