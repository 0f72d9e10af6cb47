/**
 * Fetches blocks from the nodes that named them, at a bounded rate, a few at a time, and stores them. Called by BlockMover.
 *
 * Giving way: before each mebibyte it waits while clients wait for room to write or the disk is slow to answer, but for a
 * second at most. Data with missing copies is in danger, so the move never stops.
 *
 * Invariants:
 *   - a block counts when it is flushed here                                       (A1)
 *   - a block that was freed meanwhile is not kept, and its holders free it        (G5)
 */

import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import { dataIdOf } from '../../protocol/keyspace/block-key.ts'
import type { Clock } from '../env/ports.ts'
import type { LostBlocks } from '../quorum/lost-blocks.ts'
import type { Peers } from '../quorum/peers.ts'
import type { FreeQueue } from '../reclaim/free-queue.ts'
import type { BlockStore, OwnedBlock } from '../replica/blocks.ts'
import type { DeadData } from '../replica/dead-data.ts'
import { sleep } from '../tools/sleep.ts'
import { ByteRate, Slots, Throughput } from './rate.ts'

const CALL_TIMEOUT_MS = 10_000
/** Blocks on their way to this node. */
const IN_FLIGHT = 4
const GIVE_WAY_MS = 1_000
const GIVE_WAY_STEP_MS = 50
/** Bytes moved between two waits. Waiting before each block would let only a few small ones a second through. */
const GIVE_WAY_BYTES = 1 << 20
/** What each call counts for at least, however small its block is. */
const CALL_BYTES = 4 << 10
/** The mean size of a block before the first one has come. */
const BLOCK_BYTES_GUESSED = 256 << 10

export interface BlockFetcherOptions {
  readonly blocks: Pick<BlockStore, 'has' | 'put' | 'forget'>
  readonly peers: Pick<Peers, 'getOwnedBlock' | 'preferred'>
  readonly lost: Pick<LostBlocks, 'noteIfLost'>
  readonly dead: Pick<DeadData, 'has'>
  readonly freer: Pick<FreeQueue, 'freeOn'>
  /** Clients or the disk are waiting, and blocks can wait a little. */
  readonly isBusy: () => boolean
  /** 0: no limit. */
  readonly bytesPerSecond: number
  readonly clock: Clock
}

export interface MoverProgress {
  /** An estimate: the blocks that are left, each of the mean size so far. */
  readonly pendingBytes: number
  readonly doneBytes: number
  readonly bytesPerSecond: number
}

export type Fetched = 'here' | 'unreadable' | 'failed'

export class BlockFetcher {
  readonly #options: BlockFetcherOptions
  readonly #rate: ByteRate
  readonly #moved: Throughput
  readonly #slots = new Slots(IN_FLIGHT)
  #blocksDone = 0
  /** Bytes that may still move before the next look whether others wait. */
  #unhinderedBytes = 0
  #blocksLeft = 0

  constructor(options: BlockFetcherOptions) {
    this.#options = options
    this.#rate = new ByteRate(options.clock, options.bytesPerSecond)
    this.#moved = new Throughput(options.clock)
  }

  /** Sets how many blocks are still to fetch, as far as known. */
  expect(blocks: number): void {
    this.#blocksLeft = blocks
  }

  progress(): MoverProgress {
    const { totalBytes, bytesPerSecond } = this.#moved
    const each = this.#blocksDone === 0 ? BLOCK_BYTES_GUESSED : totalBytes / this.#blocksDone
    const pendingBytes = Math.round(each * this.#blocksLeft)
    return { pendingBytes, doneBytes: totalBytes, bytesPerSecond }
  }

  /**
   * Fetches these blocks, a few at a time, until all are here or cannot be had now.
   *
   * @param failing gets the nodes that named a block and did not answer when they were asked for it
   * @param isOver whether the layout has changed: then the rest is not fetched
   */
  all(
    missing: ReadonlyMap<BlockKey, readonly NodeId[]>,
    failing: Set<NodeId>,
    isOver: () => boolean,
  ): Promise<Fetched[]> {
    const fetched = [...missing].map(async ([key, holders]): Promise<Fetched> => {
      const give = await this.#slots.take()
      try {
        if (isOver()) return 'failed'
        await this.#giveWay()
        return (await this.#fetch(key, holders, failing)) ? 'here' : 'unreadable'
      } catch {
        return 'failed'
      } finally {
        give()
      }
    })
    return Promise.all(fetched)
  }

  /** Waits while clients wait for room to write or the disk is slow, but only for a second. */
  async #giveWay(): Promise<void> {
    const { isBusy, clock } = this.#options
    this.#unhinderedBytes -= CALL_BYTES
    if (this.#unhinderedBytes > 0) return
    this.#unhinderedBytes = GIVE_WAY_BYTES
    for (let waitedMs = 0; waitedMs < GIVE_WAY_MS && isBusy(); waitedMs += GIVE_WAY_STEP_MS) {
      await sleep(clock, GIVE_WAY_STEP_MS)
    }
  }

  /** Resolves with false when no node gives the block now and a node that does not answer may have it. */
  async #fetch(key: BlockKey, holders: readonly NodeId[], failing: Set<NodeId>): Promise<boolean> {
    const { blocks, dead, lost, freer } = this.#options
    const isDead = (): boolean => dead.has(dataIdOf(key))
    if (blocks.has(key)) return true
    const silent: NodeId[] = []
    const block = await this.#read(key, holders, silent)
    // Freed meanwhile. Nodes that still have it were told to free it, or are told now.
    if (isDead()) {
      for (const node of holders) freer.freeOn(node, [key])
      return true
    }
    if (block === undefined) {
      // A block that no node has any more is not missing.
      const isLost = await lost.noteIfLost(key)
      if (!isLost) for (const node of silent) failing.add(node)
      return isLost
    }
    await this.#rate.take(block.bytes.length)
    if (isDead()) return true
    await blocks.put(block)
    // The message that frees this block came before the block was flushed, and did not find it.
    if (isDead()) await blocks.forget([key])
    this.#unhinderedBytes -= block.bytes.length
    this.#moved.add(block.bytes.length)
    this.#blocksDone++
    this.#blocksLeft = Math.max(0, this.#blocksLeft - 1)
    return true
  }

  /** @param silent gets the nodes that did not answer */
  async #read(
    key: BlockKey,
    holders: readonly NodeId[],
    silent: NodeId[],
  ): Promise<OwnedBlock | undefined> {
    const { peers } = this.#options
    for (const node of peers.preferred(holders, 'block')) {
      try {
        const block = await peers.getOwnedBlock(node, key, { timeoutMs: CALL_TIMEOUT_MS })
        if (block !== undefined) return block
      } catch {
        // Another one may have it.
        silent.push(node)
      }
    }
    return undefined
  }
}
