/** What the log and the index behind it give to the roles that keep data: registers and blocks. */

import type { ByteString } from '../../protocol/ids.ts'
import type { Clock, Disk, Index, IndexWrite, Logger, Random } from '../env/ports.ts'

/** Where a record lies. Enough to read it back; the record's own header proves that it is the one. */
export interface LogPosition {
  readonly segment: number
  /** Of the record's header, in bytes from the start of the segment's file. */
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
  /** Small: read in replay and rebuild, and given to `apply`. */
  readonly body: Uint8Array
  /** Large: never read in replay or rebuild, verified when it is read. Absent is not the same as
   * empty only for the caller; an empty payload reads back as absent. */
  readonly payload?: Uint8Array | undefined
}

/** A record and where it lies. */
export interface StoredRecord {
  readonly record: LogRecord
  readonly position: LogPosition
}

/** A record to append. Bytes must not be altered before the append has settled. */
export interface NewRecord extends LogRecord {
  /** BLAKE3-256 of the payload where the caller knows it already: 32 bytes. Saves hashing again. */
  readonly payloadHash?: Uint8Array | undefined
}

/** A stretch of the log that can't be read as what was written (A4, D4). */
export interface Damage {
  readonly segment: number
  readonly offset: number
  readonly lengthBytes: number
  /** Whose record it is, where the header can still be read; otherwise D2 for its partitions (D7). */
  readonly identity?:
    { readonly type: number; readonly partition: number; readonly key: ByteString } | undefined
}

/**
 * What the log knew once and does not know any more (D8). Damage that names a register or a block is
 * none: it shows as FAULTY (D3).
 */
export interface LogLoss {
  readonly partitions: 'all' | readonly number[]
  /** The ballot mark may be among what was lost (A1). */
  readonly mark: boolean
  readonly reason:
    /** Records that nobody can name. */
    | 'damage'
    | 'segment-missing'
    /** The log is shorter than it was when it was last proven. */
    | 'end-lost'
    | 'mark'
    | 'minimum'
    /** With its floor, where it was a register's. */
    | 'removal'
    | 'log-missing'
    | 'restored-image'
  /** For people. */
  readonly detail: string
  /** Where the log could not be read, if it was that. */
  readonly place?: LogPosition | undefined
}

/** A row of the index, and which record it makes dead. */
export interface RowWrite extends IndexWrite {
  /** Where the record lies that the row pointed to before: its bytes may be compacted away. Giving
   * the record's own new position is the same as giving none. */
  readonly replaces?: LogPosition | undefined
  /** The record's own position when no row will ever point to it: its bytes are dead from the start. */
  readonly superseded?: LogPosition | undefined
  /** A removal's own row: it is live while this row points to it, whatever is older. `demoted` is the
   * removal that the row pointed to before: from now on it is one like any other. */
  readonly holds?: { readonly demoted: LogPosition | undefined } | undefined
}

type RecordIdentity = Pick<LogRecord, 'type' | 'partition' | 'key'>

/** How records and rows belong together. */
export interface RowSchema {
  /** Records that only take something away: no row points to them, yet they are kept while an older
   * segment may hold what they took away (D7). */
  isRemoval(record: Pick<LogRecord, 'type'>): boolean
  /** The row that points to a record while it is live; undefined for removals. */
  keyOf(record: RecordIdentity): Uint8Array | undefined
  /** The row that a removal took away. */
  removedKeyOf(removal: RecordIdentity): Uint8Array | undefined
  /** Whether the removal, which came later, took away what the record had put there. Of the record's body
   * the first 64 bytes are given. */
  isRemovedBy(record: StoredRecord, removal: StoredRecord): boolean
  /** Of two records of one row, neither removed: whether the first is history whatever their order in the
   * log. The first 64 bytes of their bodies are given. */
  isOlder(record: LogRecord, than: LogRecord): boolean
  /** Of records that raise a value, and nothing ever lowers it: the row is not as high as the
   * record says, or knows an earlier record only that says the same. */
  isAbove(
    record: LogRecord,
    position: LogPosition,
    current: (key: Uint8Array) => Uint8Array | undefined,
  ): boolean
  /** As far as the row's own checksum tells. */
  isSound(key: Uint8Array, row: Uint8Array): boolean
  /** Where the record of a row lies; undefined for rows without one, and for damaged ones. */
  positionOf(key: Uint8Array, row: Uint8Array): LogPosition | undefined
  /** Whose the row is. */
  identityOf(key: Uint8Array): RecordIdentity | undefined
  /** The record anew from what the index holds, to be appended at once; undefined where that is not all of
   * it, as with blocks. `at`: where it lay. */
  restore(
    record: RecordIdentity,
    current: (key: Uint8Array) => Uint8Array | undefined,
    at?: LogPosition,
  ): readonly LogRecord[] | undefined
  /** What compaction appends, in one append, in place of a live record; undefined while a damaged row
   * leaves that open. */
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
  /** The log that must be there; without it an empty directory is a new log. `open` throws LOG_MISSING. */
  readonly expected?: { readonly logId: Uint8Array } | undefined
  /** Where the log that is expected is gone, a new one is begun, and everything counts as lost (D8). */
  readonly acceptLost?: boolean | undefined
  readonly openIndex: () => Promise<Index>
  readonly logger: Logger
  /** A segment that reaches it is sealed. At most 3 GiB. */
  readonly segmentSizeBytes: number
  /** Free space kept back for deletes and compaction (`urgent`). Default: see free-space.ts. */
  readonly reserveBytes?: number | undefined
  /** Bytes of appends that wait for the disk, before more are refused with OVERLOADED. Default 128 MiB. */
  readonly waitingBytesMax?: number | undefined
  /** Raise it when `apply` changes its rows: the index is then rebuilt. Default 1. */
  readonly indexVersion?: number | undefined
  /** How far the start has come with what it has to read again: bytes of the log, of how many. */
  progress?(doneBytes: number, totalBytes: number): void
  /** The disk can't be trusted any more (D5): the node must stop voting and exit. */
  fail(reason: string): void
  /**
   * What a record does to the index: the same function in normal running, replay and rebuild, always
   * in log order, always after the flush. It must not look at the payload, and applying a run of
   * records twice must give what applying it once gives. Keys that start with "x" are the store's own.
   */
  apply(
    record: LogRecord,
    position: LogPosition,
    current: (key: Uint8Array) => Uint8Array | undefined,
  ): RowWrite[]
  /**
   * Whether compaction has to keep a record (without its payload) that lies at `position`. `oldest`:
   * no older segment exists that a removal would have to outlive (D7); a removal is live unless
   * `oldest`, or unless its key is there again. Default: everything is live, nothing is compacted.
   */
  isLive?(
    record: LogRecord,
    position: LogPosition,
    current: (key: Uint8Array) => Uint8Array | undefined,
    oldest: boolean,
  ): boolean
  /** The type of the store's own records, which say that a segment is copied: compaction.ts. */
  readonly compactedType: number
  /** What scrub has to know of the rows. Default: of nothing that is damaged can be said whose it was. */
  readonly rows?: RowSchema | undefined
  /** The rows of a record whose body is damaged, found in replay (A4): so that it shows as FAULTY and
   * not as absent. Default: `damage()` alone tells. */
  applyDamaged?(damage: Damage, current: (key: Uint8Array) => Uint8Array | undefined): RowWrite[]
  /** What is lost by damage that has an identity; undefined where the damage alone tells all (D3). Without
   * an identity everything may be lost. */
  lossOf?(damage: Damage & { readonly identity: RecordIdentity }): LogLoss | undefined
  /**
   * Writes down durably what was lost (D8). Awaited in `open`, once or more, before the index commits a
   * position behind the damage: so whatever comes in between, the next start finds the damage again.
   */
  forgot?(losses: readonly LogLoss[]): Promise<void>
  /** What this damage lost was compared with the other replicas since, and what came of that is in the log
   * behind it: it is no loss any more (D8). */
  isRepaired?(damage: Damage): boolean
}

export interface StoreStats {
  readonly flushes: number
  /** Written to the log since start, headers and padding included. */
  readonly bytes: number
  readonly records: number
  /** Appends that found too many others waiting for the disk. */
  readonly refused: number
  /** Appended, and not flushed yet. */
  readonly waitingBytes: number
  readonly segments: number
  readonly logBytes: number
  /** Of these, what compaction could free: records that nothing points to, and padding. */
  readonly deadBytes: number
  /** Removals, which compaction frees once nothing older is left. */
  readonly removalBytes: number
  /** Index rows that LMDB has not committed yet. */
  readonly pendingRows: number
  readonly freeBytes: number
  readonly totalBytes: number
  /** No appends but urgent ones until space comes back. */
  readonly full: boolean
  readonly failed: boolean
  readonly damaged: number
  /** The start made the index anew from the log. */
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
