/**
 * Repairs a block of this node that failed its checksum (F2). Called by reads and by the scrub.
 *
 * 1. Fetch the block from another replica.
 * 2. When no other replica has a good copy and the block's owner can still be read, the block was most likely freed while
 *    this node was away. So the collector checks it, as it does all that the scan finds (G5). No other node's scan can find
 *    it, because no node copies a damaged block.
 * 3. When its owner can't be read either, its attempt is over and every replica says that it has no copy, drop it here as
 *    well. No reader could have used it, and a record without a known owner would keep the partition from becoming level.
 */

import type { BlockKey, DataId, NodeId } from '../../protocol/ids.ts'
import { dataIdOf } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { ReplicaSets } from '../../protocol/register/types.ts'
import type { BlockStore, OwnedBlock } from '../replica/blocks.ts'
import type { Logger } from '../env/ports.ts'
import type { FreeCandidate } from '../reclaim/collector.ts'
import { inOrderOfAbsence } from '../objects/loss-check.ts'

const CALL_TIMEOUT_MS = 8_000

export interface BlockRepairOptions {
  readonly self: NodeId
  readonly blocks: Pick<BlockStore, 'put' | 'ownerOf' | 'isBad' | 'forget'>
  /** Reads the block from any replica. Undefined when none answered with a good copy. */
  readonly read: (key: BlockKey) => Promise<OwnedBlock | undefined>
  readonly peers: {
    getOwnedBlock(
      to: NodeId,
      key: BlockKey,
      options: { timeoutMs: number },
    ): Promise<OwnedBlock | undefined>
  }
  readonly placement: {
    epoch(): number
    sets(partition: number): ReplicaSets
    sources?(partition: number): readonly NodeId[]
  }
  readonly watermarks: { ask(ids: readonly DataId[]): Promise<ReadonlySet<DataId>> }
  readonly collector: { addCandidate(candidate: FreeCandidate): void }
  readonly logger: Logger
}

export class BlockRepair {
  readonly #options: BlockRepairOptions
  /** Every read of a damaged block asks for its repair. */
  readonly #mending = new Set<BlockKey>()

  constructor(options: BlockRepairOptions) {
    this.#options = options
  }

  /** Repairs the block in the background. A repair that fails is tried again with the next read or scrub of the block. */
  mend(key: BlockKey): void {
    if (this.#mending.has(key)) return
    this.#mending.add(key)
    this.#mend(key)
      .catch((error: unknown) => {
        const { logger } = this.#options
        logger.warn({ error: String(error) }, 'a damaged block could not be repaired yet')
      })
      .finally(() => this.#mending.delete(key))
  }

  /** One attempt. Rejects when it must be made again later, such as while a replica does not answer. */
  async #mend(key: BlockKey): Promise<void> {
    const { blocks, read, collector, watermarks, logger, placement } = this.#options
    const partition = partitionOfKey(key)
    const block = await read(key)
    if (block !== undefined) {
      // While blocks move, many are read before they have arrived here.
      const isMoving = (placement.sources?.(partition) ?? []).length > 0
      const isAwaited = isMoving && !(await blocks.isBad(key))
      await blocks.put(block)
      if (isAwaited) logger.debug({ partition }, 'a block was read before it had moved')
      else {
        logger.warn({ partition }, 'a block that was damaged or missing was fetched from a replica')
      }
      return
    }
    const dataId = dataIdOf(key)
    const owner = await blocks.ownerOf(key)
    if (owner !== undefined) {
      collector.addCandidate({ owner, dataId, keys: [key] })
      return
    }
    if (!(await watermarks.ask([dataId])).has(dataId)) return
    await this.#mustBeNowhere(key)
    // Give up only when the bytes are wrong, not on a passing read error.
    if (!(await blocks.isBad(key))) return
    await blocks.forget([key])
    logger.warn({ partition }, 'a damaged block that no replica has was given up')
  }

  /** Rejects when a replica has the block or does not answer, and when the layout has changed meanwhile. */
  async #mustBeNowhere(key: BlockKey): Promise<void> {
    const { self, placement, peers } = this.#options
    const epoch = placement.epoch()
    const partition = partitionOfKey(key)
    for (const node of inOrderOfAbsence(placement, partition).flat()) {
      if (node === self) continue
      const block = await peers.getOwnedBlock(node, key, { timeoutMs: CALL_TIMEOUT_MS })
      if (block !== undefined) throw new Error('another replica has the block')
    }
    if (placement.epoch() !== epoch) throw new Error('the layout has changed meanwhile')
  }
}
