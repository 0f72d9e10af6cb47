/**
 * Frees the blocks of data that no register names any more (G5). Called by changes of registers, which say what they
 * released, and by the scan, which says what it found.
 *
 * 1. Data whose attempt was over inside the change that released it is dead. Other data is a candidate: its registers are
 *    checked first (reachability-check.ts), a few at a time.
 * 2. Dead data waits for its readers, and then its blocks are freed in batches (free-queue.ts).
 *
 * Invariants:
 *   - data is freed only after a change that was chosen when the attempt was over: either the change that released it,
 *     or those of the reachability check
 *   - readers get `reclaimDelayMs` first; when the disk is short of space, only the time until all nodes know of the
 *     readers (readers.ts)
 *   - data that is dropped here, because memory is short or after a few failures, is found again by the scan
 */

import type { BlockKey, DataId } from '../../protocol/ids.ts'
import { blockKey, blockPartition } from '../../protocol/keyspace/block-key.ts'
import { partitionOfOwner, type BlockOwner } from '../../protocol/keyspace/owner.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import type { Clock, Logger } from '../env/ports.ts'
import type { DeadData } from '../replica/dead-data.ts'
import type { FreeQueue } from './free-queue.ts'
import type { ReachabilityCheck } from './reachability-check.ts'
import { DelayQueue } from '../replica/delay-queue.ts'
import { READERS_TOLD_MS } from '../replica/readers.ts'
import type { Reclaim, Released } from '../objects/reclaim.ts'

/** Data that waits to be checked or freed, at most. More is left to the scan. */
const WAITING_MAX = 200_000
/** Checks under way at the same time: each makes changes of registers. */
const CHECKED_AT_ONCE = 4
/** How long data waits to be checked, the first time and after each check without a result. */
const CHECK_DELAYS_MS = [300, 5_000, 30_000]
/** Data freed without a pause between. */
const FREED_AT_ONCE = 500
/** The timer's least delay. */
const TICK_MS = 250
/** How much longer the scan's finds wait than released data. */
const CANDIDATE_MS = 3_000

export interface CollectorOptions {
  readonly watermarks: { isOver(id: DataId): boolean }
  readonly reachability: Pick<ReachabilityCheck, 'check'>
  readonly freer: Pick<FreeQueue, 'free'>
  readonly dead: DeadData
  readonly clock: Clock
  readonly logger: Logger
  readonly partitionBits: () => number
  readonly reclaimDelayMs: number
  /** The disk is short of space. */
  readonly isShort: () => boolean
  /** The block is on this node's disk. */
  readonly holds: (key: BlockKey) => boolean
  /** Default: 200,000. */
  readonly waitingMax?: number | undefined
}

/** Blocks that no register names, as far as the scan can see. */
export interface FreeCandidate {
  readonly owner: BlockOwner
  readonly dataId: DataId
  readonly keys: readonly BlockKey[]
}

export interface CollectorCounters {
  /** Data that changes released. */
  released: number
  /** Data that the scan found. */
  candidates: number
  /** Data found dead. */
  dead: number
  /** Data that a register still names. */
  referenced: number
  /** Checks without a result yet. */
  deferred: number
  /** Data that was forgotten here, and is left to the scan. */
  dropped: number
}

interface Task {
  /** Undefined when the data is known to be dead: it is not checked. */
  readonly owner?: BlockOwner | undefined
  readonly dataId: DataId
  readonly keys: () => Iterable<BlockKey>
  /** The blocks that the scan found: more may be found while the data waits. */
  readonly found?: Set<BlockKey> | undefined
}

export class Collector implements Reclaim {
  readonly counters: CollectorCounters = {
    released: 0,
    candidates: 0,
    dead: 0,
    referenced: 0,
    deferred: 0,
    dropped: 0,
  }
  readonly #options: CollectorOptions
  /** Dead data that waits for its readers. */
  readonly #toFree: DelayQueue<DataId, Task>
  /** Found by the scan. It waits first: most of it was released to another node, which frees it. */
  readonly #candidates: DelayQueue<DataId, Task>
  /** Data to check, by how often it was checked. */
  readonly #undecided = CHECK_DELAYS_MS.map((delayMs) => new DelayQueue<DataId, Task>(delayMs))
  /** All queues of this collector: one timer looks after them. */
  readonly #lanes: readonly DelayQueue<DataId, Task>[]
  /** Data that is being checked now. */
  readonly #checking = new Map<DataId, Task>()
  #cancel: (() => void) | undefined
  #stopped = false

  constructor(options: CollectorOptions) {
    this.#options = options
    const { reclaimDelayMs } = options
    this.#toFree = new DelayQueue(reclaimDelayMs)
    this.#candidates = new DelayQueue(reclaimDelayMs + CANDIDATE_MS)
    this.#lanes = [this.#toFree, this.#candidates, ...this.#undecided]
  }

  /** By what this node knows now (AttemptWatermarks.isOver). */
  isOver(id: DataId): boolean {
    return this.#options.watermarks.isOver(id)
  }

  /** Takes data that changes have released: dead at once, or to be checked. Never waits and never throws. */
  released(list: readonly Released[]): void {
    for (const released of list) {
      this.counters.released++
      const { owner, dataId, mayFree } = released
      const task: Task = { owner, dataId, keys: () => this.#keysOf(released) }
      if (mayFree) this.#markDead(task)
      else {
        // The scan may have found only some of its blocks.
        this.#forget(dataId)
        this.#queue(task, 0)
      }
    }
    this.#wake()
  }

  /**
   * Takes what the scan found without a reference. It waits until its readers and the node that it was released to had
   * their time.
   */
  addCandidate({ owner, dataId, keys }: FreeCandidate): void {
    if (this.knows(dataId, keys)) return
    this.counters.candidates++
    const task = foundTask(owner, dataId, keys)
    if (this.isFull) this.counters.dropped++
    else this.#candidates.add(dataId, task, this.#nowMs())
    this.#wake()
  }

  /**
   * Whether these blocks are taken care of: their data waits here already and they are added to it, or it is known to be
   * dead and they are freed.
   */
  knows(dataId: DataId, keys: readonly BlockKey[]): boolean {
    const task = this.#waitingTask(dataId)
    if (task !== undefined) {
      for (const key of keys) task.found?.add(key)
      return true
    }
    if (!this.#options.dead.has(dataId)) return false
    this.#freeLater(foundTask(undefined, dataId, keys))
    this.#wake()
    return true
  }

  /** Data waiting to be checked or freed. */
  get queueLength(): number {
    return this.#undecided.reduce(
      (sum, lane) => sum + lane.size,
      this.#toFree.size + this.#checking.size,
    )
  }

  /** Then further data is dropped, and the scan waits. */
  get isFull(): boolean {
    return this.queueLength >= (this.#options.waitingMax ?? WAITING_MAX)
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  /** The task of this data, wherever it waits. */
  #waitingTask(id: DataId): Task | undefined {
    for (const lane of this.#lanes) {
      const waiting = lane.get(id)
      if (waiting !== undefined) return waiting
    }
    return this.#checking.get(id)
  }

  /** Takes the data out of every queue but that of dead data. */
  #forget(id: DataId): void {
    for (const lane of this.#lanes) if (lane !== this.#toFree) lane.remove(id)
  }

  /** Notes that the data is dead for good, and has its blocks freed. */
  #markDead(task: Task): void {
    this.counters.dead++
    this.#options.dead.add(task.dataId)
    this.#forget(task.dataId)
    // Candidates have waited for their readers already.
    if (task.found !== undefined) this.#options.freer.free(task.found)
    else this.#freeLater(task)
  }

  #freeLater(task: Task): void {
    if (this.isFull) this.counters.dropped++
    else this.#toFree.add(task.dataId, task, this.#nowMs())
  }

  /** Puts the data into the queue of its next check. After the last one it is dropped here. */
  #queue(task: Task, tries: number): void {
    const lane = this.#undecided[tries]
    if (lane === undefined || this.isFull) this.counters.dropped++
    else lane.add(task.dataId, task, this.#nowMs())
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }

  /** One timer, however much data waits. */
  #wake(): void {
    if (this.#cancel !== undefined || this.#stopped) return
    const due = this.#lanes.flatMap((lane) => lane.nextDueMs() ?? [])
    if (due.length === 0) return
    const short = this.#toFree.size + this.#candidates.size > 0 && this.#options.isShort()
    const delayMs = short ? 0 : Math.min(...due) - this.#nowMs()
    this.#cancel = this.#options.clock.after(Math.max(delayMs, TICK_MS), () => {
      this.#cancel = undefined
      if (this.#stopped) return
      this.#run()
      this.#wake()
    })
  }

  /**
   * Does what is due: frees dead data, and begins checks while there is room for them. When the disk is short, data is
   * freed as soon as all nodes know its readers.
   */
  #run(): void {
    const { isShort, holds } = this.#options
    const nowMs = this.#nowMs()
    const early = isShort() ? READERS_TOLD_MS : Infinity
    for (let count = 0; count < FREED_AT_ONCE; count++) {
      const task = this.#toFree.take(nowMs, early)
      if (task === undefined) break
      this.#options.freer.free(task.keys())
    }
    for (const [tries, lane] of this.#undecided.entries()) {
      while (this.#checking.size < CHECKED_AT_ONCE) {
        const task = lane.take(nowMs)
        if (task === undefined) break
        this.#check(task, tries)
      }
    }
    while (this.#checking.size < CHECKED_AT_ONCE) {
      const task = this.#candidates.take(nowMs, early)
      if (task === undefined) break
      for (const key of task.found ?? []) if (!holds(key)) task.found?.delete(key)
      if (task.found?.size !== 0) this.#check(task, 0)
    }
  }

  #check(task: Task, tries: number): void {
    const { reachability, logger } = this.#options
    if (task.owner === undefined) return
    this.#checking.set(task.dataId, task)
    reachability
      .check(task.owner, task.dataId)
      .then((result) => {
        if (result === 'dead') this.#markDead(task)
        else if (result === 'referenced') this.counters.referenced++
        else this.#defer(task, tries)
      })
      .catch((error: unknown) => {
        logger.debug({ error: String(error) }, 'space: data could not be checked yet')
        this.#defer(task, tries)
      })
      .finally(() => {
        this.#checking.delete(task.dataId)
        if (!this.#stopped) this.#run()
        this.#wake()
      })
  }

  #defer(task: Task, tries: number): void {
    this.counters.deferred++
    this.#queue(task, tries + 1)
  }

  /** The blocks of released data, from its size alone. */
  *#keysOf({ owner, dataId, sizeBytes, packed }: Released): Generator<BlockKey> {
    if (packed) {
      yield blockKey(partitionOfOwner(owner), dataId, 0)
      return
    }
    for (let index = 0; index * BLOCK_BYTES < sizeBytes; index++) {
      yield blockKey(blockPartition(dataId, index, this.#options.partitionBits()), dataId, index)
    }
  }
}

/** A task for the blocks that were found, of which there may be more. */
function foundTask(owner: BlockOwner | undefined, dataId: DataId, keys: readonly BlockKey[]): Task {
  const found = new Set(keys)
  return { owner, dataId, keys: () => found, found }
}
