/** An Index in memory for tests beside the code. What `write` was given outlives `close`. */

import { byteString, bytesOf } from '../../../protocol/bytes.ts'
import type { Index, IndexWrite, RowScan } from '../ports.ts'

export class MemoryIndex implements Index {
  readonly rows: Map<string, Uint8Array>

  constructor(rows = new Map<string, Uint8Array>()) {
    this.rows = rows
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.rows.get(byteString(key))
  }

  range(
    start: Uint8Array,
    end: Uint8Array,
    limit: number,
    visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
  ): void {
    const [from, to] = [byteString(start), byteString(end)]
    const keys = [...this.rows.keys()].filter((key) => key >= from && key < to).sort()
    for (const key of keys.slice(0, limit)) {
      if (visit(bytesOf(key), this.rows.get(key)!) === false) return
    }
  }

  scan(start: Uint8Array, end: Uint8Array, limit: number, visit: RowScan): void {
    // As in the real one, what comes behind a row in its buffer says nothing, and the next row replaces it.
    const buffers = [new Uint8Array(0), new Uint8Array(0)]
    const put = (at: 0 | 1, bytes: Uint8Array): Uint8Array => {
      let buffer = buffers[at]!
      if (buffer.length <= bytes.length) buffer = buffers[at] = new Uint8Array(2 * bytes.length + 1)
      buffer.fill(0xee)
      buffer.set(bytes)
      return buffer
    }
    this.range(start, end, limit, (key, value) =>
      visit(put(0, key), key.length, put(1, value), value.length),
    )
  }

  write(batch: readonly IndexWrite[]): Promise<void> {
    for (const { key, value } of batch) {
      if (value === undefined) this.rows.delete(byteString(key))
      else this.rows.set(byteString(key), value.slice())
    }
    return Promise.resolve()
  }

  clear(): Promise<void> {
    this.rows.clear()
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
