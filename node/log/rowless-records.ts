/**
 * Records without a sound row that a scrub has met: either their row is lost or damaged, or a removal that comes later in
 * the log has taken it away. Also counts the bytes of records that no row points to, so that compaction learns of them.
 */

import { byteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/ids.ts'
import type { Store } from './store.ts'
import type { LogPosition, LogRecord, StoredRecord } from './types.ts'

/** There may be many: a dead record looks as if its row were lost, until the walk comes to its removal. */
const RECORDS_MAX = 500_000

export class RowlessRecords {
  private readonly store: Store
  private readonly records = new Map<ByteString, StoredRecord>()
  /** Bytes of records that no row points to, in each segment that was walked. */
  private readonly deadBytes = new Map<number, number>()

  constructor(store: Store) {
    this.store = store
  }

  /** The latest record of each row, as far as the walk has come. */
  positions(): LogPosition[] {
    return [...this.records.values()].map(({ position }) => position)
  }

  /** The record is still the latest one of its row, and no removal has come. */
  has(rowKey: Uint8Array, position: LogPosition): boolean {
    return this.records.get(byteString(rowKey))?.position === position
  }

  add(rowKey: Uint8Array, record: LogRecord, position: LogPosition): void {
    const name = byteString(rowKey)
    const before = this.records.get(name)
    if (before !== undefined && this.store.rows?.isOlder(record, before.record) === true) {
      return this.noteDead(position)
    }
    if (before !== undefined) this.noteDead(before.position)
    else if (this.records.size >= RECORDS_MAX) return
    // A removal is compared with the beginning of the body only.
    const head = { ...record, body: record.body.slice(0, 64) }
    this.records.set(name, { record: head, position })
  }

  /** A removal explains why the record before it has no row. */
  noteRemoval(removal: StoredRecord): void {
    const { store } = this
    const key = store.rows?.removedKeyOf(removal.record)
    if (key === undefined) return
    const name = byteString(key)
    const record = this.records.get(name)
    if (record !== undefined && store.rows?.isRemovedBy(record, removal) === true) {
      this.records.delete(name)
      this.noteDead(record.position)
    }
  }

  noteDead({ segment, lengthBytes }: LogPosition): void {
    this.deadBytes.set(segment, (this.deadBytes.get(segment) ?? 0) + lengthBytes)
  }

  /** Reports the dead bytes of a segment: those that a damaged row pointed to were not counted when it was replaced. */
  account(segment: number): void {
    const bytes = this.deadBytes.get(segment) ?? 0
    if (this.store.hasSegment(segment)) this.store.raiseReplaced(segment, bytes)
  }

  accountAll(): void {
    for (const segment of this.deadBytes.keys()) this.account(segment)
  }

  /** The segment was compacted meanwhile. */
  forget(segment: number): void {
    this.deadBytes.delete(segment)
  }
}
