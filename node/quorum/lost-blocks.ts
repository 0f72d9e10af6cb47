/**
 * Blocks that no replica has any more. States that are proposed from now on do not name them, so that no accept waits
 * for them (A5).
 */

import type { BlockKey } from '../../protocol/ids.ts'
import { dropOldest } from '../tools/drop-oldest.ts'

const BLOCKS_MAX = 65_536

export class LostBlocks {
  /** Passed to each proposer, which leaves these out of the states that it makes. */
  readonly keys = new Set<BlockKey>()
  readonly #isLost: (key: BlockKey) => Promise<boolean>

  constructor(isLost: (key: BlockKey) => Promise<boolean>) {
    this.#isLost = isLost
  }

  /**
   * Asks all replicas for a block that could not be found. Resolves with true when none of them has it
   * (objects/loss-check.ts).
   */
  async noteIfLost(key: BlockKey): Promise<boolean> {
    if (this.keys.has(key)) return true
    if (!(await this.#isLost(key))) return false
    this.keys.add(key)
    dropOldest(this.keys, BLOCKS_MAX)
    return true
  }
}
