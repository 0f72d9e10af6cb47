/** What the answers of a majority prove about the registers of a shard (T1). */

import { byteString, equalBytes } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/ids.ts'
import { isQuorum } from '../../protocol/register/quorum.ts'
import type { ListInterval, ListRows } from '../../protocol/rpc/list-reply.ts'
import type { ListAnswers } from './list-round.ts'

/** A row of one of the replies. */
export interface MergedRow {
  readonly key: ByteString
  readonly rows: ListRows
  readonly row: number
  /** The replicas differ: the register has to be read alone (R2). */
  readonly isUnsure: boolean
}

export interface MergedReplies {
  /** Ascending by key, each key once. */
  readonly rows: readonly MergedRow[]
  /** The least covered end: nothing is known about keys from it on. */
  readonly covered: ByteString
}

/**
 * Rows that a majority of each set agrees with: they have sent the same digest and covered end. Undefined when there
 * are none, and when a row is damaged: then the rows of all are needed.
 */
export function agreedReply({ sets, answers }: ListAnswers): ListInterval | undefined {
  for (const { hasRows, reply } of answers) {
    if (!hasRows || hasDamage(reply.rows)) continue
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

function hasDamage(rows: ListRows): boolean {
  for (let row = 0; row < rows.length; row++) if (!rows.hasState(row)) return true
  return false
}

/**
 * Merges the rows of all replies below the least covered end (T1). A row counts as agreed only when every reply has it
 * at the same ballot (bytes 2 to 25 of a state, protocol/codec/state.ts).
 */
export function mergedReplies(replies: readonly ListInterval[]): MergedReplies {
  const ends = replies.map((reply) => byteString(reply.coveredEnd)).sort()
  const covered = ends[0]!
  const seen = new Map<ByteString, { rows: ListRows; row: number; votes: number; same: boolean }>()
  for (const { rows } of replies) {
    for (let row = 0; row < rows.length; row++) {
      const key = byteString(rows.key(row))
      if (key >= covered) continue
      const known = seen.get(key)
      if (known === undefined) {
        seen.set(key, { rows, row, votes: 1, same: rows.hasState(row) })
      } else {
        known.votes++
        known.same &&= equalBytes(ballotBytes(known), ballotBytes({ rows, row }))
      }
    }
  }
  const merged = [...seen].map(([key, { rows, row, votes, same }]) => {
    return { key, rows, row, isUnsure: !same || votes < replies.length }
  })
  return { rows: merged.sort((a, b) => (a.key < b.key ? -1 : 1)), covered }
}

/** Empty for a damaged register. */
function ballotBytes({ rows, row }: { rows: ListRows; row: number }): Uint8Array {
  return rows.state(row).subarray(2, 26)
}
