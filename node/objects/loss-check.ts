/**
 * Is a block lost for good, or merely out of reach? Lost is what every source of an earlier layout, and then every
 * replica of all active sets, has answered for and none has. Whoever asks must know that the register still names it
 * *after* this answer (R4): what it no longer names was freed, not lost.
 *
 * In this order, since a source that is nearly full drops a block as soon as all present holders have it (L8). These keep
 * it as long as the epoch lasts. A holder that was asked first may have fetched the block only afterwards.
 */

import { StoreError } from '../../protocol/errors.ts'
import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { ReplicaPlacement } from '../quorum/replica-placement.ts'

type Places = Pick<ReplicaPlacement, 'sets' | 'sources'>

const CALL_TIMEOUT_MS = 4_000

export interface LossOptions {
  readonly peers: {
    getOwnedBlock(
      to: NodeId,
      key: BlockKey,
      options: { timeoutMs: number },
    ): Promise<OwnedBlock | undefined>
  }
  readonly placement: ReplicaPlacement
}

export class LossCheck {
  readonly #options: LossOptions

  constructor(options: LossOptions) {
    this.#options = options
  }

  /** False also when a replica does not answer: then nothing is known. */
  async isLost(key: BlockKey): Promise<boolean> {
    const { peers, placement } = this.#options
    const epoch = placement.epoch()
    const partition = partitionOfKey(key)
    for (const nodes of inOrderOfAbsence(placement, partition)) {
      const answers = await Promise.all(
        nodes.map(async (node) => {
          try {
            const block = await peers.getOwnedBlock(node, key, { timeoutMs: CALL_TIMEOUT_MS })
            return block === undefined ? 'none' : 'held'
          } catch {
            return 'unknown'
          }
        }),
      )
      if (!answers.every((answer) => answer === 'none')) return false
    }
    // Of another epoch there are other replicas.
    return placement.epoch() === epoch
  }
}

/** Everybody who may have a block of the partition: the sources, and then the replicas of the active sets. A block is
 * nowhere only when all of the first have answered that they lack it before the second are asked. */
export function inOrderOfAbsence(placement: Places, partition: number): [NodeId[], NodeId[]] {
  const present = new Set(placement.sets(partition).flat())
  const sources = placement.sources?.(partition) ?? []
  return [sources.filter((node) => !present.has(node)), [...present]]
}

/** What a GET of lost data is answered: 500. */
export function dataLost(): StoreError {
  return new StoreError(
    'DataLost',
    'The data of this object is lost: every replica was asked, and none has a good copy of it.',
  )
}
