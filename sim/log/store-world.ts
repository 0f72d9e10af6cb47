/**
 * One store on a simulated disk, with clients that append to it, a model of what they may expect,
 * and crashes. Used by the tests of the log.
 */

import { bytesOf, byteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/ids.ts'
import { compactionOf, type Compaction } from '../../node/log/compaction.ts'
import { Store } from '../../node/log/store.ts'
import type {
  Damage,
  LogPosition,
  LogRecord,
  LogLoss,
  NewRecord,
  RowSchema,
  RowWrite,
  StoreOptions,
} from '../../node/log/types.ts'
import type { Index, IndexWrite, Logger } from '../../node/env/ports.ts'
import { SimulatedDisk } from '../world/disk.ts'
import { SimulatedIndexStore } from '../world/index-store.ts'
import type { CrashFate } from '../world/inode.ts'
import { seededRandom } from '../world/seeded-random.ts'
import { VirtualClock } from '../world/virtual-clock.ts'

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** Row: segment ‖ offset ‖ length, as text with commas. */
export function rowOf(position: LogPosition): Uint8Array {
  return bytesOf(`${position.segment},${position.offset},${position.lengthBytes}`)
}

export function positionOf(row: Uint8Array): LogPosition {
  const [segment, offset, lengthBytes] = byteString(row).split(',').map(Number)
  return { segment: segment ?? 0, offset: offset ?? 0, lengthBytes: lengthBytes ?? 0 }
}

const ROWS: RowSchema = {
  isRemoval: ({ type }) => type === REMOVAL,
  keyOf: ({ type, key }) => (type === REMOVAL || type === COMPACTED ? undefined : bytesOf(key)),
  removedKeyOf: ({ type, key }) => (type === REMOVAL ? bytesOf(key) : undefined),
  isRemovedBy: () => true,
  isOlder: () => false,
  isAbove: () => false,
  isSound: (_key, row) => /^\d+,\d+,\d+$/.test(byteString(row)),
  positionOf: (_key, row) => positionOf(row),
  identityOf: (key) => ({ type: WITH_PAYLOAD, partition: 0, key: byteString(key) }),
  restore: () => undefined,
  copiesOf: (record) => [record],
}

/** One append of a client: some records that must appear together. */
interface Attempt {
  readonly records: readonly NewRecord[]
  readonly version: number
  acknowledged: boolean
}

/** Record types: a value without a payload, one with it, the removal of a key. */
const PLAIN = 1
const WITH_PAYLOAD = 2
export const REMOVAL = 9
const COMPACTED = 10

export interface StoreWorldOptions {
  readonly seed: number
  readonly segmentSizeBytes?: number
  readonly capacityBytes?: number
  readonly payloadBytesMax?: number
  readonly waitingBytesMax?: number
}

export class StoreWorld {
  readonly clock = new VirtualClock()
  readonly random: () => number
  disk: SimulatedDisk
  indexStore: SimulatedIndexStore
  readonly failures: string[] = []
  /** What was written down as lost, by all starts (D8). */
  readonly forgotten: LogLoss[] = []
  expected: StoreOptions['expected']
  acceptLost = false
  /** The id of the next log that is made. */
  logIdByte = 7
  readonly seed: number
  store: Store | undefined
  compaction: Compaction | undefined
  private readonly options: StoreWorldOptions
  private attempts: Attempt[] = []
  private version = 0

  constructor(options: StoreWorldOptions) {
    this.options = options
    this.seed = options.seed
    this.random = seededRandom(options.seed)
    const { clock, random } = this
    const capacityBytes = options.capacityBytes ?? 1 << 30
    this.disk = new SimulatedDisk({ clock, random, capacityBytes })
    this.indexStore = new SimulatedIndexStore({ clock, random })
  }

  /** This world as it is now, to be crashed on its own. The store is not part of it. */
  clone(seed: number): StoreWorld {
    const copy = new StoreWorld({ ...this.options, seed })
    const { clock, random } = copy
    copy.disk = this.disk.clone({ clock, random, capacityBytes: this.disk.capacityBytes })
    copy.indexStore = this.indexStore.clone({ clock, random })
    copy.attempts = this.attempts.map((attempt) => ({ ...attempt }))
    copy.version = this.version
    return copy
  }

  /** Opens the store; rejects when the disk says so, never returns when the disk halts. */
  async open(): Promise<Store> {
    const opening = Store.open({
      disk: this.disk,
      clock: this.clock,
      random: { bytes: () => new Uint8Array(16).fill(this.logIdByte), float: this.random },
      openIndex: (): Promise<Index> => this.indexStore.open(),
      logger: quiet,
      segmentSizeBytes: this.options.segmentSizeBytes ?? 40 << 10,
      reserveBytes: 0,
      waitingBytesMax: this.options.waitingBytesMax,
      expected: this.expected,
      acceptLost: this.acceptLost,
      forgot: async (losses) => void this.forgotten.push(...losses),
      fail: (reason) => this.failures.push(reason),
      apply: (record, position, current): RowWrite[] => {
        const key = bytesOf(record.key)
        const before = current(key)
        const replaces = before && positionOf(before)
        if (record.type === REMOVAL) return [{ key, replaces }]
        return [{ key, value: rowOf(position), replaces }]
      },
      compactedType: COMPACTED,
      rows: ROWS,
      isLive: ({ type, key }, position, current, oldest) => {
        const row = current(bytesOf(key))
        if (type === REMOVAL) return row === undefined && !oldest
        if (row === undefined) return false
        const { segment, offset } = positionOf(row)
        return segment === position.segment && offset === position.offset
      },
      applyDamaged: (damage: Damage): IndexWrite[] =>
        damage.identity === undefined
          ? []
          : [{ key: bytesOf(damage.identity.key), value: rowOf(damage) }],
    })
    this.store = await this.clock.settle(opening)
    this.compaction = compactionOf(this.store, {
      deadShareMax: 0.067,
      gainBytesMin: 12 << 10,
      graceMs: 1,
      bytesPerSecond: 1e9,
    })
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
    if (kind < 0.15) return { type: REMOVAL, partition: 0, key, body }
    if (kind < 0.4) return { type: PLAIN, partition: version % 16_384, key, body }
    const large = kind > 0.9
    const maximum = large ? (this.options.payloadBytesMax ?? 50_000) : 3_000
    const payload = new Uint8Array(1 + Math.floor(this.random() * maximum))
    for (let i = 0; i < payload.length; i++) payload[i] = (version * 31 + i) & 255
    return { type: WITH_PAYLOAD, partition: version % 16_384, key, body, payload }
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
          const records = keys.map((key) => this.record(key, version))
          const attempt: Attempt = { records, version, acknowledged: false }
          this.attempts.push(attempt)
          try {
            await store.append(records)
            attempt.acknowledged = true
          } catch {
            // Outcome unknown to the client: DISK_FULL, FAILED.
          }
        }
      }),
    )
    const compacted = this.compaction?.work().catch(() => {})
    await this.clock.settle(Promise.all([all, compacted])).catch((error: unknown) => {
      if (!this.disk.halted) throw error
    })
  }

  /** Power cut, or kill of the process only. */
  crash(mode: 'cut' | 'kill', fate?: CrashFate): void {
    this.store = undefined
    if (mode === 'cut') {
      this.disk.crash(fate)
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
    const history = new Map<ByteString, { attempt: Attempt; record: NewRecord }[]>()
    for (const attempt of this.attempts) {
      for (const record of attempt.records) {
        const list = history.get(record.key) ?? []
        list.push({ attempt, record })
        history.set(record.key, list)
      }
    }
    const applied = new Map<Attempt, boolean>()
    for (const [key, list] of history) {
      const version = found.get(key)
      const last = list.findLastIndex(({ attempt }) => attempt.acknowledged)
      const possible = list.slice(Math.max(0, last))
      const fits = possible.some(({ attempt, record }) =>
        record.type === REMOVAL ? version === undefined : version === attempt.version,
      )
      if (!fits && !(last === -1 && version === undefined)) {
        const versions = possible.map(({ attempt }) => attempt.version).join()
        throw new Error(`${key}: found ${version}, possible ${versions}`)
      }
      for (const { attempt, record } of list.slice(last + 1)) {
        // A removal of what was not there can't be seen.
        if (record.type === REMOVAL && version === undefined) continue
        const there = record.type !== REMOVAL && version === attempt.version
        const before = applied.get(attempt)
        if (before !== undefined && before !== there) {
          throw new Error(`append ${attempt.version} is there in part`)
        }
        applied.set(attempt, there)
      }
    }
    for (const key of found.keys()) if (!history.has(key)) throw new Error(`${key}: never written`)
    // What is there stays; what is not there never comes back.
    this.attempts = this.attempts.filter(
      (attempt) => attempt.acknowledged || applied.get(attempt) !== false,
    )
    for (const attempt of this.attempts) attempt.acknowledged = true
  }
}

function checkedVersion(key: ByteString, record: LogRecord): number {
  if (record.key !== key) throw new Error(`${key} points to ${record.key}`)
  const match = /version (\d+) /.exec(byteString(record.body))
  if (match === null || !byteString(record.body).startsWith(`${key} `))
    throw new Error('wrong body')
  const version = Number(match[1])
  const { payload } = record
  if (record.type === WITH_PAYLOAD) {
    if (payload === undefined) throw new Error('payload lost')
    for (let i = 0; i < payload.length; i++) {
      if (payload[i] !== ((version * 31 + i) & 255)) throw new Error('wrong payload')
    }
  }
  return version
}
