/**
 * The lifecycle in a bucket's record. Pure.
 *
 * The rules are a document of the record. Programs from before there were such documents know `abortRules` only, and
 * obey, show, replace and remove those. So a record has both: the document, and in `abortRules` what those programs can
 * carry out. A mark behind it says that the document belongs to it. A program that does not know the document replaces
 * the list without the mark, and from then on the document does not count.
 */

import { textOfUtf8 } from '../../protocol/bytes.ts'
import type { BucketRecord, UploadRecord, VersionRecord } from '../../protocol/codec/versioned.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { objectKeyOf } from '../../protocol/keyspace/register-key.ts'
import {
  abortOf,
  expirationOf,
  midnightAfter,
  objectRules,
  type LifecycleRule,
  type RuleTime,
} from '../../protocol/lifecycle/rule.ts'

type AbortRules = BucketRecord['abortRules']

/** No client can configure it: a rule has an id, and at least one day. */
const MARK: AbortRules[number] = { id: '', prefix: '', days: 0, enabled: false }

/** `abortRules` of a record with these rules as its document. */
export function abortRulesOf(rules: readonly LifecycleRule[]): AbortRules {
  const aborting = rules.flatMap(({ id, prefix = '', abortDays, enabled }) =>
    abortDays === undefined ? [] : [{ id, prefix, days: abortDays, enabled }],
  )
  return [...aborting, MARK]
}

/** The rules in force. Undefined when there are none. */
export function rulesOf(
  abortRules: AbortRules,
  document: readonly LifecycleRule[] | undefined,
): readonly LifecycleRule[] | undefined {
  if (abortRules.at(-1)?.days === MARK.days) return document
  if (abortRules.length === 0) return undefined
  return abortRules.map(({ id, prefix, days, enabled }) => ({
    id,
    enabled,
    prefix,
    abortDays: days,
  }))
}

/** By record: requests ask again and again, and a record never changes. */
const known = new WeakMap<BucketRecord, readonly LifecycleRule[]>()

/** The rules in force, none without a lifecycle. */
export function lifecycleOf(record: BucketRecord): readonly LifecycleRule[] {
  let rules = known.get(record)
  if (rules === undefined) {
    const text = record.documents.find(({ name }) => name === 'lifecycle')?.value
    const document = text === undefined ? undefined : (JSON.parse(text) as LifecycleRule[])
    rules = rulesOf(record.abortRules, document) ?? []
    known.set(record, rules)
  }
  return rules
}

/** As `known`, of `objectRulesOf`. */
const knownObjectRules = new WeakMap<BucketRecord, readonly LifecycleRule[]>()

/** The rules in force that act on versions of objects. For the same record it is the same list. */
export function objectRulesOf(record: BucketRecord): readonly LifecycleRule[] {
  let rules = knownObjectRules.get(record)
  if (rules === undefined) knownObjectRules.set(record, (rules = objectRules(lifecycleOf(record))))
  return rules
}

/** When the object's current version expires, as answers about it say. */
export function expirationIn(
  { record }: { readonly record: BucketRecord },
  key: RegisterKey,
  version: VersionRecord,
): RuleTime | undefined {
  const rules = lifecycleOf(record)
  return rules.length === 0 ? undefined : expirationOf(rules, textOfUtf8(objectKeyOf(key)), version)
}

/** When the upload is aborted if it stays open, as answers about it say. */
export function abortIn(
  { record }: { readonly record: BucketRecord },
  upload: Pick<UploadRecord, 'key' | 'initiatedMs'>,
): RuleTime | undefined {
  return abortOf(lifecycleOf(record), upload)
}

/**
 * Whether a rule of the bucket wants this open upload aborted by now. Decided by the wall clock of the node that asks:
 * this is policy, never safety (G4).
 */
export function isAbortDue(
  { abortRules }: Pick<BucketRecord, 'abortRules'>,
  upload: { readonly key: string; readonly initiatedMs: number },
  nowMs: number,
): boolean {
  return abortRules.some(
    ({ enabled, prefix, days }) =>
      enabled && upload.key.startsWith(prefix) && nowMs >= midnightAfter(upload.initiatedMs, days),
  )
}
