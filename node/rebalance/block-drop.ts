/**
 * Drops what this node still has of partitions that it no longer needs to keep (L8): it is in none of their active sets,
 * planned placements or sources. Started by BlockMoves.
 *
 *  - Registers: once a majority of every set holds this epoch durably, so that no quorum of the former layout can
 *    come together any more.
 *  - Blocks: a page at a time. A block is dropped only when all nodes that hold the partition now have answered, at exactly
 *    this epoch, that they have it, flushed. A holder that lacks a block gets it from here and is told that it may lack
 *    more. The block is dropped when a later look has found it there.
 *
 * A node whose disk is nearly full does not wait for the end of a source of blocks, which may take days. It drops blocks of
 * partitions that it has given away as soon as all present holders have answered that they have them. A later change asks
 * these holders as well, so it misses none of the copies. Registers stay until the source is over.
 *
 * Invariants:
 *   - the holders are asked again every time, because what a holder has may change
 *   - everything happens in STABLE, and the epoch is checked again right before the records are appended (L6b)
 */

import { byteString, bytesOf, readU16, u16 } from '../../protocol/bytes.ts'
import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import { hasBit } from '../../protocol/keyspace/bitmap.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { blockCount } from '../../protocol/sync/digest.ts'
import type { BlockStore } from '../replica/blocks.ts'
import { rowPages } from '../log/row-pages.ts'
import type { Store } from '../log/store.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { sleep, Turns } from '../tools/sleep.ts'
import { dropRegisters } from '../replica/drop-registers.ts'
import { endOfPartitionRows } from '../replica/index-rows.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import { isEmpty } from '../repair/sync-answers.ts'
import { BLOCK_RESULT, type Peers } from '../quorum/peers.ts'
import type { ByteRate } from './rate.ts'

const CALL_TIMEOUT_MS = 10_000
const PASS_MS = 5_000
/** Between two passes of a node that is nearly full. */
const TIGHT_PASS_MS = 1_000
const STATUS_TIMEOUT_MS = 2_000
/** Blocks in one question. A message takes 1,000. */
const PAGE_BLOCKS = 200
/** Blocks of one partition that are given in one pass to holders that lack them. */
const GIVEN_MAX = 64

export interface BlockDropOptions {
  readonly self: NodeId
  readonly view: () => LayoutView | undefined
  /** Whether in every active set a majority holds the epoch of the view, durably. */
  readonly isEpochHeld: () => boolean
  readonly store: Pick<Store, 'range'>
  readonly host: Pick<AcceptorHost, 'removals'>
  readonly blocks: Pick<BlockStore, 'drop' | 'readOwned'>
  readonly peers: Pick<Peers, 'holds' | 'putBlock' | 'hint' | 'status'>
  /** Whether the disk is nearly full. */
  readonly isTight: () => boolean
  readonly rate: Pick<ByteRate, 'take'>
  readonly clock: Clock
  readonly logger: Logger
}

export class BlockDrop {
  readonly #options: BlockDropOptions
  /** What was dropped since the start. */
  readonly counters = { registers: 0, blocks: 0, bytes: 0, given: 0, givenBytes: 0 }
  /** Partitions with something left, at the last look. */
  left = 0
  #wake: (() => void) | undefined
  #isStarted = false
  #stopped = false

  constructor(options: BlockDropOptions) {
    this.#options = options
  }

  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    void this.#run()
  }

  stop(): void {
    this.#stopped = true
    this.#wake?.()
  }

  async #run(): Promise<void> {
    const { clock, logger, isTight } = this.#options
    while (!this.#stopped) {
      await new Promise<void>((resolve) => {
        const cancel = clock.after(isTight() ? TIGHT_PASS_MS : PASS_MS, resolve)
        this.#wake = () => {
          cancel()
          resolve()
        }
      })
      if (this.#stopped) return
      try {
        await this.pass()
      } catch (error) {
        logger.debug({ error: String(error) }, 'data that other nodes hold was not all dropped')
      }
    }
  }

  /**
   * Looks at every partition once. Does nothing outside of STABLE, while the epoch is not held by majorities, or on a
   * stranger. Rejects when the log can't be read or written; what was dropped until then stays dropped.
   */
  async pass(): Promise<void> {
    const { view, isEpochHeld, logger } = this.#options
    const layout = view()
    if (layout === undefined || layout.state !== 'STABLE') return
    if (layout.role(this.#options.self) === undefined || !isEpochHeld()) return
    const mayDrop = (): boolean => {
      const now = view()
      return !this.#stopped && now === layout && isEpochHeld()
    }
    const { foreign, given } = await this.#foreign(layout)
    this.left = foreign.length
    const total = { partitions: 0, registers: 0, blocks: 0 }
    try {
      await this.#dropAll(layout, foreign, mayDrop, total)
      await this.#relieve(layout, given, mayDrop, total)
    } finally {
      if (total.partitions > 0) logger.info({ ...total }, 'dropped data that other nodes hold')
    }
  }

  /**
   * Drops the registers of these partitions, and then the blocks that all present holders have.
   *
   * @param total counts what was dropped, for the log
   */
  async #dropAll(
    layout: LayoutView,
    partitions: readonly number[],
    mayDrop: () => boolean,
    total: { partitions: number; registers: number; blocks: number },
  ): Promise<void> {
    const { store, host, clock } = this.#options
    for (const partition of partitions) {
      if (!mayDrop()) return
      const isAllowed = mayDrop
      const { dropped } = await dropRegisters(partition, { store, host, clock, isAllowed })
      this.counters.registers += dropped
      const blocks = await this.#blocks(layout, partition, mayDrop)
      if (blocks + dropped > 0) total.partitions++
      total.registers += dropped
      total.blocks += blocks
    }
  }

  /** While the disk is nearly full, drops blocks of partitions of which all present holders have every block. */
  async #relieve(
    layout: LayoutView,
    given: readonly number[],
    mayDrop: () => boolean,
    total: { partitions: number; registers: number; blocks: number },
  ): Promise<void> {
    const { isTight } = this.#options
    if (given.length === 0 || !isTight()) return
    const lacking = await this.#lackedPartitions(layout, given)
    for (const partition of given) {
      if (!mayDrop() || !isTight()) return
      if (lacking.has(partition)) continue
      const blocks = await this.#blocks(layout, partition, mayDrop, 0)
      if (blocks > 0) total.partitions++
      total.blocks += blocks
    }
  }

  /** Partitions of which a present holder may lack blocks. Knowing them only saves questions about each block. */
  async #lackedPartitions(layout: LayoutView, given: readonly number[]): Promise<Set<number>> {
    const { peers, self } = this.#options
    const lacked = new Set<number>()
    const ask = async (node: NodeId): Promise<void> => {
      const status = await peers.status(node, { timeoutMs: STATUS_TIMEOUT_MS }).catch(() => {})
      for (const partition of given) {
        if (!layout.placement.replicas(partition).includes(node)) continue
        const lacks =
          status?.lacking.some(({ partitions }) => hasBit(partitions, partition)) ?? true
        if (lacks) lacked.add(partition)
      }
    }
    const others = layout.members.map(({ nodeId }) => nodeId).filter((node) => node !== self)
    await Promise.all(others.map(ask))
    return lacked
  }

  /**
   * Partitions that this node does not hold and of which it still has something.
   *
   * @param given partitions of a source, for whose blocks other nodes may still ask this node
   */
  async #foreign(layout: LayoutView): Promise<{ foreign: number[]; given: number[] }> {
    const { store, clock, self } = this.#options
    const kept = new Set(layout.partitionsOf(self))
    const asked = this.asked(layout)
    const foreign: number[] = []
    const given: number[] = []
    for await (const page of rowPages(store, clock, bytesOf('d'), bytesOf('e'))) {
      for (const { key, row } of page) {
        const partition = readU16(byteString(key), 1)
        if (kept.has(partition) || isEmpty(row)) continue
        if (!asked.has(partition)) foreign.push(partition)
        else if (blockCount(row) > 0) given.push(partition)
      }
    }
    return { foreign, given }
  }

  /** Partitions that this node held in a source: other nodes may ask it for their blocks. */
  asked(layout: LayoutView): Set<number> {
    const { self } = this.#options
    const asked = new Set<number>()
    for (const source of layout.sources) {
      for (let partition = 0; partition < layout.partitions; partition++) {
        if (source.replicas(partition).includes(self)) asked.add(partition)
      }
    }
    return asked
  }

  /**
   * Drops the blocks of a partition that all present holders have. Resolves with how many. Ends early when a holder
   * does not answer, or nothing may be dropped any more.
   *
   * @param givenMax how many blocks may be sent to holders that lack them
   */
  async #blocks(
    layout: LayoutView,
    partition: number,
    mayDrop: () => boolean,
    givenMax = GIVEN_MAX,
  ): Promise<number> {
    const { store, blocks, clock } = this.#options
    const behind = bytesOf(endOfPartitionRows(`b${u16(partition)}`))
    let start: Uint8Array = bytesOf(`b${u16(partition)}`)
    let dropped = 0
    let mayGive = givenMax
    for (;;) {
      const keys: BlockKey[] = []
      store.range(start, behind, PAGE_BLOCKS, (key) => {
        keys.push(byteString(key.subarray(1)) as BlockKey)
      })
      const last = keys.at(-1)
      if (last === undefined || !mayDrop()) return dropped
      const lacking = await this.#lacking(layout, partition, keys)
      if (lacking === undefined || !mayDrop()) return dropped
      const safe = keys.filter((_, i) => lacking.every(({ held }) => held[i] === true))
      const gone = await blocks.drop(safe)
      dropped += gone.blocks
      this.counters.blocks += gone.blocks
      this.counters.bytes += gone.bytes
      if (mayGive > 0) mayGive -= await this.#give(layout, partition, keys, lacking, mayGive)
      if (keys.length < PAGE_BLOCKS) return dropped
      start = bytesOf(`b${last}\0`)
      await sleep(clock, 0)
    }
  }

  /** Asks every holder which of the blocks it has. Undefined when one does not answer: then nothing may be dropped. */
  async #lacking(
    layout: LayoutView,
    partition: number,
    keys: readonly BlockKey[],
  ): Promise<readonly Held[] | undefined> {
    const { peers } = this.#options
    const answers = await Promise.all(
      layout.placement.replicas(partition).map(async (node) => {
        const held = await peers
          .holds(node, layout.epoch, keys, { timeoutMs: CALL_TIMEOUT_MS })
          .catch(() => {})
        return held === undefined ? undefined : { node, held }
      }),
    )
    const held = answers.filter((answer) => answer !== undefined)
    return held.length === answers.length && held.length > 0 ? held : undefined
  }

  /**
   * Sends blocks to the holders that lack them, and tells these holders that they may lack more. Resolves with how
   * many were sent. Nothing is dropped for that: a later look has to find the block there first.
   */
  async #give(
    { epoch }: LayoutView,
    partition: number,
    keys: readonly BlockKey[],
    lacking: readonly Held[],
    most: number,
  ): Promise<number> {
    const { peers, blocks, rate, clock } = this.#options
    const turns = new Turns(clock)
    let given = 0
    for (const { node, held } of lacking) {
      const missing = keys.filter((_, i) => held[i] !== true)
      if (missing.length === 0) continue
      await peers.hint(node, [partition], epoch, { timeoutMs: CALL_TIMEOUT_MS }).catch(() => {})
      for (const key of missing) {
        if (given >= most || this.#stopped) return given
        await turns.took()
        const block = await blocks.readOwned(key)
        if (block === undefined) continue
        given++
        await rate.take(block.bytes.length)
        const reply = await peers
          .putBlock(node, block, epoch, { timeoutMs: CALL_TIMEOUT_MS })
          .catch(() => {})
        // The data was freed for good (G5), and this node was not told.
        if (reply?.result === BLOCK_RESULT.dead) await blocks.drop([key])
        else {
          this.counters.given++
          this.counters.givenBytes += block.bytes.length
        }
      }
    }
    return given
  }
}

/** Which of the blocks in one question a holder has, in the order in which they were asked. */
interface Held {
  readonly node: NodeId
  readonly held: readonly boolean[]
}
