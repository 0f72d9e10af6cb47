/**
 * Runs the lifecycles of buckets: comes to the objects whose day has come, from the index of due times, and does what
 * is due (expiry.ts). It never looks at objects of which nothing is due.
 *
 * Who does it: the first replica of the object's partition that is connected, so that usually one node does. Two nodes
 * that do it at once do no harm. Every replica has the index of what it holds, so that any of them can go on at once.
 *
 * Whose clock: an instant that a majority of the members has reached (quorum/majority-clock.ts). A node whose clock is
 * ahead deletes nothing early.
 */

import { u16 } from '../../protocol/bytes.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { NodeId, RegisterKey } from '../../protocol/ids.ts'
import { partitionCount, partitionOfKey } from '../../protocol/keyspace/key.ts'
import { bucketIdOf } from '../../protocol/keyspace/register-key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Gauge } from '../../gateway/port/admin.ts'
import type { Clock, Logger } from '../env/ports.ts'
import type { Store } from '../log/store.ts'
import { objectRulesOf } from '../objects/bucket-lifecycle.ts'
import type { Buckets } from '../objects/buckets.ts'
import type { Objects } from '../objects/objects.ts'
import type { MajorityClock } from '../quorum/majority-clock.ts'
import {
  dayOf,
  dueDayOf,
  dueFrom,
  dueRow,
  indexedRules,
  NOTHING,
  readDueRow,
} from '../replica/due-rows.ts'
import { registerRow } from '../replica/index-rows.ts'
import { hasState, stateOfRow } from '../replica/row-format.ts'
import { counter, gauge } from '../tools/gauge.ts'
import { inLanes } from '../tools/in-batches.ts'
import { sleep } from '../tools/sleep.ts'
import { DueIndex } from './due-index.ts'
import { expireObject, type Expired } from './expiry.ts'
import { Lanes } from './lanes.ts'
import { RuledBuckets } from './ruled-buckets.ts'

/** Between two looks at the index. An idle one reads one row. */
const TICK_MS = 5_000
/** Between two reads of the list of buckets. */
const REFRESH_MS = 30_000
/** Between two looks for buckets that are missing in that list. */
const REPAIR_MS = 6 * 3_600_000
/** Between two looks at what other nodes have to do: rows of what they have done go. */
const OTHERS_MS = 600_000
/** After a walk in which most changes failed. */
const FAILED_MS = 30_000
const PAGE_ROWS = 256
/** Objects in a second, at most: a full night's work must not take the node from its callers. */
const PER_SECOND = 2_500

export interface LifecycleOptions {
  readonly self: NodeId
  readonly store: Pick<Store, 'get' | 'range' | 'repairRow' | 'stats'>
  readonly view: () => LayoutView
  readonly isMember: () => boolean
  readonly isReplica: (partition: number) => boolean
  readonly connected: (node: NodeId) => boolean
  readonly partitionBits: () => number
  readonly buckets: Pick<Buckets, 'find' | 'read' | 'lifecycles'>
  readonly objects: Pick<Objects, 'edit' | 'tell'>
  readonly majorityClock: Pick<MajorityClock, 'nowMs'>
  readonly clock: Clock
  readonly logger: Logger
}

/** A row of the index of due times. */
interface DueItem {
  readonly day: number
  readonly key: RegisterKey
}

export class Lifecycle {
  readonly index: DueIndex
  readonly #options: LifecycleOptions
  readonly #counts = { expired: 0, noncurrent: 0, markers: 0, failures: 0, looked: 0 }
  readonly #buckets: RuledBuckets
  readonly #lanes = new Lanes()
  #refreshedMs = -Infinity
  #repairedMs = -Infinity
  #othersMs = -Infinity
  /** Of the page that is under way. */
  #changes = { count: 0, tookMs: 0 }
  #cancel: (() => void) | undefined
  #stopped = false

  constructor(options: LifecycleOptions) {
    this.#options = options
    const { view } = options
    this.index = new DueIndex({ ...options, epoch: () => view().epoch })
    this.#buckets = new RuledBuckets({
      ...options,
      partitions: () => partitionCount(view().genesis),
    })
  }

  start(): void {
    this.#later(0)
  }

  stop(): void {
    this.#stopped = true
    this.index.stop()
    this.#cancel?.()
  }

  gauges(): readonly Gauge[] {
    const { expired, noncurrent, markers, failures, looked } = this.#counts
    return [
      gauge(
        'shoal_lifecycle_buckets',
        'Buckets whose lifecycle acts on objects',
        this.#buckets.size,
      ),
      counter('shoal_lifecycle_expired_total', 'Current versions that expired', expired),
      counter(
        'shoal_lifecycle_noncurrent_total',
        'Objects of which noncurrent versions were removed',
        noncurrent,
      ),
      counter('shoal_lifecycle_markers_total', 'Delete markers that were removed', markers),
      counter(
        'shoal_lifecycle_failures_total',
        'Changes that failed and are tried again',
        failures,
      ),
      counter('shoal_lifecycle_looked_total', 'Rows of the index of due times looked at', looked),
      counter(
        'shoal_lifecycle_indexed_total',
        'Objects looked at because the rules of their bucket changed',
        this.index.walked,
      ),
      gauge(
        'shoal_lifecycle_shards_behind',
        'Shards of buckets whose objects are not all looked at since the rules changed',
        this.index.behind,
      ),
    ]
  }

  #later(delayMs: number): void {
    if (this.#stopped) return
    this.#cancel = this.#options.clock.after(delayMs, () => {
      this.#tick()
        .catch((error: unknown) => {
          this.#options.logger.debug({ error: String(error) }, 'lifecycle: will be tried again')
          return FAILED_MS
        })
        .then((pauseMs) => this.#later(pauseMs))
        .catch(() => {})
    })
  }

  /** Resolves with the pause after it. */
  async #tick(): Promise<number> {
    const { clock, isMember, store, majorityClock } = this.#options
    if (!isMember()) return TICK_MS
    const startMs = clock.monotonicMs()
    if (startMs - this.#refreshedMs >= REFRESH_MS) {
      await this.#refresh(startMs)
      this.#refreshedMs = startMs
    }
    let first: DueItem | undefined
    store.range(dueFrom(0), dueFrom(dayOf(clock.nowMs()) + 1), 1, (row) => {
      first = readDueRow(row)
    })
    // Assigned in the closure, which the compiler does not follow.
    if ((first as DueItem | undefined) === undefined) return TICK_MS
    const nowMs = await majorityClock.nowMs()
    if (nowMs === undefined) return FAILED_MS
    const others = startMs - this.#othersMs >= OTHERS_MS
    if (others) this.#othersMs = startMs
    return (await this.#walk(nowMs, others)) ? TICK_MS : FAILED_MS
  }

  /** Learns which buckets have rules by now, and has their objects indexed. */
  async #refresh(nowMs: number): Promise<void> {
    const { logger } = this.#options
    await this.#buckets.refresh()
    if (nowMs - this.#repairedMs >= REPAIR_MS) {
      await this.#buckets.repair()
      this.#repairedMs = nowMs
    }
    const ruled = this.#buckets.all().map(({ id, shards, record }) => {
      return { id, shards, rules: objectRulesOf(record) }
    })
    await this.index.adopt(ruled)
    this.index.complete().catch((error: unknown) => {
      logger.warn({ error: String(error) }, 'lifecycle: due times are not indexed')
    })
  }

  /** Comes to all rows that are due. False when most of a page failed: it goes on later. */
  async #walk(nowMs: number, others: boolean): Promise<boolean> {
    const { store, clock } = this.#options
    const mine = new Map<number, boolean>()
    const end = dueFrom(dayOf(nowMs) + 1)
    let from = dueFrom(0)
    for (;;) {
      const beganMs = clock.monotonicMs()
      const page: DueItem[] = []
      let next: Uint8Array | undefined
      store.range(from, end, PAGE_ROWS, (row) => {
        const item = readDueRow(row)
        const partition = partitionOfKey(item.key)
        if (!others && !this.#isMine(partition, mine)) {
          next = behindPartition(item.day, partition)
          return false
        }
        page.push(item)
        if (page.length === PAGE_ROWS) next = new Uint8Array([...row, 0])
        return true
      })
      const { failures } = this.#counts
      this.#changes = { count: 0, tookMs: 0 }
      await inLanes(page, this.#lanes.count, (item) =>
        this.#visit(item, nowMs, this.#isMine(partitionOfKey(item.key), mine)),
      )
      const { count, tookMs } = this.#changes
      if (count > 0) this.#lanes.note(tookMs / count)
      if (this.#stopped || next === undefined) return true
      if ((this.#counts.failures - failures) * 2 > page.length) return false
      from = next
      await sleep(
        clock,
        Math.max(0, (page.length * 1_000) / PER_SECOND - clock.monotonicMs() + beganMs),
      )
    }
  }

  #isMine(partition: number, known: Map<number, boolean>): boolean {
    let mine = known.get(partition)
    if (mine === undefined) {
      const { self, view, connected } = this.#options
      const first = view()
        .replicas(partition)
        .find((node) => node === self || connected(node))
      mine = first === self
      known.set(partition, mine)
    }
    return mine
  }

  /**
   * Looks at one object and does what is due. The row is moved to the object's next day in the turn in which that was
   * read: a state that is applied later has a row of its own. Never rejects.
   */
  async #visit(item: DueItem, nowMs: number, mine: boolean): Promise<void> {
    const { objects, clock, logger } = this.#options
    this.#counts.looked++
    if (this.#stopped || this.#settle(item, nowMs) || !mine) return
    const bucket = this.#buckets.get(bucketIdOf(item.key)!)
    if (bucket === undefined) return
    const before = this.#state(item.key)
    const beganMs = clock.monotonicMs()
    try {
      const first = await expireObject(objects, bucket, item.key, nowMs)
      this.#count(first)
      const last = first.isMore ? await expireObject(objects, bucket, item.key, nowMs) : undefined
      if (last !== undefined) this.#count(last)
      this.#changes.count++
      this.#changes.tookMs += clock.monotonicMs() - beganMs
      const { done, nextMs } = first
      // What the register alone says may be too early, and this node may have an older state of it.
      const same = Buffer.compare(before, this.#state(item.key)) === 0
      if (done === undefined && same)
        this.#move(item, nextMs === undefined ? undefined : dayOf(nextMs))
      else this.#settle(item, nowMs)
    } catch (error) {
      if (error instanceof StoreError && error.code === 'ObjectLocked') {
        // The replicas' clocks do not agree with those of all members that its lock has ended.
        this.#move(item, dayOf(nowMs) + 1)
        return
      }
      this.#counts.failures++
      logger.debug({ error: String(error) }, 'lifecycle: an object is left for later')
    }
  }

  #count({ done }: Expired): void {
    if (done === undefined) return
    if (done.type === 'expire') this.#counts.expired++
    else if (done.what === 'marker') this.#counts.markers++
    else this.#counts.noncurrent++
  }

  /** True when nothing is due by what this node has of the object: then the row is gone, or moved. */
  #settle(item: DueItem, nowMs: number): boolean {
    const { store } = this.#options
    const rules = indexedRules(item.key, (row) => store.get(row))
    const state = stateOfRow(this.#state(item.key))
    const day = rules && state && dueDayOf(rules, item.key, state)
    if (day !== undefined && day <= dayOf(nowMs)) return false
    this.#move(item, day)
    return true
  }

  #move({ day, key }: DueItem, to: number | undefined): void {
    const { store } = this.#options
    if (to === day) return
    if (to !== undefined) store.repairRow({ key: dueRow(to, key), value: NOTHING })
    store.repairRow({ key: dueRow(day, key) })
  }

  /** A copy of the register's row, empty when there is none. */
  #state(key: RegisterKey): Uint8Array {
    const row = this.#options.store.get(registerRow(key))
    return row !== undefined && hasState(row) ? row.slice() : new Uint8Array(0)
  }
}

/** The first row of the day behind this partition. */
function behindPartition(day: number, partition: number): Uint8Array {
  return partition === 0xffff ? dueFrom(day + 1) : dueFrom(day, u16(partition + 1))
}
