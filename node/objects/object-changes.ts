/**
 * Changes of an object's register that may make and replace pages.
 *
 * 1. The edit is a pure function of the record, the bucket's setting and the pages at hand. When it needs a page that
 *    is not at hand, it says so: nothing is written, the pages on the path are read, and the edit is called again.
 *    Pages never change, so a page that was read stays right whatever the register says by then.
 * 2. New pages get data ids of one attempt each, and new ones for each call: a data id has one content. They are sent
 *    with the accept (A5).
 * 3. When the change is known to be chosen, the data that it removed is released, and so is what calls made that were
 *    not chosen (G5).
 *
 * The bucket's setting is read together with its generation for each proposal, so that an accept never carries a
 * newer fence than the setting that it obeys (T8).
 */

import { checkInput } from '../../protocol/input.ts'
import { bytesOf, equalBytes } from '../../protocol/bytes.ts'
import {
  pageCodec,
  type ObjectRecord,
  type PageRecord,
  type VersionRecord,
} from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import { dataId, type DataId, type RegisterKey } from '../../protocol/ids.ts'
import { dataIdOf, packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByObject } from '../../protocol/keyspace/owner.ts'
import { objectOf, objectValue } from '../../protocol/object/object.ts'
import {
  lockBroken,
  NO_LOCK_RIGHTS,
  type LockDefault,
  type LockRights,
} from '../../protocol/object/lock.ts'
import { isLacking, pageIdOf, type Lacking, type PageTools } from '../../protocol/object/pages.ts'
import { dataIdsOf, type Edited } from '../../protocol/object/versions.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import type { Accepted, Fence, RegisterValue } from '../../protocol/register/types.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { WriteAttempt } from '../replica/attempts.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { Bodies } from '../quorum/body.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { BlockLosses } from './losses.ts'
import type { Reclaim, Released } from './reclaim.ts'
import type { Bucket } from './bucket.ts'
import { lockDefaultOf } from './bucket-lock.ts'
import type { Pages } from './pages.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { FenceSource } from '../quorum/fence-source.ts'
import { releasedParts, releasedStorage, releasedVersion } from './released.ts'

/** How often the register may change while its pages are read. */
const ROUNDS_MAX = 8
/** For a trial run of the edit, whose result is thrown away. */
const NO_ID = dataId('\0'.repeat(24))

/** What an edit is a function of. All of it may differ from one call to the next. */
export interface EditInput {
  readonly record: ObjectRecord
  /** The bucket's setting: never 0, enabled 1, suspended 2. */
  readonly versioning: number
  readonly pages: PageTools
  /** Of the same setting: the retention that new versions get. */
  readonly lockDefault: LockDefault | undefined
  /** What the clocks of a majority have passed, 0 when they did not say. Known wherever there is a `lockDefault` (T10). */
  readonly clockMs: number
  /** True when a majority has the blocks that the record's state names: versions may move to pages. */
  readonly chosen: boolean
}

/**
 * What becomes of the record. Called again on each retry and after each page that was read. `Lacking`: this page has to
 * be read first. When it returns undefined, the record stays as it is.
 */
export type ObjectEdit = (input: EditInput) => Edited | Lacking | undefined

/**
 * What became of the change: `record` is the chosen one in both cases, and `versioning` the setting that the written
 * one obeys. `ballot` orders the changes of an object: higher than that of the change before it.
 */
export type EditOutcome =
  | {
      readonly type: 'written'
      readonly record: ObjectRecord
      /** What the edit returned when it made the chosen record. Its last call may have met a later state, also one that
       * has this very change in it. */
      readonly edited: Edited
      readonly versioning: number
      readonly ballot: Ballot
    }
  | {
      readonly type: 'kept'
      readonly record: ObjectRecord
      /** False when nothing of this was ever sent. */
      readonly proposed: boolean
      /** Absent when the register is. */
      readonly ballot: Ballot | undefined
    }

export interface ObjectChangesOptions {
  readonly registers: RegisterClient
  readonly bodies: Bodies
  readonly pages: Pages
  readonly reclaim: Reclaim
  readonly partitionBits: () => number
  readonly losses: Pick<BlockLosses, 'isLost'>
}

/** The result of one call of the edit. */
interface Plan {
  readonly write: Omit<RegisterValue, 'operation'>
  readonly edited: Edited
  readonly versioning: number
  /** New pages, which the accept takes along (A5). */
  readonly blocks: readonly OwnedBlock[]
  /** What the record names no more, once this plan is the chosen one. */
  readonly released: readonly Released[]
  /** Pages whose manifests have to be read to know what is released. */
  readonly removedLong: readonly VersionRecord[]
}

/** What a change needs besides its edit. */
export interface ChangeExtras {
  /** The packed block of the version that the edit writes: it rides with the accept. */
  readonly block?: OwnedBlock | undefined
  /** What the edit may do to locks. When left out, nothing. */
  readonly rights?: LockRights | undefined
}

/** An edit of the record that leaves the versions as they are. */
export function sameVersions(record: ObjectRecord): Edited {
  return { record, made: [], removed: [], dropped: [] }
}

/**
 * Every change of an object's register goes through here, except that of tickets alone (tickets.ts). Called by
 * objects.ts.
 */
export class ObjectChanges {
  readonly #options: ObjectChangesOptions

  constructor(options: ObjectChangesOptions) {
    this.#options = options
  }

  /**
   * Runs one change of the object's register.
   *
   * Throws as RegisterClient.change, Unavailable when the register keeps changing while its pages are read, and ObjectLocked
   * when the edit would break a lock (T10).
   */
  async run(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    edit: ObjectEdit,
    { block, rights = NO_LOCK_RIGHTS }: ChangeExtras = {},
  ): Promise<EditOutcome> {
    const change = new ObjectChange(this.#options, bucket, key, edit, rights)
    try {
      return await change.run(context, block)
    } finally {
      change.end()
    }
  }
}

/** One change, with all its rounds and retries. */
class ObjectChange {
  readonly #options: ObjectChangesOptions
  readonly #key: RegisterKey
  readonly #edit: ObjectEdit
  readonly #rights: LockRights
  readonly #fence: PinnedFence
  /** Pages that were read for this change, also lost ones, which count as empty. They never change. */
  readonly #known = new Map<DataId, PageRecord>()
  /** Bytes of the pages that were read, for what is released with them. */
  readonly #sizes = new Map<DataId, number>()
  /** One for each page that any call has made. They run until nothing can be proposed any more. */
  readonly #attempts: WriteAttempt[] = []
  /** What each call has proposed. An accept of any of them may be the one that is chosen (P4). */
  readonly #plans: Plan[] = []
  /** Set when the change is known to be chosen. */
  #chosen: Plan | undefined

  constructor(
    options: ObjectChangesOptions,
    bucket: Bucket,
    key: RegisterKey,
    edit: ObjectEdit,
    rights: LockRights,
  ) {
    this.#options = options
    this.#key = key
    this.#edit = edit
    this.#rights = rights
    this.#fence = new PinnedFence(bucket)
  }

  /** Rounds of: propose; when the edit lacks a page, read it and propose again. */
  async run(context: RequestContext, block: OwnedBlock | undefined): Promise<EditOutcome> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      let lacking: Lacking | undefined
      let locked: VersionRecord | undefined
      const outcome = await this.#options.registers.change(context, {
        key: this.#key,
        fence: this.#fence,
        block,
        change: (value, chosen, clockMs) => {
          lacking = locked = undefined
          // A default retention counts from what the clocks of a majority say: ask them, and be called again.
          if (clockMs === undefined && this.#fence.lockDefault !== undefined) return { keep: true }
          const record = objectOf(value)
          const edited = this.#apply(record, chosen, clockMs ?? 0, () => this.#draw())
          lacking = isLacking(edited) ? edited : undefined
          if (edited === undefined || isLacking(edited)) return { keep: true }
          locked = lockBroken(record, edited, this.#known, this.#rights, clockMs ?? 0)
          if (locked !== undefined) return { keep: true }
          const plan = this.#planOf(edited, value, chosen)
          this.#plans.push(plan)
          return { write: plan.write, blocks: plan.blocks }
        },
      })
      if (outcome.type === 'written') return this.#written(outcome.value, outcome.writtenAt)
      const { current } = outcome
      // Assigned in the closure, which the compiler does not follow.
      if ((locked as VersionRecord | undefined) !== undefined) throw new StoreError('ObjectLocked')
      if (lacking === undefined) {
        const record = objectOf(current?.value)
        const ballot = current?.ballot
        return { type: 'kept', record, proposed: this.#plans.length > 0, ballot }
      }
      await this.#gather(context, current, lacking)
    }
    throw new StoreError('Unavailable', 'the versions of this object keep changing')
  }

  /** Releases data that was made and is not in the chosen value, once nothing can be proposed any more: it may be
   * stored on some replica. */
  end(): void {
    for (const attempt of this.#attempts) attempt.end()
    const owner = ownedByObject(this.#key)
    const left = this.#plans.filter((plan) => plan !== this.#chosen).flatMap(({ blocks }) => blocks)
    if (left.length === 0) return
    this.#options.reclaim.released(
      left.map(({ key, bytes }) => {
        const storage = { dataId: bytesOf(dataIdOf(key)), sizeBytes: bytes.length, packed: true }
        return releasedStorage(owner, storage, false)
      }),
    )
  }

  /** Calls the edit with the record, and with the pages that are known by now. */
  #apply(
    record: ObjectRecord,
    chosen: boolean,
    clockMs: number,
    draw: () => DataId,
  ): ReturnType<ObjectEdit> {
    const { versioning, lockDefault } = this.#fence
    const pages = { known: this.#known, draw }
    return this.#edit({ record, versioning, lockDefault, clockMs, pages, chosen })
  }

  /** A data id with an attempt of its own, so that no page shares its fate with another one. */
  #draw(): DataId {
    const attempt = this.#options.bodies.begin()
    this.#attempts.push(attempt)
    return attempt.id
  }

  /**
   * What the accept carries, and what is released if it is chosen. `isOver` is asked here, inside the change, as
   * Reclaim wants it.
   */
  #planOf(edited: Edited, before: RegisterValue | undefined, chosen: boolean): Plan {
    const { reclaim, partitionBits } = this.#options
    const key = this.#key
    const owner = ownedByObject(key)
    const { record, made, removed, dropped } = edited
    const gone = new Set([...removed.flatMap(dataIdsOf), ...dropped.map(pageIdOf)])
    const isOver = (id: DataId): boolean => reclaim.isOver(id)
    return {
      write: objectValue(key, record, {
        before,
        chosen,
        made: made.map((page) => page.dataId),
        gone,
      }),
      edited,
      versioning: this.#fence.versioning,
      blocks: made.map(({ dataId: id, page }) => ({
        key: packedBlockKey(key, id),
        bytes: pageCodec.encode(page),
        owner,
      })),
      released: [
        ...removed.flatMap((version) => releasedVersion(key, version, partitionBits(), isOver)),
        ...dropped.map((ref) => {
          const sizeBytes = this.#sizes.get(pageIdOf(ref)) ?? 0
          const storage = { dataId: ref.dataId, sizeBytes, packed: true }
          return releasedStorage(owner, storage, isOver(pageIdOf(ref)))
        }),
      ],
      removedLong: removed.filter(({ manifest }) => manifest.length > 0),
    }
  }

  /** Finds the plan that was chosen, and releases what it removed (G5). */
  #written(value: RegisterValue, ballot: Ballot): EditOutcome {
    // An accept of an earlier call may be the one that was chosen.
    const plans = this.#plans.filter(({ write }) => equalBytes(write.body, value.body))
    const plan = plans.at(-1)
    checkInput(plan !== undefined, 'a value written under this operation was made by it')
    this.#chosen = plan
    const { reclaim } = this.#options
    // Any of these calls may have made the chosen value, so each must have known that the attempt was over.
    const isOver = (id: DataId): boolean =>
      plans.every(({ released }) => released.some((each) => each.dataId === id && each.mayFree))
    if (plan.released.length > 0) {
      reclaim.released(
        plan.released.map((each) => ({ ...each, mayFree: each.mayFree && isOver(each.dataId) })),
      )
    }
    for (const version of plan.removedLong) void this.#releaseParts(version)
    const { edited, versioning } = plan
    return { type: 'written', record: edited.record, edited, versioning, ballot }
  }

  /** In the background: the change is done. The scan finds parts that are not released here. */
  async #releaseParts(version: VersionRecord): Promise<void> {
    const { pages, reclaim, partitionBits } = this.#options
    const parts = await pages.manifest(internalContext(), this.#key, version).catch(() => [])
    reclaim.released(releasedParts(this.#key, version, parts, partitionBits()))
  }

  /** Reads pages until the edit needs no more of them. Ends early when a page is gone: the register has changed by
   * then. */
  async #gather(
    context: RequestContext,
    current: Accepted | undefined,
    first: Lacking,
  ): Promise<void> {
    for (let next: Lacking = first; ;) {
      context.rounds++
      const { lacking } = next
      const read = await this.#options.pages.read(context, this.#key, lacking)
      if (read === undefined) {
        // Lost pages hold up no change (A5). If the register still names one after that, nothing of it is left.
        const lost = await this.#options.losses.isLost(packedBlockKey(this.#key, pageIdOf(lacking)))
        if (lost) this.#known.set(pageIdOf(lacking), { versions: [], pages: [] })
        return
      }
      this.#known.set(pageIdOf(lacking), read.page)
      this.#sizes.set(pageIdOf(lacking), read.sizeBytes)
      const edited = this.#apply(objectOf(current?.value), false, 0, () => NO_ID)
      if (edited === undefined || !isLacking(edited)) return
      next = edited
    }
  }
}

/** Keeps generation and settings of the bucket's record together while others refresh the record. */
class PinnedFence implements FenceSource {
  readonly #bucket: Bucket
  versioning: number
  lockDefault: LockDefault | undefined

  constructor(bucket: Bucket) {
    this.#bucket = bucket
    this.versioning = bucket.record.versioning
    this.lockDefault = lockDefaultOf(bucket.record)
  }

  /** Called for each proposal: notes the settings that belong to the generation that it returns. */
  current(): Fence {
    this.versioning = this.#bucket.record.versioning
    this.lockDefault = lockDefaultOf(this.#bucket.record)
    return this.#bucket.current()
  }

  isUsable(): boolean {
    return this.#bucket.isUsable()
  }

  refresh(): Promise<void> {
    return this.#bucket.refresh()
  }
}
