/**
 * Which segments compaction takes next.
 *
 *  1. A segment that is nearly all dead is taken at once: it costs next to nothing.
 *  2. Otherwise compaction waits until dead bytes take a larger share of the log than is allowed (`allowedDeadShare`:
 *     the fuller the disk, the less). Waiting saves copies: more may be dead by the time the room is needed.
 *  3. Then the victims are those that give back most for what they cost, weighed with their age, as in a
 *     log-structured file system (Rosenblum and Ousterhout, 1992): what is still live in an old segment will
 *     probably live on, so the room that is won stays free. More of a young one will be dead soon.
 *  4. Several are taken together: about as many as fill one segment with their live records. The copies get segments
 *     apart from what is written meanwhile (compaction.ts), so that old data is not copied again and again because
 *     young data beside it dies.
 *  5. Removals are needed while anything older may hold what they removed (D7). When they are many, the
 *     oldest segment is rewritten, dead or not, until nothing is older than they are.
 *  6. The open segment is sealed early when most of the dead bytes are in it.
 *
 * On a nearly full disk every gain counts, and the largest goes first. A segment whose live records would not fit into
 * the free space is left until more of it is dead: its copies would take the room that deletes need.
 */

import { BATCH_HEADER_BYTES, PAGE_BYTES } from './segment.ts'

/** What the plan knows of a segment. Sizes are in bytes; dead bytes and removals are parts of its size. */
export interface PlannedSegment {
  readonly segment: number
  readonly sizeBytes: number
  readonly deadBytes: number
  readonly removalBytes: number
  /** Takes no more appends, and a later segment exists. */
  readonly sealed: boolean
  /** It holds damage, so it has to stay. */
  readonly stuck: boolean
}

export interface PlanLimits {
  /** The share of all segments together that may be dead. */
  readonly deadShareMax: number
  /** A smaller gain is not worth it, unless the disk is nearly full. */
  readonly gainBytesMin: number
  /** The disk is nearly full. */
  readonly short: boolean
  /** How many live bytes may be copied now. */
  readonly roomBytes: number
  /** A segment of this size is sealed. */
  readonly segmentBytes: number
}

/**
 * `compact`: copy the live records of these segments, in this order, then delete them. `seal`: end this open
 * segment, so that it can be compacted next.
 */
export type CompactionPlan =
  { readonly compact: readonly number[] } | { readonly seal: number } | undefined

/** A segment with this share of dead bytes is taken at once. */
const CHEAP_SHARE = 0.9
/** A segment with a smaller share of dead bytes would be copied nearly whole. */
const SHARE_MIN = 0.02
const REMOVAL_SHARE_MAX = 0.02
/**
 * What a compaction itself writes: the batches of the last copies, of the marker and of the beginning of a segment,
 * each with its header and its padding. A segment that gives no more than that would be copied for ever.
 */
const OWN_COST_BYTES = 3 * (PAGE_BYTES + BATCH_HEADER_BYTES)
const SHORT_GAIN_BYTES = 64 << 10

/**
 * How full the disk is, the segments that copies need included. Up to the first, dead bytes do no harm; from the
 * second on hardly any may be left.
 */
const FILL_EASY = 0.8
const FILL_TIGHT = 0.98
const SHARE_TIGHT = 0.08
const SHARE_FULL = 0.067
/** Segments kept free for copies, and for what is written while they are made. */
const SEGMENTS_AHEAD = 2

/** The share of the log that may be dead: `most` while the disk has room, less and less as it fills. */
export function allowedDeadShare(
  most: number,
  disk: { readonly totalBytes: number; readonly freeBytes: number },
  segmentBytes: number,
): number {
  const { totalBytes, freeBytes } = disk
  if (totalBytes === 0) return most
  const fill = (totalBytes - freeBytes + SEGMENTS_AHEAD * segmentBytes) / totalBytes
  if (fill <= FILL_EASY) return most
  if (fill >= 1) return Math.min(most, SHARE_FULL)
  const easy = Math.max(most, SHARE_TIGHT)
  const gone = Math.min(1, (fill - FILL_EASY) / (FILL_TIGHT - FILL_EASY))
  return Math.min(most, easy - (easy - SHARE_TIGHT) * gone)
}

/**
 * The next step; undefined when none is worth its cost. Ask again after each step. It decides by its arguments
 * alone.
 */
export function planCompaction(
  segments: readonly PlannedSegment[],
  limits: PlanLimits,
): CompactionPlan {
  const ordered = segments.toSorted((a, b) => a.segment - b.segment)
  const [oldest] = ordered
  if (oldest === undefined) return undefined
  const { short, gainBytesMin, roomBytes, deadShareMax, segmentBytes } = limits
  const total = ordered.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const gainOf = (each: PlannedSegment): number =>
    each.deadBytes + (each === oldest ? each.removalBytes : 0)
  const liveOf = (each: PlannedSegment): number => each.sizeBytes - gainOf(each)
  const shareOf = (each: PlannedSegment): number => gainOf(each) / Math.max(1, each.sizeBytes)
  const gain = ordered.reduce((sum, each) => sum + (each.stuck ? 0 : gainOf(each)), 0)
  const removals = ordered.reduce((sum, { removalBytes }) => sum + removalBytes, 0)
  const least = short ? Math.min(SHORT_GAIN_BYTES, gainBytesMin) : gainBytesMin
  const hasRoom = (each: PlannedSegment): boolean => liveOf(each) <= roomBytes

  const scores = scoresOf(ordered, shareOf, short)
  const able = ordered
    .filter((each) => !each.stuck && gainOf(each) > OWN_COST_BYTES && hasRoom(each))
    .toSorted((a, b) => scores.get(b)! - scores.get(a)!)
  const victims = able.filter((each) => each.sealed && shareOf(each) >= SHARE_MIN)
  const open = able.find((each) => !each.sealed)

  const cheap = victims.find((each) => shareOf(each) >= CHEAP_SHARE && gainOf(each) >= least)
  if (cheap !== undefined) return { compact: [cheap.segment] }
  const excess = short ? gain : gain - total * deadShareMax
  if (gain >= least && excess > 0) {
    const victimGain = victims.reduce((sum, each) => sum + gainOf(each), 0)
    // Sealing costs nothing: where the open segment has more to give, it goes first.
    if (
      open !== undefined &&
      gainOf(open) >= gainBytesMin + OWN_COST_BYTES &&
      gainOf(open) > victimGain &&
      shareOf(open) >= deadShareMax
    ) {
      return { seal: open.segment }
    }
    const taken: number[] = []
    let live = 0
    let gained = 0
    for (const each of victims) {
      if (taken.length > 0 && (gained >= excess || live >= segmentBytes)) break
      if (live + liveOf(each) > roomBytes) continue
      taken.push(each.segment)
      live += liveOf(each)
      gained += gainOf(each)
      // Take one only: its room is needed at once.
      if (short) break
    }
    if (taken.length > 0) return { compact: taken }
  }
  if (
    removals >= least &&
    removals > total * REMOVAL_SHARE_MAX &&
    !oldest.stuck &&
    hasRoom(oldest)
  ) {
    return oldest.sealed ? { compact: [oldest.segment] } : { seal: oldest.segment }
  }
  return undefined
}

/** Benefit divided by cost: the room that is won times its age, by the bytes that are read and copied for it. */
function scoresOf(
  ordered: readonly PlannedSegment[],
  shareOf: (each: PlannedSegment) => number,
  short: boolean,
): ReadonlyMap<PlannedSegment, number> {
  const scores = new Map<PlannedSegment, number>()
  let younger = 0
  for (const each of ordered.toReversed()) {
    const share = shareOf(each)
    const age = younger + each.sizeBytes / 2
    scores.set(each, short ? share : (share * age) / (2 - share))
    younger += each.sizeBytes
  }
  return scores
}
