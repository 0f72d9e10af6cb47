/**
 * The parts of uploads: listed by quorum, and removed once their upload is over (G5).
 *
 * A part's data may be named by its part, by a completion under way and by the object. So the change that removes the
 * part releases the data, once the upload is over for good, unless the upload's result names it: then the object has
 * it.
 */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import {
  manifestCodec,
  partCodec,
  type PartRecord,
  type StorageRecord,
  type UploadRecord,
} from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import {
  dataId,
  type BucketId,
  type ByteString,
  type OperationId,
  type RegisterKey,
} from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByPart } from '../../protocol/keyspace/owner.ts'
import { partNumberOf, partRange } from '../../protocol/keyspace/register-key.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Replicator } from '../quorum/replicator.ts'
import type { Reclaim, Released } from './reclaim.ts'
import { Bucket } from './bucket.ts'
import { newBucket } from './bucket-record.ts'
import type { Lister } from '../quorum/lister.ts'
import { FINAL_GENERATION } from '../replica/minimum-generation-records.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { FenceSource } from '../quorum/fence-source.ts'
import {
  uploadDataIds,
  uploadRecordOf,
  uploadTombstone,
  uploadValue,
  type UploadPlace,
} from './upload-record.ts'
import { UPLOAD_ABORTED, UPLOAD_COMPLETED } from '../../protocol/object/upload-state.ts'

/** Parts that are removed at the same time. */
const CHANGES_AT_ONCE = 8

export interface UploadPartsOptions {
  readonly registers: RegisterClient
  readonly lister: Lister
  readonly replicator: Replicator
  readonly reclaim: Reclaim
  readonly partitionBits: () => number
}

/** A part that is stored, and the key of its register. */
export interface FoundPart {
  readonly key: RegisterKey
  readonly part: PartRecord
}

/** The record of a part. Undefined when there is no part, or it was removed. */
export function partOf(value: RegisterValue | undefined): PartRecord | undefined {
  return value === undefined || value.tombstone ? undefined : partCodec.decode(value.body)
}

/**
 * What the collector is told of a part that is removed or replaced: one entry, or none for an empty part. `mayFree`:
 * see Released.
 */
export function releasedPart(
  upload: RegisterKey,
  part: Pick<PartRecord, 'partNumber' | 'storage'>,
  mayFree: boolean,
): Released[] {
  const { storage, partNumber } = part
  if (storage === undefined || storage.sizeBytes === 0) return []
  const { sizeBytes, packed } = storage
  const id = dataId(byteString(storage.dataId))
  return [{ owner: ownedByPart(upload, partNumber), dataId: id, sizeBytes, packed, mayFree }]
}

/**
 * A fence above every minimum (T8), to list what a deleted bucket has left behind. It is no bucket that can be read
 * again: `refresh` throws NoSuchBucket.
 */
export function goneBucket(id: BucketId): Bucket {
  const record = newBucket({
    name: '',
    incarnation: bytesOf(id),
    ownerAccount: '',
    createdMs: 0,
    region: '',
    shards: 1,
  })
  return new Bucket({ ...record, generation: FINAL_GENERATION }, () =>
    Promise.reject(new StoreError('NoSuchBucket')),
  )
}

/** Used by uploads.ts, completion.ts and upload-sweeper.ts. */
export class UploadParts {
  readonly #options: UploadPartsOptions

  constructor(options: UploadPartsOptions) {
    this.#options = options
  }

  /**
   * The parts of an upload, in order of part numbers, by quorum lists. `after`: a part number, exclusive. `expected`:
   * how many parts the caller is likely to take.
   */
  async *walk(
    context: RequestContext,
    bucket: Bucket,
    place: Pick<UploadPlace, 'bucketId' | 'shard' | 'id'>,
    { after = -1, expected = 64 }: { after?: number; expected?: number } = {},
  ): AsyncGenerator<FoundPart> {
    const { lister, partitionBits } = this.#options
    const walk = lister.walk(context, {
      bucket,
      shards: [place.shard],
      range: (_, behind) => {
        const from = behind === undefined ? after : numberBehind(behind)
        return partRange(place.bucketId, place.shard, place.id, from, partitionBits())
      },
      expected,
    })
    for (;;) {
      const entry = walk.take() ?? (await walk.next())
      if (entry === undefined) return
      yield { key: entry.key, part: partCodec.decode(entry.body) }
    }
  }

  /**
   * The data that the result of a completion is made of: from the record, or from its manifest. Undefined when the
   * manifest is gone, or no replica that answered has it.
   */
  async storageOf(
    context: RequestContext,
    place: UploadPlace,
    { result }: UploadRecord,
  ): Promise<readonly StorageRecord[] | undefined> {
    if (result === undefined || result.manifest.length === 0) return result?.storage ?? []
    const key = packedBlockKey(place.register, dataId(byteString(result.manifest)))
    const bytes = await this.#options.replicator.read(context, key)
    return bytes === undefined ? undefined : manifestCodec.decode(bytes).storage
  }

  /** Removes all parts of a completed or aborted upload, and then what the upload itself holds: an aborted one is
   * removed, a completed one stays for repeats of its completion. May be done again and by several nodes.
   *
   * @param storage of the result, when it is at hand */
  async clean(
    context: RequestContext,
    bucket: Bucket,
    place: UploadPlace,
    record: UploadRecord,
    storage?: readonly StorageRecord[],
  ): Promise<void> {
    const stored = storage ?? (await this.storageOf(context, place, record))
    const kept = stored === undefined ? undefined : uploadDataIds(stored)
    let keys: RegisterKey[] = []
    const dropAll = async (): Promise<void> => {
      await Promise.all(keys.map((key) => this.drop(context, place, key, kept)))
      keys = []
    }
    for await (const { key } of this.walk(context, bucket, place, { expected: 1_000 })) {
      keys.push(key)
      if (keys.length === CHANGES_AT_ONCE) await dropAll()
    }
    await dropAll()
    await this.#options.registers.change(context, {
      key: place.register,
      fence: place.fence,
      change: (value) => {
        const now = uploadRecordOf(value)
        if (now?.state === UPLOAD_ABORTED) return { write: uploadTombstone(now) }
        if (now?.state !== UPLOAD_COMPLETED || now.result === undefined) return { keep: true }
        if (isBare(now)) return { keep: true }
        // The object names all of it.
        const result = { ...now.result, storage: [], manifest: new Uint8Array(0) }
        return { write: uploadValue({ ...now, result }) }
      },
    })
  }

  /**
   * Removes one part whose upload is over for good, and releases its data.
   * @param kept data that the object has, which is not released. Undefined when that is not known: then the data is
   * released, and the collector has to ask
   */
  async drop(
    context: RequestContext,
    {
      register,
      fence,
    }: { readonly register: RegisterKey; readonly fence?: FenceSource | undefined },
    key: RegisterKey,
    kept: ReadonlySet<ByteString> | undefined,
  ): Promise<void> {
    const { registers, reclaim } = this.#options
    // For each state that a call has seen, whether its data was over. When several calls saw the same state, any of
    // their proposals may be the chosen one, so each call must have said so.
    const over = new Map<OperationId, boolean>()
    const outcome = await registers.change(context, {
      key,
      fence,
      change: (value) => {
        const part = partOf(value)
        if (value === undefined || part === undefined) return { keep: true }
        const { storage, ...rest } = part
        if (storage !== undefined && kept !== undefined && over.get(value.operation) !== false) {
          over.set(value.operation, reclaim.isOver(dataId(byteString(storage.dataId))))
        }
        return { write: { tombstone: true, body: partCodec.encode(rest), blocks: [] } }
      },
    })
    if (outcome.type !== 'written') return
    const storage = partOf(outcome.before)?.storage
    if (storage === undefined) return
    if (kept?.has(byteString(storage.dataId)) === true) return
    const mayFree = over.get(outcome.before!.operation) === true
    reclaim.released(releasedPart(register, { partNumber: partNumberOf(key), storage }, mayFree))
  }
}

/** Whether an upload's record names nothing any more of what the upload was made of. Its answer is still in it. */
export function isBare({ result }: UploadRecord): boolean {
  return result === undefined || (result.storage.length === 0 && result.manifest.length === 0)
}

/** The part number in a name of the walk: upload id (16 bytes) ‖ number (u16). */
function numberBehind(name: ByteString): number {
  return name.charCodeAt(16) * 256 + name.charCodeAt(17)
}
