/** The flushed states of this node's registers, as the index has them. Those used lately are kept decoded. */

import { bytesOf } from '../../protocol/bytes.ts'
import { decodeState } from '../../protocol/codec/state.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import type { Accepted } from '../../protocol/register/types.ts'
import type { Store } from '../log/store.ts'
import { SizedMap } from '../tools/sized-map.ts'
import { floorOfRow, floorRow, registerRow } from './index-rows.ts'
import { stateOfRow } from './row-format.ts'

/** For decoded states in memory: the registers in use at the moment. What is not here costs a look-up in the index. */
const STATE_BYTES_MAX = 12 << 20
/** What a decoded state costs beside its body, as heap snapshots show it: objects, ids, and the body's own buffer. */
const STATE_OVERHEAD_BYTES = 900

/** `faulty` when the stored state is damaged (A4), undefined when there is none. */
export type StoredState = Accepted | undefined | 'faulty'

export class RegisterStates {
  readonly #store: Pick<Store, 'get' | 'range'>
  readonly #kept = new SizedMap<RegisterKey, Accepted>()

  constructor(store: Pick<Store, 'get' | 'range'>) {
    this.#store = store
  }

  /** The state as the index has it. The result is shared: do not change it. */
  load(key: RegisterKey): StoredState {
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    const row = this.#store.get(registerRow(key))
    if (row === undefined) return undefined
    const state = stateOfRow(row)
    if (state === undefined) return 'faulty'
    // The row's memory is the index's: the value must outlive the next look-up.
    const accepted = decodeState(state.slice())
    this.keep(key, accepted)
    return accepted
  }

  /** The flushed floor: at or below it nothing is accepted or copied onto an absent register of the partition (G2, G3).
   * Throws DamagedRow. */
  floor(partition: number): Ballot {
    return floorOfRow(this.#store.get(floorRow(partition)))
  }

  /** Whether there is any register, tombstones included. */
  hasAny(): boolean {
    let found = false
    this.#store.range(bytesOf('r'), bytesOf('s'), 1, () => {
      found = true
    })
    return found
  }

  /** The state is flushed now. */
  keep(key: RegisterKey, flushed: Accepted): void {
    this.#kept.set(key, flushed, flushed.value.body.length + STATE_OVERHEAD_BYTES)
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.sizeBytes <= STATE_BYTES_MAX) break
      this.#kept.delete(oldest)
    }
  }

  /** The register was removed. */
  forget(key: RegisterKey): void {
    this.#kept.delete(key)
  }
}
