/**
 * How much shards of buckets hold, counted on this node from its own index. Nobody keeps counters: a shard is counted when it is
 * asked for, and again when the count is old, in the background and one shard after the other.
 *
 * A count walks over the registers of the shard's objects and of the parts of its open uploads, at a bounded rate. It is made
 * again at the earliest after 20 times the time that it took, so that all counting takes at most a twentieth of one core. It
 * misses what changes behind the walk, and this replica may be a little behind the others: a count is an estimate.
 */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { bodyPlaceOf, isTombstoneState } from '../../protocol/codec/state.ts'
import { partCodec } from '../../protocol/codec/versioned.ts'
import type { BucketId, RegisterKey } from '../../protocol/ids.ts'
import { checkInput } from '../../protocol/input.ts'
import {
  partsOfShard,
  shardRange,
  type RegisterRange,
} from '../../protocol/keyspace/register-key.ts'
import { objectOfBody } from '../../protocol/object/object.ts'
import type { WireUsageReply } from '../../protocol/rpc/messages.js'
import type { Clock } from '../env/ports.ts'
import { rowPages } from '../log/row-pages.ts'
import type { Store } from '../log/store.ts'
import { stateOfRow } from '../replica/row-format.ts'
import { dropOldest } from '../tools/drop-oldest.ts'
import { internalContext } from '../tools/internal-context.ts'
import { sleep } from '../tools/sleep.ts'
import type { Pages } from './pages.ts'

/** A count is good for so long, and for 20 times as long as it took. */
const FRESH_MS = 2_000
const REST_FACTOR = 20
/** A question does not wait for new counts while the ones that are there are twice as old as they may be, at most. */
const OLD_FACTOR = 2
/** How long a question waits for counts. */
const PATIENCE_MS = 1_500
/** Shards whose counts are kept. */
const KEPT_MAX = 10_000
/** One question names at most so many. */
const ASKED_MAX = 4_096

export interface UsageCounterOptions {
  readonly store: Pick<Store, 'range'>
  readonly clock: Clock
  readonly pages: Pick<Pages, 'versions'>
  readonly partitionBits: () => number
}

/** What one shard held. */
interface Count {
  readonly bytes: number
  readonly objects: number
  readonly beganMs: number
  readonly tookMs: number
}

export class UsageCounter {
  readonly #options: UsageCounterOptions
  /** By the start of the shard's range, the one that was counted longest ago first. */
  readonly #counts = new Map<string, Count>()
  /** Shards that wait to be counted, and who waits for them. */
  readonly #waiting = new Map<string, () => Promise<void>>()
  #running: Promise<void> | undefined

  constructor(options: UsageCounterOptions) {
    this.#options = options
  }

  /** The sum over those of the shards that are counted. Waits a moment for what was not counted for long. Never rejects for a shard. */
  async of(bucket: BucketId, shards: readonly number[]): Promise<WireUsageReply> {
    checkInput(shards.length <= ASKED_MAX, 'too many shards')
    const { clock, partitionBits } = this.#options
    const names: string[] = []
    let mustWait = false
    for (const shard of shards) {
      checkInput(shard < 2 ** 16, 'a shard is a number of 16 bits')
      const objects = shardRange(bucket, shard, partitionBits())
      names.push(objects.start)
      const known = this.#counts.get(objects.start)
      const age = known === undefined ? Infinity : this.#ageOf(known)
      if (age <= 1) continue
      mustWait ||= age > OLD_FACTOR
      const parts = partsOfShard(bucket, shard, partitionBits())
      this.#waiting.set(objects.start, () => this.#count(objects, parts))
    }
    this.#running ??= this.#runAll().finally(() => (this.#running = undefined))
    if (mustWait) await Promise.race([this.#running, sleep(clock, PATIENCE_MS)])
    return this.#sum(names)
  }

  /** As a share of how old it may be. */
  #ageOf({ beganMs, tookMs }: Count): number {
    const ageMs = this.#options.clock.monotonicMs() - beganMs
    return ageMs / Math.max(FRESH_MS, tookMs * REST_FACTOR)
  }

  #sum(names: readonly string[]): WireUsageReply {
    const nowMs = this.#options.clock.monotonicMs()
    const sum = { counted: 0, bytes: 0, objects: 0, ageMs: 0 }
    for (const name of names) {
      const count = this.#counts.get(name)
      if (count === undefined) continue
      sum.counted++
      sum.bytes += count.bytes
      sum.objects += count.objects
      sum.ageMs = Math.max(sum.ageMs, Math.ceil(nowMs - count.beganMs))
    }
    return sum
  }

  async #runAll(): Promise<void> {
    for (const [name, run] of this.#waiting) {
      this.#waiting.delete(name)
      // A shard that cannot be read now, as when the node stops, is counted when it is asked for again.
      await run().catch(() => {})
    }
  }

  async #count(objects: RegisterRange, parts: RegisterRange): Promise<void> {
    const { clock } = this.#options
    const beganMs = clock.monotonicMs()
    const sum = { bytes: 0, objects: 0 }
    await this.#walk(objects, async (key, body) => {
      const { versions, pages } = objectOfBody(body)
      for (const { deleteMarker, sizeBytes } of versions) {
        if (deleteMarker) continue
        sum.objects++
        sum.bytes += sizeBytes
      }
      if (pages.length === 0) return
      const older = { versions: [], pages }
      for await (const version of this.#options.pages.versions(internalContext(), key, older)) {
        if (version.deleteMarker) continue
        sum.objects++
        sum.bytes += version.sizeBytes
      }
    })
    await this.#walk(parts, (_key, body) => {
      sum.bytes += partCodec.decode(body).sizeBytes
    })
    this.#counts.delete(objects.start)
    this.#counts.set(objects.start, { ...sum, beganMs, tookMs: clock.monotonicMs() - beganMs })
    dropOldest(this.#counts, KEPT_MAX)
  }

  /** What cannot be read is passed over: repair is another's work. */
  async #walk(
    { start, end }: RegisterRange,
    take: (key: RegisterKey, body: Uint8Array) => Promise<void> | void,
  ): Promise<void> {
    const { store, clock } = this.#options
    const [first, last] = [bytesOf(`r${start}`), bytesOf(`r${end}`)]
    for await (const page of rowPages(store, clock, first, last)) {
      for (const { key, row } of page) {
        const state = stateOfRow(row)
        if (state === undefined || isTombstoneState(state)) continue
        try {
          await take(byteString(key).slice(1) as RegisterKey, state.subarray(bodyPlaceOf(state, 0)))
        } catch {
          // A later program has written it, or its pages are gone.
        }
      }
    }
  }
}
