/** What can go wrong with the log. Errors of the disk that mean nothing special (EIO …) pass through as they are. */

import { AssertionError } from '../../protocol/assert.ts'
import { stopLine } from '../tools/failed-assertion.ts'

export type LogErrorCode =
  /** The disk is full: nothing was appended. Deletes and compaction (`urgent`) have a reserve. */
  | 'DISK_FULL'
  /** The file system takes no writes; reads go on (F8). */
  | 'READ_ONLY'
  /** A write or flush failed, so the disk is not trusted any more (D5). The append may have happened or not. */
  | 'FAILED'
  | 'CLOSED'
  /** Too much waits for the disk already: nothing was appended (D11). */
  | 'OVERLOADED'
  /** The log that should be there is not. */
  | 'LOG_MISSING'
  /** The record is there, but not as it was written (A4). */
  | 'CHECKSUM_MISMATCH'
  /** A sound record of another place, or none, is where this one should be (F5). */
  | 'MISDIRECTED'
  /** Compaction has moved the record and deleted the segment: look the record up again. */
  | 'NO_SEGMENT'
  /** Written by a later version of the program (F20). */
  | 'UNKNOWN_VERSION'

/** What the log could not do, and why. `cause` has the disk's own error, if there is one. */
export class LogError extends Error {
  override readonly name = 'LogError'
  readonly code: LogErrorCode

  constructor(code: LogErrorCode, message: string = code, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The `code` of an error, such as ENOSPC or DISK_FULL; UNKNOWN when it has none, as faults of this program. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN'
}

/** The write found no room. What was flushed before is untouched. */
export function isNoSpace(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(errorCode(error))
}

/**
 * The line that the node ends with, when an assertion has failed; undefined for all other errors. A node's process has ended
 * before (node/start): this is for a log that runs in another one, such as `shoal index rebuild`, or a test.
 */
export function assertionLine(error: unknown): string | undefined {
  return error instanceof AssertionError ? stopLine(error) : undefined
}

/**
 * `recovering` until all that is left of a crash is read. `open`: takes appends. `read-only`: the file system
 * took no write. `failed`: the disk can't be trusted any more (D5). Only `recovering` leads to `open`.
 */
export type LogState = 'recovering' | 'open' | 'read-only' | 'failed' | 'closed'

/** Why a log in this state takes no appends. */
export function refusalIn(state: LogState): LogError {
  switch (state) {
    case 'failed':
      return new LogError('FAILED', 'the disk failed')
    case 'read-only':
      return new LogError('READ_ONLY', 'the disk takes no writes')
    case 'recovering':
    case 'open':
    case 'closed':
      return new LogError('CLOSED', 'the log takes no appends')
  }
}
