/**
 * One store on a simulated disk, with clients that append to it, a model of what they may expect,
 * and crashes. Used by the tests of the log.
 */

import { bytesOf, byteString } from '../protocol/bytes.ts'
import type { ByteString } from '../protocol/ids.ts'
import { Store } from '../node/data/store.ts'
import type { Damage, LogPosition, LogRecord, NewRecord } from '../node/data/types.ts'
import type { Index, IndexWrite, Logger } from '../node/env/ports.ts'
import { SimulatedDisk } from './disk.ts'
import { SimulatedIndexStore } from './index-store.ts'
import { seededRandom } from './seeded-random.ts'
import { VirtualClock } from './virtual-clock.ts'

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** Row: segment ‖ offset ‖ length, as text with commas. */
export function rowOf(position: LogPosition): Uint8Array {
  return bytesOf(`${position.segment},${position.offset},${position.lengthBytes}`)
}

export function positionOf(row: Uint8Array): LogPosition {
  const [segment, offset, lengthBytes] = byteString(row).split(',').map(Number)
  return { segment: segment ?? 0, offset: offset ?? 0, lengthBytes: lengthBytes ?? 0 }
}

/** One append of a client: some records that must appear together. */
interface Attempt {
  readonly keys: readonly ByteString[]
  readonly version: number
  acknowledged: boolean
}

export interface StoreWorldOptions {
  readonly seed: number
  readonly segmentSizeBytes?: number
  readonly capacityBytes?: number
  readonly payloadBytesMax?: number
}

export class StoreWorld {
  readonly clock = new VirtualClock()
  readonly random: () => number
  readonly disk: SimulatedDisk
  readonly indexStore: SimulatedIndexStore
  readonly failures: string[] = []
  store: Store | undefined
  private readonly options: StoreWorldOptions
  private readonly attempts: Attempt[] = []
  /** What lives in the store for sure, after the last check. */
  private version = 0

  constructor(options: StoreWorldOptions) {
    this.options = options
    this.random = seededRandom(options.seed)
    const { clock, random } = this
    const capacityBytes = options.capacityBytes ?? 1 << 30
    this.disk = new SimulatedDisk({ clock, random, capacityBytes })
    this.indexStore = new SimulatedIndexStore({ clock, random })
  }

  /** Opens the store; rejects when the disk says so, never returns when the disk halts. */
  async open(): Promise<Store> {
    const opening = Store.open({
      disk: this.disk,
      clock: this.clock,
      random: { bytes: () => new Uint8Array(16).fill(this.options.seed), float: this.random },
      openIndex: (): Promise<Index> => this.indexStore.open(),
      logger: quiet,
      segmentSizeBytes: this.options.segmentSizeBytes ?? 96 << 10,
      reserveBytes: 0,
      fail: (reason) => this.failures.push(reason),
      apply: (record, position): IndexWrite[] => [
        { key: bytesOf(record.key), value: rowOf(position) },
      ],
      applyDamaged: (damage: Damage): IndexWrite[] =>
        damage.identity === undefined
          ? []
          : [{ key: bytesOf(damage.identity.key), value: rowOf(damage) }],
    })
    this.store = await this.clock.settle(opening)
    return this.store
  }

  /** Opens; false when the disk halted underway. */
  async tryOpen(): Promise<boolean> {
    const opening = this.open().then(
      () => true,
      (error: unknown) => {
        if (this.disk.halted) return false
        throw error
      },
    )
    return opening
  }

  private record(key: ByteString, version: number): NewRecord {
    const text = `${key} version ${version} `
    const body = bytesOf(text.repeat(1 + Math.floor(this.random() * 4)))
    const kind = this.random()
    if (kind < 0.4) return { type: 1, partition: version % 16_384, key, body }
    const large = kind > 0.9
    const maximum = large ? (this.options.payloadBytesMax ?? 50_000) : 3_000
    const payload = new Uint8Array(1 + Math.floor(this.random() * maximum))
    for (let i = 0; i < payload.length; i++) payload[i] = (version * 31 + i) & 255
    return { type: 2, partition: version % 16_384, key, body, payload }
  }

  /** Some clients, each with some appends one after the other, until all are done or the disk halts. */
  async work(clients: number, appends: number): Promise<void> {
    const store = this.store as Store
    const all = Promise.all(
      Array.from({ length: clients }, async (_, client) => {
        for (let i = 0; i < appends; i++) {
          const version = ++this.version
          const count = 1 + Math.floor(this.random() * 3)
          const keys = Array.from(
            { length: count },
            (_, k) =>
              // Each client owns its keys, so that the order of versions is known.
              `k${client}-${k}-${Math.floor(this.random() * 3)}`,
          )
          const attempt: Attempt = { keys, version, acknowledged: false }
          this.attempts.push(attempt)
          try {
            await store.append(keys.map((key) => this.record(key, version)))
            attempt.acknowledged = true
          } catch {
            // Outcome unknown to the client: DISK_FULL, FAILED.
          }
        }
      }),
    )
    await this.clock.settle(all).catch((error: unknown) => {
      if (!this.disk.halted) throw error
    })
  }

  /** Power cut, or kill of the process only. */
  crash(mode: 'cut' | 'kill'): void {
    this.store = undefined
    if (mode === 'cut') {
      this.disk.crash()
      this.indexStore.crash()
    } else {
      this.disk.kill()
      this.indexStore.kill()
    }
  }

  /** What each key holds: the version in its record, verified. */
  async contents(): Promise<Map<ByteString, number>> {
    const store = this.store as Store
    const rows: [ByteString, LogPosition][] = []
    store.range(bytesOf('k'), bytesOf('l'), 1e6, (key, row) => {
      rows.push([byteString(key), positionOf(row)])
    })
    const found = new Map<ByteString, number>()
    for (const [key, position] of rows) {
      const record = await this.clock.settle(store.readRecord(position))
      found.set(key, checkedVersion(key, record))
    }
    return found
  }

  /** Every acknowledged append is there; every other is there as a whole or not at all. */
  async check(): Promise<void> {
    const found = await this.contents()
    const expected = new Map<ByteString, Attempt[]>()
    for (const attempt of this.attempts) {
      for (const key of attempt.keys) {
        const list = expected.get(key) ?? []
        list.push(attempt)
        expected.set(key, list)
      }
    }
    const applied = new Map<Attempt, boolean>()
    for (const [key, list] of expected) {
      const version = found.get(key)
      const lastAcknowledged = list.findLast((attempt) => attempt.acknowledged)
      if (lastAcknowledged !== undefined && (version ?? -1) < lastAcknowledged.version) {
        throw new Error(`${key}: acknowledged ${lastAcknowledged.version}, found ${version}`)
      }
      for (const attempt of list) {
        if (attempt.acknowledged) continue
        // Overwritten since: nothing to be seen of it either way.
        if (version !== undefined && version > attempt.version) continue
        const there = version === attempt.version
        const before = applied.get(attempt)
        if (before !== undefined && before !== there) {
          throw new Error(`append ${attempt.version} is there in part`)
        }
        applied.set(attempt, there)
      }
    }
    for (const key of found.keys()) {
      if (!expected.has(key)) throw new Error(`${key} was never written`)
    }
    // What is not there now never comes back; what is there stays.
    for (const [attempt, there] of applied) {
      if (there) attempt.acknowledged = true
      else this.attempts.splice(this.attempts.indexOf(attempt), 1)
    }
  }
}

function checkedVersion(key: ByteString, record: LogRecord): number {
  if (record.key !== key) throw new Error(`${key} points to ${record.key}`)
  const match = /version (\d+) /.exec(byteString(record.body))
  if (match === null || !byteString(record.body).startsWith(`${key} `))
    throw new Error('wrong body')
  const version = Number(match[1])
  const { payload } = record
  if (record.type === 2) {
    if (payload === undefined) throw new Error('payload lost')
    for (let i = 0; i < payload.length; i++) {
      if (payload[i] !== ((version * 31 + i) & 255)) throw new Error('wrong payload')
    }
  }
  return version
}
