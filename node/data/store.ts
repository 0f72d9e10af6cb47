/** Signatures first: the implementation follows. */
import type {
  Damage,
  LogPosition,
  LogRecord,
  NewRecord,
  StoreOptions,
  StoreStats,
} from './types.ts'

export class Store {
  /** Recovers the log, replays what the index does not reflect, rebuilds the index where it must. */
  static open(_options: StoreOptions): Promise<Store> {
    throw new Error('not yet')
  }

  /**
   * Appends the records, in order, in one batch. Resolves when they are flushed and visible in `get`
   * and `range`. Rejects with a LogError: DISK_FULL (nothing written), FAILED (D5), CLOSED.
   */
  append(_records: readonly NewRecord[], _options?: { urgent?: boolean }): Promise<LogPosition[]> {
    throw new Error('not yet')
  }

  /** A row of the index, flushed states only. Valid until the next call: copy what is to be kept. */
  get(_key: Uint8Array): Uint8Array | undefined {
    throw new Error('not yet')
  }

  /** Rows with start <= key < end, ascending, at most `limit`; `visit` returns false to stop. */
  range(
    _start: Uint8Array,
    _end: Uint8Array,
    _limit: number,
    _visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
  ): void {
    throw new Error('not yet')
  }

  /** The whole record, verified. LogError: CHECKSUM_MISMATCH, MISDIRECTED (A4), or the disk's error. */
  readRecord(_position: LogPosition): Promise<LogRecord> {
    throw new Error('not yet')
  }

  /** The payload, verified. With `into` (at least position.lengthBytes) the result is a view of it. */
  readPayload(_position: LogPosition, _into?: Uint8Array): Promise<Uint8Array> {
    throw new Error('not yet')
  }

  /** As readPayload, for records of at most 64 KiB. */
  readPayloadSync(_position: LogPosition): Uint8Array {
    throw new Error('not yet')
  }

  /** As readRecord, for records of at most 64 KiB. */
  readRecordSync(_position: LogPosition): LogRecord {
    throw new Error('not yet')
  }

  /** What was found damaged at start. */
  damage(): readonly Damage[] {
    throw new Error('not yet')
  }

  stats(): StoreStats {
    throw new Error('not yet')
  }

  /** Flushes everything, log and index. */
  close(): Promise<void> {
    throw new Error('not yet')
  }
}
