/**
 * An Index that a crash throws back to some earlier commit: what LMDB does when the machine, and not
 * only the process, goes down.
 */

import { byteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/ids.ts'
import type { Clock, Index, IndexWrite } from '../../node/env/ports.ts'

export interface SimulatedIndexOptions {
  readonly clock: Clock
  /** In [0, 1), seeded. */
  readonly random: () => number
  /** The longest time of one commit; drawn evenly. Default 5. */
  readonly latencyMs?: number
}

interface Row {
  readonly text: ByteString
  readonly key: Uint8Array
  value: Uint8Array
}

export type IndexImage = readonly Readonly<Row>[]

/** What is on the disk. It outlives the process that has it open. */
export class SimulatedIndexStore {
  /** Makes every write fail. */
  failing = false
  private readonly options: SimulatedIndexOptions
  /** Ascending. */
  private rows: Row[] = []
  /** Rows as they were when the oldest of `unflushed` had not been committed. */
  private flushed: Row[] = []
  private unflushed: (readonly IndexWrite[])[] = []
  private life = 0

  constructor(options: SimulatedIndexOptions) {
    this.options = options
  }

  open(): Promise<Index> {
    const life = ++this.life
    return Promise.resolve(this.handle(life))
  }

  /** A prefix of the commits is left. */
  crash(): void {
    this.life++
    const kept = Math.floor(this.options.random() * (this.unflushed.length + 1))
    this.rows = this.flushed.map((row) => ({ ...row }))
    for (const batch of this.unflushed.slice(0, kept)) this.commit(batch)
    this.flush()
  }

  /** The same rows, unflushed commits included. */
  clone(options: SimulatedIndexOptions): SimulatedIndexStore {
    const copy = new SimulatedIndexStore(options)
    copy.rows = this.rows.map((row) => ({ ...row }))
    copy.flushed = this.flushed.map((row) => ({ ...row }))
    copy.unflushed = [...this.unflushed]
    return copy
  }

  kill(): void {
    this.life++
  }

  /** Damage: rows change or vanish while the index is open. */
  tamper(batch: readonly IndexWrite[]): void {
    this.commit(batch)
    this.flush()
  }

  /** A copy of the rows, for `restore`. */
  image(): IndexImage {
    return this.rows.map((row) => ({ ...row }))
  }

  /** An old copy is put back. Handles are dead. */
  restore(image: IndexImage): void {
    this.life++
    this.rows = image.map((row) => ({ ...row }))
    this.flush()
  }

  /** Deleted by hand. */
  delete(): void {
    this.rows = []
    this.flush()
  }

  private handle(life: number): Index {
    let last: Promise<void> = Promise.resolve()
    const alive = (): boolean => this.life === life
    const range: Index['range'] = (start, end, limit, visit) => {
      const behind = byteString(end)
      let left = limit
      for (let i = this.lowerBound(byteString(start)); i < this.rows.length && left > 0; i++) {
        const row = this.rows[i] as Row
        if (row.text >= behind) return
        left--
        if (visit(row.key, row.value) === false) return
      }
    }
    return {
      get: (key) => this.find(byteString(key))?.value,
      range,
      scan: (start, end, limit, visit) =>
        range(start, end, limit, (key, value) => visit(key, key.length, value, value.length)),
      write: (batch) => {
        const before = last
        last = this.afterLatency().then(async () => {
          await before.catch(() => {})
          if (!alive()) return new Promise<void>(() => {})
          if (this.failing) throw new Error('MDB_MAP_FULL')
          this.commit(batch)
          this.unflushed.push(batch.map(copied))
          if (this.options.random() < 0.3) this.flush()
          return undefined
        })
        return last
      },
      clear: () =>
        this.afterLatency().then(() => {
          if (alive()) this.delete()
        }),
      close: () =>
        this.afterLatency().then(() => {
          if (alive()) this.flush()
        }),
    }
  }

  private afterLatency(): Promise<void> {
    const { clock, random, latencyMs } = this.options
    return new Promise((resolve) => {
      clock.after(random() * (latencyMs ?? 5), resolve)
    })
  }

  private flush(): void {
    this.flushed = this.rows.map((row) => ({ ...row }))
    this.unflushed = []
  }

  private commit(batch: readonly IndexWrite[]): void {
    for (const write of batch) {
      const { key, value } = copied(write)
      const text = byteString(key)
      const at = this.lowerBound(text)
      const there = this.rows[at]?.text === text
      if (value === undefined) {
        if (there) this.rows.splice(at, 1)
      } else if (there) {
        ;(this.rows[at] as Row).value = value
      } else {
        this.rows.splice(at, 0, { text, key, value })
      }
    }
  }

  private find(text: ByteString): Row | undefined {
    const row = this.rows[this.lowerBound(text)]
    return row?.text === text ? row : undefined
  }

  private lowerBound(text: ByteString): number {
    let low = 0
    let high = this.rows.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.rows[middle] as Row).text < text) low = middle + 1
      else high = middle
    }
    return low
  }
}

function copied({ key, value }: IndexWrite): IndexWrite {
  return value === undefined ? { key: key.slice() } : { key: key.slice(), value: value.slice() }
}
