/**
 * Blocks for a replica that refused an accept because it lacks blocks that the value names (A5). They come from the
 * proposer's own hands or as verified copies from other replicas.
 */

import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import type { AcceptRequest } from '../../protocol/register/types.ts'
import type { Clock } from '../env/ports.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import { firstAnswer } from './first-answer.ts'
import type { LostBlocks } from './lost-blocks.ts'
import { BLOCK_RESULT, type Peers } from './peers.ts'
import { unavailable } from './register-errors.ts'
import type { ReplicaPlacement } from './replica-placement.ts'
import type { AtHand } from './riding-blocks.ts'

/** For one call to a replica, to fetch a block or to send it ahead. */
const CALL_TIMEOUT_MS = 4_000

export interface BlockSupplyOptions {
  readonly peers: Peers
  readonly placement: ReplicaPlacement
  readonly clock: Clock
  /** Told of blocks that could not be found. When left out, lost blocks are not looked for. */
  readonly lost?: LostBlocks | undefined
}

export class BlockSupply {
  readonly #options: BlockSupplyOptions

  constructor(options: BlockSupplyOptions) {
    this.#options = options
  }

  /** The blocks to send with the accept when it is sent again. Those that do not fit into one message are sent ahead of
   * it. Throws Unavailable when a block cannot be had. */
  async supply(
    node: NodeId,
    blocks: readonly BlockKey[],
    request: AcceptRequest,
    atHand: AtHand,
  ): Promise<OwnedBlock[]> {
    const { peers } = this.#options
    const riding: OwnedBlock[] = []
    let sizeBytes = 0
    for (const key of blocks) {
      const block = await this.#find(key, request, atHand)
      if (sizeBytes + block.bytes.length <= BLOCK_BYTES) {
        riding.push(block)
        sizeBytes += block.bytes.length
        continue
      }
      const options = { timeoutMs: CALL_TIMEOUT_MS }
      const { result } = await peers.putBlock(node, block, request.epoch, options)
      if (result !== BLOCK_RESULT.ok) throw unavailable()
    }
    return riding
  }

  /**
   * A block that the value names: from the proposer's hands, else from the first replica that has a good copy. Throws
   * Unavailable when none has, and notes the block when it is lost for good.
   */
  async #find(key: BlockKey, request: AcceptRequest, atHand: AtHand): Promise<OwnedBlock> {
    const mine = atHand.get(key)
    if (mine !== undefined) return mine
    const { peers, placement, clock } = this.#options
    const replicas = placement.sets(partitionOfKey(request.key)).flat()
    const block = await firstAnswer(
      { clock, health: peers.health, kind: 'block' },
      peers.preferred(replicas, 'block'),
      (node) => peers.getOwnedBlock(node, key, { timeoutMs: CALL_TIMEOUT_MS }),
    )
    if (block !== undefined) return block
    await this.#options.lost?.noteIfLost(key)
    throw unavailable()
  }
}
