/**
 * What compaction costs, by the real plan on a made-up log: objects of one size each are overwritten, and every
 * byte that is appended is counted. No clock, no disk: a run is the same each time.
 */

import {
  allowedDeadShare,
  planCompaction,
  type PlannedSegment,
} from '../../node/log/compaction-plan.ts'
import { seededRandom } from '../world/seeded-random.ts'

const UNIT_BYTES = 1 << 20
const SEGMENT_UNITS = 64
const DISK_SEGMENTS = 160
/** Copies appended for each write of a user, while compaction works. */
const COPIES_PER_WRITE = 4
/** Writes between two looks for work. */
const LOOK_EVERY = 40

export interface ModelLoad {
  /** Classes of objects: their share of the live data, and of the writes. */
  readonly classes: readonly { readonly live: number; readonly writes: number }[]
}

export interface ModelDisk {
  readonly totalBytes: number
  readonly freeBytes: number
}

export interface ModelPolicy {
  plan(
    segments: readonly PlannedSegment[],
    disk: ModelDisk,
    segmentBytes: number,
  ): { readonly compact: readonly number[] } | { readonly seal: number } | undefined
  /** Copies get segments of their own. */
  readonly apart: boolean
}

export interface ModelResult {
  /** Bytes appended in all by those that users wrote. */
  readonly amplification: number
  /** The largest share of the disk. */
  readonly useMax: number
  readonly useMean: number
}

export const PRESENT_POLICY: ModelPolicy = {
  apart: true,
  plan: (segments, disk, segmentBytes) =>
    planCompaction(segments, {
      deadShareMax: allowedDeadShare(0.4, disk, segmentBytes),
      gainBytesMin: UNIT_BYTES,
      short: disk.freeBytes < disk.totalBytes * 0.02,
      roomBytes: disk.freeBytes * 0.75,
      segmentBytes,
    }),
}

/** Up to version 0.6: every segment of which a fifth is dead, and all together below a third of that. */
export const FORMER_POLICY: ModelPolicy = {
  apart: false,
  plan: (segments) => {
    const total = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    const dead = segments.reduce((sum, { deadBytes }) => sum + deadBytes, 0)
    const share = ({ deadBytes, sizeBytes }: PlannedSegment): number =>
      deadBytes / Math.max(1, sizeBytes)
    const [best] = segments
      .filter(({ sealed, deadBytes }) => sealed && deadBytes >= UNIT_BYTES)
      .toSorted((a, b) => share(b) - share(a))
    if (best === undefined) return undefined
    const worth = share(best) >= 0.2 || (dead > (total * 0.2) / 3 && share(best) >= 0.02)
    return worth ? { compact: [best.segment] } : undefined
  },
}

interface Segment {
  units: number
  sealed: boolean
  readonly live: Set<number>
}

class ModelLog {
  readonly segments = new Map<number, Segment>()
  appended = 0
  readonly #where: Int32Array
  #open = 0

  constructor(objects: number) {
    this.#where = new Int32Array(objects)
    this.seal()
  }

  put(object: number): void {
    if (this.segments.get(this.#open)!.units >= SEGMENT_UNITS) this.seal()
    this.segments.get(this.#where[object]!)?.live.delete(object)
    const segment = this.segments.get(this.#open)!
    segment.units++
    segment.live.add(object)
    this.#where[object] = this.#open
    this.appended++
  }

  seal(): void {
    const open = this.segments.get(this.#open)
    if (open?.units === 0) return
    if (open !== undefined) open.sealed = true
    this.segments.set(++this.#open, { units: 0, sealed: false, live: new Set() })
  }

  get units(): number {
    let sum = 0
    for (const { units } of this.segments.values()) sum += units
    return sum
  }

  planned(): PlannedSegment[] {
    return [...this.segments].map(([segment, { units, live, sealed }]) => ({
      segment,
      sizeBytes: units * UNIT_BYTES,
      deadBytes: (units - live.size) * UNIT_BYTES,
      removalBytes: 0,
      sealed,
      stuck: false,
    }))
  }
}

/** `liveShare` is a share of the disk. The first third of the writes is not counted. */
export function playCompaction(
  policy: ModelPolicy,
  load: ModelLoad,
  { liveShare, writes, seed = 1 }: { liveShare: number; writes: number; seed?: number },
): ModelResult {
  const random = seededRandom(seed)
  const diskUnits = DISK_SEGMENTS * SEGMENT_UNITS
  const objects = Math.floor(diskUnits * liveShare)
  const log = new ModelLog(objects)
  // In no order: a bucket is filled with all kinds at once.
  const order = shuffled(objects, random)
  for (let i = 0; i < objects; i++) log.put(order[i]!)
  const draw = drawing(load, objects, random)
  let user = 0
  let userFrom = 0
  let appendedFrom = 0
  let useMax = 0
  let useSum = 0
  const write = (): void => {
    log.put(draw())
    if (++user === Math.floor(writes / 3)) {
      userFrom = user
      appendedFrom = log.appended
    }
  }
  const compact = (): void => {
    for (;;) {
      const units = log.units
      const use = units / diskUnits
      useMax = Math.max(useMax, use)
      const disk = {
        totalBytes: diskUnits * UNIT_BYTES,
        freeBytes: Math.max(0, diskUnits - units) * UNIT_BYTES,
      }
      const plan = policy.plan(log.planned(), disk, SEGMENT_UNITS * UNIT_BYTES)
      // Where it never catches up, the load ends it.
      if (plan === undefined || user >= writes) {
        useSum += use
        return
      }
      if ('seal' in plan) {
        log.seal()
        continue
      }
      const live = plan.compact.reduce((sum, id) => sum + log.segments.get(id)!.live.size, 0)
      const apart = policy.apart && live >= SEGMENT_UNITS / 4
      if (apart) log.seal()
      let copies = 0
      for (const id of plan.compact) {
        for (const object of log.segments.get(id)!.live) {
          log.put(object)
          if (++copies % COPIES_PER_WRITE === 0) write()
        }
        log.segments.delete(id)
      }
      if (apart) log.seal()
    }
  }
  let looks = 0
  while (user < writes) {
    for (let i = 0; i < LOOK_EVERY; i++) write()
    looks++
    compact()
  }
  const amplification = (log.appended - appendedFrom) / (user - userFrom)
  return { amplification, useMax, useMean: useSum / looks }
}

function drawing({ classes }: ModelLoad, objects: number, random: () => number): () => number {
  let first = 0
  const ranges = classes.map(({ live, writes }) => {
    const count = Math.max(1, Math.floor(objects * live))
    const range = { first, count, writes }
    first += count
    return range
  })
  return () => {
    let at = random()
    for (const range of ranges) {
      if (at < range.writes) {
        return Math.min(objects - 1, range.first + Math.floor(random() * range.count))
      }
      at -= range.writes
    }
    return objects - 1
  }
}

function shuffled(count: number, random: () => number): number[] {
  const list = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1))
    const kept = list[i]!
    list[i] = list[other]!
    list[other] = kept
  }
  return list
}
