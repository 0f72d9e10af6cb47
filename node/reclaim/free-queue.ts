/**
 * Frees blocks on every node that may have them: in batches, with a few tries each. What does not arrive is left to the scan
 * and to resync. Called by the collector, and by repair/ and rebalance/ for what one node still has of dead data.
 *
 * Invariants:
 *   - only blocks of dead data get here (dead-data.ts), so they may be freed at any time, in any order and on any node
 *   - a node has one message under way; blocks that come meanwhile go with a later one
 */

import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { ReplicaSets } from '../../protocol/register/types.ts'
import type { Clock } from '../env/ports.ts'
import { blockHolders } from '../quorum/replica-placement.ts'

const CALL_TIMEOUT_MS = 10_000
/** Blocks in one message. */
export const FREED_MAX = 1_000
/** Tries in a row without an answer. After them the node's blocks are dropped here. */
const TRIES = 3
/** The wait after the first failure. It grows with each further one. */
const RETRY_MS = 2_000
/** Blocks waiting for one node; more are dropped. */
const WAITING_MAX = 200_000

export interface FreeingPeers {
  /** Resolves with how many of the blocks the node had. */
  free(
    to: NodeId,
    keys: readonly BlockKey[],
    epoch: number,
    options: { timeoutMs: number },
  ): Promise<number>
}

export interface FreeQueueOptions {
  readonly peers: FreeingPeers
  readonly placement: {
    epoch(): number
    sets(partition: number): ReplicaSets
    sources?(partition: number): readonly NodeId[]
  }
  readonly clock: Clock
}

/** What one node has to be told. */
interface Waiting {
  readonly keys: Set<BlockKey>
  tries: number
  running: boolean
}

export class FreeQueue {
  /** Blocks that some node could not be told of. */
  unsent = 0
  readonly #options: FreeQueueOptions
  readonly #waiting = new Map<NodeId, Waiting>()
  readonly #timers = new Set<() => void>()
  #stopped = false

  constructor(options: FreeQueueOptions) {
    this.#options = options
  }

  /** Blocks on their way to be freed, counted for each node. */
  get pending(): number {
    let count = 0
    for (const { keys } of this.#waiting.values()) count += keys.size
    return count
  }

  /** Frees each block on all nodes of its active sets, and on its sources, from which a mover would bring it back. */
  free(keys: Iterable<BlockKey>): void {
    const { placement } = this.#options
    const nodes = new Set<NodeId>()
    for (const key of keys) {
      const partition = partitionOfKey(key)
      const { present, sources } = blockHolders(placement, partition)
      for (const node of [...present, ...sources]) {
        this.#add(node, key)
        nodes.add(node)
      }
    }
    for (const node of nodes) this.#run(node)
  }

  /** Frees blocks on one node, which still has what others have freed. */
  freeOn(node: NodeId, keys: Iterable<BlockKey>): void {
    for (const key of keys) this.#add(node, key)
    this.#run(node)
  }

  stop(): void {
    this.#stopped = true
    for (const cancel of this.#timers) cancel()
  }

  /** Notes a block for a node, unless too many are waiting for it. */
  #add(node: NodeId, key: BlockKey): void {
    let waiting = this.#waiting.get(node)
    if (waiting === undefined) {
      waiting = { keys: new Set(), tries: 0, running: false }
      this.#waiting.set(node, waiting)
    }
    if (waiting.keys.size < WAITING_MAX) waiting.keys.add(key)
    else this.unsent++
  }

  /** Begins to send, unless it does so already. */
  #run(node: NodeId): void {
    const waiting = this.#waiting.get(node)
    if (waiting === undefined || waiting.running || this.#stopped) return
    waiting.running = true
    this.#send(node, waiting).then(
      () => this.#waiting.delete(node),
      () => this.#failed(node, waiting),
    )
  }

  async #send(node: NodeId, waiting: Waiting): Promise<void> {
    const { peers, placement } = this.#options
    while (waiting.keys.size > 0) {
      const some: BlockKey[] = []
      for (const key of waiting.keys) {
        some.push(key)
        if (some.length === FREED_MAX) break
      }
      await peers.free(node, some, placement.epoch(), { timeoutMs: CALL_TIMEOUT_MS })
      for (const key of some) waiting.keys.delete(key)
      waiting.tries = 0
    }
  }

  /**
   * Sends again a while later. After TRIES attempts the blocks are dropped from the queue and counted as unsent: the
   * scan and resync find them later.
   */
  #failed(node: NodeId, waiting: Waiting): void {
    waiting.running = false
    if (++waiting.tries >= TRIES) {
      this.unsent += waiting.keys.size
      this.#waiting.delete(node)
      return
    }
    const cancel = this.#options.clock.after(RETRY_MS * waiting.tries, () => {
      this.#timers.delete(cancel)
      this.#run(node)
    })
    this.#timers.add(cancel)
  }
}
