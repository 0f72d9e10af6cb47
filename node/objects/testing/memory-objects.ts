/** Objects on registers and blocks in memory, and what they release. */

import { byteString, bytesOf } from '../../../protocol/bytes.ts'
import type { BucketRecord } from '../../../protocol/codec/versioned.ts'
import { storageId, type BlockKey, type DataId } from '../../../protocol/ids.ts'
import { dataIdOf } from '../../../protocol/keyspace/block-key.ts'
import type { PutResult, WriteCondition } from '../../../gateway/port/objects.ts'
import type { RequestContext } from '../../../protocol/context.ts'
import { Attempts } from '../../replica/attempts.ts'
import { Bodies } from '../../quorum/body.ts'
import type { Replicator } from '../../quorum/replicator.ts'
import type { Clock, Random } from '../../env/ports.ts'
import { SystemClock } from '../../env/system.ts'
import type { Released } from '../reclaim.ts'
import { Bucket } from '../bucket.ts'
import type { Buckets } from '../buckets.ts'
import { Objects } from '../objects.ts'
import { MemoryRegisters } from './memory-registers.ts'

export const MEMORY_PARTITION_BITS = 6

export function memoryContext(): RequestContext {
  return { operation: 'Test', signal: new AbortController().signal, rounds: 0 }
}

export class MemoryObjects {
  readonly memory = new MemoryRegisters()
  readonly attempts = new Attempts(storageId('0'.repeat(24)), 1)
  readonly released: Released[] = []
  /** Blocks of bodies that were streamed, by key. */
  readonly written = new Map<BlockKey, Uint8Array>()
  readonly read: BlockKey[] = []
  readonly bucket: Bucket
  readonly objects: Objects
  refreshed: BucketRecord | undefined
  #drawn = 0

  constructor(versioning = 0) {
    const record: BucketRecord = {
      name: 'bucket',
      incarnation: new Uint8Array(16),
      generation: 0,
      state: 1,
      ownerAccount: '1',
      createdMs: 0,
      region: '',
      shards: 16,
      versioning,
      policy: '',
      publicAccessBlock: 0,
      abortRules: [],
      documents: [],
      principals: [],
    }
    this.bucket = new Bucket(record, () => Promise.resolve(this.refreshed ?? record))
    const replicator = {
      room: { isCrowded: false },
      write: (key: BlockKey, bytes: Uint8Array) => {
        this.written.set(key, bytes.slice())
        return { acknowledged: Promise.resolve(), settled: Promise.resolve(true) }
      },
      read: (_context: unknown, key: BlockKey) => {
        this.read.push(key)
        return Promise.resolve(this.memory.blocks.get(key) ?? this.written.get(key))
      },
    } as unknown as Replicator
    const { attempts } = this
    this.objects = new Objects({
      registers: this.memory.registers,
      buckets: { open: () => Promise.resolve(this.bucket) } as unknown as Buckets,
      bodies: new Bodies({
        replicator,
        attempts,
        partitionBits: () => MEMORY_PARTITION_BITS,
        clock: new SystemClock(),
      }),
      replicator,
      lister: this.memory.lister,
      clock: { nowMs: () => 1 } as Clock,
      random: {
        bytes: (length: number) => new Uint8Array(length).fill(++this.#drawn),
      } as unknown as Random,
      partitionBits: () => MEMORY_PARTITION_BITS,
      reclaim: {
        isOver: (id) => attempts.isOver(id),
        released: (list) => void this.released.push(...list),
      },
    })
  }

  setVersioning(versioning: number): void {
    const { record } = this.bucket
    this.bucket.adopt({ ...record, versioning, generation: record.generation + 1 })
  }

  put(key: string, bytes: Uint8Array, condition?: WriteCondition): Promise<PutResult> {
    const finish = () => ({ etag: `${bytes.length} bytes`, checksums: {} })
    const headers = { system: {}, user: {}, storageClass: 'STANDARD' }
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield bytes
    }
    const body =
      bytes.length <= 65_536
        ? { bytes, finish }
        : { sizeBytes: bytes.length, chunks: chunks(), finish }
    return this.objects.put(memoryContext(), { bucket: 'bucket', key, headers, body, condition })
  }

  delete(key: string, versionId?: string): ReturnType<Objects['delete']> {
    return this.objects.delete(memoryContext(), { bucket: 'bucket', key, versionId })
  }

  /** All that the object's register refers to. */
  async references(key: string): Promise<Set<DataId>> {
    const register = this.objects.key(this.bucket, key)
    const ids = new Set<DataId>()
    const value = this.memory.values.get(register)
    for await (const id of this.objects.references(memoryContext(), register, value)) ids.add(id)
    return ids
  }

  /** Data ids of all blocks that are stored. */
  stored(): Set<DataId> {
    return new Set([...this.memory.blocks.keys(), ...this.written.keys()].map(dataIdOf))
  }

  releasedIds(): DataId[] {
    return this.released.map(({ dataId }) => dataId)
  }

  /** Frees what was released, as the collector does in the end. */
  free(): void {
    const ids = new Set(this.releasedIds())
    for (const blocks of [this.memory.blocks, this.written]) {
      for (const key of blocks.keys()) if (ids.has(dataIdOf(key))) blocks.delete(key)
    }
  }
}

export function memoryText(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : byteString(bytes)
}

export function memoryBytes(text: string, sizeBytes = text.length): Uint8Array {
  return bytesOf(text.padEnd(sizeBytes, '.'))
}
