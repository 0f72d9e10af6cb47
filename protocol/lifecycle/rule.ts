/**
 * The rules of a bucket's lifecycle, and when they want something done. Pure: all instants are arguments.
 *
 * Every due time is a midnight UTC, as in AWS: so many days after the object was made, or became noncurrent, and then
 * the next midnight. What is due is decided by judge.ts.
 */

export const DAY_MS = 24 * 3_600_000

/** A rule as the client sent it. It is stored as JSON in the bucket's record. */
export interface LifecycleRule {
  readonly id: string
  readonly enabled: boolean
  /** Absent: the client's filter has none, and all keys match. */
  readonly prefix?: string | undefined
  /** All of them must be on the version. */
  readonly tags?: readonly LifecycleTag[] | undefined
  /** In bytes. The version is larger than this. */
  readonly sizeAbove?: number | undefined
  /** In bytes. The version is smaller than this. */
  readonly sizeBelow?: number | undefined
  /** The client wrote its filter with `<And>`. */
  readonly and?: boolean | undefined
  /** Days after the version was made, when it is the current one. */
  readonly days?: number | undefined
  /** A midnight UTC, from which on every current version expires. */
  readonly dateMs?: number | undefined
  /** Removes a delete marker that is the only version. */
  readonly expiredMarkers?: boolean | undefined
  /** Days after a version became noncurrent. */
  readonly noncurrentDays?: number | undefined
  /** So many of the newest noncurrent versions stay. */
  readonly newerNoncurrent?: number | undefined
  /** Days after an upload began. */
  readonly abortDays?: number | undefined
}

interface LifecycleTag {
  readonly key: string
  readonly value: string
}

/** What a filter looks at. Delete markers have neither size nor tags, so filters by these pass them over. */
export interface Filtered {
  readonly deleteMarker: boolean
  readonly sizeBytes: number
  readonly tags?: readonly { readonly name: string; readonly value: string }[] | undefined
}

/** An instant, and the rule that chose it. */
export interface RuleTime {
  readonly atMs: number
  readonly ruleId: string
}

/** The midnight after `days` days. What was made at midnight counts as made on the day that begins. */
export function midnightAfter(fromMs: number, days: number): number {
  return (Math.floor(fromMs / DAY_MS) + days + 1) * DAY_MS
}

/** The rules that may ever act on versions of objects. */
export function objectRules(rules: readonly LifecycleRule[]): LifecycleRule[] {
  return rules.filter(
    ({ enabled, days, dateMs, expiredMarkers, noncurrentDays }) =>
      enabled && (expiredMarkers === true || (days ?? dateMs ?? noncurrentDays) !== undefined),
  )
}

export function matchesKey({ prefix = '' }: LifecycleRule, key: string): boolean {
  return key.startsWith(prefix)
}

/** Without a look at the key. */
export function matchesVersion(rule: LifecycleRule, version: Filtered): boolean {
  const { tags, sizeAbove, sizeBelow } = rule
  if (tags === undefined && sizeAbove === undefined && sizeBelow === undefined) return true
  if (version.deleteMarker) return false
  if (sizeAbove !== undefined && version.sizeBytes <= sizeAbove) return false
  if (sizeBelow !== undefined && version.sizeBytes >= sizeBelow) return false
  return (tags ?? []).every(({ key, value }) =>
    (version.tags ?? []).some((tag) => tag.name === key && tag.value === value),
  )
}

/**
 * When the current version expires, by the rule that comes first. Undefined when no rule wants it, and for a delete
 * marker. `rules` may have disabled ones.
 */
export function expirationOf(
  rules: readonly LifecycleRule[],
  key: string,
  version: Filtered & { readonly lastModifiedMs: number },
): RuleTime | undefined {
  let first: RuleTime | undefined
  if (version.deleteMarker) return undefined
  for (const rule of rules) {
    if (!rule.enabled || !matchesKey(rule, key) || !matchesVersion(rule, version)) continue
    const atMs = currentDue(rule, version.lastModifiedMs)
    if (atMs !== undefined && atMs < (first?.atMs ?? Infinity)) first = { atMs, ruleId: rule.id }
  }
  return first
}

/** When a current version that the rule matches expires. One made after the rule's date has its day. */
export function currentDue(rule: LifecycleRule, lastModifiedMs: number): number | undefined {
  if (rule.days !== undefined) return midnightAfter(lastModifiedMs, rule.days)
  if (rule.dateMs !== undefined) return Math.max(rule.dateMs, midnightAfter(lastModifiedMs, 0))
  return undefined
}

/** When an upload is aborted that stays open, by the rule that comes first. */
export function abortOf(
  rules: readonly LifecycleRule[],
  upload: { readonly key: string; readonly initiatedMs: number },
): RuleTime | undefined {
  let first: RuleTime | undefined
  for (const rule of rules) {
    if (!rule.enabled || rule.abortDays === undefined || !matchesKey(rule, upload.key)) continue
    const atMs = midnightAfter(upload.initiatedMs, rule.abortDays)
    if (atMs < (first?.atMs ?? Infinity)) first = { atMs, ruleId: rule.id }
  }
  return first
}
