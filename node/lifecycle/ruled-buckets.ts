/**
 * Which buckets have rules that act on objects, as one node knows it: from the list (objects/lifecycle-directory.ts) and
 * the buckets' own records.
 *
 * An idle node reads the list, and the record of a bucket only when the list says that there is a newer one than it has.
 * A few records are read again each time besides: the node that stored rules may have stopped before it said so in the
 * list.
 */

import { bytesOf, bytesOfHex, byteString, hex } from '../../protocol/bytes.ts'
import { bodyPlaceOf, isTombstoneState } from '../../protocol/codec/state.ts'
import { bucketCodec, type BucketRecord } from '../../protocol/codec/versioned.ts'
import { bucketId, type BucketId } from '../../protocol/ids.ts'
import { partitionRange } from '../../protocol/keyspace/register-key.ts'
import type { LifecycleBucket } from '../../protocol/lifecycle/directory-record.ts'
import type { Clock, Logger } from '../env/ports.ts'
import type { Store } from '../log/store.ts'
import type { Bucket } from '../objects/bucket.ts'
import { objectRulesOf } from '../objects/bucket-lifecycle.ts'
import type { Buckets } from '../objects/buckets.ts'
import { stateOfRow } from '../replica/row-format.ts'
import { inLanes } from '../tools/in-batches.ts'
import { internalContext } from '../tools/internal-context.ts'
import { Turns } from '../tools/sleep.ts'

/** Records that are read again though the list does not ask for it. */
const AGAIN = 32
const READS_AT_ONCE = 8

export interface RuledBucketsOptions {
  readonly store: Pick<Store, 'range'>
  readonly buckets: Pick<Buckets, 'find' | 'read' | 'lifecycles'>
  readonly isReplica: (partition: number) => boolean
  /** Of objects, blocks and system registers. */
  readonly partitions: () => number
  readonly clock: Clock
  readonly logger: Logger
}

export class RuledBuckets {
  /** Buckets that `repair` has put back into the list. */
  repaired = 0
  readonly #options: RuledBucketsOptions
  /** The one whose record was not read for the longest time is first. */
  #known = new Map<BucketId, Bucket>()

  constructor(options: RuledBucketsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#known.size
  }

  get(id: BucketId): Bucket | undefined {
    return this.#known.get(id)
  }

  all(): readonly Bucket[] {
    return [...this.#known.values()]
  }

  /** Reads which buckets have rules, and takes those out of the list that have none. Throws Unavailable. */
  async refresh(): Promise<void> {
    const { buckets } = this.#options
    const context = internalContext()
    const listed = new Map<BucketId, LifecycleBucket>()
    for (const each of await buckets.lifecycles.list(context)) listed.set(idOf(each), each)
    const again = new Set([...this.#known.keys()].slice(0, AGAIN))
    const read = new Map<BucketId, Bucket>()
    await inLanes(listed, READS_AT_ONCE, async ([id, { name, generation }]) => {
      const known = this.#known.get(id)
      if (known !== undefined && known.record.generation >= generation && !again.has(id)) return
      const bucket = await buckets.find(context, name, id)
      if (bucket !== undefined && objectRulesOf(bucket.record).length > 0) read.set(id, bucket)
      else await this.#forget(listed.get(id)!, bucket)
    })
    const kept = [...this.#known].filter(
      ([id]) => listed.has(id) && !again.has(id) && !read.has(id),
    )
    this.#known = new Map([...kept, ...read])
  }

  /**
   * Looks at all buckets whose records this node holds, and puts those into the list that have rules and are not there:
   * the register of the list may have been lost with its replicas. It looks at records of buckets alone, in its own
   * index. Throws Unavailable.
   */
  async repair(): Promise<void> {
    const { buckets, logger } = this.#options
    const context = internalContext()
    for (const { name, incarnation } of await this.#ownRecords()) {
      const id = bucketId(byteString(incarnation))
      if (this.#known.has(id)) continue
      // What this node has may be old, or never have been chosen.
      const bucket = await buckets.find(context, name, id)
      if (bucket === undefined || objectRulesOf(bucket.record).length === 0) continue
      await buckets.lifecycles.add(context, bucket.record)
      this.#known.set(id, bucket)
      this.repaired++
      logger.info(
        { bucket: name },
        'lifecycle: a bucket was missing in the list of those with rules',
      )
    }
  }

  /** Records with rules, as this node has them. */
  async #ownRecords(): Promise<BucketRecord[]> {
    const { store, clock, isReplica, partitions } = this.#options
    const found: BucketRecord[] = []
    const turns = new Turns(clock)
    for (let partition = 0; partition < partitions(); partition++) {
      if (!isReplica(partition)) continue
      await turns.took()
      const { start, end } = partitionRange(partition, 'bucket')
      store.range(bytesOf(`r${start}`), bytesOf(`r${end}`), Infinity, (_key, row) => {
        const record = recordOfRow(row)
        if (record !== undefined && objectRulesOf(record).length > 0) found.push(record)
      })
    }
    return found
  }

  /** The order matters: lifecycle-directory.ts. `found`: what was read, undefined when the bucket is gone for good. */
  async #forget(listed: LifecycleBucket, found: Bucket | undefined): Promise<void> {
    const { buckets } = this.#options
    const context = internalContext()
    const generation = found?.record.generation ?? listed.generation
    await buckets.lifecycles.remove(context, { ...listed, generation })
    const bucket = await buckets.read(context, listed.name).catch(() => undefined)
    if (bucket === undefined || objectRulesOf(bucket.record).length === 0) return
    if (hex(bytesOf(bucket.id)) === listed.incarnation) {
      await buckets.lifecycles.add(context, bucket.record)
    }
  }
}

function idOf({ incarnation }: LifecycleBucket): BucketId {
  return bucketId(byteString(bytesOfHex(incarnation)))
}

/** Undefined for a tombstone, and for what cannot be read: repair of registers is another's work. */
function recordOfRow(row: Uint8Array): BucketRecord | undefined {
  const state = stateOfRow(row)
  if (state === undefined || isTombstoneState(state)) return undefined
  try {
    return bucketCodec.decode(state.slice(bodyPlaceOf(state, 0)))
  } catch {
    return undefined
  }
}
