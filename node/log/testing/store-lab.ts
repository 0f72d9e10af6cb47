/** A store on a disk and an index in memory, whose rows say where the record of their key is. */

import { bytesOf, byteString } from '../../../protocol/bytes.ts'
import { MemoryDisk } from '../../env/testing/memory-disk.ts'
import { MemoryIndex } from '../../env/testing/memory-index.ts'
import { SteppedClock } from '../../env/testing/stepped-clock.ts'
import { compactionOf, type Compaction } from '../compaction.ts'
import { scrubOf, type Scrub, type ScrubOptions } from '../scrub.ts'
import { Store } from '../store.ts'
import type { LogPosition, NewRecord, RowSchema, StoreOptions } from '../types.ts'
import { labRecord, SILENT_LOGGER } from './log-lab.ts'

const REMOVAL_TYPE = 9
const COMPACTED_TYPE = 10

function rowAt({ segment, offset, lengthBytes }: LogPosition): Uint8Array {
  return bytesOf(`${segment},${offset},${lengthBytes}`)
}

function isWholeRow(row: Uint8Array): boolean {
  return /^\d+,\d+,\d+$/.test(byteString(row))
}

function placeIn(row: Uint8Array): LogPosition {
  const [segment, offset, lengthBytes] = byteString(row).split(',').map(Number)
  return { segment: segment!, offset: offset!, lengthBytes: lengthBytes! }
}

const SCHEMA: RowSchema = {
  isRemoval: ({ type }) => type === REMOVAL_TYPE,
  keyOf: ({ type, key }) => (type === 1 ? bytesOf(key) : undefined),
  removedKeyOf: ({ type, key }) => (type === REMOVAL_TYPE ? bytesOf(key) : undefined),
  isRemovedBy: () => true,
  isOlder: () => false,
  isAbove: () => false,
  isSound: (_key, row) => isWholeRow(row),
  positionOf: (_key, row) => (isWholeRow(row) ? placeIn(row) : undefined),
  identityOf: (key) => ({ type: 1, partition: 5, key: byteString(key) }),
  restore: () => undefined,
  copiesOf: (record) => [record],
}

export class StoreLab {
  readonly disk = new MemoryDisk()
  readonly clock = new SteppedClock()
  readonly index = new MemoryIndex()
  /** Segments of which compaction says that rows seem to be lost. */
  suspected: number[] = []
  /** Keys of the records that a scrub asks replicas for. */
  fetched: string[] = []
  failures: string[] = []
  store!: Store
  compaction!: Compaction

  async open(): Promise<Store> {
    const options: StoreOptions = {
      disk: this.disk,
      clock: this.clock,
      random: { bytes: (length) => new Uint8Array(length).fill(7), float: () => 0.5 },
      openIndex: () => Promise.resolve(this.index),
      logger: SILENT_LOGGER,
      segmentSizeBytes: 32 << 10,
      reserveBytes: 0,
      fail: (reason) => this.failures.push(reason),
      compactedType: COMPACTED_TYPE,
      rows: SCHEMA,
      apply: ({ type, key }, position, current) => {
        const before = current(bytesOf(key))
        const replaces = before && isWholeRow(before) ? placeIn(before) : undefined
        const row = { key: bytesOf(key), replaces }
        return [type === REMOVAL_TYPE ? row : { ...row, value: rowAt(position) }]
      },
      isLive: ({ type, key }, position, current, oldest) => {
        const row = current(bytesOf(key))
        if (type === REMOVAL_TYPE) return row === undefined && !oldest
        if (row === undefined) return false
        const { segment, offset } = placeIn(row)
        return !isWholeRow(row) || (segment === position.segment && offset === position.offset)
      },
    }
    this.store = await this.clock.settle(Store.open(options))
    this.compaction = compactionOf(this.store, {
      graceMs: 1_000,
      gainBytesMin: 1_000,
      suspect: (segment) => this.suspected.push(segment),
    })
    return this.store
  }

  /** The machine dies. The index keeps what it was given. */
  crash(): void {
    this.disk.before = () => {}
    this.disk.crash()
  }

  put(key: string, payloadBytes = 100): Promise<LogPosition[]> {
    return this.append(labRecord(key, payloadBytes))
  }

  remove(key: string): Promise<LogPosition[]> {
    return this.append({ ...labRecord(key), type: REMOVAL_TYPE })
  }

  append(...records: NewRecord[]): Promise<LogPosition[]> {
    return this.clock.settle(this.store.append(records))
  }

  /** Where the row of the key points. */
  placeOf(key: string): LogPosition | undefined {
    const row = this.store.get(bytesOf(key))
    return row && placeIn(row)
  }

  /** The keys that have a row, with all their records verified. */
  async contents(): Promise<string[]> {
    const keys: string[] = []
    this.store.range(bytesOf('a'), bytesOf('x'), 1_000, (key) => void keys.push(byteString(key)))
    for (const key of keys) {
      const found = await this.clock.settle(this.store.readRecord(this.placeOf(key)!))
      if (found.key !== key) throw new Error(`the row of ${key} points to ${found.key}`)
    }
    return keys
  }

  /** Spoils the index once it has all rows: the row is gone, or says nothing. */
  async spoilRow(key: string, row?: string): Promise<void> {
    await this.clock.settle(this.store.commitIndex())
    if (row === undefined) this.index.rows.delete(key)
    else this.index.rows.set(key, bytesOf(row))
  }

  scrub(handlers: Partial<ScrubOptions> = {}): Scrub {
    return scrubOf(this.store, {
      patienceMs: 2_000,
      fetch: ({ key }) => void this.fetched.push(key),
      ...handlers,
    })
  }
}
