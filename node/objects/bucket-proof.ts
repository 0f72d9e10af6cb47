/**
 * Is a record that this node knows still the newest one? The replicas of the bucket's objects can tell, so
 * that a bucket whose own register has no majority at the moment can still be used (T8).
 *
 * A change of the record is answered only when a majority of each shard's replica sets has flushed the new
 * generation as its minimum. So a majority of one shard that answers a read at the known generation proves
 * that no later change had been answered when the read began. A minimum above it, or no majority of any
 * shard, proves nothing, and the register must be read.
 */

import { StoreError } from '../../protocol/errors.ts'
import { metadataPartition } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { isQuorum } from '../../protocol/register/quorum.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Peers } from '../quorum/peers.ts'
import { Bucket } from './bucket.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { ReplicaPlacement } from '../quorum/replica-placement.ts'

/** Shards that are asked at the same time. One answer is enough. */
const SHARDS_ASKED = 3

export interface BucketProofOptions {
  readonly registers: Pick<RegisterClient, 'read'>
  readonly peers: Pick<Peers, 'self' | 'connected'>
  readonly placement: ReplicaPlacement
  readonly partitionBits: () => number
}

export class BucketProof {
  readonly #options: BucketProofOptions

  constructor(options: BucketProofOptions) {
    this.#options = options
  }

  /** Is a majority of this partition's replicas connected? */
  isReachable(partition: number): boolean {
    const { peers, placement } = this.#options
    const sets = placement.sets(partition)
    return isQuorum(
      sets,
      sets.flat().filter((node) => peers.connected(node)),
    )
  }

  /** False when the record has changed or nothing can be proven. */
  async isCurrent(context: RequestContext, { record, id }: Bucket): Promise<boolean> {
    const { partitionBits } = this.#options
    const pinned = new Bucket(record, () => Promise.reject(new StaleRecord()))
    const shards: number[] = []
    for (let shard = 0; shard < record.shards && shards.length < SHARDS_ASKED; shard++) {
      if (this.isReachable(metadataPartition(id, shard, partitionBits()))) shards.push(shard)
    }
    const answers = shards.map(async (shard) => {
      // No object has an empty key: the register is absent, and only the fence matters.
      const key = objectRegister(id, shard, '', partitionBits())
      await this.#options.registers.read(context, { key, fence: pinned })
    })
    try {
      await Promise.any(answers)
      return true
    } catch {
      return false
    }
  }
}

/** Thrown where the fence would be refreshed: here a stale fence is the answer. */
class StaleRecord extends StoreError {
  constructor() {
    super('Unavailable', 'the settings of the bucket have changed meanwhile')
  }
}
