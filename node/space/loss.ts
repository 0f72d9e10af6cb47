/**
 * Is a block lost for good, or merely out of reach? Lost is what every replica of all active sets, and every
 * source of an earlier layout, has answered for and none has. Whoever asks must know that the register still names it *after* this answer
 * (R4): what it no longer names was freed, not lost.
 */

import { StoreError } from '../../protocol/errors.ts'
import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { OwnedBlock } from '../data/blocks.ts'
import type { Placement } from '../metadata/registers.ts'

const CALL_TIMEOUT_MS = 4_000

export interface LossOptions {
  readonly peers: {
    getOwnedBlock(
      to: NodeId,
      key: BlockKey,
      options: { timeoutMs: number },
    ): Promise<OwnedBlock | undefined>
  }
  readonly placement: Placement
}

export class Loss {
  readonly #options: LossOptions

  constructor(options: LossOptions) {
    this.#options = options
  }

  /** False also when a replica does not answer: then nothing is known. */
  async isLost(key: BlockKey): Promise<boolean> {
    const { peers, placement } = this.#options
    const epoch = placement.epoch()
    const partition = partitionOfKey(key)
    const sources = placement.sources?.(partition) ?? []
    const replicas = [...new Set([...placement.sets(partition).flat(), ...sources])]
    const answers = await Promise.all(
      replicas.map(async (node) => {
        try {
          const block = await peers.getOwnedBlock(node, key, { timeoutMs: CALL_TIMEOUT_MS })
          return block === undefined ? 'none' : 'held'
        } catch {
          return 'unknown'
        }
      }),
    )
    // Of another epoch there are other replicas.
    return answers.every((answer) => answer === 'none') && placement.epoch() === epoch
  }
}

/** What a GET of lost data is answered: 500. */
export function dataLost(): StoreError {
  return new StoreError(
    'DataLost',
    'The data of this object is lost: every replica was asked, and none has a good copy of it.',
  )
}
