/**
 * Looks after uploads that no request asks about any more (G5): those of a gateway that died, those of a deleted
 * bucket, those that stay open for longer than their bucket allows, and what finished ones leave.
 *
 *   open         aborted when the bucket's rule says so
 *   completing   whose attempt is over: completed if its version was written. Otherwise open again, so that the
 *   client may try again or give up; only the client knows the condition that it gave
 *   completed    its parts are removed; it stays for a day, so that a repeated completion has its answer
 *   aborted      its parts are removed, then it is
 *
 * Several nodes may do every step at once. A clock decides only what the owner of the bucket wants removed, and how
 * long an answer is repeated (G4).
 */

import { equalBytes, utf8ByteString } from '../../protocol/bytes.ts'
import { uploadCodec, type UploadRecord } from '../../protocol/codec/versioned.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import {
  bucketIdOf,
  objectKeyOf,
  shardOfKey,
  uploadIdOf,
  uploadRange,
  uploadRegister,
} from '../../protocol/keyspace/register-key.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Clock } from '../env/ports.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { Reclaim } from './reclaim.ts'
import type { Bucket } from './bucket.ts'
import { isAbortDue } from './bucket-lifecycle.ts'
import type { Buckets } from './buckets.ts'
import type { Completion } from './completion.ts'
import type { Lister } from '../quorum/lister.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import { goneBucket, isBare, partOf, type UploadParts } from './upload-parts.ts'
import {
  noUpload,
  partsOfTicket,
  uploadPlaceOf,
  ticketOf,
  uploadRecordOf,
  uploadTombstone,
  uploadValue,
  type UploadPlace,
} from './upload-record.ts'
import {
  UPLOAD_ABORTED,
  UPLOAD_COMPLETED,
  UPLOAD_COMPLETING,
  UPLOAD_OPEN,
} from '../../protocol/object/upload-state.ts'
import { Tickets } from './tickets.ts'

/** For how long a completed upload answers a repeated completion. */
const ANSWER_KEPT_MS = 24 * 3_600_000
/** For how long parts of an upload that was found open are skipped. */
const OPEN_KNOWN_MS = 60_000
const OPEN_KNOWN_MAX = 10_000
/** The most uploads of a bucket that is being deleted. The rest is found later. */
const ABANDON_MS = 5_000
const ABANDONED_AT_ONCE = 8

/** What became of an upload. */
interface Ended {
  /** Also from a tombstone. Left out when the register is absent. */
  readonly state?: number
  /** Undefined when the upload is gone, so that nothing is left to clean up. */
  readonly record?: UploadRecord | undefined
}

/**
 * The port by which the scan (reclaim/scan.ts) hands over what it meets. Each call looks at one register, and throws
 * what registers throw: the next scan comes again.
 */
export interface UploadSweep {
  /** Visits an upload's register. */
  upload(key: RegisterKey): Promise<void>
  /** Visits a part's register: it may have lost its upload. */
  part(key: RegisterKey): Promise<void>
  /** Visits an object's register with tickets of completions. */
  tickets(key: RegisterKey): Promise<void>
}

export interface UploadSweeperOptions {
  readonly registers: RegisterClient
  readonly buckets: Pick<Buckets, 'find'>
  readonly lister: Lister
  readonly completion: Completion
  readonly parts: UploadParts
  readonly reclaim: Reclaim
  readonly clock: Clock
  readonly partitionBits: () => number
}

export class UploadSweeper implements UploadSweep {
  readonly #options: UploadSweeperOptions
  readonly #tickets: Tickets
  /** Keys of parts without their number → when their upload was last met open. */
  readonly #open = new Map<string, number>()

  constructor(options: UploadSweeperOptions) {
    this.#options = options
    this.#tickets = new Tickets(options.registers)
  }

  /** Takes one upload as far as it can go now. @param key of an upload's register */
  async upload(key: RegisterKey): Promise<void> {
    const context = internalContext()
    const place = uploadPlaceOf(key, this.#options.partitionBits())
    const record = await this.#read(context, key)
    if (record === undefined) return
    const bucket = await this.#options.buckets.find(context, record.bucket, place.bucketId)
    if (bucket === undefined) {
      // Nothing is written into a deleted bucket (T8), and requests that try to are refused.
      await this.#abandon(context, goneBucket(place.bucketId), place, record)
    } else {
      await this.#look(context, bucket, { ...place, fence: bucket }, record)
    }
  }

  /**
   * Removes a part that has no upload any more. Parts of an upload that was met open a short time ago are skipped
   * without a read. @param key of a part's register
   */
  async part(key: RegisterKey): Promise<void> {
    const { clock, registers, parts, partitionBits } = this.#options
    const known = this.#open.get(withoutNumber(key))
    if (known !== undefined && clock.monotonicMs() - known < OPEN_KNOWN_MS) return
    const context = internalContext()
    const { accepted } = await registers.read(context, { key })
    const part = partOf(accepted?.value)
    // Records of older program versions do not have it: then the part is removed with its upload, or never.
    if (part === undefined || part.key === '') return
    const bucketId = bucketIdOf(key)!
    const name = utf8ByteString(part.key)
    const register = uploadRegister(
      bucketId,
      shardOfKey(key),
      name,
      uploadIdOf(key),
      partitionBits(),
    )
    const upload = await this.#read(context, register)
    if (upload !== undefined) {
      if (upload.state === UPLOAD_OPEN) this.#knowOpen(register)
      return
    }
    // The part was put after its upload was over, and cannot become part of an object any more.
    await parts.drop(context, { register }, key, undefined)
  }

  /**
   * Ends the attempts whose tickets an object still has, once they are over: the upload is unwound, or the ticket is
   * withdrawn when the upload has left that attempt. @param key of an object's register
   */
  async tickets(key: RegisterKey): Promise<void> {
    const { reclaim, registers, partitionBits } = this.#options
    const context = internalContext()
    for (const each of await this.#tickets.list(context, { object: key })) {
      const { uploadId, attempt, ticket } = partsOfTicket(each)
      if (attempt !== undefined && !reclaim.isOver(attempt)) continue
      const name = objectKeyOf(key)
      const register = uploadRegister(
        bucketIdOf(key)!,
        shardOfKey(key),
        name,
        uploadId,
        partitionBits(),
      )
      const place = uploadPlaceOf(register, partitionBits())
      // A change, so that no "completing" that is still under way can succeed afterwards.
      const outcome = await registers.change(context, {
        key: register,
        change: (value) =>
          value === undefined
            ? { write: uploadTombstone(noUpload(place.key)) }
            : { keep: true, rewrite: true },
      })
      const value = outcome.type === 'written' ? outcome.value : outcome.current?.value
      const record = uploadRecordOf(value)
      const same = record !== undefined && equalBytes(ticketOf(place, record), ticket)
      if (record?.state === UPLOAD_COMPLETING && same) await this.upload(register)
      else await this.#tickets.withdraw(context, place, ticket)
    }
  }

  /**
   * Ends an upload by request, and resolves with its state then.
   *
   * An aborted upload is remembered for a while after it is gone; a completed one stays, and so does one whose
   * completion is under way. A completion that its request has left is unwound first.
   */
  async abort(context: RequestContext, place: UploadPlace): Promise<Ended> {
    const { completion } = this.#options
    const ended = await this.#abortOpen(context, place)
    const { record } = ended
    if (record?.state !== UPLOAD_COMPLETING || !completion.isLeft(record)) return ended
    await completion.unwind(context, place, record)
    return this.#abortOpen(context, place)
  }

  /** Aborts uploads of a bucket that is empty and about to be deleted. Uploads that it does not reach in time are
   * found later: they hold up nothing. */
  async abandonAll(context: RequestContext, bucket: Bucket): Promise<void> {
    const { lister, clock, partitionBits } = this.#options
    const until = clock.monotonicMs() + ABANDON_MS
    const walk = lister.walk(context, {
      bucket,
      shards: Array.from({ length: bucket.shards }, (_, shard) => shard),
      range: (shard, after) => {
        const range = uploadRange(bucket.id, shard, '', undefined, partitionBits())
        if (after === undefined) return range
        const start = range.start + after + '\0'
        return { start: start as RegisterKey, end: range.end }
      },
      expected: 64,
    })
    try {
      while (clock.monotonicMs() < until) {
        const batch: Promise<void>[] = []
        while (batch.length < ABANDONED_AT_ONCE) {
          const entry = await walk.next()
          if (entry === undefined) break
          const place = { ...uploadPlaceOf(entry.key, partitionBits()), fence: bucket }
          const record = await this.#read(context, entry.key)
          if (record === undefined) continue
          const work = this.#abandon(context, bucket, place, record)
          work.catch(() => {})
          batch.push(work)
        }
        if (batch.length === 0) return
        await Promise.all(batch)
      }
    } catch {
      // The scan finds the others.
    }
  }

  /** Open becomes aborted; any other state stays. Resolves with what there is then. */
  async #abortOpen(context: RequestContext, place: UploadPlace): Promise<Ended> {
    const outcome = await this.#options.registers.change(context, {
      key: place.register,
      fence: place.fence,
      change: (value) => {
        const record = uploadRecordOf(value)
        if (record?.state !== UPLOAD_OPEN) return { keep: true }
        return { write: uploadValue({ ...record, state: UPLOAD_ABORTED }) }
      },
    })
    const value = outcome.type === 'written' ? outcome.value : outcome.current?.value
    if (value === undefined) return {}
    return { state: uploadCodec.decode(value.body).state, record: uploadRecordOf(value) }
  }

  /** One step for an upload of a bucket that exists. */
  async #look(
    context: RequestContext,
    bucket: Bucket,
    place: UploadPlace,
    record: UploadRecord,
  ): Promise<void> {
    const { clock, completion } = this.#options
    switch (record.state) {
      case UPLOAD_OPEN: {
        this.#knowOpen(place.register)
        if (!isAbortDue(bucket.record, record, clock.nowMs())) return
        const { record: now } = await this.#abortOpen(context, place)
        if (now?.state === UPLOAD_ABORTED) await this.#clean(context, bucket, place, now)
        return
      }
      case UPLOAD_COMPLETING: {
        if (!completion.isLeft(record)) return
        const now = await completion.unwind(context, place, record)
        if (now?.state === UPLOAD_COMPLETED) await this.#clean(context, bucket, place, now)
        return
      }
      default:
        await this.#clean(context, bucket, place, record)
    }
  }

  /** Ends an upload whose bucket is deleted or being deleted. No client asks for its outcome any more. */
  async #abandon(
    context: RequestContext,
    bucket: Bucket,
    place: UploadPlace,
    record: UploadRecord,
  ): Promise<void> {
    let now: UploadRecord | undefined = record
    if (now.state === UPLOAD_COMPLETING) {
      now = await this.#options.completion.unwind(context, place, now)
    }
    if (now?.state === UPLOAD_OPEN) now = (await this.#abortOpen(context, place)).record
    if (now === undefined) return
    if (now.state === UPLOAD_ABORTED || now.state === UPLOAD_COMPLETED) {
      await this.#clean(context, bucket, place, now, { isAbandoned: true })
    }
  }

  /**
   * Removes the parts of an upload that is over, then the upload itself once no client can want its answer any more.
   * `isAbandoned`: that is now, because its bucket is gone.
   */
  async #clean(
    context: RequestContext,
    bucket: Bucket,
    place: UploadPlace,
    record: UploadRecord,
    { isAbandoned = false } = {},
  ): Promise<void> {
    const { parts, registers, clock } = this.#options
    this.#open.delete(placeOfParts(place.register))
    const isClean = record.state === UPLOAD_COMPLETED && isBare(record)
    if (!isClean) await parts.clean(context, bucket, place, record)
    if (record.state !== UPLOAD_COMPLETED) return
    const isOld = clock.nowMs() - (record.result?.lastModifiedMs ?? 0) > ANSWER_KEPT_MS
    if (!isOld && !isAbandoned) return
    await registers.change(context, {
      key: place.register,
      fence: place.fence,
      change: (value) => {
        const now = uploadRecordOf(value)
        if (now?.state !== UPLOAD_COMPLETED || !isBare(now)) return { keep: true }
        return { write: uploadTombstone(now) }
      },
    })
  }

  /** Without a fence: deleted buckets are swept too. */
  async #read(context: RequestContext, key: RegisterKey): Promise<UploadRecord | undefined> {
    const { accepted } = await this.#options.registers.read(context, { key })
    return uploadRecordOf(accepted?.value)
  }

  /** Parts of this upload are skipped for a while. */
  #knowOpen(register: RegisterKey): void {
    if (this.#open.size >= OPEN_KNOWN_MAX) this.#open.clear()
    this.#open.set(placeOfParts(register), this.#options.clock.monotonicMs())
  }
}

/** The part of a part's key that all parts of its upload have in common. */
function withoutNumber(part: RegisterKey): string {
  return part.slice(0, 2) + part.slice(3, -2)
}

/** The same, made from the upload's key: partition, bucket, shard, upload id. */
function placeOfParts(upload: RegisterKey): string {
  return upload.slice(0, 2) + upload.slice(3, 21) + uploadIdOf(upload)
}
