/**
 * Brings the blocks of earlier layouts to this node, in the background (L5), while the layout is STABLE or PLANNED and has
 * sources. Started by BlockMoves.
 *
 * 1. Take the partitions that this node holds and other nodes held in a source.
 * 2. Compare digests, and leave out the partitions that lack nothing (block-comparison.ts).
 * 3. Go through the others: those with the fewest copies in reach first, and among these, those whose fullest source has
 *    the least room. Ask for the names of their blocks and fetch what is missing here (block-fetcher.ts).
 * 4. A partition that lacks nothing any more is whole, as to all of its sources at once, and durably.
 *
 * Partitions of which this node itself may lack blocks, because it has lost something (D8), are compared in the same way,
 * with or without sources. The node reports what it cannot finish: the nodes it waits for, and how many blocks no node gives.
 *
 * Invariants:
 *   - a partition counts as whole only once it was compared with a majority of each set that ever had it, or with
 *     all of the set                                                                                   (L5)
 *   - what was compared in one epoch is not noted in the next one                                      (L6)
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { BlockStore } from '../replica/blocks.ts'
import { Turns } from '../tools/sleep.ts'
import type { Forgotten } from '../repair/forgotten.ts'
import type { Peers } from '../quorum/peers.ts'
import type { MoveFile } from './move-file.ts'
import { inMoveOrder, type Waiting } from './move-order.ts'
import { BlockComparison, type BlockComparisonOptions } from './block-comparison.ts'
import { BlockFetcher, type BlockFetcherOptions, type MoverProgress } from './block-fetcher.ts'
import { changedSources, holderSets } from './source-sets.ts'
import type { Stuck } from './stuck.ts'

const STATUS_TIMEOUT_MS = 2_000
/** Partitions whose names are asked for at once: most have few blocks, and a far peer takes its time. */
const PARTITIONS_AT_ONCE = 8
/** Between two passes over what is left; at once when the layout changes. */
const PASS_MS = 2_000
/** Most whole partitions written down in one go, and how long they wait for that. A full source frees copies after it. */
const WHOLE_AT_ONCE = 256
const WHOLE_MS = 1_000
/** A look at a partition costs as much as this many rows. */
const PARTITION_ROWS = 2
export interface BlockMoverOptions extends BlockComparisonOptions, BlockFetcherOptions {
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
}

export class BlockMover {
  readonly #options: BlockMoverOptions
  readonly #stuck = new Map<number, Stuck>()
  /** The epoch in which `#stuck` was found. */
  #stuckEpoch = 0
  readonly #comparison: BlockComparison
  readonly #fetcher: BlockFetcher
  /** Ends the pause between two passes. Undefined during a pass. */
  #wake: (() => void) | undefined
  /** The layout has changed since the present pass began: another one follows without a pause. */
  #isKicked = false
  #isStarted = false
  #stopped = false

  constructor(options: BlockMoverOptions) {
    this.#options = options
    this.#comparison = new BlockComparison(options)
    this.#fetcher = new BlockFetcher(options)
  }

  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    void this.#run()
  }

  /** Called when the layout has changed. */
  kick(): void {
    this.#isKicked = true
    this.#wake?.()
  }

  stop(): void {
    this.#stopped = true
    this.#wake?.()
  }

  progress(): MoverProgress {
    return this.#fetcher.progress()
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

  /**
   * Partitions of this node that have to be looked at, ascending: those of sources, and those with losses. None in
   * JOINT, which does not wait for blocks.
   */
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
    return changedSources(layout, partition).some(({ epoch }) => !file.isWhole(epoch, partition))
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options
    while (!this.#stopped) {
      this.#isKicked = false
      try {
        await this.#pass()
      } catch (error) {
        logger.debug({ error: String(error) }, 'a pass of moving blocks did not finish')
      }
      if (this.#stopped) return
      if (this.#isKicked) continue
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

  /**
   * One look at everything that waits. Rejects when a look at some partition failed, but not before the others were
   * tried and what is whole was written down.
   */
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
    this.#fetcher.expect(0)
    const isWaiting = new Set(waiting)
    for (const partition of this.#stuck.keys()) {
      if (!isWaiting.has(partition)) this.#stuck.delete(partition)
    }
    if (waiting.length === 0) return
    const isOver = (): boolean => this.isPast(layout)
    let whole: number[] = []
    let flushedMs = clock.monotonicMs()
    /**
     * Writes `whole` down, but only in the epoch in which it was compared. In the next one this node may not hold the
     * partition, and the note would be believed once it holds it again. The oldest source comes first, because whole as
     * to one source means whole as to those before it. After a loss nothing is written: the lost blocks may be among those
     * that were compared (D8).
     */
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
    const { level, differing, blocksLacking } = await this.#comparison.byDigest(
      layout,
      waiting,
      isOver,
    )
    this.#fetcher.expect(blocksLacking)
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
    this.#fetcher.expect(0)
    logger.info({ epoch: layout.epoch }, 'all blocks of this node are here')
  }

  /**
   * Clears the losses noted for partitions that this node neither holds nor held in a source: no node asks it for those.
   * When it enters such a partition again, it drops what it has, and is a witness from then on (L5, L9). Without this the
   * earlier loss could keep it from being a witness for good, where another holder is dead.
   *
   * Only under the latest layout: an old copy of the directory may have an earlier layout, and the node may have voted in
   * the partition since. After the file of held partitions was damaged, every partition counts as held. So these
   * partitions are released first, which makes them count as left over again.
   */
  async #clearLeft(layout: LayoutView, turns: Turns, serial: number): Promise<void> {
    const { self, forgotten, file } = this.#options
    const mayClear = (): boolean => !this.isPast(layout) && this.#options.isLatest()
    if (layout.state !== 'STABLE' || !mayClear()) return
    const left: number[] = []
    for (const partition of forgotten.lackingBlocks()) {
      if (partition >= layout.partitions) break
      await turns.took()
      if (!layout.mayHaveBlocks(self, partition)) left.push(partition)
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

  /** Partitions with the fewest copies in reach come first. Among equals, those of the fullest sources, which need the room. */
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
      const from = new Set(holderSets(layout, partition).slice(0, -1).flat())
      const up = [...from].filter((node) => node !== self && peers.connected(node))
      const full = Math.max(0, ...up.map((node) => fullness.get(node) ?? 0))
      ranked.push({ partition, copies: up.length, full })
    }
    return inMoveOrder(ranked)
  }

  /** Resolves with true when every block of the partition is here. */
  async #move(layout: LayoutView, partition: number, isOver: () => boolean): Promise<boolean> {
    const { self, forgotten } = this.#options
    const { sets, missing, named, told } = await this.#comparison.byName(layout, partition)
    if (isOver()) return false
    const unheard = sets
      .filter((set) => !this.#comparison.isCompared([set], named, told))
      .flatMap((set) => set.filter((node) => !told.has(node)))
    const failing = new Set<NodeId>()
    const fetched = await this.#fetcher.all(missing, failing, isOver)
    const unreadable = fetched.filter((each) => each === 'unreadable').length
    if (isOver() || fetched.includes('failed')) this.#stuck.delete(partition)
    else if (unheard.length + unreadable > 0) {
      const nodes = [...new Set(unheard)].sort()
      this.#stuck.set(partition, { unheard: nodes, unreadable, failing: [...failing].sort() })
    } else if (forgotten.has(partition)) {
      this.#stuck.set(partition, { unheard: [self], unreadable: 0, failing: [] })
    } else return this.#comparison.isCompared(sets, named, told)
    return false
  }
}
