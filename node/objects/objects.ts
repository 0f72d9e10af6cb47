/**
 * Objects: one register for each, with all its versions. Data is packed beside the register or in blocks of its own. The gateway's
 * operations on objects come here; object-changes.ts, object-reads.ts and object-lists.ts do the work.
 *
 * Invariants:
 *   - data is on a majority before the change that names it is proposed                                        (P7, A5)
 *   - a version's condition is judged inside the change that writes it
 *   - data that no version came to name is released, and freed once its attempt is over                          (G5)
 */

import { equalBytes, utf8ByteString } from '../../protocol/bytes.ts'
import type { ObjectRecord, VersionRecord } from '../../protocol/codec/versioned.ts'
import type { DataId, RegisterKey } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { shardOf } from '../../protocol/keyspace/key.ts'
import { ownedByObject, type BlockOwner } from '../../protocol/keyspace/owner.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import {
  currentVersion,
  objectOf,
  ticketState,
  verdict,
  withRefusedTicket,
} from '../../protocol/object/object.ts'
import { VERSION_RANDOM_BYTES } from '../../protocol/object/version-id.ts'
import { withVersion, type VersionNeighbours } from '../../protocol/object/versions.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type { ListVersionsPage, ListVersionsRequest } from '../../gateway/port/versions.ts'
import type {
  DeleteResult,
  ListPage,
  ListRequest,
  ObjectBackend,
  ObjectHeaders,
  ObjectReader,
  PutResult,
  RenameRequest,
  WriteCondition,
} from '../../gateway/port/objects.ts'
import type { ObjectBody, SmallBody } from '../../gateway/port/body.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { Bodies, WrittenBody } from '../quorum/body.ts'
import type { Replicator } from '../quorum/replicator.ts'
import type { Clock, Random } from '../env/ports.ts'
import { NO_LOSSES, type BlockLosses } from './losses.ts'
import {
  createdEvent,
  hasNotices,
  NO_NOTICES,
  tellCompletion,
  type Notices,
  type ObjectEvent,
} from './notices.ts'
import { NO_RECLAIM, type Reclaim } from './reclaim.ts'
import { Bucket } from './bucket.ts'
import type { Buckets } from './buckets.ts'
import type { Lister } from '../quorum/lister.ts'
import {
  ObjectChanges,
  sameVersions,
  type EditInput,
  type EditOutcome,
  type ObjectEdit,
} from './object-changes.ts'
import { deleteCurrent, deleteVersion } from './object-deletes.ts'
import { conditionError } from './object-errors.ts'
import { ObjectLists } from './object-lists.ts'
import { ObjectReads } from './object-reads.ts'
import { Pages } from './pages.ts'
import type { UploadPlace } from './upload-record.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import { announcedSize, NO_QUOTAS, type QuotaGate } from './quota-gate.ts'
import { releasedStorage } from './released.ts'
import { Renames } from './renames.ts'
import { changeVersion } from './version-changes.ts'
import { internalContext } from '../tools/internal-context.ts'
import { putResultOf, versionRecordOf } from './versions.ts'

export interface ObjectsOptions {
  readonly registers: RegisterClient
  readonly buckets: Buckets
  readonly bodies: Bodies
  readonly replicator: Replicator
  readonly lister: Lister
  readonly clock: Clock
  readonly random: Random
  readonly partitionBits: () => number
  /** When left out, nothing is ever freed. */
  readonly reclaim?: Reclaim | undefined
  /** When left out, no bucket has a quota. */
  readonly quotas?: QuotaGate | undefined
  /** When left out, nobody is told of changes. */
  readonly notices?: Notices | undefined
  /** When left out, nothing is ever lost. */
  readonly losses?: BlockLosses | undefined
}

/** How a request names an object. */
interface Named {
  readonly bucket: string
  readonly key: string
}

export class Objects {
  readonly #options: ObjectsOptions
  readonly #reclaim: Reclaim
  readonly #quotas: QuotaGate
  readonly #notices: Notices
  readonly #pages: Pages
  readonly #changes: ObjectChanges
  readonly #reads: ObjectReads
  readonly #lists: ObjectLists
  readonly #renames: Renames

  constructor(options: ObjectsOptions) {
    this.#options = options
    this.#reclaim = options.reclaim ?? NO_RECLAIM
    this.#quotas = options.quotas ?? NO_QUOTAS
    this.#notices = options.notices ?? NO_NOTICES
    this.#pages = new Pages(options.replicator)
    const common = { ...options, pages: this.#pages, losses: options.losses ?? NO_LOSSES }
    this.#changes = new ObjectChanges({ ...common, reclaim: this.#reclaim })
    this.#reads = new ObjectReads(common)
    this.#lists = new ObjectLists(common)
    const [reclaim, notices, changes, reads] = [
      this.#reclaim,
      this.#notices,
      this.#changes,
      this.#reads,
    ]
    this.#renames = new Renames({ ...options, reclaim, notices, changes, reads })
  }

  /** The object's register: in the partition of the shard that the key's hash chooses. */
  key(bucket: Bucket, key: string): RegisterKey {
    const name = utf8ByteString(key)
    const shard = shardOf(bucket.id, name, bucket.shards)
    return objectRegister(bucket.id, shard, name, this.#options.partitionBits())
  }

  /**
   * Stores a new version, and resolves when it is chosen. The body is written first, so a failed condition costs its
   * transfer.
   *
   * Throws PreconditionFailed, NoSuchKey and NoSuchBucket, what the body throws, InsufficientStorage, and Unavailable
   * when the outcome is not known.
   */
  async put(
    context: RequestContext,
    request: Named & {
      readonly headers: ObjectHeaders
      readonly body: ObjectBody | SmallBody
      readonly encryption?: string | undefined
      readonly condition?: WriteCondition | undefined
    },
  ): Promise<PutResult> {
    const { buckets, bodies } = this.#options
    const bucket = await buckets.open(context, request.bucket)
    const key = this.key(bucket, request.key)
    const owner = ownedByObject(key)
    const room = this.#quotas.admit(bucket, { bytes: announcedSize(request.body), objects: 1 })
    if (room !== undefined) await room
    const written = await bodies.write(context, request.body, owner)
    const { finished, storage, sizeBytes, packed, attempt } = written
    const version = versionRecordOf(request.headers, finished, {
      sizeBytes,
      storage,
      manifest: new Uint8Array(0),
      uploadId: new Uint8Array(0),
      ...(request.encryption !== undefined && { encryption: request.encryption }),
    })
    const block: OwnedBlock | undefined =
      packed === undefined
        ? undefined
        : { key: packedBlockKey(key, attempt.id), bytes: packed, owner }
    /** Whether a version names the data, may name it, or certainly never will. */
    let data: 'current' | 'sent' | 'not-sent' = 'sent'
    try {
      const { condition } = request
      // A body of a form comes without its size.
      const unannounced = sizeBytes - announcedSize(request.body)
      if (unannounced > 0) await this.#quotas.admit(bucket, { bytes: unannounced, objects: 0 })
      const around = this.#surroundings()
      const edit = (input: EditInput): ReturnType<typeof withVersion> | undefined =>
        verdict(currentVersion(input.record), condition) === 'holds'
          ? withVersion(input.record, version, around(input))
          : undefined
      const outcome = await this.#changes.run(context, bucket, key, edit, { block })
      if (outcome.type === 'written') {
        data = 'current'
        const stored = outcome.record.versions[0]!
        if (hasNotices(bucket)) {
          const event = createdEvent(context.operation, stored, outcome.versioning)
          await this.#notices.tell(context, bucket, request.key, outcome.ballot, [event])
        }
        return putResultOf(bucket, key, stored, outcome.versioning)
      }
      data = outcome.proposed ? 'sent' : 'not-sent'
      throw conditionError(verdict(currentVersion(outcome.record), condition))
    } finally {
      attempt.end()
      if (data !== 'current') this.#abandon(owner, written, data === 'not-sent')
    }
  }

  /**
   * The object's change of a completion: takes the ticket and writes the version, in one change (P4). The bucket's
   * versioning decides what it makes.
   *
   * When the ticket has left the object because its version was written, the answer is that version's. `gone`: that
   * version does not exist any more, or never did. `refused`: another request has taken the ticket back.
   *
   * A condition that fails refuses the ticket for good and throws, so that no other node completes what this client was
   * denied. The manifest is stored with the upload already, in the same partition; a replica that lacks it asks for it
   * (A5).
   */
  async writeCompleted(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    completion: {
      readonly version: VersionRecord
      readonly ticket: Uint8Array
      readonly condition?: WriteCondition | undefined
      readonly block?: OwnedBlock | undefined
    },
  ): Promise<PutResult | 'gone' | 'refused'> {
    const { version, ticket, condition, block } = completion
    const around = this.#surroundings()
    let judged: ReturnType<typeof verdict> = 'holds'
    const edit = (input: EditInput): ReturnType<typeof withVersion> | undefined => {
      const { record } = input
      if (ticketState(record, ticket) !== 'good') return undefined
      judged = verdict(currentVersion(record), condition)
      if (judged === 'holds') return withVersion(record, version, around(input))
      return sameVersions(withRefusedTicket(record, ticket))
    }
    const outcome = await this.#changes.run(context, bucket, key, edit, { block })
    const { record } = outcome
    if (ticketState(record, ticket) === 'refused') {
      if (outcome.type === 'kept') return 'refused'
      throw conditionError(judged)
    }
    const written =
      outcome.type === 'written'
        ? record.versions[0]
        : await this.#versionOfUpload(context, key, record, version.uploadId)
    // Whoever has written it may have died before it told anybody.
    await tellCompletion(this.#notices, context, bucket, key, outcome, written ?? version)
    const { versioning } = outcome.type === 'written' ? outcome : bucket.record
    return written === undefined ? 'gone' : putResultOf(bucket, key, written, versioning)
  }

  /** Tells of a completion that no request has ended, whose version was written. Throws as `RegisterClient.read`. */
  async tellCompleted(
    context: RequestContext,
    { object: key, fence }: Pick<UploadPlace, 'object' | 'fence'>,
    version: VersionRecord,
  ): Promise<void> {
    if (!(fence instanceof Bucket) || !hasNotices(fence)) return
    const { accepted } = await this.#options.registers.read(context, { key, fence })
    const now = { record: objectOf(accepted?.value), ballot: accepted?.ballot }
    await tellCompletion(this.#notices, context, fence, key, now, version)
  }

  /** Tells of what a lifecycle has done. */
  tell(bucket: Bucket, key: string, ballot: Ballot, events: readonly ObjectEvent[]): Promise<void> {
    return this.#notices.tell(internalContext(), bucket, key, ballot, events)
  }

  /** Throws as `Backend.getObject` says. The bytes are read while the caller takes them. */
  async get(
    context: RequestContext,
    request: Named & { readonly versionId?: string | undefined; readonly withData: boolean },
  ): Promise<ObjectReader> {
    const bucket = await this.#options.buckets.open(context, request.bucket)
    return this.#reads.get(context, bucket, this.key(bucket, request.key), request)
  }

  /**
   * Without a version id, deletes the current version or writes a delete marker, as the bucket's versioning says. With
   * one, removes that version for good. Deleting what does not exist succeeds. Throws NoSuchBucket, PreconditionFailed,
   * ObjectLocked, NoSuchKey for a condition on an object that is not there, and Unavailable.
   */
  async delete(
    context: RequestContext,
    request: Named & {
      readonly versionId?: string | undefined
      readonly condition?: WriteCondition | undefined
      readonly bypassGovernance?: boolean | undefined
    },
  ): Promise<DeleteResult> {
    const bucket = await this.#options.buckets.open(context, request.bucket)
    const key = this.key(bucket, request.key)
    const { versionId } = request
    const tools = { changes: this.#changes, notices: this.#notices, around: this.#surroundings() }
    return versionId === undefined
      ? deleteCurrent(tools, context, bucket, key, request)
      : deleteVersion(tools, context, bucket, key, { ...request, versionId })
  }

  /** Gives an object another key of its bucket (renames.ts). Throws as `Backend.renameObject` says. */
  async rename(context: RequestContext, request: RenameRequest): Promise<void> {
    const bucket = await this.#options.buckets.open(context, request.bucket)
    const [source, target] = [this.key(bucket, request.source), this.key(bucket, request.key)]
    await this.#renames.run(context, { bucket, source, target }, request, this.#surroundings())
  }

  /** Changes what may change of a version (version-changes.ts). Throws as `Backend.changeObject` says. */
  async change(
    context: RequestContext,
    request: Parameters<ObjectBackend['changeObject']>[1],
  ): ReturnType<ObjectBackend['changeObject']> {
    const bucket = await this.#options.buckets.open(context, request.bucket)
    const key = this.key(bucket, request.key)
    return changeVersion(this.#changes, this.#notices, context, bucket, key, request)
  }

  /**
   * Changes an object by its register's key, for the bucket's lifecycle. Throws Unavailable, and what the bucket's fence
   * throws.
   */
  edit(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    edit: (input: EditInput, around: VersionNeighbours) => ReturnType<ObjectEdit>,
  ): Promise<EditOutcome> {
    const around = this.#surroundings()
    return this.#changes.run(context, bucket, key, (input) => edit(input, around(input)))
  }

  /** One page of current versions (object-lists.ts). Throws NoSuchBucket and Unavailable. */
  async list(context: RequestContext, request: ListRequest): Promise<ListPage> {
    const bucket = await this.#options.buckets.open(context, request.bucket)
    return this.#lists.objects(context, bucket, request)
  }

  /** One page of all versions (object-lists.ts). Throws NoSuchBucket and Unavailable. */
  async listVersions(
    context: RequestContext,
    request: ListVersionsRequest,
  ): Promise<ListVersionsPage> {
    const bucket = await this.#options.buckets.open(context, request.bucket)
    return this.#lists.versions(context, bucket, request)
  }

  /** By a quorum list: true when there is no version and no delete marker. */
  isEmpty(context: RequestContext, bucket: Bucket): Promise<boolean> {
    return this.#lists.isEmpty(context, bucket)
  }

  /** Every data id that the object's register refers to, including those in pages and manifests: for the collector.
   * Throws GoneError when a page or manifest cannot be read, because then nothing is known. */
  references(
    context: RequestContext,
    key: RegisterKey,
    value: RegisterValue | undefined,
  ): AsyncIterable<DataId> {
    return this.#pages.references(context, key, objectOf(value))
  }

  /** Newest first: a repeated completion was most likely the last write. */
  async #versionOfUpload(
    context: RequestContext,
    key: RegisterKey,
    record: ObjectRecord,
    uploadId: Uint8Array,
  ): Promise<VersionRecord | undefined> {
    for await (const version of this.#pages.versions(context, key, record)) {
      if (equalBytes(version.uploadId, uploadId)) return version
    }
    return undefined
  }

  /** What an edit needs besides its input, drawn once for each operation (T5). */
  #surroundings(): (input: EditInput) => VersionNeighbours {
    const random = this.#options.random.bytes(VERSION_RANDOM_BYTES)
    const nowMs = this.#options.clock.nowMs()
    return ({ versioning, lockDefault, clockMs, pages, chosen }) => ({
      versioning,
      lockDefault,
      clockMs,
      random,
      nowMs,
      pages,
      maySpill: chosen,
    })
  }

  /** Data that no version came to name. `mayFree`: it was never proposed. */
  #abandon(owner: BlockOwner, { storage, packed }: WrittenBody, mayFree: boolean): void {
    // A packed block is sent with the proposal only.
    if (mayFree && packed !== undefined) return
    this.#reclaim.released(storage.map((each) => releasedStorage(owner, each, mayFree)))
  }
}
