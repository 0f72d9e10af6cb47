/** An Index in memory for tests beside the code. What `write` was given outlives `close`. */

import { byteString, bytesOf } from '../../../protocol/bytes.ts'
import type { Index, IndexWrite } from '../ports.ts'

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
