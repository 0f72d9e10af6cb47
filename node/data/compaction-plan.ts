/**
 * Which segment compaction takes next.
 *
 *  1. One with a large share of dead bytes is worth it for itself.
 *  2. All segments together stay below a third of that share, whatever it costs: so the log stays within
 *     1.07 of what lives in it by default, even where every segment is a little dead.
 *  3. Removals are needed while anything older may hold what they removed (D7). When they are many, the
 *     oldest segment is rewritten, dead or not, until nothing is older than they are.
 *  4. The open segment is sealed early when most of what there is to gain lies in it.
 *
 * On a disk that is short of room every gain counts. What lives in a segment must have room beside it: one
 * for which there is none is left until more of it is dead, lest its copies take what deletes need.
 */

import { PAGE_BYTES } from './segment.ts'

export interface PlannedSegment {
  readonly segment: number
  readonly sizeBytes: number
  readonly deadBytes: number
  readonly removalBytes: number
  /** Takes no more appends, and something was appended behind it. */
  readonly sealed: boolean
  /** It has to stay: it holds damage. */
  readonly stuck: boolean
}

export interface PlanLimits {
  /** From this share of dead bytes on a segment is worth it. */
  readonly deadShareMin: number
  /** Less than this is left alone, unless the disk is short. */
  readonly gainBytesMin: number
  readonly short: boolean
  /** Live bytes that may be copied now. */
  readonly roomBytes: number
}

export type Plan = { readonly compact: number } | { readonly seal: number } | undefined

/** A segment below it would be copied nearly whole. */
const SHARE_MIN = 0.02
const REMOVAL_SHARE_MAX = 0.02
/** What a compaction leaves itself: the last page of its copies, the marker, the begin of a segment. */
const OWN_COST_BYTES = 3 * PAGE_BYTES
const SHORT_GAIN_BYTES = 64 << 10

export function planCompaction(segments: readonly PlannedSegment[], limits: PlanLimits): Plan {
  const ordered = segments.toSorted((a, b) => a.segment - b.segment)
  const [oldest] = ordered
  if (oldest === undefined) return undefined
  const total = ordered.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const gainOf = (each: PlannedSegment): number =>
    each.deadBytes + (each === oldest ? each.removalBytes : 0)
  const hasRoom = (each: PlannedSegment): boolean =>
    each.sizeBytes - gainOf(each) <= limits.roomBytes
  const shareOf = (each: PlannedSegment): number => gainOf(each) / Math.max(1, each.sizeBytes)
  const gain = ordered.reduce((sum, each) => sum + (each.stuck ? 0 : gainOf(each)), 0)
  const removals = ordered.reduce((sum, { removalBytes }) => sum + removalBytes, 0)
  const least = limits.short ? Math.min(SHORT_GAIN_BYTES, limits.gainBytesMin) : limits.gainBytesMin

  const best = ordered
    .filter((each) => !each.stuck && gainOf(each) > OWN_COST_BYTES && hasRoom(each))
    .toSorted((a, b) => shareOf(b) - shareOf(a))
  const sealed = best.find((each) => each.sealed)
  const open = best.find((each) => !each.sealed)
  const crowded = gain >= least && (limits.short || gain > total * (limits.deadShareMin / 3))

  const share = sealed === undefined ? 0 : shareOf(sealed)
  if (sealed !== undefined && gainOf(sealed) >= least && share >= limits.deadShareMin) {
    return { compact: sealed.segment }
  }
  if (crowded) {
    // Sealing costs nothing: where the open segment has more to give, it goes first.
    if (
      open !== undefined &&
      gainOf(open) >= limits.gainBytesMin + OWN_COST_BYTES &&
      shareOf(open) > share
    ) {
      return { seal: open.segment }
    }
    if (sealed !== undefined && share >= SHARE_MIN) return { compact: sealed.segment }
  }
  if (
    removals >= least &&
    removals > total * REMOVAL_SHARE_MAX &&
    !oldest.stuck &&
    hasRoom(oldest)
  ) {
    return oldest.sealed ? { compact: oldest.segment } : { seal: oldest.segment }
  }
  return undefined
}
