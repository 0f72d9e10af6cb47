/**
 * Collection of deleted registers (G2): asks every replica whether it has exactly this tombstone, then
 * tells every one to forget it.
 *
 * A replica that has collected it already answers "absent, with a floor of at least b". That counts as well: it happens
 * when a message to another replica was lost. Let C hold the tombstone at b, and let A be absent with a floor >= b.
 *   - Had A ever accepted b or something higher, it forgot it by a collection at b' >= b, for which C had
 *     that very tombstone: an absent C would have had a floor >= b' and could not have accepted b since.
 *     Accepted ballots only rise, so b' = b.
 *   - Else A has nothing that b would not have replaced, and never accepts b or less any more (A3). When b
 *     is chosen, it says "absent"; when it is not, it never will be, and no replica holds what was chosen
 *     before it, so that was collected.
 * Either way C's tombstone is not needed, and nothing at b or below can be accepted or copied anywhere afterwards. Later
 * accepts are above the floor, and each replica looks at its own state once more in the moment in which it forgets.
 *
 * Young tombstones stay for a while, longer than an operation may take, so that their proposers can find out what became
 * of them (P4). Safety does not depend on that (G4).
 */

import { batchesOf } from '../tools/in-batches.ts'
import type { NodeId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { DelayQueue } from './delay-queue.ts'

const CALL_TIMEOUT_MS = 5_000
/** Most tombstones in one message. */
export const TOMBSTONES_ASKED_MAX = 256
/** Tombstones that wait. More are left to the next scan. */
const WAITING_MAX = 100_000
/** The least delay of the timer, so that several go together. */
const TICK_MS = 500

/** What a replica says of a tombstone at a ballot. */
export const TOMBSTONE = { other: 0, exact: 1, absent: 2 } as const

export interface Tombstone {
  readonly key: RegisterKey
  readonly ballot: Ballot
}

export interface CollectingPeers {
  connected(node: NodeId): boolean
  /** The states, or undefined when the node is in another epoch. With `forget`: as they were before. */
  collect(
    to: NodeId,
    epoch: number,
    tombstones: readonly Tombstone[],
    forget: boolean,
    options: { timeoutMs: number },
  ): Promise<readonly number[] | undefined>
}

export interface TombstonesOptions {
  readonly peers: CollectingPeers
  readonly view: () => LayoutView
  readonly clock: Clock
  readonly logger: Logger
  /** Younger tombstones stay. */
  readonly delayMs: number
}

export class Tombstones {
  /** Registers that were forgotten everywhere. */
  collected = 0
  readonly #options: TombstonesOptions
  readonly #waiting: DelayQueue<RegisterKey, Tombstone>
  #cancel: (() => void) | undefined
  #running = false
  #stopped = false

  constructor(options: TombstonesOptions) {
    this.#options = options
    this.#waiting = new DelayQueue(options.delayMs)
  }

  get pending(): number {
    return this.#waiting.size
  }

  /** The scan has seen the tombstone. */
  add(tombstone: Tombstone): void {
    const known = this.#waiting.get(tombstone.key)
    // It was written again since, so its time begins again.
    if (known !== undefined && known.ballot.counter !== tombstone.ballot.counter) {
      this.#waiting.remove(tombstone.key)
    }
    if (this.#waiting.size >= WAITING_MAX) return
    this.#waiting.add(tombstone.key, tombstone, this.#options.clock.monotonicMs())
    this.#wake()
  }

  /** Collects them now. The result is how many are gone everywhere. All must have the same replicas. */
  async collect(tombstones: readonly Tombstone[]): Promise<number> {
    const { peers, view } = this.#options
    const layout = view()
    const [first] = tombstones
    if (first === undefined || layout.state !== 'STABLE') return 0
    const replicas = layout.replicas(partitionOfKey(first.key))
    if (!replicas.every((node) => peers.connected(node))) return 0
    const ask = (some: readonly Tombstone[], forget: boolean): Promise<(readonly number[])[]> =>
      Promise.all(
        replicas.map(async (node) => {
          const options = { timeoutMs: CALL_TIMEOUT_MS }
          const states = await peers.collect(node, layout.epoch, some, forget, options)
          if (states?.length !== some.length) throw new Error('a replica is at another epoch')
          return states
        }),
      )
    const answers = await ask(tombstones, false)
    const ready = tombstones.filter((_, i) =>
      answers.every((states) => states[i] === TOMBSTONE.exact || states[i] === TOMBSTONE.absent),
    )
    if (ready.length === 0) return 0
    await ask(ready, true)
    this.collected += ready.length
    return ready.length
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  #wake(): void {
    const dueMs = this.#waiting.nextDueMs()
    if (this.#cancel !== undefined || this.#running || this.#stopped || dueMs === undefined) return
    const delayMs = Math.max(dueMs - this.#options.clock.monotonicMs(), TICK_MS)
    this.#cancel = this.#options.clock.after(delayMs, () => {
      this.#cancel = undefined
      this.#running = true
      this.#drain()
        .catch((error: unknown) => {
          this.#options.logger.debug(
            { error: String(error) },
            'space: tombstones are left for later',
          )
        })
        .finally(() => {
          this.#running = false
          this.#wake()
        })
    })
  }

  /** Collects those that are due, by replica set. If that fails, the next scan finds them again. */
  async #drain(): Promise<void> {
    const { clock, view } = this.#options
    const nowMs = clock.monotonicMs()
    const bySet = new Map<string, Tombstone[]>()
    for (;;) {
      const tombstone = this.#waiting.take(nowMs)
      if (tombstone === undefined) break
      const name = view().replicas(partitionOfKey(tombstone.key)).join(' ')
      const list = bySet.get(name)
      if (list === undefined) bySet.set(name, [tombstone])
      else list.push(tombstone)
    }
    for (const list of bySet.values()) {
      for (const some of batchesOf(list, TOMBSTONES_ASKED_MAX)) {
        if (this.#stopped) return
        await this.collect(some)
      }
    }
  }
}
