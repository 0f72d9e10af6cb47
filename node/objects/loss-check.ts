/**
 * Is a block lost for good, or only out of reach? A block is lost when every source of an earlier layout, and then
 * every replica of all active sets, has answered that it does not have it. The caller must know that the register
 * still names the block *after* this answer (R4): a block that is no longer named was freed, not lost.
 *
 * The order matters: a source that is nearly full drops a block as soon as all present holders have it (L8), and
 * these keep it as long as the epoch lasts. If the holders were asked first, one of them may fetch the block after it
 * has answered.
 */

import { StoreError } from '../../protocol/errors.ts'
import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import { blockHolders, type ReplicaPlacement } from '../quorum/replica-placement.ts'

/** What the order of questions depends on. */
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
    // Another epoch has other replicas.
    return placement.epoch() === epoch
  }
}

/**
 * All nodes that may have a block of the partition: first the sources, then the replicas of the active sets. No node
 * has a block only when all sources have answered that they lack it before the replicas are asked.
 */
export function inOrderOfAbsence(
  placement: Places,
  partition: number,
): [readonly NodeId[], readonly NodeId[]] {
  const { present, sources } = blockHolders(placement, partition)
  return [sources, present]
}

/** The answer to a GET of lost data: 500. */
export function dataLost(): StoreError {
  return new StoreError(
    'DataLost',
    'The data of this object is lost: every replica was asked, and none has a good copy of it.',
  )
}
