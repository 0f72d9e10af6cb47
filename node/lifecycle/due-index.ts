/**
 * Keeps the index of due times in step with the lifecycles of buckets (replica/due-rows.ts): for each shard that this
 * node holds of a bucket with rules, a marker of these rules, and a row for each object that is ever due.
 *
 * 1. `adopt` makes the markers. From then on rows come with the changes of objects.
 * 2. `complete` makes the rows of objects that were there already, once for each set of rules: it walks over the
 *    registers of one shard after the other, at a bounded rate. A shard that was walked has a marker that says so, also
 *    after a restart: at most one shard is walked again.
 */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import type { BucketId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey, prefixEnd } from '../../protocol/keyspace/key.ts'
import { bucketIdOf, objectRange } from '../../protocol/keyspace/register-key.ts'
import type { LifecycleRule } from '../../protocol/lifecycle/rule.ts'
import type { Clock } from '../env/ports.ts'
import { rowPages } from '../log/row-pages.ts'
import type { Store } from '../log/store.ts'
import {
  decodeMarker,
  decodeRules,
  dueDayOf,
  dueRow,
  encodeMarker,
  encodeRules,
  fingerprintOf,
  headOfMarker,
  MARKER_RANGE,
  markerRow,
  NOTHING,
  rulesRow,
} from '../replica/due-rows.ts'
import { stateOfRow } from '../replica/row-format.ts'
import { sleep, Turns } from '../tools/sleep.ts'

const ROWS_PER_SECOND = 20_000
/** The walk waits while so many rows are not committed to the index. */
const PENDING_MAX = 20_000
const PENDING_PAUSE_MS = 200

/** A bucket with rules that act on objects. */
export interface RuledBucket {
  readonly id: BucketId
  readonly shards: number
  /** What `objectRulesOf` returned. */
  readonly rules: readonly LifecycleRule[]
}

export interface DueIndexOptions {
  readonly store: Pick<Store, 'get' | 'range' | 'repairRow' | 'stats'>
  readonly clock: Clock
  readonly partitionBits: () => number
  readonly isReplica: (partition: number) => boolean
  /** Of the layout. Which partitions this node holds may change with it. */
  readonly epoch: () => number
}

export class DueIndex {
  /** Registers that walks have looked at. */
  walked = 0
  readonly #options: DueIndexOptions
  /** Heads of all shards with a marker. Read from the index when it is first needed. */
  #heads: Set<string> | undefined
  /** Those whose objects do not all have their rows yet, and the rules for them. */
  readonly #incomplete = new Map<string, readonly LifecycleRule[]>()
  /** What `adopt` did last. */
  #adopted: { readonly epoch: number; readonly rules: ReadonlyMap<BucketId, string> } | undefined
  #isWalking = false
  #stopped = false

  constructor(options: DueIndexOptions) {
    this.#options = options
  }

  /** Shards whose objects do not all have their rows yet. */
  get behind(): number {
    return this.#incomplete.size
  }

  stop(): void {
    this.#stopped = true
  }

  /** Makes the markers those of exactly these buckets. Without a change since the last call it does nothing. */
  async adopt(buckets: readonly RuledBucket[]): Promise<void> {
    const { clock, partitionBits, isReplica } = this.#options
    const epoch = this.#options.epoch()
    const rules = new Map(buckets.map((bucket) => [bucket.id, fingerprintOf(bucket.rules)]))
    if (this.#adopted?.epoch === epoch && sameEntries(this.#adopted.rules, rules)) return
    const heads = (this.#heads ??= this.#markedHeads())
    const turns = new Turns(clock)
    const wanted = new Set<string>()
    for (const bucket of buckets) {
      for (let shard = 0; shard < bucket.shards; shard++) {
        const { start } = objectRange(bucket.id, shard, '', undefined, partitionBits())
        await turns.took()
        // A node that has left a partition may come back to it: the marker stays, and rows with it.
        if (!isReplica(partitionOfKey(start)) && !heads.has(start)) continue
        wanted.add(start)
        this.#begin(start, bucket)
      }
    }
    for (const head of heads) {
      if (!wanted.has(head)) this.#unmark(head)
      await turns.took()
    }
    for (const bucket of buckets) {
      this.#dropOldRules(bucket)
      await turns.took()
    }
    this.#adopted = { epoch, rules }
  }

  /** Makes the rows of all objects in shards with a new marker. Resolves at once while an earlier call is under way. */
  async complete(): Promise<void> {
    if (this.#isWalking) return
    this.#isWalking = true
    try {
      for (;;) {
        const [next] = this.#incomplete
        if (next === undefined || this.#stopped) return
        const [head, rules] = next
        const fingerprint = fingerprintOf(rules)
        const isWhole = await this.#walk(head, fingerprint, rules)
        // Other rules may have come meanwhile. Then it begins again.
        if (this.#incomplete.get(head) !== rules) continue
        if (!isWhole) return
        this.#mark(head, fingerprint, true)
        this.#incomplete.delete(head)
      }
    } finally {
      this.#isWalking = false
    }
  }

  #begin(head: string, { id, rules }: RuledBucket): void {
    const { store } = this.#options
    const fingerprint = fingerprintOf(rules)
    const marker = decodeMarker(store.get(markerRow(head)))
    const key = rulesRow(id, fingerprint)
    if (decodeRules(store.get(key), fingerprint) === undefined) {
      store.repairRow({ key, value: encodeRules(rules) })
    }
    if (marker?.fingerprint !== fingerprint) this.#mark(head, fingerprint, false)
    else if (marker.complete) return
    this.#incomplete.set(head, rules)
  }

  /** No marker names them any more. */
  #dropOldRules({ id, rules }: RuledBucket): void {
    const { store } = this.#options
    const old: Uint8Array[] = []
    const now = byteString(rulesRow(id, fingerprintOf(rules)))
    const prefix = rulesRow(id, '')
    store.range(prefix, bytesOf(prefixEnd(byteString(prefix))), Infinity, (key) => {
      if (byteString(key) !== now) old.push(key.slice())
    })
    for (const key of old) store.repairRow({ key })
  }

  /** False when it was broken off. */
  async #walk(
    head: string,
    fingerprint: string,
    rules: readonly LifecycleRule[],
  ): Promise<boolean> {
    const { store, clock } = this.#options
    const prefix = `r${head}`
    for await (const page of rowPages(store, clock, bytesOf(prefix), bytesOf(prefixEnd(prefix)))) {
      if (this.#stopped) return false
      for (const { key: rowKey } of page) {
        // As it is now: a state that was applied since the page was read has its own row.
        const row = store.get(rowKey)
        const state = row && stateOfRow(row)
        if (state === undefined) continue
        const key = byteString(rowKey).slice(1) as RegisterKey
        const day = dueDayOf(rules, key, state)
        if (day !== undefined) store.repairRow({ key: dueRow(day, key), value: NOTHING })
      }
      this.walked += page.length
      await sleep(clock, (page.length * 1_000) / ROWS_PER_SECOND)
      while (store.stats().pendingRows > PENDING_MAX && !this.#stopped) {
        await sleep(clock, PENDING_PAUSE_MS)
      }
      if (decodeMarker(store.get(markerRow(head)))?.fingerprint !== fingerprint) return false
    }
    return !this.#stopped
  }

  #mark(head: string, fingerprint: string, complete: boolean): void {
    const value = encodeMarker({ complete, fingerprint })
    this.#options.store.repairRow({ key: markerRow(head), value })
    this.#heads?.add(head)
  }

  /** Rows of the shard go when their day comes. */
  #unmark(head: string): void {
    const { store } = this.#options
    const marker = decodeMarker(store.get(markerRow(head)))
    store.repairRow({ key: markerRow(head) })
    if (marker !== undefined) {
      store.repairRow({ key: rulesRow(bucketIdOf(head as RegisterKey)!, marker.fingerprint) })
    }
    this.#heads?.delete(head)
    this.#incomplete.delete(head)
  }

  #markedHeads(): Set<string> {
    const heads = new Set<string>()
    const { start, end } = MARKER_RANGE
    this.#options.store.range(start, end, Infinity, (key) => void heads.add(headOfMarker(key)))
    return heads
  }
}

function sameEntries(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}
