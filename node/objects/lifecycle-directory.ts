/**
 * Which buckets have a lifecycle that acts on objects: a list in a few registers, which every node reads from time to
 * time (node/lifecycle/). A bucket's own record decides; the list is a superset of it (T2). It also says how new a record
 * a node must have read, so that an idle node reads the list alone.
 *
 * Invariants:
 *   - a bucket is in the list before its rules are stored, and again after, with the generation of its new record, before
 *     that is answered: whoever takes it out in between, because it has no rules yet, is overruled
 *   - a bucket is taken out only by somebody who has read a record of at least the generation in the list, and who looks
 *     at the record once more afterwards, and puts it back if it has rules by then
 *   - generations in the list only rise
 */

import { hex, utf8ByteString } from '../../protocol/bytes.ts'
import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import type { Keyspace } from '../../protocol/keyspace/key.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import {
  lifecycleDirectoryCodec,
  type LifecycleBucket,
} from '../../protocol/lifecycle/directory-record.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type { RegisterClient } from '../quorum/register-client.ts'

/** Never changed: another number would look for the buckets elsewhere. */
const REGISTERS = 8

export interface LifecycleDirectoryOptions {
  readonly registers: Pick<RegisterClient, 'read' | 'change'>
  readonly keyspace: () => Keyspace
}

type ListedRecord = Pick<BucketRecord, 'name' | 'incarnation' | 'generation'>

export class LifecycleDirectory {
  readonly #options: LifecycleDirectoryOptions

  constructor(options: LifecycleDirectoryOptions) {
    this.#options = options
  }

  /** All buckets in the list. Throws Unavailable. */
  async list(context: RequestContext): Promise<LifecycleBucket[]> {
    const found: LifecycleBucket[] = []
    for (let register = 0; register < REGISTERS; register++) {
      const { accepted } = await this.#options.registers.read(context, { key: this.#key(register) })
      found.push(...bucketsOf(accepted?.value))
    }
    return found
  }

  /** Resolves when the bucket is in the list with this generation, or a later one. Throws Unavailable. */
  async add(context: RequestContext, record: ListedRecord): Promise<void> {
    const bucket = entryOf(record)
    await this.#change(context, bucket.name, (buckets) => {
      const there = buckets.find((each) => isSame(each, bucket))
      if (there !== undefined && there.generation >= bucket.generation) return undefined
      return [...buckets.filter((each) => each !== there), bucket]
    })
  }

  /** As `add`, but a bucket that is not in the list stays out. Throws Unavailable. */
  async renew(context: RequestContext, record: ListedRecord): Promise<void> {
    const bucket = entryOf(record)
    await this.#change(context, bucket.name, (buckets) => {
      const there = buckets.find((each) => isSame(each, bucket))
      if (there === undefined || there.generation >= bucket.generation) return undefined
      return buckets.map((each) => (each === there ? bucket : each))
    })
  }

  /**
   * Resolves when the bucket is not in the list, or is there with a later generation than the one given: that of the
   * record without rules that the caller has read. Throws Unavailable.
   */
  async remove(context: RequestContext, bucket: LifecycleBucket): Promise<void> {
    await this.#change(context, bucket.name, (buckets) => {
      const left = buckets.filter(
        (each) => !isSame(each, bucket) || each.generation > bucket.generation,
      )
      return left.length === buckets.length ? undefined : left
    })
  }

  async #change(
    context: RequestContext,
    name: string,
    edit: (buckets: readonly LifecycleBucket[]) => readonly LifecycleBucket[] | undefined,
  ): Promise<void> {
    await this.#options.registers.change(context, {
      key: this.#key(blake3(Buffer.from(name))[0]! % REGISTERS),
      change: (value) => {
        const buckets = edit(bucketsOf(value))
        if (buckets === undefined) return { keep: true }
        const body = lifecycleDirectoryCodec.encode({ buckets })
        return { write: { tombstone: false, body, blocks: [] } }
      },
    })
  }

  #key(register: number): RegisterKey {
    const name = utf8ByteString(`lifecycle/${register}`)
    return systemRegister('setting', name, this.#options.keyspace())
  }
}

function entryOf({ name, incarnation, generation }: ListedRecord): LifecycleBucket {
  return { name, incarnation: hex(incarnation), generation }
}

function bucketsOf(value: RegisterValue | undefined): readonly LifecycleBucket[] {
  return value === undefined || value.tombstone
    ? []
    : lifecycleDirectoryCodec.decode(value.body).buckets
}

/** The same incarnation of the same bucket. */
function isSame(a: LifecycleBucket, b: LifecycleBucket): boolean {
  return a.name === b.name && a.incarnation === b.incarnation
}
