/**
 * One node's store with the real rows, on a simulated disk: registers, blocks, minima, duties and their
 * removals at random, compaction meanwhile, crashes anywhere, rebuilds of the index; and a model of what
 * must be there.
 */

import { byteString, bytesOf, EMPTY_BYTES, u16 } from '../protocol/bytes.ts'
import { RECORD_HEADER_BYTES } from '../protocol/codec/record.ts'
import { ballotOfState, encodeState } from '../protocol/codec/state.ts'
import {
  bucketId,
  dataId,
  operationId,
  proposerId,
  type BlockKey,
  type RegisterKey,
} from '../protocol/ids.ts'
import { blockKey } from '../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../protocol/keyspace/key.ts'
import { objectRegister } from '../protocol/keyspace/register-key.ts'
import { compareBallots, type Ballot } from '../protocol/register/ballot.ts'
import { compactionOf, type Compaction } from '../node/log/compaction.ts'
import { scrubOf, type Scrub } from '../node/log/scrub.ts'
import { segmentPath } from '../node/log/segment.ts'
import { Store } from '../node/log/store.ts'
import type { LogPosition, NewRecord, StoreOptions } from '../node/log/types.ts'
import { checkDigests } from '../node/replica/digest-check.ts'
import {
  blockDropped,
  blockGone,
  minimumGone,
  registerDropped,
  registerGone,
} from '../node/replica/removal-records.ts'
import { floorRow, registerRow } from '../node/replica/index-rows.ts'
import { RECORD } from '../node/replica/record-types.ts'
import {
  decodeFloor,
  decodeNumber,
  decodePosition,
  encodeNumber,
  stateOfRow,
} from '../node/replica/row-format.ts'
import { storeOptions } from '../node/assembly/open-store.ts'
import { SimulatedDisk } from './disk.ts'
import { SimulatedIndexStore } from './index-store.ts'
import { seededRandom } from './seeded-random.ts'
import { quiet } from './store-world.ts'
import { VirtualClock } from './virtual-clock.ts'

const PROPOSER = proposerId('p'.repeat(16))
const BUCKET = bucketId('b'.repeat(16))
const PARTITION_BITS = 4
const PARTITIONS = 1 << PARTITION_BITS
const KEYS = 12

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
  /** Row key, as text, to what it must hold. */
  private readonly model = new Map<string, string>()
  private ballot = 0
  private blocks = 0
  /** Absent, and may come back at a lower ballot. */
  private readonly droppedRegisters = new Set<RegisterKey>()
  private readonly highestMinima = new Map<string, number>()
  private readonly droppedBlocks = new Set<BlockKey>()

  constructor(seed: number, breaks: Breaks = {}) {
    this.random = seededRandom(seed)
    this.breaks = breaks
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
    await this.clock.settle(store.settleIndex())
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

  /** Flips a bit of the record that lies there; `at` counts from behind its header. */
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
        checkDigests({ store, clock: this.clock, partitions: PARTITIONS, isStopped, faulty }),
    })
    const traffic = async (): Promise<void> => {
      const delayMs = key === undefined ? 0 : 0.5 * this.random()
      await new Promise<void>((resolve) => void this.clock.after(delayMs, resolve))
      for (let i = 0; i < operations; i++) {
        await (key === undefined ? this.operate() : this.append(this.registerRecord(key)))
      }
    }
    await this.clock.settle(Promise.all([scrub.pass(), traffic()]))
    return scrub
  }

  /** Register records that lie behind one of a higher ballot. */
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
    for (const key of new Set([...found.keys(), ...this.model.keys()])) {
      const [is, must] = [found.get(key), this.model.get(key)]
      // What was under way at the crash may be there or not.
      if (is !== must && !this.pending.has(key)) {
        throw new Error(`${JSON.stringify(key)}: is ${is}, must be ${must}`)
      }
      if (is === undefined) this.model.delete(key)
      else this.model.set(key, is)
    }
    this.pending.clear()
    const isStopped = (): boolean => false
    const wrong = checkDigests({ store, clock: this.clock, partitions: PARTITIONS, isStopped })
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

  /** Rows whose outcome nobody was told. */
  private readonly pending = new Set<string>()

  private operate(): Promise<void> {
    return this.append(this.draw())
  }

  /** In the model, too, once it is flushed. */
  async append(record: NewRecord): Promise<void> {
    const effects = this.effects(record)
    for (const [key] of effects) this.pending.add(key)
    await (this.store as Store).append([record])
    for (const [key, value] of effects) {
      if (value === undefined) this.model.delete(key)
      else this.model.set(key, value)
      this.pending.delete(key)
    }
    this.noteDrops(record)
  }

  private noteDrops({ type, key }: NewRecord): void {
    if (type === RECORD.registerDropped) this.droppedRegisters.add(key as RegisterKey)
    if (type === RECORD.register) this.droppedRegisters.delete(key as RegisterKey)
    if (type === RECORD.blockDropped) this.droppedBlocks.add(key as BlockKey)
    if (type === RECORD.block || type === RECORD.blockGone) {
      this.droppedBlocks.delete(key as BlockKey)
    }
  }

  private draw(): NewRecord {
    const kind = this.random()
    const register = objectRegister(BUCKET, this.pick(4), `key ${this.pick(KEYS)}`, PARTITION_BITS)
    if (kind < 0.28) return this.registerRecord(register)
    if (kind < 0.35) return this.reentry(register) ?? this.registerRecord(register)
    if (kind < 0.45) return this.dropRecord(register)
    if (kind < 0.5) {
      return registerGone(register, { counter: ++this.ballot, proposer: PROPOSER })
    }
    if (kind < 0.55) {
      const key = this.pickOf(this.droppedBlocks)
      const payload = new Uint8Array(1 + this.pick(4_000)).fill(7)
      if (key !== undefined) return this.blockRecord(key, payload)
    }
    if (kind < 0.7) {
      const payload = new Uint8Array(1 + this.pick(4_000)).fill(this.blocks)
      return this.blockRecord(this.blockOf(++this.blocks).key, payload)
    }
    if (kind < 0.78) {
      const { key } = this.blockOf(1 + this.pick(Math.max(1, this.blocks)))
      return blockDropped(key)
    }
    if (kind < 0.85) return blockGone(this.blockOf(1 + this.pick(Math.max(1, this.blocks))).key)
    const partition = this.pick(PARTITIONS)
    if (kind < 0.87) return minimumGone(partition, BUCKET)
    if (kind < 0.9) {
      return { type: RECORD.minimum, partition, key: BUCKET, body: this.minimumOf(partition) }
    }
    if (kind < 0.92) {
      return { type: RECORD.mark, partition: 0, key: 'mark', body: encodeNumber(this.pick(99)) }
    }
    const type = kind < 0.96 ? RECORD.duty : RECORD.dutyDone
    return { type, partition: this.pick(3), key: `node${this.pick(2)}aaaa`, body: EMPTY_BYTES }
  }

  /** Of what is there, as far as the model knows. */
  dropRecord(key: RegisterKey): NewRecord {
    const state = this.model.get(`r${key}`)
    return registerDropped(key, state === undefined ? undefined : ballotOfState(bytesOf(state)))
  }

  blockRecord(key: BlockKey, payload: Uint8Array): NewRecord {
    return { type: RECORD.block, partition: partitionOfKey(key), key, body: EMPTY_BYTES, payload }
  }

  /** A register that was dropped comes back at any ballot above the floor, but for those that it lost for good. */
  private reentry(key: RegisterKey): NewRecord | undefined {
    if (!this.droppedRegisters.has(key) || this.pending.has(`r${key}`)) return undefined
    const floor = Number(this.model.get(byteString(floorRow(partitionOfKey(key)))) ?? 0)
    const counter = floor + 1 + this.pick(this.ballot - floor)
    return this.registerRecord(key, counter)
  }

  /** A register's next state, with a body of random size. */
  registerRecord(key: RegisterKey, counter = ++this.ballot): NewRecord {
    const body = encodeState({
      ballot: { counter, proposer: PROPOSER },
      value: {
        operation: operationId('o'.repeat(16)),
        tombstone: false,
        body: new Uint8Array(this.pick(1_500)),
        blocks: [],
      },
    })
    return { type: RECORD.register, partition: partitionOfKey(key), key, body }
  }

  private blockOf(number: number): { key: BlockKey; partition: number } {
    const partition = (number * 7) % PARTITIONS
    const id = dataId(String(number).padStart(24, '0'))
    return { key: blockKey(partition, id, 0), partition }
  }

  /** What a record must do, said once more and simply. */
  private effects(record: NewRecord): [string, string | undefined][] {
    const { type, partition, key, body } = record
    switch (type) {
      case RECORD.registerDropped:
        return [[`r${key}`, undefined]]
      case RECORD.blockDropped:
        return [[`b${key}`, undefined]]
      case RECORD.register:
        return [[`r${key}`, byteString(body)]]
      case RECORD.registerGone: {
        const floor = byteString(floorRow(partition))
        return [
          [floor, String(decodeFloor(body).counter)],
          [`r${key}`, undefined],
        ]
      }
      case RECORD.block:
        return [[`b${key}`, 'block']]
      case RECORD.blockGone:
        return [[`b${key}`, undefined]]
      case RECORD.minimum: {
        const row = `g${u16(partition)}${key}`
        const before = Number(this.model.get(row) ?? 0)
        return [[row, String(Math.max(before, decodeNumber(body)))]]
      }
      case RECORD.minimumGone:
        return [[`g${u16(partition)}${key}`, undefined]]
      case RECORD.mark:
        return [['k', String(Math.max(Number(this.model.get('k') ?? 0), decodeNumber(body)))]]
      case RECORD.duty:
        return [[`y${key}/${u16(partition)}`, 'duty']]
      default:
        return [[`y${key}/${u16(partition)}`, undefined]]
    }
  }

  /** Lower ones than before come only until it is removed: what was removed is a bucket that is gone (T8). */
  private minimumOf(partition: number): Uint8Array {
    const row = `g${u16(partition)}${BUCKET}`
    const highest = this.highestMinima.get(row) ?? 0
    const isRemoved = !this.model.has(row)
    const minimum = isRemoved ? highest + this.pick(50) : this.pick(highest + 50)
    this.highestMinima.set(row, Math.max(highest, minimum))
    return encodeNumber(minimum)
  }

  private pickOf<T>(all: Set<T>): T | undefined {
    return [...all][this.pick(all.size)]
  }

  private pick(count: number): number {
    return Math.floor(this.random() * count)
  }
}

/** What a row says, without where its record lies. */
function valueOf(key: string, row: Uint8Array): string | undefined {
  const letter = key.charAt(0)
  if (letter === 'r') return byteString(stateOfRow(row) ?? bytesOf('FAULTY'))
  if (letter === 'b') return 'block'
  if (letter === 'f') return String(decodeFloor(row.subarray(0, 24)).counter)
  return letter === 'g' || letter === 'k' ? String(decodeNumber(row)) : undefined
}
