/**
 * Completion of uploads (G5):
 *
 * 1. A ticket enters the object. It names the attempt, so that any node can ask whether the attempt is over.
 * 2. open → completing, with the version that will be written and the attempt.
 * 3. Check that the parts are still those that the version names. A part may have been put again between the look at
 *    the parts and step 2, and its old data may be gone, since nothing named it then (reclaim/reachability-check.ts).
 * 4. The object's change, which takes the ticket. If its condition fails, the ticket stays refused.
 * 5. completing → completed, or open again.
 *
 * Each step is idempotent, and any request that meets "completing" can go on with it. Without the ticket, a request
 * that met it and was then delayed would write the version a second time, over what was put or deleted since. An
 * attempt is taken back in the object first, so that no request that still goes on with it succeeds.
 */

import { byteString } from '../../protocol/bytes.ts'
import type { StorageRecord, UploadRecord, VersionRecord } from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import { objectOf } from '../../protocol/object/object.ts'
import type { CompletedPart, PartInfo, UploadInfo } from '../../gateway/port/uploads.ts'
import type { PutResult, WriteCondition } from '../../gateway/port/objects.ts'
import type { FinishedBody } from '../../gateway/port/body.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { Bodies } from '../quorum/body.ts'
import type { Clock } from '../env/ports.ts'
import type { Reclaim } from './reclaim.ts'
import {
  answerOf,
  completing,
  manifestOf,
  releasedManifest,
  type CompletionResult,
} from './completion-record.ts'
import { CompletionParts } from './completion-parts.ts'
import type { Objects } from './objects.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import { Tickets } from './tickets.ts'
import type { UploadParts } from './upload-parts.ts'
import {
  attemptOf,
  isCompleting,
  isSameRequest,
  noSuchUpload,
  requestDigest,
  ticketOf,
  uploadInfoOf,
  uploadRecordOf,
  uploadValue,
  type FencedPlace,
  type UploadPlace,
} from './upload-record.ts'
import {
  UPLOAD_ABORTED,
  UPLOAD_COMPLETED,
  UPLOAD_OPEN,
} from '../../protocol/object/upload-state.ts'
import { partInfoOf } from './versions.ts'

/** How often a completion begins again when others are in the way. After that the client may retry. */
const ATTEMPTS = 4

export interface CompletionOptions {
  /** The least size of all parts but the last. When left out, S3's. */
  readonly partBytesMin?: number | undefined
  readonly registers: RegisterClient
  readonly objects: Objects
  readonly bodies: Bodies
  readonly parts: UploadParts
  readonly reclaim: Reclaim
  readonly clock: Clock
  /** Called when the upload is completed: its parts may be removed. */
  readonly onCompleted: (
    place: FencedPlace,
    record: UploadRecord,
    storage: readonly StorageRecord[] | undefined,
  ) => void
}

export interface CompletionRequest {
  readonly parts: readonly CompletedPart[]
  /** Judged against the object's current version inside the object's change. */
  readonly condition?: WriteCondition | undefined
  /**
   * Makes ETag and checksums of the whole from those of the parts. Called once for each attempt, before anything is
   * written. What it throws is passed on to the client.
   */
  finish(parts: readonly PartInfo[], upload: UploadInfo): FinishedBody | Promise<FinishedBody>
}

/** What an attempt has at hand that others would have to fetch. */
interface AtHand {
  /** The manifest, for the object's change. Another node's replicas ask for it when they lack it (A5). */
  readonly block?: OwnedBlock | undefined
  /** The complete list of parts. */
  readonly storage?: readonly StorageRecord[] | undefined
}

/**
 * Steps 1 to 5 for requests, and the end of attempts that no request goes on with. Used by uploads.ts and
 * upload-sweeper.ts.
 */
export class Completion {
  readonly #options: CompletionOptions
  readonly #tickets: Tickets
  readonly #parts: CompletionParts

  constructor(options: CompletionOptions) {
    this.#options = options
    this.#tickets = new Tickets(options.registers)
    this.#parts = new CompletionParts(options.parts, options.partBytesMin)
  }

  /**
   * Completes the upload, or joins the completion under way. The same answer for each repeat of the same request.
   *
   * Throws NoSuchUpload, what `request.finish` and the condition throw, the errors of S3's checks of the parts
   * (completion-record.ts), and Unavailable when another completion is under way or the outcome is not known.
   */
  async complete(
    context: RequestContext,
    place: FencedPlace,
    request: CompletionRequest,
  ): Promise<CompletionResult> {
    const digest = requestDigest(request.parts)
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const record = await this.#read(context, place)
      if (record === undefined || record.state === UPLOAD_ABORTED) {
        throw noSuchUpload(place.uploadId)
      }
      const result =
        record.state === UPLOAD_OPEN
          ? await this.#begin(context, place, record, request, digest)
          : await this.#join(context, place, record, request, digest)
      if (result !== 'again') return result
    }
    throw busy()
  }

  /**
   * Whether the attempt of a "completing" upload is over, as far as this node knows. Then no request goes on with it
   * unless it finds it here. Records of older programs name no attempt; their node has started again since.
   */
  isLeft(completing: UploadRecord): boolean {
    const attempt = attemptOf(completing)
    return attempt === undefined || this.#options.reclaim.isOver(attempt)
  }

  /**
   * Ends an attempt that its request has left. If its version was written, the upload is completed; otherwise the
   * version never will be written, and the upload is open again. The object decides which, in one change: either the
   * ticket is refused there, or it is gone because the version took it.
   *
   * Resolves with the upload's record as it is then. Throws what changes of registers throw: then any node may try
   * again.
   */
  async unwind(
    context: RequestContext,
    place: UploadPlace,
    record: UploadRecord,
  ): Promise<UploadRecord | undefined> {
    const ticket = ticketOf(place, record)
    if ((await this.#tickets.refuse(context, place, ticket)) === 'refused') {
      return this.#reopen(context, place, record)
    }
    const version = await this.#written(context, place, record)
    await this.#options.objects.tellCompleted(context, place, version)
    return this.#move(context, place, record, (now) => ({
      ...now,
      state: UPLOAD_COMPLETED,
      result: version,
    }))
  }

  /** Removes a ticket from the object that may not be used any more. */
  withdraw(context: RequestContext, place: UploadPlace, ticket: Uint8Array): Promise<void> {
    return this.#tickets.withdraw(context, place, ticket)
  }

  /**
   * Steps 1 to 5 with an attempt of this request's own. `again`: the upload was no longer open at step 2, or a later
   * step found others in the way. The attempt ends with the call, whatever its outcome: from then on others may unwind
   * it.
   */
  async #begin(
    context: RequestContext,
    place: FencedPlace,
    before: UploadRecord,
    request: CompletionRequest,
    digest: Uint8Array,
  ): Promise<CompletionResult | 'again'> {
    const { registers, bodies } = this.#options
    const parts = await this.#parts.named(context, place, request.parts)
    const made = request.finish(parts.map(partInfoOf), uploadInfoOf(before, place.uploadId))
    const finished = made instanceof Promise ? await made : made
    const attempt = bodies.begin()
    try {
      const { record, block, storage } = completing(
        place,
        before,
        parts,
        finished,
        digest,
        attempt.id,
      )
      const ticket = ticketOf(place, record)
      await this.#tickets.admit(context, place, ticket)
      const outcome = await registers.change(context, {
        key: place.register,
        fence: place.fence,
        block,
        change: (value) =>
          uploadRecordOf(value)?.state === UPLOAD_OPEN
            ? { write: uploadValue(record, block) }
            : { keep: true },
      })
      if (outcome.type === 'kept') {
        await this.#tickets.withdraw(context, place, ticket)
        return 'again'
      }
      const atHand = { block, storage }
      return await this.#finish(context, place, record, request.condition, atHand)
    } finally {
      attempt.end()
    }
  }

  /** Another request has begun a completion, or has finished it. */
  async #join(
    context: RequestContext,
    place: FencedPlace,
    record: UploadRecord,
    request: CompletionRequest,
    digest: Uint8Array,
  ): Promise<CompletionResult | 'again'> {
    if (isSameRequest(record, digest)) {
      return this.#finish(context, place, record, request.condition, {})
    }
    if (record.state === UPLOAD_COMPLETED) throw noSuchUpload(place.uploadId)
    if (!this.isLeft(record)) throw busy()
    await this.unwind(context, place, record)
    return 'again'
  }

  /**
   * Steps 3 to 5 for an upload that is "completing", on behalf of this request or of another one that named the same
   * parts. `again`: the upload has to be read once more.
   */
  async #finish(
    context: RequestContext,
    place: FencedPlace,
    record: UploadRecord,
    condition: WriteCondition | undefined,
    atHand: AtHand,
  ): Promise<CompletionResult | 'again'> {
    const { objects, parts, onCompleted } = this.#options
    if (record.state === UPLOAD_COMPLETED) return answerOf(place, record)
    const version = record.result
    if (version === undefined) throw noSuchUpload(place.uploadId)
    const storage = atHand.storage ?? (await parts.storageOf(context, place, record))
    if (storage === undefined) {
      // Its list of parts is gone because it is completed, or no replica answers.
      if (isCompleting(await this.#read(context, place), record)) throw busy()
      return 'again'
    }
    if (!(await this.#parts.areStillStored(context, place, storage))) {
      // A part was put again, or the parts were removed because another request has completed the upload.
      await this.unwind(context, place, record)
      return 'again'
    }
    let put: PutResult | 'gone' | 'refused'
    try {
      put = await objects.writeCompleted(context, place.fence, place.object, {
        version,
        ticket: ticketOf(place, record),
        condition,
        block: atHand.block,
      })
    } catch (error) {
      if (isConditionError(error)) await this.#reopen(context, place, record)
      throw error
    }
    if (put === 'refused') {
      // Refused because of another request's condition, or by the sweep. An attempt of this request's own tells
      // which.
      await this.#reopen(context, place, record)
      return 'again'
    }
    const written =
      put === 'gone'
        ? await this.#written(context, place, record)
        : {
            ...version,
            versionId: put.versionId === 'null' ? '' : put.versionId,
            lastModifiedMs: put.lastModifiedMs,
          }
    const now = await this.#move(context, place, record, (completing) => ({
      ...completing,
      state: UPLOAD_COMPLETED,
      result: written,
    })).catch((error: unknown) => {
      // 507 would say that nothing has happened, but the version is there (P4).
      throw isFull(error) ? new StoreError('Unavailable', 'no room to complete the upload') : error
    })
    // Not completed by this attempt: its ticket was taken back.
    if (now?.state !== UPLOAD_COMPLETED) return 'again'
    onCompleted(place, now, storage)
    return answerOf(place, now)
  }

  /** Called when the ticket is refused in the object, so that this attempt's version is never written. */
  async #reopen(
    context: RequestContext,
    place: UploadPlace,
    record: UploadRecord,
  ): Promise<UploadRecord | undefined> {
    const { reclaim } = this.#options
    const manifest = manifestOf(record)
    // Any of several calls may have made the chosen value, so each must have known that the attempt was over.
    let mayFree = manifest !== undefined
    const now = await this.#move(context, place, record, (completing) => {
      mayFree &&= reclaim.isOver(manifest!)
      const { result: _, ...rest } = completing
      return { ...rest, state: UPLOAD_OPEN, request: new Uint8Array(0) }
    })
    if (manifest !== undefined && now?.state === UPLOAD_OPEN) {
      reclaim.released([releasedManifest(place, manifest, mayFree)])
    }
    await this.#tickets.withdraw(context, place, ticketOf(place, record))
    return now
  }

  /** Moves the upload from exactly this attempt to another state. Returns the record as it is then. */
  async #move(
    context: RequestContext,
    place: UploadPlace,
    attempt: UploadRecord,
    edit: (record: UploadRecord) => UploadRecord,
  ): Promise<UploadRecord | undefined> {
    const outcome = await this.#options.registers.change(context, {
      key: place.register,
      fence: place.fence,
      change: (value) => {
        const record = uploadRecordOf(value)
        if (value === undefined || record === undefined || !isCompleting(record, attempt)) {
          return { keep: true }
        }
        const next = edit(record)
        // The manifest stays with the upload as long as the upload names it.
        const blocks = next.result === undefined ? [] : value.blocks
        return { write: { ...uploadValue(next), blocks } }
      },
    })
    return uploadRecordOf(outcome.type === 'written' ? outcome.value : outcome.current?.value)
  }

  /** The version as it was written: its ticket has left the object. */
  async #written(
    context: RequestContext,
    place: UploadPlace,
    { result }: UploadRecord,
  ): Promise<VersionRecord> {
    const { accepted } = await this.#options.registers.read(context, {
      key: place.object,
      fence: place.fence,
    })
    const { versions } = objectOf(accepted?.value)
    const mine = versions.find(({ uploadId }) => byteString(uploadId) === place.id)
    return {
      ...result!,
      versionId: mine?.versionId ?? '',
      lastModifiedMs: mine?.lastModifiedMs ?? this.#options.clock.nowMs(),
    }
  }

  /** The upload's record; undefined when the upload is gone. Linearizable. */
  async #read(context: RequestContext, place: FencedPlace): Promise<UploadRecord | undefined> {
    const { accepted } = await this.#options.registers.read(context, {
      key: place.register,
      fence: place.fence,
    })
    return uploadRecordOf(accepted?.value)
  }
}

/** The two codes with which a failed condition is answered. */
function isConditionError(error: unknown): boolean {
  return (
    error instanceof StoreError &&
    (error.code === 'PreconditionFailed' || error.code === 'NoSuchKey')
  )
}

function isFull(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'InsufficientStorage'
}

function busy(): StoreError {
  return new StoreError('Unavailable', 'another completion of this upload is under way')
}
