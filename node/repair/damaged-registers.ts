/**
 * Repairs registers whose state is damaged soon, not at the next scrub (D3): from what the other replicas agree on, or, where
 * there are none, from this node's own log. Requests find such registers, and so does a look through all rows after each
 * start. The look is needed because the log may have been read by an earlier start or by `shoal index rebuild`, and no digest
 * shows such a register.
 */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { rowPages } from '../log/row-pages.ts'
import type { Store } from '../log/store.ts'
import type { Clock } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import { RECORD } from '../replica/record-types.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import { hasState } from '../replica/row-format.ts'

/** Every request that meets a damaged register reports it. One repair is tried in this time. */
const AGAIN_MS = 5_000
/** Partitions remembered at once. */
const REMEMBERED_MAX = 1_024
/** Registers remembered at once. */
const KNOWN_MAX = 1_000
/** How fast the look through all rows goes. */
const ROWS_PER_MS = 20

export interface DamagedRegistersOptions {
  readonly clock: Clock
  /** Other nodes hold the partition. */
  readonly isReplicated: (partition: number) => boolean
  /** Pulls the partition from them, damaged registers first. */
  readonly pull: (partition: number) => void
  readonly scrub: () => void
  /** Names the damage that this start found. */
  readonly store: Pick<Store, 'damage' | 'range'>
  readonly host: () => Pick<AcceptorHost, 'isFaulty' | 'removals' | 'outlaw' | 'mark'>
}

export class DamagedRegisters {
  readonly #options: DamagedRegistersOptions
  readonly #triedMs = new Map<number, number>()
  readonly #known = new Set<RegisterKey>()

  constructor(options: DamagedRegistersOptions) {
    this.#options = options
    for (const { identity } of options.store.damage()) {
      if (identity?.type === RECORD.register) this.#remember(identity.key as RegisterKey)
    }
  }

  /** How many registers are known to be damaged and not repaired yet. They give no vote. */
  waiting(): number {
    return this.list().length
  }

  /** Keys of the registers that `waiting` counts, at most 1,000. */
  list(): readonly RegisterKey[] {
    const host = this.#options.host()
    for (const key of this.#known) if (!host.isFaulty(key)) this.#known.delete(key)
    return [...this.#known].sort()
  }

  /**
   * Makes the register count as never written, when the operator says so and no other replica has it (D3). All that it
   * promised or accepted is below the mark, and nothing is accepted below the mark any more. Resolves with false when the
   * register is not damaged.
   */
  async giveUp(key: RegisterKey): Promise<boolean> {
    const host = this.#options.host()
    await host.outlaw(host.mark)
    return host.removals.giveUp(key)
  }

  /** Looks through all rows once. */
  async look(isStopped: () => boolean): Promise<void> {
    const { store, clock } = this.#options
    for await (const page of rowPages(store, clock, bytesOf('r'), bytesOf('s'))) {
      if (isStopped()) return
      for (const { key, row } of page) {
        if (!hasState(row)) this.note(byteString(key.subarray(1)) as RegisterKey)
      }
      await sleep(clock, page.length / ROWS_PER_MS)
    }
  }

  #remember(key: RegisterKey): void {
    if (this.#known.size < KNOWN_MAX) this.#known.add(key)
  }

  /** Called when a register is found to be damaged. */
  note(key: RegisterKey): void {
    const { clock, isReplicated, pull, scrub } = this.#options
    this.#remember(key)
    const partition = partitionOfKey(key)
    const nowMs = clock.monotonicMs()
    const triedMs = this.#triedMs.get(partition)
    if (triedMs !== undefined && nowMs - triedMs < AGAIN_MS) return
    if (this.#triedMs.size >= REMEMBERED_MAX) this.#triedMs.clear()
    this.#triedMs.set(partition, nowMs)
    if (isReplicated(partition)) pull(partition)
    else scrub()
  }
}
