/**
 * The index of due times: rows that say on which day something of an object may be due under its bucket's lifecycle
 * (node/lifecycle/). They exist only for shards that have a marker.
 *
 * ```
 * 'la' ‖ head of the shard's object keys (21)    marker: complete u8 ‖ fingerprint of the rules (16)
 * 'lr' ‖ bucket id (16) ‖ fingerprint (16)       the rules, JSON
 * 'ld' ‖ day u32 ‖ object register               one byte, 0
 * ```
 *
 * Invariants:
 *   - rows are never missing, and may be too many or too early: whoever comes to a row looks at the register (T2)
 *   - while a shard has a marker, each state of an object that is applied gets its row in the same batch of the index as
 *     the state: by the rules of the marker
 *   - a marker is complete once every register that was there when it was made has been looked at
 *   - all of them are derived: a rebuild of the index leaves none, and they are made again (node/lifecycle/)
 */

import {
  byteString,
  bytesOf,
  readU32,
  textOfUtf8,
  u32,
  utf8,
  utf8Text,
} from '../../protocol/bytes.ts'
import { bodyPlaceOf, isTombstoneState } from '../../protocol/codec/state.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { BucketId, RegisterKey } from '../../protocol/ids.ts'
import {
  bucketIdOf,
  objectHeadOf,
  objectKeyOf,
  spaceOf,
} from '../../protocol/keyspace/register-key.ts'
import { DAY_MS, type LifecycleRule } from '../../protocol/lifecycle/rule.ts'
import { earliestDue } from '../../protocol/lifecycle/judge.ts'
import { objectOfBody } from '../../protocol/object/object.ts'
import type { RowWrite } from '../log/types.ts'
import type { Current } from './index-rows.ts'

const MARKERS = 'la'
const RULES = 'lr'
const DUES = 'ld'
const FINGERPRINT_BYTES = 16
const DAY_AT = 2
const KEY_AT = 6
/** Rows without a value are removals. */
export const NOTHING = new Uint8Array(1)
/** Rule sets that are kept parsed. */
const PARSED_MAX = 1_000

/** Under which rules a shard's rows are made. */
export interface DueMarker {
  readonly complete: boolean
  /** 16 bytes. */
  readonly fingerprint: string
}

/** The range of all markers. */
export const MARKER_RANGE = { start: bytesOf(MARKERS), end: bytesOf('lb') } as const

/** By fingerprint, which is a hash of them. */
const parsed = new Map<string, readonly LifecycleRule[]>()

/** By list: those of a bucket are asked for again and again. */
const fingerprints = new WeakMap<readonly LifecycleRule[], string>()

export function fingerprintOf(rules: readonly LifecycleRule[]): string {
  let fingerprint = fingerprints.get(rules)
  if (fingerprint === undefined) {
    fingerprint = hashOf(encodeRules(rules))
    fingerprints.set(rules, fingerprint)
  }
  return fingerprint
}

function hashOf(bytes: Uint8Array): string {
  return byteString(blake3(bytes)).slice(0, FINGERPRINT_BYTES)
}

export function encodeRules(rules: readonly LifecycleRule[]): Uint8Array {
  return utf8(JSON.stringify(rules))
}

/** @param head of the shard's object keys */
export function markerRow(head: string): Uint8Array {
  return bytesOf(MARKERS + head)
}

export function headOfMarker(row: Uint8Array): string {
  return byteString(row).slice(MARKERS.length)
}

export function rulesRow(bucket: BucketId, fingerprint: string): Uint8Array {
  return bytesOf(RULES + bucket + fingerprint)
}

export function encodeMarker({ complete, fingerprint }: DueMarker): Uint8Array {
  return bytesOf((complete ? '\x01' : '\0') + fingerprint)
}

/** Undefined without a row, and for one that is damaged. */
export function decodeMarker(row: Uint8Array | undefined): DueMarker | undefined {
  if (row?.length !== 1 + FINGERPRINT_BYTES) return undefined
  return { complete: row[0] === 1, fingerprint: byteString(row).slice(1) }
}

/** The first key of a day and a partition, or of what comes behind them. */
export function dueFrom(day: number, partitionAndKey = ''): Uint8Array {
  return bytesOf(DUES + u32(day) + partitionAndKey)
}

export function dueRow(day: number, key: RegisterKey): Uint8Array {
  return dueFrom(day, key)
}

export function readDueRow(row: Uint8Array): { readonly day: number; readonly key: RegisterKey } {
  const text = byteString(row)
  return { day: readU32(text, DAY_AT), key: text.slice(KEY_AT) as RegisterKey }
}

/**
 * In place of rules whose row is damaged: an object may be due on the day after it was written, so that somebody looks
 * at it.
 */
const UNREADABLE: readonly LifecycleRule[] = [
  { id: '', enabled: true, days: 0, noncurrentDays: 0, expiredMarkers: true },
]

/** The rules under which the shard of this object is indexed. Undefined when it is not. */
export function indexedRules(
  key: RegisterKey,
  current: Current,
): readonly LifecycleRule[] | undefined {
  const marker = decodeMarker(current(markerRow(objectHeadOf(key))))
  if (marker === undefined) return undefined
  const { fingerprint } = marker
  const known = parsed.get(fingerprint)
  if (known !== undefined) return known
  const rules = decodeRules(current(rulesRow(bucketIdOf(key)!, fingerprint)), fingerprint)
  if (rules === undefined) return UNREADABLE
  if (parsed.size >= PARSED_MAX) parsed.clear()
  parsed.set(fingerprint, rules)
  return rules
}

/** Undefined without a row, and for one that is damaged: the fingerprint is the hash of its value. */
export function decodeRules(
  row: Uint8Array | undefined,
  fingerprint: string,
): readonly LifecycleRule[] | undefined {
  if (row === undefined || hashOf(row) !== fingerprint) return undefined
  return JSON.parse(utf8Text(row)) as LifecycleRule[]
}

/**
 * The row that a state of an object gets when it is applied, if any. A state that cannot be read gets a row of day 0, so
 * that somebody looks at it.
 */
export function dueWrites(key: RegisterKey, state: Uint8Array, current: Current): RowWrite[] {
  if (spaceOf(key) !== 'object') return []
  const rules = indexedRules(key, current)
  if (rules === undefined) return []
  const day = dueDayOf(rules, key, state)
  return day === undefined ? [] : [{ key: dueRow(day, key), value: NOTHING }]
}

/** The day from whose start on something of the object may be due. Undefined: never. */
export function dueDayOf(
  rules: readonly LifecycleRule[],
  key: RegisterKey,
  state: Uint8Array,
): number | undefined {
  try {
    if (isTombstoneState(state)) return undefined
    const record = objectOfBody(state.subarray(bodyPlaceOf(state, 0)))
    const dueMs = earliestDue(rules, textOfUtf8(objectKeyOf(key)), record)
    return dueMs === undefined ? undefined : dayOf(dueMs)
  } catch {
    return 0
  }
}

/** A due time is a midnight, so its day is due as a whole. Dates before 1970 are day 0. */
export function dayOf(timeMs: number): number {
  return Math.min(0xffff_ffff, Math.max(0, Math.floor(timeMs / DAY_MS)))
}
