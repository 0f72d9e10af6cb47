/**
 * Carries out what a bucket's lifecycle wants of one object: one conditional change of its register.
 *
 * Invariants:
 *   - everything is judged inside the change: the versions as they are then, by the rules of the record whose generation
 *     the replicas obey (T8). So a version that was put meanwhile is judged by its own age, and rules that were replaced
 *     never act after that was answered
 *   - to do it twice, or on two nodes at once, does nothing more
 */

import { textOfUtf8 } from '../../protocol/bytes.ts'
import type { ObjectRecord, VersionRecord } from '../../protocol/codec/versioned.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { objectKeyOf } from '../../protocol/keyspace/register-key.ts'
import { judgeObject, type Due, type Judgement } from '../../protocol/lifecycle/judge.ts'
import { allVersions, isLacking } from '../../protocol/object/pages.ts'
import {
  VERSIONING,
  wantedOf,
  withDeleteMarker,
  withoutVersion,
  withoutVersions,
  type VersionNeighbours,
} from '../../protocol/object/versions.ts'
import type { Bucket } from '../objects/bucket.ts'
import { objectRulesOf } from '../objects/bucket-lifecycle.ts'
import { hasNotices, markerEvent, removedEvent, type ObjectEvent } from '../objects/notices.ts'
import type { ObjectEdit } from '../objects/object-changes.ts'
import type { Objects } from '../objects/objects.ts'
import { internalContext } from '../tools/internal-context.ts'

/** What was done, and when something is due next if nothing was. */
export interface Expired {
  readonly done?: Due | undefined
  /** More is due: call it again. */
  readonly isMore?: boolean | undefined
  readonly nextMs?: number | undefined
}

/**
 * Does what is due at `nowMs`, at most one kind of thing. Throws Unavailable, and what the bucket's fence throws.
 */
export async function expireObject(
  objects: Pick<Objects, 'edit' | 'tell'>,
  bucket: Bucket,
  key: RegisterKey,
  nowMs: number,
): Promise<Expired> {
  const name = textOfUtf8(objectKeyOf(key))
  let judgement: Judgement = {}
  const judged = new Map<unknown, { judgement: Judgement; versions: readonly VersionRecord[] }>()
  const outcome = await objects.edit(internalContext(), bucket, key, (input, around) => {
    judgement = {}
    const all = allVersions(input.record, input.pages.known)
    if (isLacking(all)) return all
    judgement = judgeObject(objectRulesOf(bucket.record), name, all, nowMs)
    const edited = judgement.due && carryOut(judgement.due, input, around, all)
    judged.set(edited, { judgement, versions: all })
    return edited
  })
  // Assigned in the closure, which the compiler does not follow.
  if (outcome.type === 'kept') return { nextMs: (judgement as Judgement).nextMs }
  const { judgement: carriedOut, versions = [] } = judged.get(outcome.edited) ?? {}
  const { due, isMore } = carriedOut ?? {}
  if (due !== undefined && hasNotices(bucket)) {
    await objects.tell(bucket, name, outcome.ballot, eventsOf(due, outcome, versions))
  }
  return { done: due, isMore }
}

/** As in AWS, an event for each version that is gone. */
function eventsOf(
  due: Due,
  { record, versioning }: { readonly record: ObjectRecord; readonly versioning: number },
  before: readonly VersionRecord[],
): ObjectEvent[] {
  if (due.type === 'expire' && versioning !== VERSIONING.never) {
    return [markerEvent('LifecycleExpiration', record.versions[0]!)]
  }
  const gone =
    due.type === 'remove' && due.what === 'noncurrent'
      ? before.filter(({ sequence }) => due.sequences.has(sequence))
      : before.slice(0, 1)
  return gone.map((version) => removedEvent('LifecycleExpiration', version, versioning))
}

function carryOut(
  due: Due,
  { record, versioning, pages }: Parameters<ObjectEdit>[0],
  around: VersionNeighbours,
  all: readonly VersionRecord[],
): ReturnType<ObjectEdit> {
  if (due.type === 'remove') {
    return due.what === 'noncurrent'
      ? withoutVersions(record, due.sequences, pages)
      : withoutVersion(record, all[0]!, pages)
  }
  if (versioning !== VERSIONING.never) return withDeleteMarker(record, around)
  const wanted = nullVersionOf(record)
  return wanted && withoutVersion(record, wanted, pages)
}

function nullVersionOf(record: ObjectRecord): ReturnType<typeof wantedOf> {
  return wantedOf(record, 'null')
}
