/** Records at random, and a model of the index rows that must follow from them. */

import { byteString, bytesOf, EMPTY_BYTES, u16 } from '../../protocol/bytes.ts'
import { ballotOfState, encodeState } from '../../protocol/codec/state.ts'
import {
  bucketId,
  dataId,
  operationId,
  proposerId,
  type BlockKey,
  type RegisterKey,
} from '../../protocol/ids.ts'
import { blockKey } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import type { NewRecord } from '../../node/log/types.ts'
import { floorRow } from '../../node/replica/index-rows.ts'
import { RECORD } from '../../node/replica/record-types.ts'
import {
  blockDropped,
  blockGone,
  minimumGone,
  registerDropped,
  registerGone,
} from '../../node/replica/removal-records.ts'
import { decodeFloor, decodeNumber, encodeNumber } from '../../node/replica/row-format.ts'

const PROPOSER = proposerId('p'.repeat(16))
const BUCKET = bucketId('b'.repeat(16))
const PARTITION_BITS = 4
export const ROW_PARTITIONS = 1 << PARTITION_BITS
const KEYS = 12

/** A row's key, and what it must hold from now on; undefined when the row is gone. */
type Effect = readonly [key: string, value: string | undefined]

export class RowsModel {
  private readonly random: () => number
  /** Row key, as text, to what it must hold. */
  private readonly model = new Map<string, string>()
  private ballot = 0
  private blocks = 0
  /** Absent, and may come back at a lower ballot. */
  private readonly droppedRegisters = new Set<RegisterKey>()
  private readonly highestMinima = new Map<string, number>()
  private readonly droppedBlocks = new Set<BlockKey>()
  /** Rows of records that were appended and whose outcome is unknown. */
  private readonly pending = new Set<string>()

  constructor(random: () => number) {
    this.random = random
  }

  /** The record is about to be appended. */
  begin(record: NewRecord): readonly Effect[] {
    const effects = this.effects(record)
    for (const [key] of effects) this.pending.add(key)
    return effects
  }

  /** The record is flushed. */
  flushed(record: NewRecord, effects: readonly Effect[]): void {
    for (const [key, value] of effects) {
      if (value === undefined) this.model.delete(key)
      else this.model.set(key, value)
      this.pending.delete(key)
    }
    this.noteDrops(record)
  }

  /** Throws unless these rows are all that must be there. A record that was under way may be there or not. */
  compare(found: ReadonlyMap<string, string>): void {
    for (const key of new Set([...found.keys(), ...this.model.keys()])) {
      const [is, must] = [found.get(key), this.model.get(key)]
      if (is !== must && !this.pending.has(key)) {
        throw new Error(`${JSON.stringify(key)}: is ${is}, must be ${must}`)
      }
      if (is === undefined) this.model.delete(key)
      else this.model.set(key, is)
    }
    this.pending.clear()
  }

  private noteDrops({ type, key }: NewRecord): void {
    if (type === RECORD.registerDropped) this.droppedRegisters.add(key as RegisterKey)
    if (type === RECORD.register) this.droppedRegisters.delete(key as RegisterKey)
    if (type === RECORD.blockDropped) this.droppedBlocks.add(key as BlockKey)
    if (type === RECORD.block || type === RECORD.blockGone) {
      this.droppedBlocks.delete(key as BlockKey)
    }
  }

  /** A record at random. */
  draw(): NewRecord {
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
    const partition = this.pick(ROW_PARTITIONS)
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

  /** The record that drops this register as the model knows it. */
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
    const partition = (number * 7) % ROW_PARTITIONS
    const id = dataId(String(number).padStart(24, '0'))
    return { key: blockKey(partition, id, 0), partition }
  }

  /** What a record must do, in a second and simpler way. */
  private effects(record: NewRecord): Effect[] {
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
