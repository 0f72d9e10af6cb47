/**
 * A register whose state a request found to be damaged is mended now, not at the next scrub (D3): by what the
 * other replicas agree on, or, where there are none, from this node's own log.
 */

import type { RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { Clock } from '../env/ports.ts'

/** Every request that meets it says so: one attempt in so long. */
const AGAIN_MS = 5_000
/** Partitions remembered at once. */
const REMEMBERED_MAX = 1_024

export interface DamagedRegistersOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Other nodes hold the partition. */
  readonly isReplicated: (partition: number) => boolean
  /** Pulls the partition from them, damaged registers first. */
  readonly pull: (partition: number) => void
  readonly scrub: () => void
}

export class DamagedRegisters {
  /** Found since the start, as far as they were not met again within AGAIN_MS. */
  count = 0
  readonly #options: DamagedRegistersOptions
  readonly #triedMs = new Map<number, number>()

  constructor(options: DamagedRegistersOptions) {
    this.#options = options
  }

  note(key: RegisterKey): void {
    const { clock, isReplicated, pull, scrub } = this.#options
    const partition = partitionOfKey(key)
    const nowMs = clock.monotonicMs()
    const triedMs = this.#triedMs.get(partition)
    if (triedMs !== undefined && nowMs - triedMs < AGAIN_MS) return
    if (this.#triedMs.size >= REMEMBERED_MAX) this.#triedMs.clear()
    this.#triedMs.set(partition, nowMs)
    this.count++
    if (isReplicated(partition)) pull(partition)
    else scrub()
  }
}
