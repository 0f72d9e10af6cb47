/**
 * Ordered walks over registers of a bucket that are spread over its shards.
 *
 * Invariants:
 *   - every row was reported by a majority of its shard's replica sets at one ballot, or resolved by a read of its
 *     own (T1, R2)
 *   - nothing beyond the least covered end of the asked replicas is used (T1)
 *   - one message to each node for all the shards that it is asked about (list-round.ts)
 *
 * 1. For each shard without rows: one replica sends rows, F others send a digest of theirs.
 * 2. When the digests are equal, the rows are chosen. Otherwise the rows of the others are fetched and the keys that
 *    differ are read.
 * 3. Merge the shards by name. When a shard has no rows left it is asked again, together with all others in that
 *    state.
 */

import { byteString, bytesOf, EMPTY_BYTES } from '../../protocol/bytes.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { ByteString, RegisterKey } from '../../protocol/ids.ts'
import type { KeyRange } from '../../protocol/keyspace/key.ts'
import { RowPacker, type ListInterval } from '../../protocol/rpc/list-reply.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type { Clock } from '../env/ports.ts'
import { mapInBatches } from '../tools/in-batches.ts'
import type { Peers } from './peers.ts'
import type { FenceSource } from './fence-source.ts'
import { agreedReply, mergedReplies } from './list-agreement.ts'
import { cursorQueue, ListCursor, ShardRows, sinkTop, type ListedRegister } from './list-cursor.ts'
import { askShards, type ListAnswers } from './list-round.ts'
import type { RegisterClient } from './register-client.ts'
import type { ReplicaPlacement } from './replica-placement.ts'

/** Rounds for shards whose replicas did not answer or were stale. */
const ATTEMPTS = 5
/** For all of these rounds. After it: 503. */
const FILL_TIMEOUT_MS = 8_000
/** A round of which so few rows were taken before the rest was skipped has asked for too many. */
const FEW_TAKEN = 2
/** Rows of a shard to ask for behind a folded prefix with many keys. */
const LIMIT_MIN = 2
/** Registers on which replicas differ that are read at the same time. */
const RESOLVE_AT_ONCE = 16

export interface ListerOptions {
  readonly peers: Peers
  readonly placement: ReplicaPlacement
  readonly registers: RegisterClient
  readonly clock: Clock
}

/** What to list: registers of some shards of a bucket, from a place on. */
export interface Walk {
  readonly bucket: FenceSource
  readonly shards: readonly number[]
  /** The registers of one shard behind `after`, a name (exclusive). */
  range(shard: number, after: ByteString | undefined): KeyRange<RegisterKey>
  readonly after?: ByteString | undefined
  /** How many rows the caller is likely to take. */
  readonly expected: number
}

/** Called by node/objects for lists of objects, versions, uploads and parts. */
export class Lister {
  readonly #options: ListerOptions

  constructor(options: ListerOptions) {
    this.#options = options
  }

  /**
   * Begins a walk: live rows ordered by name. Nothing is asked before the first `next`. `skipTo` on the result skips a
   * folded prefix.
   */
  walk(context: RequestContext, walk: Walk): ListWalk {
    return new ListWalk(this.#options, context, walk)
  }
}

/** One walk. Not for two callers at once. */
export class ListWalk {
  readonly #options: ListerOptions
  readonly #context: RequestContext
  readonly #walk: Walk
  readonly #cursors: ListCursor[]
  /** How many rows of one shard are asked for at a time, at most. */
  readonly #limitMax: number
  /**
   * The same in the last round. It falls while rounds bring rows of one prefix only, which is then skipped, and grows
   * again as rows are taken: a folded prefix costs one seek in each shard, however many keys it has.
   */
  #limit: number
  /** Rows taken since the last round, and whether others were skipped. */
  #taken = 0
  #skipped = false
  /** A binary heap of cursors with rows: the one with the least name is on top. */
  #queue: ListCursor[] = []
  /** A cursor has to be filled before the next row is known. */
  #dry = true

  constructor(options: ListerOptions, context: RequestContext, walk: Walk) {
    this.#options = options
    this.#context = context
    this.#walk = walk
    // A shard's share, and four standard deviations of what chance adds to it, so that one round is enough.
    const share = walk.expected / walk.shards.length
    this.#limitMax = Math.ceil(share + 4 * Math.sqrt(share)) + 4
    this.#limit = this.#limitMax
    this.#cursors = walk.shards.map((shard) => new ListCursor(shard, walk.range(shard, walk.after)))
  }

  /**
   * The next live row; undefined at the end. Throws Unavailable when no majority of a shard answers in time, and what
   * the fence's refresh throws.
   */
  async next(): Promise<ListedRegister | undefined> {
    for (;;) {
      if (this.#dry) await this.#refill()
      const register = this.take()
      if (register !== undefined || !this.#dry) return register
    }
  }

  /** The next live row if it is here, without a promise. Undefined: `next` tells whether there is one. */
  take(): ListedRegister | undefined {
    for (;;) {
      const least = this.#queue[0]
      if (least === undefined || this.#dry) return undefined
      const register = least.take()
      if (least.left > 0) {
        sinkTop(this.#queue)
      } else {
        // The next row of a shard without rows may be any: ask before taking a row of another shard.
        this.#dry = !least.finished
        const last = this.#queue.pop()!
        if (this.#queue.length > 0 && last !== least) {
          this.#queue[0] = last
          sinkTop(this.#queue)
        }
      }
      if (register === undefined) continue
      this.#taken++
      return register
    }
  }

  /** Skips everything below `name`: the next row has this name or a later one. */
  skipTo(name: ByteString): void {
    for (const cursor of this.#cursors) {
      cursor.skipTo(name)
      if (cursor.left > 0 || cursor.finished) continue
      const { start, end } = this.#walk.range(cursor.shard, name)
      if (start >= end) cursor.finished = true
      else if (start > cursor.range.start) cursor.range = { start, end }
    }
    this.#skipped = true
    this.#dry = this.#cursors.some((cursor) => cursor.isDry)
    if (!this.#dry) this.#queue = cursorQueue(this.#cursors)
  }

  /** Fills cursors until the next row of every shard is known. Throws Unavailable. */
  async #refill(): Promise<void> {
    const isWasted = this.#skipped && this.#taken <= FEW_TAKEN
    this.#limit = isWasted
      ? Math.max(LIMIT_MIN, this.#limit >> 3)
      : Math.min(4 * this.#limit, this.#limitMax)
    this.#taken = 0
    this.#skipped = false
    // An answer may cover nothing of a shard when the rows of others fill the message. Each round covers one at least.
    for (let rounds = 0; this.#cursors.some((cursor) => cursor.isDry); rounds++) {
      if (rounds > this.#cursors.length) throw new StoreError('Unavailable', 'lists do not go on')
      // Also fill the shards that will soon be empty: large rows come in several rounds, which all shards should share.
      await this.#fill(this.#cursors.filter((cursor) => cursor.isLow))
    }
    this.#queue = cursorQueue(this.#cursors)
    this.#dry = false
  }

  /** Asks for more rows of these shards until each has an answer. Throws Unavailable. */
  async #fill(cursors: readonly ListCursor[]): Promise<void> {
    const { clock } = this.#options
    const untilMs = clock.monotonicMs() + FILL_TIMEOUT_MS
    let left = cursors
    for (let attempt = 0; left.length > 0; attempt++) {
      if (attempt === ATTEMPTS || clock.monotonicMs() > untilMs) {
        throw new StoreError('Unavailable', 'no majority of the replicas answered in time')
      }
      left = await this.#fillOnce(left)
    }
  }

  /** One round. Returns the cursors whose replicas must be asked again. */
  async #fillOnce(cursors: readonly ListCursor[]): Promise<ListCursor[]> {
    const again: ListCursor[] = []
    const differing: ListCursor[] = []
    for (const [i, answered] of (await this.#ask(cursors, false)).entries()) {
      const cursor = cursors[i]!
      if (answered === undefined) {
        again.push(cursor)
        continue
      }
      const reply = agreedReply(answered)
      if (reply === undefined) differing.push(cursor)
      else cursor.add(new ShardRows(reply.rows), byteString(reply.coveredEnd))
    }
    if (differing.length === 0) return again
    // Merge the rows of all replicas up to the least covered end, and read the keys that differ (T1). The layout may
    // have changed meanwhile, so this is a round of its own, in the epoch in which it begins.
    for (const [i, answered] of (await this.#ask(differing, true)).entries()) {
      const cursor = differing[i]!
      if (answered === undefined) again.push(cursor)
      else {
        await this.#merge(
          cursor,
          answered.answers.map(({ reply }) => reply),
        )
      }
    }
    return again
  }

  /** One round of questions, the same for all replicas (list-round.ts). */
  #ask(cursors: readonly ListCursor[], rowsOfAll: boolean): Promise<(ListAnswers | undefined)[]> {
    this.#context.rounds++
    const { bucket } = this.#walk
    const options = { ...this.#options, bucket, limit: this.#limit, rowsOfAll }
    return askShards(
      options,
      cursors.map(({ range }) => ({ start: bytesOf(range.start), end: bytesOf(range.end) })),
    )
  }

  /** Takes the rows on which the replies agree, and reads the others one by one (R2). */
  async #merge(cursor: ListCursor, replies: readonly ListInterval[]): Promise<void> {
    const { rows: merged, covered } = mergedReplies(replies)
    const fence = this.#walk.bucket
    const unsure = merged.filter((each) => each.isUnsure)
    const read = await mapInBatches(unsure, RESOLVE_AT_ONCE, async (each) => {
      const request = { key: each.key as RegisterKey, fence }
      const { accepted } = await this.#options.registers.read(this.#context, request)
      return { each, value: accepted?.value }
    })
    const values = new Map(read.map(({ each, value }) => [each, value]))
    const packer = new RowPacker()
    const resolved = new Map<number, RegisterValue | undefined>()
    for (const [i, each] of merged.entries()) {
      const { rows, row, isUnsure } = each
      const state = isUnsure ? EMPTY_BYTES : rows.state(row)
      packer.add(rows.bytes, rows.keyStart(row), rows.keyEnd(row), state, 0, state.length)
      if (isUnsure) resolved.set(i, values.get(each))
    }
    cursor.add(new ShardRows(packer.finish(), resolved), covered)
  }
}
