/**
 * How many bytes of each segment no row points to any more: which segment compaction takes next.
 * Kept in the index, one row a segment: "x" 2 ‖ segment (4) → bytes (6).
 */

import { getU32, getU48, putU32, putU48 } from '../../protocol/codec/record.ts'
import type { Index } from '../env/ports.ts'
import { RESERVED_PREFIX } from './index-writer.ts'
import type { Memtable } from './memtable.ts'

const ROW_KIND = 2

export class DeadBytes {
  private readonly memtable: Memtable
  private readonly bytes = new Map<number, number>()

  constructor(memtable: Memtable) {
    this.memtable = memtable
  }

  load(index: Index): void {
    const start = Uint8Array.of(RESERVED_PREFIX, ROW_KIND)
    const end = Uint8Array.of(RESERVED_PREFIX, ROW_KIND + 1)
    index.range(start, end, Number.MAX_SAFE_INTEGER, (key, value) => {
      this.bytes.set(getU32(key, 2), getU48(value, 0))
    })
  }

  of(segment: number): number {
    return this.bytes.get(segment) ?? 0
  }

  add(segment: number, bytes: number): void {
    const sum = this.of(segment) + bytes
    this.bytes.set(segment, sum)
    const value = new Uint8Array(6)
    putU48(value, 0, sum)
    this.memtable.put({ key: rowKey(segment), value })
  }

  forget(segment: number): void {
    this.bytes.delete(segment)
    this.memtable.put({ key: rowKey(segment) })
  }
}

function rowKey(segment: number): Uint8Array {
  const key = Uint8Array.of(RESERVED_PREFIX, ROW_KIND, 0, 0, 0, 0)
  putU32(key, 2, segment)
  return key
}
