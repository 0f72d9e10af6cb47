/**
 * RenameObject: the object under a new key of its bucket, and then no more under the old one. Called by objects.ts.
 *
 * A block belongs to one register for good (G5), so the bytes are stored again, as they are: nothing is decoded, and parts stay
 * parts. Two registers cannot change at once. So the new key gets the object first, and then the old one loses exactly the
 * version that was read:
 *
 * 1. Read the source, and what the new key has.
 * 2. Store the bytes again, for the new key.
 * 3. A change of the new key writes the version, with the client's token and which version of the source it was.
 * 4. A change of the source removes that version, if it still is the current one.
 *
 * Invariants (T11):
 *   - the object is under at least one of the two keys at any time
 *   - no version is removed but the one whose bytes the new key has got
 *   - nothing is ever taken back: a repeat of the request, which has its token, may already have gone on with step 4
 */

import { bytesOf } from '../../protocol/bytes.ts'
import {
  manifestCodec,
  type StorageRecord,
  type VersionRecord,
} from '../../protocol/codec/versioned.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'
import { currentVersion, objectOf, verdict } from '../../protocol/object/object.ts'
import {
  VERSIONING,
  wantedOf,
  withoutVersion,
  withVersion,
  type VersionNeighbours,
} from '../../protocol/object/versions.ts'
import type { RenameRequest } from '../../gateway/port/objects.ts'
import type { Bodies } from '../quorum/body.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { Replicator } from '../quorum/replicator.ts'
import type { WriteAttempt } from '../replica/attempts.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { Bucket } from './bucket.ts'
import { tellRenamed, type Notices } from './notices.ts'
import type { EditInput, ObjectChanges, ObjectEdit } from './object-changes.ts'
import type { FoundObject, ObjectReads } from './object-reads.ts'
import type { Reclaim } from './reclaim.ts'
import { ownerOf, releasedStorage } from './released.ts'

export interface RenamesOptions {
  readonly registers: RegisterClient
  readonly bodies: Bodies
  readonly replicator: Replicator
  readonly reclaim: Reclaim
  readonly notices: Notices
  readonly changes: ObjectChanges
  readonly reads: ObjectReads
  readonly partitionBits: () => number
}

/** The two registers of one rename. */
export interface RenamePlaces {
  readonly bucket: Bucket
  readonly source: RegisterKey
  readonly target: RegisterKey
}

/** The bytes of a version, stored again for another register. */
interface StoredAgain {
  readonly storage: StorageRecord[]
  readonly manifest: Uint8Array<ArrayBuffer>
  /** Rides with the change that names it. */
  readonly block: OwnedBlock | undefined
}

/**
 * Which version of the source is moved. Its sequence alone does not say so: sequences begin again when the source was deleted
 * and its register forgotten.
 */
type MovedVersion = Pick<VersionRecord, 'sequence' | 'lastModifiedMs'>

export class Renames {
  readonly #options: RenamesOptions

  constructor(options: RenamesOptions) {
    this.#options = options
  }

  /**
   * Throws as `Backend.renameObject` says, and Unavailable when the outcome is not known: then one key or both have the
   * object. `around`: what an edit needs besides its input.
   */
  async run(
    context: RequestContext,
    places: RenamePlaces,
    request: RenameRequest,
    around: (input: EditInput) => VersionNeighbours,
  ): Promise<void> {
    const { source, token } = request
    if (places.bucket.record.versioning !== VERSIONING.never) throw versionedBucket()
    const [found, now] = await Promise.all([
      this.#find(context, places, source),
      this.#current(context, places),
    ])
    const earlier = now?.renamed
    if (token !== undefined && earlier?.token === token) {
      if (earlier.source !== source) throw new StoreError('TokenMismatch')
      // The request has come to step 3 before. When the source is another version by now, it has come to the end.
      if (found !== undefined && this.isMoved(found.version, earlier)) {
        await this.remove(context, places, earlier)
      }
      return
    }
    if (found === undefined) throw new StoreError('NoSuchKey', undefined, { Key: source })
    if (!isSame(found.version, request.seen)) throw changed()
    refuse(now, request)
    await this.#write(context, places, request, found, around)
    if (await this.remove(context, places, found.version)) return
    throw new StoreError('Conflict', 'the source was changed after the new key had got the object')
  }

  async #find(
    context: RequestContext,
    { bucket, source }: RenamePlaces,
    key: string,
  ): Promise<FoundObject | undefined> {
    try {
      return await this.#options.reads.find(context, bucket, source, { key, withData: true })
    } catch (error) {
      if (error instanceof StoreError && error.code === 'NoSuchKey') return undefined
      throw error
    }
  }

  /** What the new key has. */
  async #current(
    context: RequestContext,
    { bucket, target }: RenamePlaces,
  ): Promise<VersionRecord | undefined> {
    const { registers } = this.#options
    const { accepted } = await registers.read(context, { key: target, fence: bucket })
    return currentVersion(objectOf(accepted?.value))
  }

  /** Steps 2 and 3. */
  async #write(
    context: RequestContext,
    { bucket, target }: RenamePlaces,
    request: RenameRequest,
    found: FoundObject,
    around: (input: EditInput) => VersionNeighbours,
  ): Promise<void> {
    const { changes, notices, partitionBits } = this.#options
    const owner = ownerOf(target, found.version, partitionBits())
    const attempts: WriteAttempt[] = []
    /** Whether a version names the data, may name it, or certainly never will. */
    let data: 'current' | 'sent' | 'not-sent' = 'not-sent'
    const stored: StorageRecord[] = []
    try {
      const again = await this.#storeAgain(context, target, owner, found, attempts, stored)
      const version = renamedVersion(found.version, request, again)
      let refusal: StoreError | undefined
      const edit = (input: EditInput): ReturnType<ObjectEdit> => {
        refusal = refusalOf(input, request)
        if (refusal !== undefined) return undefined
        const neighbours = { ...around(input), nowMs: found.version.lastModifiedMs }
        return withVersion(input.record, version, neighbours)
      }
      data = 'sent'
      const outcome = await changes.run(context, bucket, target, edit, { block: again.block })
      if (outcome.type === 'kept') {
        data = outcome.proposed ? 'sent' : 'not-sent'
        throw refusal ?? new StoreError('Unavailable')
      }
      data = 'current'
      const written = outcome.record.versions[0]
      await tellRenamed(notices, context, bucket, target, outcome.ballot, written)
    } finally {
      for (const attempt of attempts) attempt.end()
      if (data !== 'current') this.#abandon(owner, stored, data === 'not-sent')
    }
  }

  /**
   * Stores the bytes for the new key, in the same parts, and notes each attempt and what was stored under it. The one packed block
   * of a plain object, or the list of many parts, rides with the change; smaller parts of an upload go ahead of it.
   */
  async #storeAgain(
    context: RequestContext,
    target: RegisterKey,
    owner: BlockOwner,
    { reader, version, storage: parts }: FoundObject,
    attempts: WriteAttempt[],
    stored: StorageRecord[],
  ): Promise<StoredAgain> {
    const { bodies, replicator } = this.#options
    const storage: StorageRecord[] = []
    let ride: OwnedBlock | undefined
    let start = 0
    for (const part of parts) {
      const end = start + part.sizeBytes
      const chunks = reader.bytes === undefined ? reader.read(start, end) : whole(reader.bytes)
      start = end
      if (part.sizeBytes === 0) {
        storage.push(part)
        continue
      }
      const finish = (): { etag: string; checksums: object } => ({ etag: '', checksums: {} })
      const written = await bodies.write(
        context,
        { sizeBytes: part.sizeBytes, chunks, finish },
        owner,
      )
      attempts.push(written.attempt)
      stored.push(...written.storage)
      const [copy] = written.storage
      if (copy?.sizeBytes !== part.sizeBytes) throw changed()
      storage.push({ ...part, dataId: copy.dataId, packed: copy.packed })
      if (written.packed === undefined) continue
      const block = {
        key: packedBlockKey(target, written.attempt.id),
        bytes: written.packed,
        owner,
      }
      if (parts.length === 1) ride = block
      else await replicator.write(block.key, block.bytes, owner).acknowledged
    }
    if (version.manifest.length === 0) {
      return { storage, manifest: new Uint8Array(0), block: ride }
    }
    const attempt = bodies.begin()
    attempts.push(attempt)
    const bytes = manifestCodec.encode({ storage })
    const manifest = bytesOf(attempt.id)
    stored.push({ dataId: manifest, sizeBytes: bytes.length, packed: true })
    const block = { key: packedBlockKey(target, attempt.id), bytes, owner }
    return { storage: [], manifest, block }
  }

  /**
   * Step 4. False: the current version is not the one that was moved. Throws Conflict when the bucket has versioning by now.
   */
  async remove(
    context: RequestContext,
    { bucket, source }: RenamePlaces,
    moved: MovedVersion,
  ): Promise<boolean> {
    let refusal: StoreError | undefined
    const outcome = await this.#options.changes.run(context, bucket, source, (input) => {
      const { record, versioning, pages } = input
      const current = currentVersion(record)
      refusal = versioning === VERSIONING.never ? undefined : changed()
      if (refusal !== undefined || current === undefined || !this.isMoved(current, moved))
        return undefined
      const wanted = wantedOf(record, 'null')
      return wanted && withoutVersion(record, wanted, pages)
    })
    // Assigned in the closure, which the compiler does not follow.
    const refused = refusal as StoreError | undefined
    if (outcome.type === 'kept' && refused !== undefined) throw refused
    if (outcome.type === 'kept') return false
    const { notices } = this.#options
    await tellRenamed(notices, context, bucket, source, outcome.ballot, undefined)
    return true
  }

  isMoved(current: VersionRecord, moved: MovedVersion): boolean {
    return current.sequence === moved.sequence && current.lastModifiedMs === moved.lastModifiedMs
  }

  /** Data that no version came to name. `mayFree`: it was never proposed. */
  #abandon(owner: BlockOwner, stored: readonly StorageRecord[], mayFree: boolean): void {
    this.#options.reclaim.released(stored.map((each) => releasedStorage(owner, each, mayFree)))
  }
}

function movedVersion({ sequence, lastModifiedMs }: VersionRecord): MovedVersion {
  return { sequence, lastModifiedMs }
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** The version as the new key gets it. `withVersion` fills in its place. */
function renamedVersion(
  version: VersionRecord,
  { source, token, encryption }: RenameRequest,
  { storage, manifest }: StoredAgain,
): VersionRecord {
  const { encryption: _, renamed: __, ...rest } = version
  return {
    ...rest,
    ...(encryption !== undefined && { encryption }),
    storage,
    manifest,
    ...(token !== undefined && { renamed: { token, source, ...movedVersion(version) } }),
  }
}

/** Why the new key cannot get the object as things are. */
function refusalOf(
  { record, versioning }: EditInput,
  request: RenameRequest,
): StoreError | undefined {
  return versioning === VERSIONING.never
    ? misplaced(currentVersion(record), request)
    : versionedBucket()
}

function refuse(current: VersionRecord | undefined, request: RenameRequest): void {
  const refusal = misplaced(current, request)
  if (refusal !== undefined) throw refusal
}

/** As in AWS, each condition that is not met gets 412, also when the new key has nothing. */
function misplaced(
  current: VersionRecord | undefined,
  { condition }: RenameRequest,
): StoreError | undefined {
  return verdict(current, condition) === 'holds' ? undefined : new StoreError('PreconditionFailed')
}

/** Only buckets that never had versioning have one version of each key, so that a rename leaves nothing behind. */
function versionedBucket(): StoreError {
  return new StoreError(
    'InvalidBucketState',
    'RenameObject is for buckets that never had versioning. Copy the object and delete it instead.',
  )
}

function changed(): StoreError {
  return new StoreError('Conflict', 'the source was changed during the rename')
}

function isSame(version: VersionRecord, seen: RenameRequest['seen']): boolean {
  return version.etag === seen?.etag && version.lastModifiedMs === seen.lastModifiedMs
}
