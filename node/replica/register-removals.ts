/**
 * How registers are taken out of this node: a tombstone is collected, a state is discarded or given up, a register of a
 * partition that the node has left is dropped. Each is a record of the log (removal-records.ts), appended urgently, because
 * it frees space. Called by serving/ (collections), repair/ (discards) and drop-registers.ts (drops).
 *
 * Invariants:
 *   - a removal runs in the register's queue, between two votes, and looks at the state once more there     (G2)
 *   - what is collected or discarded leaves a floor at least as high as its promise, in the same flush      (G2, G3)
 *   - what is dropped leaves no floor: it may come back at any ballot                                        (L8, L9)
 */

import type { RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import {
  compareBallots,
  maxBallot,
  sameBallot,
  type Ballot,
} from '../../protocol/register/ballot.ts'
import { collect } from '../../protocol/register/copy.ts'
import type { Store } from '../log/store.ts'
import type { NewRecord } from '../log/types.ts'
import type { KeyedQueue } from '../tools/keyed-queue.ts'
import type { BallotPromises } from './ballot-promises.ts'
import type { RegisterStates, StoredState } from './register-states.ts'
import { floorRaised, registerDropped, registerGone } from './removal-records.ts'

export interface RegisterRemovalsOptions {
  readonly store: Pick<Store, 'append'>
  /** The queue in which the host handles prepares and accepts. */
  readonly queue: KeyedQueue<RegisterKey>
  readonly states: RegisterStates
  readonly promises: BallotPromises
}

export class RegisterRemovals {
  readonly #options: RegisterRemovalsOptions

  constructor(options: RegisterRemovalsOptions) {
    this.#options = options
  }

  /** `exact`: this tombstone is here, flushed. `absent`: no register is, and the tombstone can't be accepted any more.
   * `other`: anything else. */
  tombstoneState(key: RegisterKey, ballot: Ballot): 'exact' | 'absent' | 'other' {
    const { states } = this.#options
    const stored = states.load(key)
    if (stored === undefined) {
      return compareBallots(states.floor(partitionOfKey(key)), ballot) >= 0 ? 'absent' : 'other'
    }
    if (stored === 'faulty' || !stored.value.tombstone) return 'other'
    return sameBallot(stored.ballot, ballot) ? 'exact' : 'other'
  }

  /** Forgets a tombstone that every replica has, if it is still here at that ballot and the layout has not begun to change
   * (G2). */
  collect(key: RegisterKey, ballot: Ballot, isAllowed: () => boolean): Promise<boolean> {
    const { queue, states, promises } = this.#options
    return queue.run(key, async () => {
      const stored = states.load(key)
      if (stored === undefined || stored === 'faulty' || !isAllowed()) return false
      const floor = states.floor(partitionOfKey(key))
      const collected = collect(promises.stateOf(key, stored), floor, ballot)
      if (collected === undefined) return false
      await this.#append(key, registerGone(key, collected.floor))
      // The floor covers the promise, for good.
      promises.forget(key)
      return true
    })
  }

  /**
   * Forgets a state with a counter below `below`. The caller has asked so many other replicas that every quorum has one of
   * them, and none of these has the state: it was collected, or never chosen (D8). Nothing at or below its promise ever
   * comes back. Resolves with false when the register is absent, FAULTY, or was written at `below` or above since.
   */
  discard(key: RegisterKey, below: number): Promise<boolean> {
    const { queue, states, promises } = this.#options
    return queue.run(key, async () => {
      const stored = states.load(key)
      if (stored === undefined || stored === 'faulty') return false
      if (stored.ballot.counter >= below) return false
      await this.#append(key, registerGone(key, this.#floorAbove(key, stored)))
      promises.forget(key)
      return true
    })
  }

  /**
   * Forgets a FAULTY state that no other replica has, because the operator says so (D3). The register then counts as never
   * written, and nothing at or below its promise ever comes back. Resolves with false for a sound or an absent register.
   */
  giveUp(key: RegisterKey): Promise<boolean> {
    const { queue, states, promises } = this.#options
    return queue.run(key, async () => {
      const stored = states.load(key)
      if (stored !== 'faulty') return false
      const floor = this.#floorAbove(key, stored)
      // The ballot of a FAULTY state is not known, so a removal up to a ballot would leave it here: it is dropped as well.
      const raised = floorRaised(partitionOfKey(key), floor)
      await this.#append(key, raised, registerDropped(key, undefined))
      promises.forget(key)
      return true
    })
  }

  /** Removes the register, also a FAULTY one: the node has left its partition (L8), or enters it again (L9). It may come
   * back at any ballot. Promises stay. */
  drop(key: RegisterKey, isAllowed: () => boolean): Promise<boolean> {
    const { queue, states } = this.#options
    return queue.run(key, async () => {
      const stored = states.load(key)
      if (stored === undefined || !isAllowed()) return false
      const ballot = stored === 'faulty' ? undefined : stored.ballot
      await this.#append(key, registerDropped(key, ballot))
      return true
    })
  }

  /** The partition's floor, raised to the register's promise: no late message brings back what is removed (G2). */
  #floorAbove(key: RegisterKey, stored: StoredState): Ballot {
    const { states, promises } = this.#options
    return maxBallot(states.floor(partitionOfKey(key)), promises.stateOf(key, stored).promised)
  }

  async #append(key: RegisterKey, ...removal: readonly NewRecord[]): Promise<void> {
    const { store, states } = this.#options
    await store.append(removal, { urgent: true })
    states.forget(key)
  }
}
