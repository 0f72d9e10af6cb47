/** The types in which the log and its index speak with the roles that keep data: registers and blocks. */

import type { ByteString } from '../../protocol/ids.ts'
import type { Clock, Disk, Index, IndexWrite, Logger, Random } from '../env/ports.ts'

/** Where a record is. This is enough to read it back; its header proves that it is the right one. */
export interface LogPosition {
  readonly segment: number
  /** The place of the record's header, in bytes from the start of the segment's file. */
  readonly offset: number
  /** Header, key, body and payload with their padding. */
  readonly lengthBytes: number
}

export interface LogRecord {
  /** 1..255: what the record is; its meaning is the caller's (one registry there). */
  readonly type: number
  /** 0..65535. */
  readonly partition: number
  /** At most 65,535 bytes. */
  readonly key: ByteString
  /** Small: it is read in replay and rebuild, and given to `apply`. */
  readonly body: Uint8Array
  /** Large: it is not read in replay or rebuild, and is verified when it is read. An empty payload reads back as
   * absent. */
  readonly payload?: Uint8Array | undefined
}

/** A record and where it is. */
export interface StoredRecord {
  readonly record: LogRecord
  readonly position: LogPosition
}

/** A record to append. Do not change its bytes before the append has resolved or rejected. */
export interface NewRecord extends LogRecord {
  /** BLAKE3-256 of the payload where the caller knows it already: 32 bytes. Saves hashing again. */
  readonly payloadHash?: Uint8Array | undefined
}

/** A stretch of the log that can't be read as what was written (A4, D4). */
export interface Damage {
  readonly segment: number
  readonly offset: number
  readonly lengthBytes: number
  /** Whose record it is, if the header can still be read (D7). */
  readonly identity?:
    { readonly type: number; readonly partition: number; readonly key: ByteString } | undefined
}

/**
 * What the log had once and has no longer (D8). Damage that names a register or a block is not a loss: it shows as
 * FAULTY (D3).
 */
export interface LogLoss {
  readonly partitions: 'all' | readonly number[]
  /** The ballot mark may be lost (A1). */
  readonly mark: boolean
  readonly reason:
    /** Damage that names no record. */
    | 'damage'
    | 'segment-missing'
    /** The log is shorter than it was when it was last proven. */
    | 'end-lost'
    | 'mark'
    | 'minimum'
    /** A removal, with its floor if it was a register's. */
    | 'removal'
    | 'log-missing'
    | 'restored-image'
  /** For people. */
  readonly detail: string
  /** Where the log could not be read, if that is the reason. */
  readonly place?: LogPosition | undefined
}

/** A row of the index, and which record it makes dead. */
export interface RowWrite extends IndexWrite {
  /**
   * The record that the row pointed to before: it is dead now. The position of the record that makes the row is
   * ignored here.
   */
  readonly replaces?: LogPosition | undefined
  /** The record's own position, when no row will ever point to it: it is dead from the start. */
  readonly superseded?: LogPosition | undefined
  /**
   * The row belongs to a removal, which lives while this row points to it. `demoted`: the removal that the row
   * pointed to before. It is an ordinary removal from now on.
   */
  readonly holds?: { readonly demoted: LogPosition | undefined } | undefined
}

type RecordIdentity = Pick<LogRecord, 'type' | 'partition' | 'key'>

/** How records and rows belong together. */
export interface RowSchema {
  /**
   * Records that only take something away. No row points to them, but they are kept while an older segment may hold
   * what they took away (D7).
   */
  isRemoval(record: Pick<LogRecord, 'type'>): boolean
  /** The row that points to a record while it is live; undefined for removals. */
  keyOf(record: RecordIdentity): Uint8Array | undefined
  /** The row that a removal took away. */
  removedKeyOf(removal: RecordIdentity): Uint8Array | undefined
  /** Whether the removal, which came later in the log, has removed what the record had put there. The record comes with
   * the first 64 bytes of its body only. */
  isRemovedBy(record: StoredRecord, removal: StoredRecord): boolean
  /** Whether the first of two records of one row is out of date, whatever their order in the log. Both come with the first
   * 64 bytes of their bodies only. */
  isOlder(record: LogRecord, than: LogRecord): boolean
  /**
   * For records that raise a value which nothing lowers: whether the row is lower than the record says, or points
   * to an earlier record that says the same.
   */
  isAbove(
    record: LogRecord,
    position: LogPosition,
    current: (key: Uint8Array) => Uint8Array | undefined,
  ): boolean
  /** Whether the row's own checksum is right. */
  isSound(key: Uint8Array, row: Uint8Array): boolean
  /** The place of the record that made a row. Undefined for rows without one, and for damaged rows. */
  positionOf(key: Uint8Array, row: Uint8Array): LogPosition | undefined
  /** Which record makes a row with this key. */
  identityOf(key: Uint8Array): RecordIdentity | undefined
  /** The record again, made from what the index has: append it in the same turn. Undefined when the index does not have
   * all of it, as with blocks. `at`: where the record was. */
  restore(
    record: RecordIdentity,
    current: (key: Uint8Array) => Uint8Array | undefined,
    at?: LogPosition,
  ): readonly LogRecord[] | undefined
  /**
   * What compaction appends, in one append, in place of a live record. Undefined while a damaged row leaves it open
   * which record counts.
   */
  copiesOf(
    record: LogRecord,
    position: LogPosition,
    current: (key: Uint8Array) => Uint8Array | undefined,
  ): readonly LogRecord[] | undefined
}

export interface StoreOptions {
  readonly disk: Disk
  readonly clock: Clock
  /** Draws the log's own id. Without it the id comes from the clock. */
  readonly random?: Random | undefined
  /**
   * The log that must be there; `open` rejects with LOG_MISSING if it is not. Without this, an empty directory is a
   * new log.
   */
  readonly expected?: { readonly logId: Uint8Array } | undefined
  /** If the expected log is gone, begin a new one and count everything as lost (D8). */
  readonly acceptLost?: boolean | undefined
  readonly openIndex: () => Promise<Index>
  readonly logger: Logger
  /** A segment that reaches it is sealed. At most 3 GiB. */
  readonly segmentSizeBytes: number
  /** Free space kept back for deletes and compaction (`urgent`). Default: see free-space.ts. */
  readonly reserveBytes?: number | undefined
  /** While this many bytes of appends wait for the disk, more are refused with OVERLOADED. Default 128 MiB. */
  readonly waitingBytesMax?: number | undefined
  /** Raise it when `apply` makes other rows than before: the index is then rebuilt. Default 1. */
  readonly indexVersion?: number | undefined
  /** How far the start has come with the replay: bytes of the log, of how many. */
  progress?(doneBytes: number, totalBytes: number): void
  /** The disk can't be trusted any more (D5), or an assertion failed: the node must exit. */
  fail(reason: string): void
  /**
   * What a record does to the index. The same function is called in normal running, replay and rebuild, in log
   * order and after the flush. It must not look at the payload, and to apply a run of records twice must give the
   * same rows as once. Keys that start with "x" are the store's own.
   */
  apply(
    record: LogRecord,
    position: LogPosition,
    current: (key: Uint8Array) => Uint8Array | undefined,
  ): RowWrite[]
  /**
   * Whether compaction has to keep the record at `position`, which comes without its payload. `oldest`: no older
   * segment exists, so no removal is needed any more (D7). A removal is live unless `oldest`, or unless its key is
   * there again. Default: everything is live.
   */
  isLive?(
    record: LogRecord,
    position: LogPosition,
    current: (key: Uint8Array) => Uint8Array | undefined,
    oldest: boolean,
  ): boolean
  /** The type of the store's own records, each of which says that a segment is copied (compaction.ts). */
  readonly compactedType: number
  /** What scrub and compaction have to know about the rows. */
  readonly rows?: RowSchema | undefined
  /**
   * The rows of a record whose body is damaged, found in replay: the register shows as FAULTY, not as absent (A4).
   * Without it only `damage()` tells.
   */
  applyDamaged?(damage: Damage, current: (key: Uint8Array) => Uint8Array | undefined): RowWrite[]
  /**
   * What is lost by damage that names its record. Undefined when nothing but that record is lost (D3). Damage that
   * names none may have lost anything.
   */
  lossOf?(damage: Damage & { readonly identity: RecordIdentity }): LogLoss | undefined
  /**
   * Writes down durably what was lost (D8). `open` waits for it before the index commits a position after the
   * damage: after a crash in between, the next start finds the damage again.
   */
  forgot?(losses: readonly LogLoss[]): Promise<void>
  /** Since this damage was found, the node has compared its data with the other replicas, and the result is in the log
   * after the damage: it is no loss any more (D8). */
  isRepaired?(damage: Damage): boolean
}

/** For metrics and the status page. Counters begin at the start of the node. */
export interface StoreStats {
  readonly flushes: number
  /** Written to the log since start, headers and padding included. */
  readonly bytes: number
  readonly records: number
  /** Appends refused because too much waited for the disk. */
  readonly refused: number
  /** Appended, and not flushed yet. */
  readonly waitingBytes: number
  readonly segments: number
  readonly logBytes: number
  /** The part of these that compaction could free: records that no row points to, and padding. */
  readonly deadBytes: number
  /** Removals, which compaction frees once no older segment is left. */
  readonly removalBytes: number
  /** Index rows that LMDB has not committed yet. */
  readonly pendingRows: number
  readonly freeBytes: number
  readonly totalBytes: number
  /** Only urgent appends are taken until there is space again. */
  readonly full: boolean
  readonly failed: boolean
  readonly damaged: number
  /** The start has rebuilt the index from the log. */
  readonly indexRebuilt: boolean
}

/** Those that the log counts itself. */
export type LogStats = Pick<
  StoreStats,
  | 'flushes'
  | 'bytes'
  | 'records'
  | 'refused'
  | 'waitingBytes'
  | 'freeBytes'
  | 'totalBytes'
  | 'full'
  | 'failed'
>
