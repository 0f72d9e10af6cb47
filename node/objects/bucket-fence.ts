/**
 * Makes a change of a bucket's record count: a majority of each shard's replica sets must refuse older generations
 * (T8). Called after each change of the record, before it is answered.
 *
 * Invariants:
 *   - replicas are asked and counted in one epoch; when the layout changes meanwhile, the round begins again     (L4)
 *   - a replica counts only when it has flushed the minimum for all of its partitions that were asked for
 */

import { bytesOf } from '../../protocol/bytes.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { metadataPartition } from '../../protocol/keyspace/key.ts'
import { isQuorum } from '../../protocol/register/quorum.ts'
import type { Peers } from '../quorum/peers.ts'
import type { Bucket } from './bucket.ts'
import type { ReplicaPlacement } from '../quorum/replica-placement.ts'

/** For one replica. It answers after a flush. */
const RAISE_TIMEOUT_MS = 4_000
/** Rounds: a new one begins when the layout has changed meanwhile. */
const ATTEMPTS = 4

export interface FenceRaiserOptions {
  readonly peers: Peers
  readonly placement: ReplicaPlacement
  /** How many bits of a key's hash are its partition. */
  readonly partitionBits: () => number
}

export class FenceRaiser {
  readonly #options: FenceRaiserOptions

  constructor(options: FenceRaiserOptions) {
    this.#options = options
  }

  /**
   * Resolves when a majority of each shard's replica sets has flushed the bucket's present generation as its minimum:
   * from then on no operation that carries an older record reaches a quorum. Throws Unavailable; then the change may
   * still come to count, and the caller does not know.
   */
  async raise(bucket: Bucket): Promise<void> {
    const { placement } = this.#options
    const partitions = this.#partitions(bucket)
    const fence = bucket.current()
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const epoch = placement.epoch()
      const byNode = new Map<NodeId, number[]>()
      for (const partition of partitions) {
        for (const node of new Set(placement.sets(partition).flat())) {
          const list = byNode.get(node)
          if (list === undefined) byNode.set(node, [partition])
          else list.push(partition)
        }
      }
      // All replicas are asked and a majority is waited for, so that a slow one delays nothing.
      const done: NodeId[] = []
      const isEnough = (): boolean =>
        partitions.every((partition) => isQuorum(placement.sets(partition), done))
      await new Promise<void>((resolve) => {
        let open = byNode.size
        for (const [node, list] of byNode) {
          const request = {
            epoch,
            bucket: bytesOf(fence.bucket),
            generation: fence.generation,
            partitions: list,
          }
          void this.#ask(node, request).then((obeys) => {
            if (obeys) done.push(node)
            open--
            if (open === 0 || epoch !== placement.epoch() || isEnough()) resolve()
          })
        }
      })
      if (epoch !== placement.epoch()) continue
      if (isEnough()) return
      break
    }
    throw new StoreError('Unavailable', 'no majority of the replicas answered in time')
  }

  /** Whether the node has flushed the minimum. When it is at a later epoch, that layout is fetched first. */
  async #ask(node: NodeId, request: Parameters<Peers['raise']>[1]): Promise<boolean> {
    const { peers, placement } = this.#options
    try {
      const reply = await peers.raise(node, request, { timeoutMs: RAISE_TIMEOUT_MS })
      if (reply.result === 1) await placement.observe(reply.epoch, node)
      return reply.result === 0
    } catch {
      // A node that cannot be reached does not count.
      return false
    }
  }

  /** The partitions of all shards, each once. */
  #partitions(bucket: Bucket): number[] {
    const partitions = new Set<number>()
    for (let shard = 0; shard < bucket.shards; shard++) {
      partitions.add(metadataPartition(bucket.id, shard, this.#options.partitionBits()))
    }
    return [...partitions]
  }
}
