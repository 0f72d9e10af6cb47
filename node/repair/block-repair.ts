/**
 * What becomes of a block of this node that failed its checksum (F2).
 *
 * 1. It comes back from another replica.
 * 2. No other replica has a good copy, and its owner can still be read: most likely it was freed while this
 *    node was away, so the collector judges it, as it does all that the scan finds (G5). Nobody else's
 *    scan can: a damaged block is copied by nobody.
 * 3. Nor can its owner be read: when its attempt is over and every replica says that it has none, it goes
 *    here as well. Whatever names it, it could not be read before either; a record of which nobody knows
 *    whose it was would keep the partition from ever coming level.
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

export interface MenderOptions {
  readonly self: NodeId
  readonly blocks: Pick<BlockStore, 'put' | 'ownerOf' | 'isBad' | 'forget'>
  /** From any replica; undefined when none has answered with a good copy. */
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
  readonly marks: { ask(ids: readonly DataId[]): Promise<ReadonlySet<DataId>> }
  readonly collector: { addCandidate(candidate: FreeCandidate): void }
  readonly logger: Logger
}

export class BlockRepair {
  readonly #options: MenderOptions
  /** Every read of a damaged block asks for it. */
  readonly #mending = new Set<BlockKey>()

  constructor(options: MenderOptions) {
    this.#options = options
  }

  /** In the background; what fails is tried again when the block is read again, or scrubbed. */
  mend(key: BlockKey): void {
    if (this.#mending.has(key)) return
    this.#mending.add(key)
    this.#mend(key)
      .catch((error: unknown) => {
        const { logger } = this.#options
        logger.warn({ error: String(error) }, 'a damaged block could not be mended yet')
      })
      .finally(() => this.#mending.delete(key))
  }

  async #mend(key: BlockKey): Promise<void> {
    const { blocks, read, collector, marks, logger, placement } = this.#options
    const partition = partitionOfKey(key)
    const block = await read(key)
    if (block !== undefined) {
      // While blocks move, many are not here yet when they are first read.
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
    if (!(await marks.ask([dataId])).has(dataId)) return
    await this.#mustBeNowhere(key)
    // Give up only when the bytes are wrong, not on a passing read error.
    if (!(await blocks.isBad(key))) return
    await blocks.forget([key])
    logger.warn({ partition }, 'a damaged block that no replica has was given up')
  }

  /** Throws when a replica has it, or does not answer, and when the replicas may be others by now. */
  async #mustBeNowhere(key: BlockKey): Promise<void> {
    const { self, placement, peers } = this.#options
    const epoch = placement.epoch()
    const partition = partitionOfKey(key)
    for (const node of inOrderOfAbsence(placement, partition).flat()) {
      if (node === self) continue
      const block = await peers.getOwnedBlock(node, key, { timeoutMs: CALL_TIMEOUT_MS })
      if (block !== undefined) throw new Error('another replica has it')
    }
    if (placement.epoch() !== epoch) throw new Error('the layout has changed meanwhile')
  }
}
