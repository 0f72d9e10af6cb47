/**
 * Frees the blocks of data that nothing names any more (G5).
 *
 * Invariants:
 *   - nothing is freed but upon a change that was chosen after the attempt was over: either the one that
 *     released it (`mayFree`), or those of judge.ts
 *   - its readers are given `reclaimDelayMs` first; when the disk is short of space, only as long as it takes
 *     until all nodes know of them (readers.ts)
 *   - what is dropped, for want of memory or after a few failures, is found again by the scan
 *
 * Waiting data that may be freed is freed in batches; the rest is judged, a few at a time.
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

const WAITING_MAX = 200_000
const JUDGED_AT_ONCE = 4
/** How long data waits to be judged, the first time and after each verdict that settles nothing. */
const JUDGE_DELAYS_MS = [300, 5_000, 30_000]
/** Freed without a pause between. */
const FREED_AT_ONCE = 500
const TICK_MS = 250
const SUSPECTED_MS = 3_000

export interface CollectorOptions {
  readonly marks: { isOver(id: DataId): boolean }
  readonly judge: Pick<ReachabilityCheck, 'judge'>
  readonly freer: Pick<FreeQueue, 'free'>
  readonly dead: DeadData
  readonly clock: Clock
  readonly logger: Logger
  readonly partitionBits: () => number
  readonly reclaimDelayMs: number
  /** Space is needed at once. */
  readonly isShort: () => boolean
  /** The block is on this node's disk. */
  readonly holds: (key: BlockKey) => boolean
  /** Default: 200,000. */
  readonly waitingMax?: number | undefined
}

/** Found by the scan: blocks that no register names, as far as it can see. */
export interface Suspect {
  readonly owner: BlockOwner
  readonly dataId: DataId
  readonly keys: readonly BlockKey[]
}

export interface CollectorCounters {
  /** Data handed over by changes, and found by the scan. */
  released: number
  suspected: number
  /** Verdicts. */
  dead: number
  referenced: number
  /** Verdicts that could not be had, or not yet. */
  deferred: number
  dropped: number
}

interface Task {
  /** Of what is known to be dead nobody asks. */
  readonly owner?: BlockOwner | undefined
  readonly dataId: DataId
  readonly keys: () => Iterable<BlockKey>
  /** Of what the scan found: more may be found while it waits. */
  readonly found?: Set<BlockKey> | undefined
}

export class Collector implements Reclaim {
  readonly counters: CollectorCounters = {
    released: 0,
    suspected: 0,
    dead: 0,
    referenced: 0,
    deferred: 0,
    dropped: 0,
  }
  readonly #options: CollectorOptions
  readonly #settled: DelayQueue<DataId, Task>
  /** What the scan found waits first: most of it another node has been told of, and frees it. */
  readonly #suspects: DelayQueue<DataId, Task>
  readonly #open = JUDGE_DELAYS_MS.map((delayMs) => new DelayQueue<DataId, Task>(delayMs))
  readonly #lanes: readonly DelayQueue<DataId, Task>[]
  readonly #judging = new Map<DataId, Task>()
  #cancel: (() => void) | undefined
  #stopped = false

  constructor(options: CollectorOptions) {
    this.#options = options
    const { reclaimDelayMs } = options
    this.#settled = new DelayQueue(reclaimDelayMs)
    this.#suspects = new DelayQueue(reclaimDelayMs + SUSPECTED_MS)
    this.#lanes = [this.#settled, this.#suspects, ...this.#open]
  }

  isOver(id: DataId): boolean {
    return this.#options.marks.isOver(id)
  }

  released(list: readonly Released[]): void {
    for (const released of list) {
      this.counters.released++
      const { owner, dataId, mayFree } = released
      const task: Task = { owner, dataId, keys: () => this.#keysOf(released) }
      if (mayFree) this.#condemn(task)
      else {
        // What the scan found of it may be less than all.
        this.#forget(dataId)
        this.#queue(task, 0)
      }
    }
    this.#wake()
  }

  suspect({ owner, dataId, keys }: Suspect): void {
    if (this.knows(dataId, keys)) return
    this.counters.suspected++
    const task = foundTask(owner, dataId, keys)
    if (this.isFull) this.counters.dropped++
    else this.#suspects.add(dataId, task, this.#nowMs())
    this.#wake()
  }

  /** True when it takes these blocks along with what it has of the same data, or knows to be dead. */
  knows(dataId: DataId, keys: readonly BlockKey[]): boolean {
    const task = this.#waitingTask(dataId)
    if (task !== undefined) {
      for (const key of keys) task.found?.add(key)
      return true
    }
    if (!this.#options.dead.has(dataId)) return false
    this.#settle(foundTask(undefined, dataId, keys))
    this.#wake()
    return true
  }

  /** Data waiting to be judged or freed. */
  get queueLength(): number {
    return this.#open.reduce(
      (sum, lane) => sum + lane.size,
      this.#settled.size + this.#judging.size,
    )
  }

  get isFull(): boolean {
    return this.queueLength >= (this.#options.waitingMax ?? WAITING_MAX)
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  #waitingTask(id: DataId): Task | undefined {
    for (const lane of this.#lanes) {
      const waiting = lane.get(id)
      if (waiting !== undefined) return waiting
    }
    return this.#judging.get(id)
  }

  #forget(id: DataId): void {
    for (const lane of this.#lanes) if (lane !== this.#settled) lane.remove(id)
  }

  #condemn(task: Task): void {
    this.counters.dead++
    this.#options.dead.add(task.dataId)
    this.#forget(task.dataId)
    // What the scan found has waited for its readers already.
    if (task.found !== undefined) this.#options.freer.free(task.found)
    else this.#settle(task)
  }

  #settle(task: Task): void {
    if (this.isFull) this.counters.dropped++
    else this.#settled.add(task.dataId, task, this.#nowMs())
  }

  #queue(task: Task, tries: number): void {
    const lane = this.#open[tries]
    if (lane === undefined || this.isFull) this.counters.dropped++
    else lane.add(task.dataId, task, this.#nowMs())
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }

  /** One timer, however much waits. */
  #wake(): void {
    if (this.#cancel !== undefined || this.#stopped) return
    const due = this.#lanes.flatMap((lane) => lane.nextDueMs() ?? [])
    if (due.length === 0) return
    const short = this.#settled.size + this.#suspects.size > 0 && this.#options.isShort()
    const delayMs = short ? 0 : Math.min(...due) - this.#nowMs()
    this.#cancel = this.#options.clock.after(Math.max(delayMs, TICK_MS), () => {
      this.#cancel = undefined
      if (this.#stopped) return
      this.#run()
      this.#wake()
    })
  }

  #run(): void {
    const { isShort, holds } = this.#options
    const nowMs = this.#nowMs()
    const early = isShort() ? READERS_TOLD_MS : Infinity
    for (let count = 0; count < FREED_AT_ONCE; count++) {
      const task = this.#settled.take(nowMs, early)
      if (task === undefined) break
      this.#options.freer.free(task.keys())
    }
    for (const [tries, lane] of this.#open.entries()) {
      while (this.#judging.size < JUDGED_AT_ONCE) {
        const task = lane.take(nowMs)
        if (task === undefined) break
        this.#judge(task, tries)
      }
    }
    while (this.#judging.size < JUDGED_AT_ONCE) {
      const task = this.#suspects.take(nowMs, early)
      if (task === undefined) break
      for (const key of task.found ?? []) if (!holds(key)) task.found?.delete(key)
      if (task.found?.size !== 0) this.#judge(task, 0)
    }
  }

  #judge(task: Task, tries: number): void {
    const { judge, logger } = this.#options
    if (task.owner === undefined) return
    this.#judging.set(task.dataId, task)
    judge
      .judge(task.owner, task.dataId)
      .then((verdict) => {
        if (verdict === 'dead') this.#condemn(task)
        else if (verdict === 'referenced') this.counters.referenced++
        else this.#defer(task, tries)
      })
      .catch((error: unknown) => {
        logger.debug({ error: String(error) }, 'space: data could not be judged yet')
        this.#defer(task, tries)
      })
      .finally(() => {
        this.#judging.delete(task.dataId)
        if (!this.#stopped) this.#run()
        this.#wake()
      })
  }

  #defer(task: Task, tries: number): void {
    this.counters.deferred++
    this.#queue(task, tries + 1)
  }

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

function foundTask(owner: BlockOwner | undefined, dataId: DataId, keys: readonly BlockKey[]): Task {
  const found = new Set(keys)
  return { owner, dataId, keys: () => found, found }
}
