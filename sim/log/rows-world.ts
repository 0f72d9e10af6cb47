/**
 * One node's store with the real rows, on a simulated disk: registers, blocks, minima, duties and their
 * removals at random, compaction meanwhile, crashes anywhere, rebuilds of the index; and a model of what
 * must be there.
 */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { RECORD_HEADER_BYTES } from '../../protocol/codec/record.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { compareBallots, type Ballot } from '../../protocol/register/ballot.ts'
import { compactionOf, type Compaction } from '../../node/log/compaction.ts'
import { scrubOf, type Scrub } from '../../node/log/scrub.ts'
import { segmentPath } from '../../node/log/segment.ts'
import { Store } from '../../node/log/store.ts'
import type { LogPosition, NewRecord, StoreOptions } from '../../node/log/types.ts'
import { checkDigests } from '../../node/replica/digest-check.ts'
import { registerRow } from '../../node/replica/index-rows.ts'
import { RECORD } from '../../node/replica/record-types.ts'
import {
  decodeFloor,
  decodeNumber,
  decodePosition,
  stateOfRow,
} from '../../node/replica/row-format.ts'
import { storeOptions } from '../../node/assembly/open-store.ts'
import { SimulatedDisk } from '../world/disk.ts'
import { SimulatedIndexStore } from '../world/index-store.ts'
import { seededRandom } from '../world/seeded-random.ts'
import { quiet } from './store-world.ts'
import { VirtualClock } from '../world/virtual-clock.ts'
import { RowsModel, ROW_PARTITIONS } from './rows-model.ts'

/** What a test breaks. */
export interface Breaks {
  readonly options?: (options: StoreOptions) => StoreOptions
  readonly compaction?: (compaction: Compaction, store: Store) => void
}

export class RowsWorld {
  readonly clock = new VirtualClock()
  readonly random: () => number
  readonly disk: SimulatedDisk
  readonly index: SimulatedIndexStore
  store: Store | undefined
  compaction: Compaction | undefined
  compacted = 0
  private isTampered = false
  /** Records of the log were: nothing is said of what a start finds. */
  private isDamaged = false
  private readonly breaks: Breaks
  readonly records: RowsModel

  constructor(seed: number, breaks: Breaks = {}) {
    this.random = seededRandom(seed)
    this.breaks = breaks
    this.records = new RowsModel(this.random)
    const { clock, random } = this
    this.disk = new SimulatedDisk({ clock, random, capacityBytes: 1 << 30 })
    this.index = new SimulatedIndexStore({ clock, random })
  }

  /** False when the disk halted underway. */
  async open(): Promise<boolean> {
    const env = {
      disk: this.disk,
      clock: this.clock,
      random: { bytes: () => new Uint8Array(16).fill(7), float: this.random },
      logger: quiet,
      openIndex: () => this.index.open(),
      fail: (reason: string) => {
        throw new Error(reason)
      },
    }
    const options = storeOptions(env, { segmentSizeBytes: 24 << 10, reserveBytes: 0 })
    const { breaks } = this
    try {
      const opening = Store.open(breaks.options?.(options) ?? options)
      this.store = await this.clock.settle(opening)
    } catch (error) {
      if (this.disk.halted) return false
      throw error
    }
    this.compaction = compactionOf(this.store, {
      deadShareMax: 0.067,
      gainBytesMin: 12 << 10,
      graceMs: 1,
      bytesPerSecond: 1e9,
    })
    breaks.compaction?.(this.compaction, this.store)
    return true
  }

  /** Some operations one after the other while compaction runs; ends early when the disk halts. */
  async work(operations: number): Promise<void> {
    const all = async (): Promise<void> => {
      for (let i = 0; i < operations; i++) await this.operate()
    }
    const compacting = this.compaction?.work().catch(() => {})
    await this.clock.settle(Promise.all([all(), compacting])).catch((error: unknown) => {
      if (!this.disk.halted) throw error
    })
    this.compacted += this.compaction?.counters.segments ?? 0
  }

  /** Drops rows of the index, and flips bits in others. The result is how many. */
  async damageIndex(count: number): Promise<number> {
    const store = this.store as Store
    await this.clock.settle(store.commitIndex())
    const rows: [Uint8Array, Uint8Array][] = []
    store.range(bytesOf('a'), bytesOf('x'), 1e6, (key, row) => {
      rows.push([key.slice(), row.slice()])
    })
    const damaged = new Map(
      Array.from({ length: count }, () => {
        const [key, row] = rows[this.pick(rows.length)]!
        row[this.pick(row.length)]! ^= 1 << this.pick(8)
        return [byteString(key), this.random() < 0.5 ? { key } : { key, value: row }] as const
      }),
    )
    this.isTampered = true
    this.index.tamper([...damaged.values()])
    return damaged.size
  }

  /** Flips a bit in the body of the record that the register's row points to. */
  damageRecord(key: RegisterKey): void {
    const row = this.store?.get(registerRow(key))
    if (row === undefined) throw new Error('no such register')
    this.damageAt(decodePosition(row), key.length + 12)
  }

  /** Flips a bit of the record at this place; `at` counts from behind its header. */
  damageAt({ segment, offset }: LogPosition, at: number): void {
    this.isDamaged = true
    this.disk.corrupt(segmentPath(segment), offset + RECORD_HEADER_BYTES + at, 1)
  }

  /** The index has lost it. Everything must be committed. */
  dropRow(key: Uint8Array): void {
    this.isTampered = true
    this.index.tamper([{ key }])
  }

  flipRow(key: Uint8Array, at: number): void {
    const value = this.store?.get(key)?.slice()
    if (value === undefined) throw new Error('no such row')
    value[at]! ^= 1
    this.isTampered = true
    this.index.tamper([{ key, value }])
  }

  /** One pass, so many operations meanwhile: on any key, or on this one. */
  async scrub(operations = 0, key?: RegisterKey): Promise<Scrub> {
    const store = this.store as Store
    const isStopped = (): boolean => false
    const scrub = scrubOf(store, {
      bytesPerSecond: 1e9,
      patienceMs: 100,
      fetch: ({ key }) => {
        throw new Error(`${JSON.stringify(key)} comes back from the log`)
      },
      checkDigests: (faulty) =>
        checkDigests({ store, clock: this.clock, partitions: ROW_PARTITIONS, isStopped, faulty }),
    })
    const traffic = async (): Promise<void> => {
      const delayMs = key === undefined ? 0 : 0.5 * this.random()
      await new Promise<void>((resolve) => void this.clock.after(delayMs, resolve))
      for (let i = 0; i < operations; i++) {
        await (key === undefined ? this.operate() : this.append(this.records.registerRecord(key)))
      }
    }
    await this.clock.settle(Promise.all([scrub.pass(), traffic()]))
    return scrub
  }

  /** Register records behind one of a higher ballot. */
  async stepsBack(): Promise<string[]> {
    const store = this.store as Store
    const highest = new Map<string, Ballot>()
    const found: string[] = []
    const walk = async (): Promise<void> => {
      for (const { segment } of store.segments()) {
        for await (const each of store.walk(segment)) {
          if (!('record' in each) || each.record.type !== RECORD.register) continue
          const { key, body } = each.record
          const ballot = ballotOfState(body)
          const before = highest.get(key)
          if (before !== undefined && compareBallots(ballot, before) < 0) {
            found.push(`${JSON.stringify(key)}: an older state on top of a newer one`)
          } else highest.set(key, ballot)
        }
      }
    }
    await this.clock.settle(walk())
    return found
  }

  crash(): void {
    this.store = undefined
    if (this.random() < 0.6) {
      this.disk.crash()
      this.index.crash()
    } else {
      this.disk.kill()
      this.index.kill()
    }
    if (this.random() < 0.4) this.index.delete()
  }

  /** Everything that the model says is there, and nothing else; digests and accounts are right. */
  async check(): Promise<void> {
    const store = this.store as Store
    if (!this.isDamaged && store.damage().length > 0) throw new Error('a crash is no damage')
    const found = new Map<string, string>()
    store.range(bytesOf('a'), bytesOf('x'), 1e6, (key, row) => {
      const value = valueOf(byteString(key), row)
      if (value !== undefined) found.set(byteString(key), value)
    })
    store.range(bytesOf('y'), bytesOf('z'), 1e6, (key) => void found.set(byteString(key), 'duty'))
    this.records.compare(found)
    const isStopped = (): boolean => false
    const wrong = checkDigests({ store, clock: this.clock, partitions: ROW_PARTITIONS, isStopped })
    if ((await this.clock.settle(wrong)) !== 0) throw new Error('a digest is wrong')
    await this.checkAccounts(store)
  }

  /** The bytes that compaction believes to be dead are those that no row points to. */
  private async checkAccounts(store: Store): Promise<void> {
    const { segment: last } = store.end().end
    for (const { segment } of store.segments()) {
      if (segment >= last) continue
      let dead = 0
      const walk = async (): Promise<void> => {
        for await (const found of store.walk(segment)) {
          if (!('record' in found)) {
            dead += found.lengthBytes
            continue
          }
          if (!store.hasRow(found.record)) continue
          if (!store.isLive(found.record, found.position)) dead += found.position.lengthBytes
        }
      }
      await this.clock.settle(walk())
      const counted = store.replacedBytes(segment)
      // A minimum that a scrub brings back while it is raised may be counted twice.
      const slack = this.isTampered ? 500 : 0
      if (counted < dead || counted > dead + slack)
        throw new Error(`segment ${segment}: ${dead} dead, ${counted} counted`)
    }
  }

  private operate(): Promise<void> {
    return this.append(this.records.draw())
  }

  /** In the model, too, once it is flushed. */
  async append(record: NewRecord): Promise<void> {
    const effects = this.records.begin(record)
    await (this.store as Store).append([record])
    this.records.flushed(record, effects)
  }

  private pick(count: number): number {
    return Math.floor(this.random() * count)
  }
}

/** What a row says, without the place of its record. */
function valueOf(key: string, row: Uint8Array): string | undefined {
  const letter = key.charAt(0)
  if (letter === 'r') return byteString(stateOfRow(row) ?? bytesOf('FAULTY'))
  if (letter === 'b') return 'block'
  if (letter === 'f') return String(decodeFloor(row.subarray(0, 24)).counter)
  return letter === 'g' || letter === 'k' ? String(decodeNumber(row)) : undefined
}
