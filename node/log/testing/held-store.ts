/** A store in memory whose flushes a test holds back. Its rows are those of an index in memory. */

import { byteString } from '../../../protocol/bytes.ts'
import { MemoryIndex } from '../../env/testing/memory-index.ts'
import { LogError } from '../errors.ts'
import type { Store } from '../store.ts'
import type { LogPosition, NewRecord } from '../types.ts'
import type { IndexWrite } from '../../env/ports.ts'

type Apply = (
  record: NewRecord,
  position: LogPosition,
  current: (key: Uint8Array) => Uint8Array | undefined,
) => readonly IndexWrite[]

export class HeldStore extends MemoryIndex {
  appends = 0
  last: readonly NewRecord[] = []
  /** Only appends that may use the reserve are taken. */
  full = false
  fail: Error | undefined
  /** Later appends are flushed first: callers are promised no order. */
  reverse = false
  readonly #apply: Apply
  readonly #records: NewRecord[] = []
  #waiting: (() => void)[] | undefined

  constructor(apply: Apply) {
    super()
    this.#apply = apply
  }

  get store(): Store {
    return this as unknown as Store
  }

  async append(
    records: readonly NewRecord[],
    options?: { readonly urgent?: boolean },
  ): Promise<LogPosition[]> {
    if (this.fail !== undefined) throw this.fail
    if (this.full && options?.urgent !== true) throw new LogError('DISK_FULL', 'full')
    this.appends++
    this.last = records
    if (this.#waiting !== undefined) {
      const waiting = this.#waiting
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
    return records.map((record) => {
      const position = { segment: 1, offset: this.#records.push(record) - 1, lengthBytes: 1 }
      for (const { key, value } of this.#apply(record, position, (row) => this.get(row))) {
        if (value === undefined) this.rows.delete(byteString(key))
        else this.rows.set(byteString(key), value)
      }
      return position
    })
  }

  readRecord({ offset }: LogPosition): Promise<NewRecord> {
    return Promise.resolve(this.#records[offset] as NewRecord)
  }

  /** From now on appends wait. */
  hold(): void {
    this.#waiting = []
  }

  /** Flushes the appends that wait, or the first `count` of them. After flushing all, later appends are flushed at
   * once. */
  async flush(count?: number): Promise<void> {
    const waiting = this.#waiting ?? []
    if (this.reverse) waiting.reverse()
    if (count === undefined) this.#waiting = undefined
    for (const go of waiting.splice(0, count ?? waiting.length)) go()
    await new Promise<void>((resolve) => void setImmediate(resolve))
  }
}
