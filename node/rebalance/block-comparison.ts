/**
 * Finds out which blocks of a partition are somewhere and not here, from the nodes of every set that held it (L5). Called
 * by BlockMover.
 *
 * 1. Digests of the partitions' blocks, at exactly this epoch, from every node of the source sets and of the present set
 *    that answers. Where a majority of each set has what this node has, nothing is missing.
 * 2. For the others, the names of the blocks, from at least a majority of each set: a majority of the set of its time has
 *    each block (P7). A node that may lack blocks (D8) also names what it has, but does not count towards the majority.
 *    Where that leaves too few nodes, all nodes of the set must answer: a block that none of them has does not exist.
 *
 * Invariants:
 *   - a node that may lack blocks is no witness (D8), and this node is no witness of itself then
 *   - data that was freed does not come back: a node that still has it is told to free it (G5)
 */

import { batchesOf } from '../tools/in-batches.ts'
import { byteString, equalBytes } from '../../protocol/bytes.ts'
import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import { dataIdOf } from '../../protocol/keyspace/block-key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { majority } from '../../protocol/register/quorum.ts'
import { blockCount, DIGEST_BYTES, REGISTER_DIGEST_BYTES } from '../../protocol/sync/digest.ts'
import type { BlockStore } from '../replica/blocks.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { Turns } from '../tools/sleep.ts'
import {
  BLOCKS_LEVEL,
  ENUMERATE,
  GROUP_PARTITIONS,
  GROUPS_MAX,
  NO_WITNESS,
} from '../repair/sync-answers.ts'
import type { Forgotten } from '../repair/forgotten.ts'
import type { Peers } from '../quorum/peers.ts'
import type { DeadData } from '../replica/dead-data.ts'
import type { FreeQueue } from '../reclaim/free-queue.ts'
import { holderSets } from './source-sets.ts'

const CALL_TIMEOUT_MS = 10_000
const NAMES_PAGE = 1_000

export interface BlockComparisonOptions {
  readonly self: NodeId
  readonly forgotten: Pick<Forgotten, 'has' | 'lacksBlocks'>
  readonly blocks: Pick<BlockStore, 'has'>
  readonly peers: Pick<Peers, 'connected' | 'digests' | 'enumerate'>
  /** This node's digest of the partition: that of its registers, then that of its blocks. */
  readonly digestOf: (partition: number) => Uint8Array
  readonly dead: Pick<DeadData, 'has'>
  readonly freer: Pick<FreeQueue, 'freeOn'>
  readonly clock: Clock
  readonly logger: Logger
}

/** Partitions by their digests. */
export interface ComparedDigests {
  /** A majority of each set has exactly the blocks that this node has. */
  readonly level: number[]
  readonly differing: number[]
  /** How many blocks this node lacks of the differing ones, by the highest count of any node. */
  readonly blocksLacking: number
}

/** What the nodes of a partition's sets have named. */
export interface BlockAnswers {
  readonly sets: readonly (readonly NodeId[])[]
  /** Blocks that are not here, with the nodes that have them. */
  readonly missing: ReadonlyMap<BlockKey, readonly NodeId[]>
  /** Nodes that lack nothing they acknowledged and have named their blocks. */
  readonly named: ReadonlySet<NodeId>
  /** Nodes that have named what they have, `named` included. */
  readonly told: ReadonlySet<NodeId>
}

const NO_NODES: ReadonlySet<NodeId> = new Set()

export class BlockComparison {
  readonly #options: BlockComparisonOptions

  constructor(options: BlockComparisonOptions) {
    this.#options = options
  }

  /**
   * Whether the named blocks include all that was acknowledged while each set was active. Either a majority of the set
   * has named its blocks and lacks nothing that it acknowledged (P7), or all nodes of the set have said what they have,
   * so that there is nothing else anywhere.
   */
  isCompared(
    sets: readonly (readonly NodeId[])[],
    named: ReadonlySet<NodeId>,
    told: ReadonlySet<NodeId> = NO_NODES,
  ): boolean {
    return sets.every(
      (set) =>
        set.filter((node) => named.has(node)).length >= majority(set.length) ||
        set.every((node) => told.has(node)),
    )
  }

  /**
   * Compares digests of the partitions' blocks with those of every holder, one node after the other. Nodes that do
   * not answer, or are at another epoch, are left out. Never rejects because of a node.
   *
   * @param isOver whether the layout has changed: then no further node is asked
   */
  async byDigest(
    layout: LayoutView,
    waiting: readonly number[],
    isOver: () => boolean,
  ): Promise<ComparedDigests> {
    const { self, peers, forgotten, digestOf, logger, clock } = this.#options
    const told = new Map<NodeId, ReadonlyMap<number, Uint8Array>>()
    const nodes = new Set(waiting.flatMap((partition) => holderSets(layout, partition).flat()))
    for (const node of nodes) {
      if (node === self || !peers.connected(node) || isOver()) continue
      try {
        told.set(node, await this.#digestsOf(layout, node, waiting))
      } catch (error) {
        logger.debug(
          { node, error: String(error) },
          'a node did not send the digests of its blocks',
        )
      }
    }
    const level: number[] = []
    const differing: number[] = []
    let blocksLacking = 0
    const turns = new Turns(clock)
    const alone = new Set([self])
    for (const partition of waiting) {
      await turns.took()
      const mine = digestOf(partition).subarray(REGISTER_DIGEST_BYTES)
      const sets = holderSets(layout, partition)
      const same = new Set<NodeId>(forgotten.lacksBlocks(partition) ? [] : [self])
      let most = 0
      for (const node of new Set(sets.flat())) {
        const theirs = told.get(node)?.get(partition)
        if (theirs === undefined) continue
        if (equalBytes(theirs, mine)) same.add(node)
        else most = Math.max(most, blockCount(theirs, 0) - blockCount(mine, 0))
      }
      if (this.isCompared(sets, same, alone) && !forgotten.has(partition)) level.push(partition)
      else {
        differing.push(partition)
        blocksLacking += most
      }
    }
    return { level, differing, blocksLacking }
  }

  /** Asks every node of the partition's sets that is connected for the names of its blocks. */
  async byName(layout: LayoutView, partition: number): Promise<BlockAnswers> {
    const { self, peers, forgotten } = this.#options
    const sets = holderSets(layout, partition)
    const missing = new Map<BlockKey, NodeId[]>()
    const named = new Set<NodeId>()
    const told = new Set<NodeId>([self])
    if (!forgotten.lacksBlocks(partition)) named.add(self)
    await Promise.all(
      [...new Set(sets.flat())].map(async (node) => {
        if (node === self || !peers.connected(node)) return
        try {
          const isWitness = await this.#ask(layout, node, partition, missing)
          told.add(node)
          if (isWitness) named.add(node)
        } catch {
          // Without it there may still be a majority.
        }
      }),
    )
    return { sets, missing, named, told }
  }

  /** Digests of the blocks of each partition for which the node is a witness. */
  async #digestsOf(
    { epoch }: LayoutView,
    node: NodeId,
    waiting: readonly number[],
  ): Promise<Map<number, Uint8Array>> {
    const { peers } = this.#options
    const groups = [...new Set(waiting.map((one) => Math.floor(one / GROUP_PARTITIONS)))]
    const found = new Map<number, Uint8Array>()
    for (const some of batchesOf(groups, GROUPS_MAX)) {
      const request = { epoch, level: BLOCKS_LEVEL, groups: some }
      const reply = await peers.digests(node, request, { timeoutMs: CALL_TIMEOUT_MS })
      if (reply.epoch !== epoch) throw new Error('the node is at another epoch')
      for (let i = 0; (i + 1) * DIGEST_BYTES <= reply.digests.length; i++) {
        const digest = reply.digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES)
        if (equalBytes(digest, NO_WITNESS)) continue
        const group = some[Math.floor(i / GROUP_PARTITIONS)]!
        const partition = group * GROUP_PARTITIONS + (i % GROUP_PARTITIONS)
        found.set(partition, digest.subarray(REGISTER_DIGEST_BYTES))
      }
    }
    return found
  }

  /**
   * Asks a node which blocks it has. Resolves with true for a witness, which lacks nothing that it acknowledged (D8).
   * Rejects when the node does not answer.
   */
  async #ask(
    layout: LayoutView,
    node: NodeId,
    partition: number,
    missing: Map<BlockKey, NodeId[]>,
  ): Promise<boolean> {
    if (await this.#names(layout, node, partition, ENUMERATE.names, missing)) return true
    await this.#names(layout, node, partition, ENUMERATE.blocks, missing)
    return false
  }

  /** Resolves with false when the node was asked as a witness and is none. */
  async #names(
    layout: LayoutView,
    node: NodeId,
    partition: number,
    what: number,
    missing: Map<BlockKey, NodeId[]>,
  ): Promise<boolean> {
    const { peers, blocks, dead, freer } = this.#options
    const { epoch } = layout
    let after: Uint8Array<ArrayBuffer> = new Uint8Array(0)
    for (;;) {
      const page = await peers.enumerate(
        node,
        { epoch, partition, what, after, limit: NAMES_PAGE },
        { timeoutMs: CALL_TIMEOUT_MS },
      )
      if (page.epoch === 0 && what === ENUMERATE.names) return false
      if (page.epoch !== epoch) throw new Error('the node is at another epoch')
      const freed: BlockKey[] = []
      for (const bytes of page.keys) {
        const key = byteString(bytes) as BlockKey
        if (blocks.has(key)) continue
        if (dead.has(dataIdOf(key))) {
          freed.push(key)
          continue
        }
        const holders = missing.get(key)
        if (holders === undefined) missing.set(key, [node])
        else if (!holders.includes(node)) holders.push(node)
      }
      if (freed.length > 0) freer.freeOn(node, freed)
      const last = page.keys.at(-1)
      if (!page.more || last === undefined) return true
      after = last
    }
  }
}
