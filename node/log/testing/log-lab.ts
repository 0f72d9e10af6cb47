/** A log on a disk in memory: what it flushed, what a start replays and reports, and whether it gave up. */

import { bytesOf } from '../../../protocol/bytes.ts'
import type { Logger } from '../../env/ports.ts'
import { MemoryDisk } from '../../env/testing/memory-disk.ts'
import { SteppedClock } from '../../env/testing/stepped-clock.ts'
import { Log, type LogOptions } from '../log.ts'
import { EMPTY_LOG, type LogEnd } from '../segment.ts'
import type { Damage, LogLoss, LogPosition, NewRecord } from '../types.ts'

export const SILENT_LOGGER: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export class LogLab {
  readonly disk = new MemoryDisk()
  readonly clock = new SteppedClock()
  /** Keys of the records that the last start has replayed, in order. Its tail is not among them. */
  replayed: string[] = []
  /** Keys of the records that were flushed since the last start, in order. */
  flushed: string[] = []
  ends: LogEnd[] = []
  damage: Damage[] = []
  losses: LogLoss[] = []
  /** Why the log had the node stopped. */
  failures: string[] = []
  log!: Log

  /** A start that knows nothing of the log, as one whose index is gone. */
  async open(options: Partial<LogOptions> = {}): Promise<Log> {
    this.replayed = []
    this.flushed = []
    this.ends = []
    this.damage = []
    this.log = await Log.open({
      disk: this.disk,
      clock: this.clock,
      random: { bytes: (length) => new Uint8Array(length).fill(7), float: () => 0.5 },
      logger: SILENT_LOGGER,
      segmentSizeBytes: 1 << 20,
      reserveBytes: 0,
      fail: (reason) => this.failures.push(reason),
      flushed: (records, _positions, end) => {
        this.flushed.push(...records.map(({ key }) => key))
        this.ends.push(end)
      },
      ...options,
    })
    this.losses = [...this.log.losses]
    const recovering = this.log.recover(EMPTY_LOG, 0, true, {
      record: ({ key }) => this.replayed.push(key),
      damage: (damage) => this.damage.push(damage),
      lost: (loss) => this.losses.push(loss),
      recovered: () => Promise.resolve(),
      progress: () => Promise.resolve(),
    })
    await this.clock.settle(recovering)
    return this.log
  }

  /** The machine dies: nothing is closed, and what was not flushed is gone. */
  crash(): void {
    this.disk.before = () => {}
    this.disk.crash()
  }

  append(...keys: string[]): Promise<LogPosition[]> {
    return this.log.append(keys.map((key) => labRecord(key)))
  }

  /** All records that a start has found, those of the tail included. */
  get found(): string[] {
    return [...this.replayed, ...this.flushed]
  }
}

export function labRecord(key: string, payloadBytes = 0): NewRecord {
  const payload = payloadBytes === 0 ? undefined : new Uint8Array(payloadBytes).fill(key.length)
  return { type: 1, partition: 5, key, body: bytesOf(`body of ${key}`), payload }
}
