/** What the answers of a majority prove about the registers of a shard (T1). */

import { byteString, equalBytes } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/ids.ts'
import { isQuorum } from '../../protocol/register/quorum.ts'
import type { WireIntervalReply } from '../../protocol/rpc/messages.js'
import { shardRow, type ShardRow } from './list-cursor.ts'
import type { ListAnswers } from './list-round.ts'

export interface MergedReplies {
  /** In no particular order. */
  readonly rows: readonly ShardRow[]
  /** Keys that have to be read one by one: the replicas differ (R2). */
  readonly unsure: readonly ByteString[]
  /** The least covered end: nothing is known about keys from it on. */
  readonly covered: ByteString
}

/**
 * Rows that a majority of each set agrees with: they have sent the same digest and covered end. Undefined when there
 * are none, and when a row is damaged: then the rows of all are needed.
 */
export function agreedReply({ sets, answers }: ListAnswers): WireIntervalReply | undefined {
  for (const { hasRows, reply } of answers) {
    if (!hasRows || reply.rows.some((row) => row.state.length === 0)) continue
    const same = answers.filter(
      (other) =>
        equalBytes(other.reply.digest, reply.digest) &&
        equalBytes(other.reply.coveredEnd, reply.coveredEnd),
    )
    const nodes = same.map(({ node }) => node)
    if (isQuorum(sets, nodes)) return reply
  }
  return undefined
}

/**
 * Merges the rows of all replies below the least covered end (T1). A row counts as agreed only when every reply has it
 * at the same ballot (bytes 2 to 25 of a state, protocol/codec/state.ts).
 */
export function mergedReplies(replies: readonly WireIntervalReply[]): MergedReplies {
  const ends = replies.map((reply) => byteString(reply.coveredEnd)).sort()
  const covered = ends[0]!
  const seen = new Map<ByteString, { state: Uint8Array; votes: number; same: boolean }>()
  for (const { rows } of replies) {
    for (const row of rows) {
      const key = byteString(row.key)
      if (key >= covered) continue
      const known = seen.get(key)
      const same =
        row.state.length > 0 &&
        (known === undefined ||
          (known.state.length > 0 &&
            equalBytes(known.state.subarray(2, 26), row.state.subarray(2, 26))))
      seen.set(key, {
        state: row.state,
        votes: (known?.votes ?? 0) + 1,
        same: same && (known?.same ?? true),
      })
    }
  }
  const rows: ShardRow[] = []
  const unsure: ByteString[] = []
  for (const [key, { state, votes, same }] of seen) {
    if (same && votes === replies.length) rows.push(shardRow(key, state))
    else unsure.push(key)
  }
  return { rows, unsure, covered }
}
