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

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { bodyOfState, isTombstoneState } from '../../protocol/codec/state.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { ByteString, RegisterKey } from '../../protocol/ids.ts'
import type { KeyRange } from '../../protocol/keyspace/key.ts'
import type { WireIntervalReply } from '../../protocol/rpc/messages.js'
import type { RequestContext } from '../../protocol/context.ts'
import type { Clock } from '../env/ports.ts'
import { mapInBatches } from '../tools/in-batches.ts'
import type { Peers } from './peers.ts'
import type { FenceSource } from './fence-source.ts'
import { agreedReply, mergedReplies } from './list-agreement.ts'
import {
  cursorQueue,
  isDry,
  isLow,
  shardRow,
  sinkTop,
  type ListCursor,
  type ShardRow,
} from './list-cursor.ts'
import { askShards, type ListAnswers } from './list-round.ts'
import type { RegisterClient } from './register-client.ts'
import type { ReplicaPlacement } from './replica-placement.ts'

/** Rounds for shards whose replicas did not answer or were stale. */
const ATTEMPTS = 5
/** For all of these rounds. After it: 503. */
const FILL_TIMEOUT_MS = 8_000
/** Registers on which replicas differ that are read at the same time. */
const RESOLVE_AT_ONCE = 16

export interface ListerOptions {
  readonly peers: Peers
  readonly placement: ReplicaPlacement
  readonly registers: RegisterClient
  readonly clock: Clock
}

/** A live register. Tombstones are left out. */
export interface ListedRegister {
  /** The part of the key behind bucket id and shard. */
  readonly name: ByteString
  readonly key: RegisterKey
  /** The body of the register's value. */
  readonly body: Uint8Array
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
  /** How many rows of one shard are asked for at a time. */
  readonly #limit: number
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
    this.#limit = Math.ceil(share + 4 * Math.sqrt(share)) + 4
    this.#cursors = walk.shards.map((shard) => ({
      shard,
      range: walk.range(shard, walk.after),
      rows: [],
      at: 0,
      finished: false,
      low: 0,
    }))
  }

  /**
   * The next live row; undefined at the end. Throws Unavailable when no majority of a shard answers in time, and what
   * the fence's refresh throws.
   */
  async next(): Promise<ListedRegister | undefined> {
    for (;;) {
      if (this.#dry) {
        this.#dry = false
        // Also fill the shards that will soon be empty: large rows come in several rounds, which all shards should
        // share.
        if (this.#cursors.some(isDry)) await this.#fill(this.#cursors.filter(isLow))
        this.#queue = cursorQueue(this.#cursors)
      }
      const row = this.#takeLeast()
      if (row === undefined) {
        if (this.#dry) continue
        return undefined
      }
      if (row.resolved !== undefined) {
        const { value } = row.resolved
        if (value === undefined || value.tombstone) continue
        return { name: row.name, key: row.key, body: value.body }
      }
      if (isTombstoneState(row.state)) continue
      return { name: row.name, key: row.key, body: bodyOfState(row.state) }
    }
  }

  /** The least row of all cursors. Undefined at the end, or when a cursor has to be filled first. */
  #takeLeast(): ShardRow | undefined {
    const least = this.#queue[0]
    if (least === undefined || this.#dry) return undefined
    const row = least.rows[least.at++]!
    if (least.at < least.rows.length) {
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
    return row
  }

  /** Skips everything below `name`: the next row has this name or a later one. */
  skipTo(name: ByteString): void {
    for (const cursor of this.#cursors) {
      while (cursor.at < cursor.rows.length && cursor.rows[cursor.at]!.name < name) cursor.at++
      if (cursor.at < cursor.rows.length || cursor.finished) continue
      const { start, end } = this.#walk.range(cursor.shard, name)
      if (start >= end) cursor.finished = true
      else if (start > cursor.range.start) cursor.range = { start, end }
    }
    this.#dry = true
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
      const rows = agreedReply(answered)
      if (rows === undefined) differing.push(cursor)
      else this.#take(cursor, rows)
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
  async #merge(cursor: ListCursor, replies: readonly WireIntervalReply[]): Promise<void> {
    const { rows, unsure, covered } = mergedReplies(replies)
    const fence = this.#walk.bucket
    const read = await mapInBatches(unsure, RESOLVE_AT_ONCE, async (key) => {
      const request = { key: key as RegisterKey, fence }
      const { accepted } = await this.#options.registers.read(this.#context, request)
      return { ...shardRow(key, new Uint8Array(0)), resolved: { value: accepted?.value } }
    })
    const all = [...rows, ...read].sort((a, b) => (a.name < b.name ? -1 : 1))
    this.#advance(cursor, all, covered)
  }

  #take(cursor: ListCursor, reply: WireIntervalReply): void {
    const rows = reply.rows.map((row) => shardRow(byteString(row.key), row.state))
    this.#advance(cursor, rows, byteString(reply.coveredEnd))
  }

  /** Adds rows to a cursor. Its range begins at the covered end from now on. */
  #advance(cursor: ListCursor, rows: ShardRow[], covered: ByteString): void {
    cursor.rows = cursor.at < cursor.rows.length ? [...cursor.rows.slice(cursor.at), ...rows] : rows
    cursor.at = 0
    cursor.low = rows.length / 2
    const { end } = cursor.range
    cursor.finished = covered >= end
    cursor.range = { start: (covered < end ? covered : end) as RegisterKey, end }
  }
}
