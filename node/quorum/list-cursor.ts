/** How far a walk has come in each shard, and which shard has the next name: a binary heap of cursors (lister.ts). */

import type { ByteString, RegisterKey } from '../../protocol/ids.ts'
import type { KeyRange } from '../../protocol/keyspace/key.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'

/** Bytes of a key before the name: partition, space, bucket id, shard. */
const NAME_AT = 2 + 1 + 16 + 2

/** One register of a shard, as the replicas reported it. */
export interface ShardRow {
  readonly key: RegisterKey
  readonly name: ByteString
  /** Encoded state; empty for a row that was read alone. */
  readonly state: Uint8Array
  /** From a read of this register alone: final. The register may be absent or a tombstone. */
  readonly resolved?: { readonly value: RegisterValue | undefined }
}

/** How far the walk has come in one shard. */
export interface ListCursor {
  readonly shard: number
  /** What has not been asked for yet. */
  range: KeyRange<RegisterKey>
  /** Rows from the last answer, of which those before `at` are taken. */
  rows: ShardRow[]
  at: number
  /** The shard has no rows beyond those here. */
  finished: boolean
  /** With this many rows left or fewer, the shard is asked again when another one has to be. */
  low: number
}

export function shardRow(key: ByteString, state: Uint8Array): ShardRow {
  return { key: key as RegisterKey, name: key.slice(NAME_AT), state }
}

/** The next row of this shard is not known: nothing may be taken from other shards before it is. */
export function isDry(cursor: ListCursor): boolean {
  return cursor.at >= cursor.rows.length && !cursor.finished
}

/** Whether the shard takes part when another one has to be asked. */
export function isLow({ rows, at, finished, low }: ListCursor): boolean {
  return !finished && rows.length - at <= low
}

/** The queue of the cursors that have rows. */
export function cursorQueue(cursors: readonly ListCursor[]): ListCursor[] {
  // An ascending list is a heap.
  return cursors
    .filter((cursor) => cursor.at < cursor.rows.length)
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}

/** Moves the top, which has a new name, down to its place. */
export function sinkTop(queue: ListCursor[]): void {
  const top = queue[0]!
  const name = nameOf(top)
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= queue.length) break
    if (child + 1 < queue.length && nameOf(queue[child + 1]!) < nameOf(queue[child]!)) child++
    if (nameOf(queue[child]!) >= name) break
    queue[at] = queue[child]!
    at = child
  }
  queue[at] = top
}

function nameOf(cursor: ListCursor): ByteString {
  return cursor.rows[cursor.at]!.name
}
