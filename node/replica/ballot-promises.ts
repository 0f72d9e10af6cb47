/**
 * What the acceptors of this node have promised. A promise without an accept is kept in memory only. The mark, which is
 * flushed, is above all of them (A1).
 *
 * Invariants:
 *   - a promise in memory has a counter below the flushed mark
 *   - promises dropped from memory, also by a restart, count as at least `#forgotten`
 */

import type { RegisterKey } from '../../protocol/ids.ts'
import { recovered, type AcceptorState } from '../../protocol/register/acceptor.ts'
import { compareBallots, type Ballot } from '../../protocol/register/ballot.ts'
import type { Accepted } from '../../protocol/register/types.ts'
import type { Store } from '../log/store.ts'
import { SizedMap } from '../tools/sized-map.ts'
import { MARK_ROW } from './index-rows.ts'
import { RECORD } from './record-types.ts'
import type { StoredState } from './register-states.ts'
import { decodeNumber, encodeNumber } from './row-format.ts'

/** How far the mark is raised in one step: one flush for a million promises. */
const MARK_STEP = 1 << 20
/** For promises without an accept. Proposers leave them when a condition fails. */
const PROMISE_BYTES_MAX = 32 << 20
const BALLOT_BYTES = 100

export class BallotPromises {
  readonly #store: Store
  readonly #isBusy: (key: RegisterKey) => boolean
  readonly #bytesMax: number
  readonly #kept = new SizedMap<RegisterKey, Ballot>()
  #mark: number
  /** Every register that is not in #kept counts as promised up to this counter. */
  #forgotten: number
  #reserving: Promise<void> | undefined

  /** The promise of a register that `isBusy` is not forgotten. */
  constructor(store: Store, isBusy: (key: RegisterKey) => boolean, bytesMax = PROMISE_BYTES_MAX) {
    this.#store = store
    this.#isBusy = isBusy
    this.#bytesMax = bytesMax
    const row = store.get(MARK_ROW)
    this.#mark = row === undefined ? 0 : decodeNumber(row)
    this.#forgotten = this.#mark
  }

  /** Flushed. */
  get mark(): number {
    return this.#mark
  }

  get sizeBytes(): number {
    return this.#kept.sizeBytes
  }

  /** The acceptor's state: what is stored, and what was promised since. */
  stateOf(key: RegisterKey, stored: StoredState): AcceptorState {
    const accepted = stored === 'faulty' ? undefined : stored
    const promised = this.#kept.get(key)
    if (promised === undefined) {
      // A state accepted since the start is its own promise. For older ones `recovered` adds what was forgotten.
      if (accepted !== undefined && accepted.ballot.counter >= this.#forgotten) {
        return { promised: accepted.ballot, accepted }
      }
      return recovered(accepted, this.#forgotten)
    }
    return { promised, accepted }
  }

  /** Forgets the oldest promises where there are too many. */
  remember(key: RegisterKey, promised: Ballot): void {
    this.#kept.set(key, promised, BALLOT_BYTES)
    if (this.#kept.sizeBytes <= this.#bytesMax) return
    for (const oldest of this.#kept.keys()) {
      if (this.#isBusy(oldest)) continue
      const ballot = this.#kept.get(oldest)!
      this.#kept.delete(oldest)
      this.#forgotten = Math.max(this.#forgotten, ballot.counter + 1)
      if (this.#kept.sizeBytes <= this.#bytesMax) break
    }
  }

  /** The flushed floor of the register's partition covers the promise, for good. */
  forget(key: RegisterKey): void {
    this.#kept.delete(key)
  }

  /** The state is flushed: a promise that it implies need not be kept in memory. */
  flushed(key: RegisterKey, { ballot }: Accepted): void {
    const promised = this.#kept.get(key)
    if (promised !== undefined && compareBallots(promised, ballot) <= 0) this.#kept.delete(key)
  }

  /** From now on every register counts as promised up to `counter`, as after a restart with such a mark. */
  async outlaw(counter: number): Promise<void> {
    await this.reserve(counter)
    this.#forgotten = Math.max(this.#forgotten, counter)
    for (const key of this.#kept.keys()) {
      if (this.#kept.get(key)!.counter < counter) this.#kept.delete(key)
    }
  }

  /** Resolves when the mark is flushed above `counter`. */
  reserve(counter: number): Promise<void> {
    if (counter < this.#mark) return Promise.resolve()
    this.#reserving ??= this.#raiseMark(counter).finally(() => (this.#reserving = undefined))
    return this.#reserving.then(() => this.reserve(counter))
  }

  async #raiseMark(counter: number): Promise<void> {
    const mark = counter + MARK_STEP
    const body = encodeNumber(mark)
    await this.#store.append([{ type: RECORD.mark, partition: 0, key: 'mark', body }], {
      urgent: true,
    })
    this.#mark = mark
  }
}
