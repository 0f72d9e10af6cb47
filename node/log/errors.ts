/** What can go wrong with the log. The disk's own errors (EIO …) pass through where nothing is known. */

import { AssertionError } from '../../protocol/assert.ts'

export type LogErrorCode =
  /** No room: nothing of this append counts. Deletes and compaction (`urgent`) have a reserve. */
  | 'DISK_FULL'
  /** The file system takes no writes; reads go on (F8). */
  | 'READ_ONLY'
  /** A write or flush failed: the disk is not trusted any more (D5). The outcome is unknown. */
  | 'FAILED'
  | 'CLOSED'
  /** So much waits for the disk that no more is taken: nothing of this append counts (D11). */
  | 'OVERLOADED'
  /** The log that should be there is not. */
  | 'LOG_MISSING'
  /** The record is there, but not as it was written (A4). */
  | 'CHECKSUM_MISMATCH'
  /** A sound record of another place, or nothing, lies where this one should (F5). */
  | 'MISDIRECTED'
  /** The segment is gone: compaction has moved the record, look it up again. */
  | 'NO_SEGMENT'
  /** Written by a later version of the program (F20). */
  | 'UNKNOWN_VERSION'

export class LogError extends Error {
  override readonly name = 'LogError'
  readonly code: LogErrorCode

  constructor(code: LogErrorCode, message: string = code, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN'
}

/** Errors of a write that mean "no room" and leave what was flushed before untouched. */
export function isNoSpace(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(errorCode(error))
}

/**
 * An assertion of the log has failed: this program is wrong, and what it would write next might be, too. The line that the
 * node ends with; undefined for all other errors.
 */
export function assertionLine(error: unknown): string | undefined {
  if (!(error instanceof AssertionError)) return undefined
  return `a fault in this program, nothing more is written to the log: ${error.message}`
}

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
