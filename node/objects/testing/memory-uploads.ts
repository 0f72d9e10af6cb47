/** Uploads and objects on registers in memory, with their attempts and the data that they release. */

import { byteString, bytesOf, u32 } from '../../../protocol/bytes.ts'
import { objectCodec, partCodec, uploadCodec } from '../../../protocol/codec/versioned.ts'
import type { ObjectRecord, PartRecord, UploadRecord } from '../../../protocol/codec/versioned.ts'
import { StoreError } from '../../../protocol/errors.ts'
import { dataId, type DataId, type RegisterKey } from '../../../protocol/ids.ts'
import { spaceOf } from '../../../protocol/keyspace/register-key.ts'
import type { CompletedPart } from '../../../gateway/port/uploads.ts'
import type { WriteCondition } from '../../../gateway/port/objects.ts'
import type { RequestContext } from '../../../protocol/context.ts'
import type { WriteAttempt } from '../../replica/attempts.ts'
import type { Bodies } from '../../quorum/body.ts'
import type { Replicator } from '../../quorum/replicator.ts'
import type { Clock, Random } from '../../env/ports.ts'
import type { Released } from '../reclaim.ts'
import { Bucket } from '../bucket.ts'
import { BUCKET_LIVE, newBucket } from '../bucket-record.ts'
import type { Buckets } from '../buckets.ts'
import { Completion } from '../completion.ts'
import { Objects } from '../objects.ts'
import { UploadParts } from '../upload-parts.ts'
import type { PackedBlock } from '../../replica/host-replies.ts'
import { Uploads } from '../uploads.ts'
import { MemoryRegisters } from './memory-registers.ts'

export const MIB5 = 5 << 20
export const MEMORY_UPLOADS_BITS = 6
export const NAMED = { bucket: 'bucket', key: 'key' }
export const UPLOAD_HEADERS = { system: {}, user: {}, storageClass: 'STANDARD' }
export const ABORT_AFTER_DAYS = 7

export class MemoryUploads {
  readonly memory = new MemoryRegisters()
  readonly blocks: PackedBlock[] = []
  /** Attempts that are not over. */
  readonly running = new Set<DataId>()
  readonly released: Released[] = []
  readonly bucket: Bucket
  readonly objects: Objects
  readonly uploads: Uploads
  /** On the same registers as `uploads`. */
  readonly completion: Completion
  nowMs = 1_000
  /** True when the bucket is deleted. */
  gone = false
  uploadId = ''
  #ids = 0
  #drawn = 0

  constructor() {
    const { memory, blocks } = this
    const real = memory.change.bind(memory)
    memory.change = (requestContext, request) => {
      if (request.block !== undefined) blocks.push(request.block)
      return real(requestContext, request)
    }
    this.bucket = new Bucket(
      {
        ...newBucket({
          name: 'bucket',
          incarnation: new Uint8Array(16),
          ownerAccount: '1',
          createdMs: 0,
          region: '',
          shards: 16,
        }),
        state: BUCKET_LIVE,
        abortRules: [
          { id: 'tmp', prefix: 'tmp/', days: ABORT_AFTER_DAYS, enabled: true },
          { id: 'off', prefix: '', days: 1, enabled: false },
        ],
      },
      () => Promise.reject(new StoreError('NoSuchBucket')),
    )
    const replicator = {
      read: (_context: unknown, key: string) =>
        Promise.resolve(blocks.find((block) => block.key === key)?.bytes),
    } as unknown as Replicator
    const common = {
      registers: memory.registers,
      buckets: {
        open: () => Promise.resolve(this.bucket),
        find: () => Promise.resolve(this.gone ? undefined : this.bucket),
      } as unknown as Buckets,
      bodies: this.#bodies(),
      lister: memory.lister,
      clock: { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs } as Clock,
      random: {
        bytes: (length: number) => new Uint8Array(length).fill(++this.#drawn),
      } as Random,
      reclaim: {
        isOver: (id: DataId) => !this.running.has(id),
        released: (list: readonly Released[]) => void this.released.push(...list),
      },
      replicator,
      partitionBits: () => MEMORY_UPLOADS_BITS,
    }
    this.objects = new Objects(common)
    this.uploads = new Uploads({ ...common, objects: this.objects })
    this.completion = new Completion({
      ...common,
      objects: this.objects,
      parts: new UploadParts(common),
      onCompleted: () => {},
    })
  }

  async create(key = NAMED.key): Promise<string> {
    const { uploadId } = await this.uploads.create(uploadContext(), {
      ...NAMED,
      key,
      headers: UPLOAD_HEADERS,
    })
    this.uploadId = uploadId
    return uploadId
  }

  async putPart(
    partNumber: number,
    sizeBytes = MIB5,
    etag = `e${partNumber}`,
    key = NAMED.key,
  ): Promise<CompletedPart> {
    const finish = () => ({ etag, checksums: {} })
    const body = { sizeBytes, finish } as never
    const { uploadId } = this
    await this.uploads.putPart(uploadContext(), { ...NAMED, key, uploadId, partNumber, body })
    return { partNumber, etag, checksums: {} }
  }

  complete(
    parts: readonly CompletedPart[],
    condition?: WriteCondition,
    finish: () => { etag: string; checksums: object } = () => ({ etag: 'whole', checksums: {} }),
  ): ReturnType<Uploads['complete']> {
    const { uploadId } = this
    return this.uploads.complete(uploadContext(), { ...NAMED, uploadId, parts, condition, finish })
  }

  /** ETag of the object, or the code of the error. */
  async current(): Promise<string> {
    try {
      return (await this.objects.get(uploadContext(), { ...NAMED, withData: false })).info.etag
    } catch (error) {
      return (error as StoreError).code
    }
  }

  putOther(etag: string): Promise<unknown> {
    const body = { sizeBytes: 1, finish: () => ({ etag, checksums: {} }) } as never
    return this.objects.put(uploadContext(), { ...NAMED, headers: UPLOAD_HEADERS, body })
  }

  /** Holds back the next change of a register of the space until it is released. */
  hold(
    space: 'object' | 'upload' | 'part',
    which = 1,
  ): { reached: Promise<void>; release(): void } {
    let release = (): void => {}
    let left = which
    const free = new Promise<void>((resolve) => (release = resolve))
    const reached = new Promise<void>((resolve) => {
      this.memory.before = (key: RegisterKey) => {
        if (spaceOf(key) !== space || --left !== 0) return undefined
        resolve()
        return free
      }
    })
    return { reached, release }
  }

  keysOf(space: 'object' | 'upload' | 'part'): RegisterKey[] {
    return [...this.memory.values.keys()].filter((key) => spaceOf(key) === space)
  }

  /** Records of live parts. */
  get partRecords(): PartRecord[] {
    return this.#live('part').map((body) => partCodec.decode(body))
  }

  get uploadRecords(): UploadRecord[] {
    return this.#live('upload').map((body) => uploadCodec.decode(body))
  }

  get objectRecords(): ObjectRecord[] {
    return this.#live('object').map((body) => objectCodec.decode(body))
  }

  /** Visits everything, as the scan does. */
  async sweep(): Promise<void> {
    const { sweeper } = this.uploads
    for (const key of this.keysOf('upload')) await sweeper.upload(key)
    for (const key of this.keysOf('part')) await sweeper.part(key)
    for (const key of this.keysOf('object')) await sweeper.tickets(key)
  }

  #live(space: 'object' | 'upload' | 'part'): Uint8Array[] {
    const values = this.keysOf(space).map((key) => this.memory.values.get(key)!)
    return values.filter(({ tombstone }) => !tombstone).map(({ body }) => body)
  }

  #bodies(): Bodies {
    const begin = (): WriteAttempt => {
      const id = dataId('d'.repeat(20) + u32(++this.#ids))
      this.running.add(id)
      return { id, end: () => void this.running.delete(id) }
    }
    return {
      begin,
      write: async (_context: unknown, body: { sizeBytes: number; finish(): object }) => {
        const attempt = begin()
        const storage = { dataId: bytesOf(attempt.id), sizeBytes: body.sizeBytes, packed: false }
        return { finished: body.finish(), storage: [storage], sizeBytes: body.sizeBytes, attempt }
      },
    } as unknown as Bodies
  }
}

export function uploadContext(): RequestContext {
  return { operation: 'Test', signal: new AbortController().signal, rounds: 0 }
}

export async function failureCode(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'ok'
  } catch (error) {
    return (error as StoreError).code
  }
}

/** Lets background work finish. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => void setImmediate(resolve))
}

/** Data ids of live parts. */
export function partIds(world: MemoryUploads): string[] {
  return world.partRecords.map(({ storage }) => byteString(storage!.dataId))
}

/** Data ids that were released; with `mayFree`, only those that were released like this. */
export function releasedIds(world: MemoryUploads, mayFree?: boolean): string[] {
  return world.released
    .filter((each) => mayFree === undefined || each.mayFree === mayFree)
    .map(({ dataId: id }) => id)
}

/** A completion whose gateway dies on its way to the change of the space with this number, counted from 1. */
export async function dyingCompletion(
  world: MemoryUploads,
  parts: readonly CompletedPart[],
  space: 'object' | 'upload',
  which: number,
): Promise<void> {
  const dead = world.hold(space, which)
  void world.complete(parts).catch(() => {})
  await dead.reached
  world.memory.before = () => undefined
}
