/**
 * Records by which a node drops what it keeps of a partition that it has left (L8), or that it enters again
 * (L9): `registerDropped` and `blockDropped`.
 *
 * Other removals are final: a collected register never comes back at or below its floor, and a freed data id is dead. A
 * drop is not final. The node may enter the partition once more. It then gets the same blocks and registers, each register
 * at the same ballot, or at a lower one if only this node had accepted the higher.
 *
 * ```
 * body    flags (1): 1 = a ballot follows, 2 = a bound follows
 *         ballot (24): of the state that was dropped; absent when that is not known
 *         bound (14): in a copy, the place of the first record of the drop
 * ```
 *
 * What a drop does:
 *   - it takes away the records of its key that come before it in the log, and none that comes after. A copy that
 *     compaction makes comes later in the log, so it carries the place of the first one as its bound.
 *   - a register's row never goes back to a lower ballot (D10). So in a rebuild a lower state that was written
 *     after the drop would not count as long as the higher one from before the drop is in the log, and the
 *     copy of the drop would then take the higher one away: both gone. A copy of a drop whose register is there
 *     again is therefore followed, in the same append, by a copy of the register.
 *   - it is kept while an older segment exists (D7): a block's until the block is there again, since of blocks
 *     the latest record wins anyway; a register's until it is there again at the dropped ballot or a higher one.
 *   - where the register is there again and its row is damaged or FAULTY, the drop can't be copied: its segment
 *     stays until a scrub or repair has settled the row.
 */

import { EMPTY_BYTES } from '../../protocol/bytes.ts'
import { compareBallots, type Ballot } from '../../protocol/register/ballot.ts'
import type { LogPosition, LogRecord } from '../log/types.ts'
import {
  ballotOfRow,
  decodeFloor,
  decodePosition,
  encodeFloor,
  encodePosition,
  FLOOR_BYTES,
  isLater,
  isSoundRegister,
} from './row-format.ts'

const HAS_BALLOT = 1
const HAS_BOUND = 2
const BOUND_BYTES = 14

interface Drop {
  readonly ballot: Ballot | undefined
  readonly bound: LogPosition | undefined
}

/** The body of the first record of a drop. `ballot`: of the state that is dropped; undefined for a FAULTY one. */
export function dropBody(ballot?: Ballot): Uint8Array {
  return ballot === undefined ? EMPTY_BYTES : encodeDrop({ ballot, bound: undefined })
}

function encodeDrop({ ballot, bound }: Drop): Uint8Array {
  const flags = (ballot === undefined ? 0 : HAS_BALLOT) | (bound === undefined ? 0 : HAS_BOUND)
  return new Uint8Array([
    flags,
    ...(ballot === undefined ? [] : encodeFloor(ballot)),
    ...(bound === undefined ? [] : encodePosition(bound)),
  ])
}

function decodeDrop(body: Uint8Array): Drop {
  const flags = body[0] ?? 0
  const boundAt = 1 + (flags & HAS_BALLOT ? FLOOR_BYTES : 0)
  return {
    ballot: flags & HAS_BALLOT ? decodeFloor(body.subarray(1, 1 + FLOOR_BYTES)) : undefined,
    bound:
      flags & HAS_BOUND ? decodePosition(body.subarray(boundAt, boundAt + BOUND_BYTES)) : undefined,
  }
}

/** Whether the drop at `position` takes away the record at `at`. When that place is unknown, only the first record of a drop
 * takes it away: everything that was there came before it. */
export function dropsRecordAt(
  { body }: Pick<LogRecord, 'body'>,
  position: LogPosition,
  at: LogPosition | undefined,
): boolean {
  const { bound } = decodeDrop(body)
  if (at === undefined) return bound === undefined
  return isLater(bound ?? position, at)
}

/** Whether a rebuild still needs the drop of a register whose row is there again. */
export function outranks({ body }: Pick<LogRecord, 'body'>, row: Uint8Array): boolean {
  const { ballot } = decodeDrop(body)
  const present = isSoundRegister(row) ? ballotOfRow(row) : undefined
  if (ballot === undefined || present === undefined) return true
  return compareBallots(present, ballot) < 0
}

/** The drop for a later place in the log: it still acts only on what came before `position`. */
export function copyOfDrop(drop: LogRecord, position: LogPosition): LogRecord {
  const { ballot, bound } = decodeDrop(drop.body)
  return { ...drop, body: encodeDrop({ ballot, bound: bound ?? position }) }
}
