/**
 * Brings the blocks of earlier layouts to this node, in the background (L5): STABLE or PLANNED, with sources.
 *
 * 1. Partitions that this node holds and others held in a source: those with the fewest copies in reach first, and
 *    among these, those whose fullest source has the least room.
 * 2. Digests of their blocks, at exactly this epoch, from every node of the source sets and of the present set that
 *    answers: where a majority of each set has what this node has, nothing is missing.
 *    Of the others the names of the blocks, from at least a majority of each set, since a majority of the set of its
 *    time has each block (P7). A node that may lack blocks (D8) also names what it has, and is not counted. Where that
 *    leaves too few, all nodes of the set are heard: a block that none of them has is nowhere.
 * 3. What is missing here is fetched from those that named it, at a bounded rate, a few at a time, and stored.
 * 4. When nothing is missing any more the partition is whole, as to all of its sources at once, and durably.
 *
 * Partitions of which this node itself may lack blocks, because it has lost something (D8), are compared in the same
 * way, with or without sources. The node reports what it can't finish: the nodes it waits for, the blocks nobody gives.
 *
 * Giving way: before each mebibyte the mover waits while clients wait for room to write or the disk is slow to answer,
 * but for a second at most: data with missing copies is in danger, so the move never stops.
 *
 * Invariants:
 *   - a partition counts as whole only once it was compared with a majority of each set that ever had it, or with
 *     all of the set                                                                                   (L5)
 *   - a node that may lack blocks is no witness (D8), and neither is this one of itself
 *   - data that was freed does not come back: a source that still has it is told (G5)
 *   - a block counts when it is flushed here                                                           (A1)
 */

import { byteString, equalBytes } from '../../protocol/bytes.ts'
import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import { dataIdOf } from '../../protocol/keyspace/block-key.ts'
import type { LayoutView, SourceView } from '../../protocol/layout/view.ts'
import { isSameSet, majority } from '../../protocol/register/quorum.ts'
import { blockCount, DIGEST_BYTES, REGISTER_DIGEST_BYTES } from '../../protocol/sync/digest.ts'
import type { BlockStore, OwnedBlock } from '../replica/blocks.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { sleep, Turns } from '../tools/sleep.ts'
import type { LostBlocks } from '../quorum/lost-blocks.ts'
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
import type { MoveFile } from './move-file.ts'
import { inMoveOrder, type Waiting } from './move-order.ts'
import { ByteRate, Slots, Throughput } from './rate.ts'
import type { Stuck } from './stuck.ts'

const CALL_TIMEOUT_MS = 10_000
const STATUS_TIMEOUT_MS = 2_000
const NAMES_PAGE = 1_000
/** Blocks on their way to this node. */
const IN_FLIGHT = 4
/** Partitions whose names are asked for at once: most have few blocks, and a far peer takes its time. */
const PARTITIONS_AT_ONCE = 8
/** Between two passes over what is left; at once when the layout changes. */
const PASS_MS = 2_000
const GIVE_WAY_MS = 1_000
const GIVE_WAY_STEP_MS = 50
/** Bytes moved between two waits. Waiting before each block would let only a few small ones a second through. */
const GIVE_WAY_BYTES = 1 << 20
/** Bytes that each question for a block counts for, however small the block is. */
const CALL_BYTES = 4 << 10
/** Most whole partitions written down in one go, and how long they wait for that. A full source frees copies after it. */
const WHOLE_AT_ONCE = 256
const WHOLE_MS = 1_000
/** A look at a partition costs as much as so many rows. */
const PARTITION_ROWS = 2
/** Before the first one has come. */
const BLOCK_BYTES_GUESSED = 256 << 10

export interface BlockMoverOptions {
  readonly self: NodeId
  readonly view: () => LayoutView | undefined
  /** No later layout has been in force, not even in an earlier life of this node. */
  readonly isLatest: () => boolean
  readonly file: Pick<MoveFile, 'isWhole' | 'addWhole' | 'release'>
  readonly forgotten: Pick<
    Forgotten,
    'has' | 'lacksBlocks' | 'lackingBlocks' | 'clear' | 'clearBlocks' | 'serial'
  >
  readonly blocks: Pick<BlockStore, 'has' | 'put' | 'forget'>
  readonly peers: Pick<
    Peers,
    'connected' | 'digests' | 'enumerate' | 'getOwnedBlock' | 'preferred' | 'status'
  >
  readonly digestOf: (partition: number) => Uint8Array
  readonly lost: Pick<LostBlocks, 'noteIfLost'>
  readonly dead: Pick<DeadData, 'has'>
  readonly freer: Pick<FreeQueue, 'freeOn'>
  /** Clients wait, or the disk does: blocks can wait a little. */
  readonly isBusy: () => boolean
  /** 0: no limit. */
  readonly bytesPerSecond: number
  readonly clock: Clock
  readonly logger: Logger
}

export interface MoverProgress {
  /** An estimate: as many blocks as others have more, each of the mean size so far. */
  readonly pendingBytes: number
  readonly doneBytes: number
  readonly bytesPerSecond: number
}

const NOBODY: ReadonlySet<NodeId> = new Set()

type Fetched = 'here' | 'unreadable' | 'failed'

export class BlockMover {
  readonly #options: BlockMoverOptions
  readonly #stuck = new Map<number, Stuck>()
  /** The epoch in which `#stuck` was found. */
  #stuckEpoch = 0
  readonly #rate: ByteRate
  readonly #moved: Throughput
  readonly #slots = new Slots(IN_FLIGHT)
  #blocksDone = 0
  /** Bytes that may still move before the mover next looks whether others wait. */
  #unhinderedBytes = 0
  /** Blocks that others have more of, in the partitions that are left. */
  #blocksLeft = 0
  #wake: (() => void) | undefined
  #isStarted = false
  #stopped = false

  constructor(options: BlockMoverOptions) {
    this.#options = options
    this.#rate = new ByteRate(options.clock, options.bytesPerSecond)
    this.#moved = new Throughput(options.clock)
  }

  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    void this.#run()
  }

  /** The layout has changed. */
  kick(): void {
    this.#wake?.()
  }

  stop(): void {
    this.#stopped = true
    this.#wake?.()
  }

  progress(): MoverProgress {
    const { totalBytes, bytesPerSecond } = this.#moved
    const each = this.#blocksDone === 0 ? BLOCK_BYTES_GUESSED : totalBytes / this.#blocksDone
    const pendingBytes = Math.round(each * this.#blocksLeft)
    return { pendingBytes, doneBytes: totalBytes, bytesPerSecond }
  }

  /** Partitions that wait for nodes that do not answer, or for blocks that no node gives. */
  stuck(): ReadonlyMap<number, Stuck> {
    const layout = this.#options.view()
    if (layout === undefined || layout.epoch !== this.#stuckEpoch) return new Map()
    return this.#stuck
  }

  /** Partitions of this node that may lack blocks, of a source or because of a loss. */
  waiting(): number[] {
    const layout = this.#options.view()
    if (layout === undefined) return []
    return this.#candidates(layout).filter((partition) => this.#mayLack(layout, partition))
  }

  #candidates(layout: LayoutView): readonly number[] {
    const { self, forgotten } = this.#options
    if (layout.state === 'JOINT') return []
    const lacking = layout.partitionsOf(self).filter((one) => forgotten.lacksBlocks(one))
    if (lacking.length === 0) return layout.waiting(self)
    return [...new Set([...layout.waiting(self), ...lacking])].sort((a, b) => a - b)
  }

  #mayLack(layout: LayoutView, partition: number): boolean {
    const { file, forgotten } = this.#options
    if (forgotten.lacksBlocks(partition)) return true
    return this.#differing(layout, partition).some(({ epoch }) => !file.isWhole(epoch, partition))
  }

  /** Sources in which others held the partition. */
  #differing(layout: LayoutView, partition: number): SourceView[] {
    const present = layout.placement.replicas(partition)
    return layout.sources.filter((source) => !isSameSet(source.replicas(partition), present))
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options
    while (!this.#stopped) {
      try {
        await this.#pass()
      } catch (error) {
        logger.debug({ error: String(error) }, 'a pass of moving blocks did not finish')
      }
      if (this.#stopped) return
      await new Promise<void>((resolve) => {
        const cancel = clock.after(PASS_MS, resolve)
        this.#wake = () => {
          cancel()
          resolve()
        }
      })
      this.#wake = undefined
    }
  }

  async #pass(): Promise<void> {
    const { view, file, forgotten, logger, clock } = this.#options
    const layout = view()
    if (layout === undefined) return
    const { serial } = forgotten
    if (layout.epoch !== this.#stuckEpoch) this.#stuck.clear()
    this.#stuckEpoch = layout.epoch
    const turns = new Turns(clock)
    await this.#clearLeft(layout, turns, serial)
    const waiting: number[] = []
    for (const partition of this.#candidates(layout)) {
      await turns.took(PARTITION_ROWS)
      if (this.#mayLack(layout, partition)) waiting.push(partition)
    }
    this.#blocksLeft = 0
    const isWaiting = new Set(waiting)
    for (const partition of this.#stuck.keys()) {
      if (!isWaiting.has(partition)) this.#stuck.delete(partition)
    }
    if (waiting.length === 0) return
    const isOver = (): boolean => this.isPast(layout)
    let whole: number[] = []
    let flushedMs = clock.monotonicMs()
    /** Writes `whole` down, but only in the epoch in which it was compared: in the next one this node may not hold the
     * partition, and the note would be believed when it does again. Oldest source first: whole as to one means as to those
     * before it, too. After a loss nothing is written: the lost blocks may be those that were compared (D8). */
    const flush = async (): Promise<void> => {
      const done = whole
      whole = []
      flushedMs = clock.monotonicMs()
      for (const partition of done) this.#stuck.delete(partition)
      for (const { epoch } of layout.sources) {
        if (isOver() || forgotten.serial !== serial) return
        await file.addWhole(epoch, done)
      }
      if (!isOver()) await forgotten.clearBlocks(done, serial)
    }
    const { level, differing } = await this.#compare(layout, waiting, isOver)
    whole.push(...level)
    await flush()
    let left = differing.length
    const next = (await this.#inOrder(layout, differing, turns)).values()
    const lane = async (): Promise<void> => {
      for (const partition of next) {
        await turns.took(PARTITION_ROWS)
        if (isOver()) return
        const isWhole = await this.#move(layout, partition, isOver)
        if (!isWhole || isOver()) continue
        whole.push(partition)
        left--
        const isTime = clock.monotonicMs() - flushedMs >= WHOLE_MS
        if (isTime || whole.length >= WHOLE_AT_ONCE) await flush()
      }
    }
    const lanes = await Promise.allSettled(Array.from({ length: PARTITIONS_AT_ONCE }, lane))
    await flush()
    for (const each of lanes) if (each.status === 'rejected') throw each.reason as Error
    if (left > 0 || isOver()) return
    this.#blocksLeft = 0
    logger.info({ epoch: layout.epoch }, 'all blocks of this node are here')
  }

  /**
   * Forgets what was lost of partitions that this node neither holds nor held in a source: nobody asks it for those. When
   * it enters such a partition again, it drops what it has, and is a witness from then on (L5, L9). Without this the
   * earlier loss could keep it from being one for good, where another holder is dead.
   *
   * Only under the latest layout: an old copy of the directory may have a layout that is behind, and may have voted in
   * the partition since. And after the file of held partitions was damaged every partition counts as held: these must
   * count as left over again first.
   */
  async #clearLeft(layout: LayoutView, turns: Turns, serial: number): Promise<void> {
    const { self, forgotten, file } = this.#options
    const mayClear = (): boolean => !this.isPast(layout) && this.#options.isLatest()
    if (layout.state !== 'STABLE' || !mayClear()) return
    const left: number[] = []
    for (const partition of forgotten.lackingBlocks()) {
      if (partition >= layout.partitions) break
      await turns.took()
      const holders = [...layout.replicas(partition), ...layout.sourceReplicas(partition)]
      if (!holders.includes(self)) left.push(partition)
    }
    if (left.length === 0 || !mayClear()) return
    await file.release(left)
    if (mayClear() && (await forgotten.clear(left, serial))) {
      await forgotten.clearBlocks(left, serial)
    }
  }

  /** Whether work that began under this layout has to end. */
  isPast({ epoch }: LayoutView): boolean {
    return this.#stopped || this.#options.view()?.epoch !== epoch
  }

  /** Step 2. `level`: a majority of each set has what this node has. */
  async #compare(
    layout: LayoutView,
    waiting: readonly number[],
    isOver: () => boolean,
  ): Promise<{ level: number[]; differing: number[] }> {
    const { self, peers, forgotten, digestOf, logger, clock } = this.#options
    const told = new Map<NodeId, ReadonlyMap<number, Uint8Array>>()
    const nodes = new Set(waiting.flatMap((partition) => this.#sets(layout, partition).flat()))
    for (const node of nodes) {
      if (node === self || !peers.connected(node) || isOver()) continue
      try {
        told.set(node, await this.#digestsOf(layout, node, waiting))
      } catch (error) {
        logger.debug({ node, error: String(error) }, 'a node did not say which blocks it has')
      }
    }
    const level: number[] = []
    const differing: number[] = []
    let blocksLeft = 0
    const turns = new Turns(clock)
    const alone = new Set([self])
    for (const partition of waiting) {
      await turns.took()
      const mine = digestOf(partition).subarray(REGISTER_DIGEST_BYTES)
      const sets = this.#sets(layout, partition)
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
        blocksLeft += most
      }
    }
    this.#blocksLeft = blocksLeft
    return { level, differing }
  }

  /** Of the blocks of each partition of which the node is a witness. */
  async #digestsOf(
    { epoch }: LayoutView,
    node: NodeId,
    waiting: readonly number[],
  ): Promise<Map<number, Uint8Array>> {
    const { peers } = this.#options
    const groups = [...new Set(waiting.map((one) => Math.floor(one / GROUP_PARTITIONS)))]
    const found = new Map<number, Uint8Array>()
    for (let at = 0; at < groups.length; at += GROUPS_MAX) {
      const some = groups.slice(at, at + GROUPS_MAX)
      const request = { epoch, level: BLOCKS_LEVEL, groups: some }
      const reply = await peers.digests(node, request, { timeoutMs: CALL_TIMEOUT_MS })
      if (reply.epoch !== epoch) throw new Error('it is at another epoch')
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

  /** The sets of the sources in which others held the partition, and the present set. */
  #sets(layout: LayoutView, partition: number): (readonly NodeId[])[] {
    const earlier = this.#differing(layout, partition).map((source) => source.replicas(partition))
    return [...earlier, layout.placement.replicas(partition)]
  }

  /** Fewest copies in reach first; of these the fullest sources, which need the room. */
  async #inOrder(layout: LayoutView, waiting: readonly number[], turns: Turns): Promise<number[]> {
    const { peers, self } = this.#options
    const fullness = new Map<NodeId, number>()
    await Promise.all(
      layout.known.map(async ({ nodeId }) => {
        if (nodeId === self || !peers.connected(nodeId)) return
        const status = await peers.status(nodeId, { timeoutMs: STATUS_TIMEOUT_MS }).catch(() => {})
        if (status === undefined || status.totalBytes === 0) return
        fullness.set(nodeId, 1 - status.freeBytes / status.totalBytes)
      }),
    )
    const ranked: Waiting[] = []
    for (const partition of waiting) {
      await turns.took(PARTITION_ROWS)
      const from = new Set(this.#sets(layout, partition).slice(0, -1).flat())
      const up = [...from].filter((node) => node !== self && peers.connected(node))
      const full = Math.max(0, ...up.map((node) => fullness.get(node) ?? 0))
      ranked.push({ partition, copies: up.length, full })
    }
    return inMoveOrder(ranked)
  }

  /** True when every block of the partition is here. */
  async #move(layout: LayoutView, partition: number, isOver: () => boolean): Promise<boolean> {
    const { self, peers, forgotten } = this.#options
    const sets = this.#sets(layout, partition)
    const missing = new Map<BlockKey, NodeId[]>()
    const named = new Set<NodeId>()
    const told = new Set<NodeId>([self])
    if (!forgotten.lacksBlocks(partition)) named.add(self)
    await Promise.all(
      [...new Set(sets.flat())].map(async (node) => {
        if (node === self || !peers.connected(node)) return
        try {
          const isWitness = await this.#tell(layout, node, partition, missing)
          told.add(node)
          if (isWitness) named.add(node)
        } catch {
          // Without it there may still be a majority.
        }
      }),
    )
    if (isOver()) return false
    const unheard = sets
      .filter((set) => !this.isCompared([set], named, told))
      .flatMap((set) => set.filter((node) => !told.has(node)))
    const failing = new Set<NodeId>()
    const fetched = await this.#fetchAll(missing, failing, isOver)
    const unreadable = fetched.filter((each) => each === 'unreadable').length
    if (isOver() || fetched.includes('failed')) this.#stuck.delete(partition)
    else if (unheard.length + unreadable > 0) {
      const nodes = [...new Set(unheard)].sort()
      this.#stuck.set(partition, { unheard: nodes, unreadable, failing: [...failing].sort() })
    } else if (forgotten.has(partition)) {
      this.#stuck.set(partition, { unheard: [self], unreadable: 0, failing: [] })
    } else return this.isCompared(sets, named, told)
    return false
  }

  /**
   * Whether the named blocks include all that was acknowledged while each set was active: either a majority of the set,
   * whose nodes lack nothing that they acknowledged, has named its blocks (P7), or all nodes of the set have said what
   * they have, and there is nothing else anywhere.
   */
  isCompared(
    sets: readonly (readonly NodeId[])[],
    named: ReadonlySet<NodeId>,
    told: ReadonlySet<NodeId> = NOBODY,
  ): boolean {
    return sets.every(
      (set) =>
        set.filter((node) => named.has(node)).length >= majority(set.length) ||
        set.every((node) => told.has(node)),
    )
  }

  /** Asks for its blocks. True for a witness, which lacks nothing that it acknowledged (D8). Throws without an answer. */
  async #tell(
    layout: LayoutView,
    node: NodeId,
    partition: number,
    missing: Map<BlockKey, NodeId[]>,
  ): Promise<boolean> {
    if (await this.#names(layout, node, partition, ENUMERATE.names, missing)) return true
    await this.#names(layout, node, partition, ENUMERATE.blocks, missing)
    return false
  }

  /** False when the node is no witness and was asked as one. */
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
      if (page.epoch !== epoch) throw new Error('it is at another epoch')
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

  #fetchAll(
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

  async #giveWay(): Promise<void> {
    const { isBusy, clock } = this.#options
    this.#unhinderedBytes -= CALL_BYTES
    if (this.#unhinderedBytes > 0) return
    this.#unhinderedBytes = GIVE_WAY_BYTES
    for (let waitedMs = 0; waitedMs < GIVE_WAY_MS && isBusy(); waitedMs += GIVE_WAY_STEP_MS) {
      await sleep(clock, GIVE_WAY_STEP_MS)
    }
  }

  /** False when no node gives it now and a node that does not answer may have it. */
  async #fetch(key: BlockKey, holders: readonly NodeId[], failing: Set<NodeId>): Promise<boolean> {
    const { blocks, dead, lost, freer } = this.#options
    const isDead = (): boolean => dead.has(dataIdOf(key))
    if (blocks.has(key)) return true
    const silent: NodeId[] = []
    const block = await this.#read(key, holders, silent)
    // Freed meanwhile: whoever still had it was told, or is told now.
    if (isDead()) {
      for (const node of holders) freer.freeOn(node, [key])
      return true
    }
    // Of a block that nobody has any more none is missing.
    if (block === undefined) {
      const isLost = await lost.noteIfLost(key)
      if (!isLost) for (const node of silent) failing.add(node)
      return isLost
    }
    await this.#rate.take(block.bytes.length)
    if (isDead()) return true
    await blocks.put(block)
    // The message that frees it looked for it before it was flushed.
    if (isDead()) await blocks.forget([key])
    this.#unhinderedBytes -= block.bytes.length
    this.#moved.add(block.bytes.length)
    this.#blocksDone++
    this.#blocksLeft = Math.max(0, this.#blocksLeft - 1)
    return true
  }

  /** @param silent gets those that did not answer */
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
