/**
 * Quotas of buckets: how much a bucket holds in the whole cluster, and which writes its quota allows.
 *
 * Each shard is asked for at the first of its replicas that is connected (usage-counter.ts). The sum is kept, and what this node
 * admits is added to it until a count has begun after that. What other nodes admit meanwhile is not known here, so a quota is
 * soft: it may be passed by what they admit within the age of the counts. That is some 10 s, and for large buckets up to 20 times
 * the time of a count. When nobody answers, and nothing was ever counted, writes are let through.
 */

import { StoreError } from '../../protocol/errors.ts'
import type { BucketId, NodeId } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { shardRange } from '../../protocol/keyspace/register-key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { WireUsageReply } from '../../protocol/rpc/messages.js'
import type { BucketQuota } from '../../gateway/port/bucket-documents.ts'
import type { Clock } from '../env/ports.ts'
import type { Peers } from '../quorum/peers.ts'
import { dropOldest } from '../tools/drop-oldest.ts'
import type { Bucket } from './bucket.ts'
import { quotaOf, type BucketAmount, type QuotaGate } from './quota-gate.ts'
import type { UsageCounter } from './usage-counter.ts'

/** After that the counts are asked for again, beside the write that they are for. */
const FRESH_MS = 5_000
/** After that the write waits for them. */
const OLD_MS = 10_000
/** Before a refusal they are at most so old, as far as they are made that often. */
const REFUSAL_MS = 1_000
const ASK_TIMEOUT_MS = 3_000
const KEPT_MAX = 10_000
/** What is admitted within so long is noted together. */
const NOTE_MS = 1_000

export interface QuotasOptions {
  readonly peers: Pick<Peers, 'self' | 'usage'>
  readonly connected: (node: NodeId) => boolean
  readonly view: () => LayoutView
  readonly usage: Pick<UsageCounter, 'of'>
  readonly clock: Clock
  readonly partitionBits: () => number
}

/** What a bucket held, and how long ago. */
export interface CountedUsage extends BucketAmount {
  readonly ageMs: number
}

/** What was admitted from `atMs` to `untilMs`. */
interface Admitted {
  bytes: number
  objects: number
  readonly atMs: number
  untilMs: number
}

/** What this node knows of one bucket. */
interface KnownUsage {
  /** Undefined until all shards were counted once. */
  counted: (BucketAmount & { readonly beganMs: number }) | undefined
  /** Admitted here since, the oldest first. */
  admitted: Admitted[]
  askedMs: number
  asking: Promise<void> | undefined
}

export class Quotas implements QuotaGate {
  readonly #options: QuotasOptions
  readonly #known = new Map<BucketId, KnownUsage>()

  constructor(options: QuotasOptions) {
    this.#options = options
  }

  /** See QuotaGate. */
  admit(bucket: Bucket, more: BucketAmount): Promise<void> | undefined {
    const quota = quotaOf(bucket.record)
    return quota && this.#judge(bucket, quota, more)
  }

  /** Undefined when not all shards could be counted in time. */
  async usage(bucket: Bucket): Promise<CountedUsage | undefined> {
    const known = this.#of(bucket.id)
    await this.#ask(bucket, known)
    if (known.counted === undefined) return undefined
    const { bytes, objects, beganMs } = known.counted
    return { bytes, objects, ageMs: Math.ceil(this.#options.clock.monotonicMs() - beganMs) }
  }

  async #judge(bucket: Bucket, quota: BucketQuota, more: BucketAmount): Promise<void> {
    const { clock } = this.#options
    const known = this.#of(bucket.id)
    const ageMs = clock.monotonicMs() - known.askedMs
    if (known.counted === undefined || ageMs > OLD_MS) await this.#ask(bucket, known)
    else if (ageMs > FRESH_MS) void this.#ask(bucket, known)
    const waitedMs = clock.monotonicMs() - known.askedMs
    if (exceeded(quota, known, more) !== undefined && waitedMs > REFUSAL_MS) {
      // Deletes may have made room.
      await this.#ask(bucket, known)
    }
    const refusal = exceeded(quota, known, more)
    if (refusal !== undefined) throw new StoreError('QuotaExceeded', refusal)
    note(known.admitted, more, clock.monotonicMs())
  }

  #of(id: BucketId): KnownUsage {
    let known = this.#known.get(id)
    if (known === undefined) {
      known = { counted: undefined, admitted: [], askedMs: -Infinity, asking: undefined }
      this.#known.set(id, known)
      dropOldest(this.#known, KEPT_MAX)
    }
    return known
  }

  /** Never rejects. Joins the question that is under way. */
  #ask(bucket: Bucket, known: KnownUsage): Promise<void> {
    known.asking ??= this.#askAll(bucket, known)
      // A node that is no member has nobody to ask.
      .catch(() => {})
      .finally(() => (known.asking = undefined))
    return known.asking
  }

  async #askAll(bucket: Bucket, known: KnownUsage): Promise<void> {
    const { clock } = this.#options
    known.askedMs = clock.monotonicMs()
    const questions = this.#questions(bucket)
    const answers = await Promise.all(
      [...questions].map(([node, shards]) => this.#answer(node, bucket.id, shards)),
    )
    const sum = { bytes: 0, objects: 0, beganMs: known.askedMs }
    let counted = 0
    for (const answer of answers) {
      counted += answer?.counted ?? 0
      sum.bytes += answer?.bytes ?? 0
      sum.objects += answer?.objects ?? 0
      sum.beganMs = Math.min(sum.beganMs, known.askedMs - (answer?.ageMs ?? 0))
    }
    // Shards are missing: what was known before is better.
    if (counted < bucket.shards) return
    known.counted = sum
    known.admitted = known.admitted.filter(({ untilMs }) => untilMs >= sum.beganMs)
  }

  /** Which node is asked for which shards. Those of which no replica is connected are missing. */
  #questions({ id, shards }: Bucket): Map<NodeId, number[]> {
    const { view, connected, partitionBits } = this.#options
    const found = new Map<NodeId, number[]>()
    for (let shard = 0; shard < shards; shard++) {
      const { start } = shardRange(id, shard, partitionBits())
      const node = view().replicas(partitionOfKey(start)).find(connected)
      if (node === undefined) continue
      const asked = found.get(node)
      if (asked === undefined) found.set(node, [shard])
      else asked.push(shard)
    }
    return found
  }

  async #answer(
    node: NodeId,
    bucket: BucketId,
    shards: number[],
  ): Promise<WireUsageReply | undefined> {
    const { peers, usage } = this.#options
    try {
      if (node === peers.self) return await usage.of(bucket, shards)
      return await peers.usage(node, bucket, shards, { timeoutMs: ASK_TIMEOUT_MS })
    } catch {
      // An older program, or no answer in time.
      return undefined
    }
  }
}

/** What comes within a second is one entry, so that there are as many as the counts have seconds. */
function note(admitted: KnownUsage['admitted'], more: BucketAmount, atMs: number): void {
  const last = admitted.at(-1)
  if (last === undefined || atMs - last.atMs > NOTE_MS) {
    admitted.push({ ...more, atMs, untilMs: atMs })
    return
  }
  last.bytes += more.bytes
  last.objects += more.objects
  last.untilMs = atMs
}

/** Why the quota does not allow so much more. */
function exceeded(
  quota: BucketQuota,
  { counted, admitted }: KnownUsage,
  more: BucketAmount,
): string | undefined {
  if (counted === undefined) return undefined
  for (const what of ['bytes', 'objects'] as const) {
    const limit = quota[what]
    if (limit === undefined || more[what] === 0) continue
    const used = admitted.reduce((sum, each) => sum + each[what], counted[what])
    if (used + more[what] > limit) {
      // How much the bucket holds is not for everyone who may write to it.
      return `The quota of the bucket, ${limit} ${what}, does not allow ${more[what]} more.`
    }
  }
  return undefined
}
