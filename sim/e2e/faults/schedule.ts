/** Which faults happen when, and in which order members come and go: all of it follows from the seed. */

import { seededRandom } from '../../world/seeded-random.ts'

export const FAULT_KINDS = [
  'kill',
  'pause',
  'cut',
  'one-way',
  'delay',
  'clock',
  'disk-full',
] as const
export type ScheduledFaultKind = (typeof FAULT_KINDS)[number]

export interface PlannedFault {
  readonly kind: ScheduledFaultKind
  /** Milliseconds after the end of the fault before it in the same lane. */
  readonly afterMs: number
  readonly lastsMs: number
  /** In [0, 1): picks one of the nodes that are there then. */
  readonly pick: number
  /** For 'clock': how far the clock is off, milliseconds. */
  readonly offsetMs: number
  /** For 'one-way': true to lose what the node sends, false to lose what it is sent. */
  readonly isOutward: boolean
}

/** Shortest and longest duration of each fault, seconds. */
const LASTS: Readonly<Record<ScheduledFaultKind, readonly [number, number]>> = {
  kill: [0.2, 8],
  pause: [1, 20],
  cut: [1, 20],
  'one-way': [1, 20],
  delay: [5, 20],
  clock: [5, 25],
  'disk-full': [3, 15],
}

/** The endless faults of one lane, one after the other. */
export function* plannedFaults(
  seed: number,
  lane: number,
  kinds: readonly ScheduledFaultKind[],
): Generator<PlannedFault, never> {
  const random = seededRandom(seed * 7_919 + lane)
  for (;;) {
    const kind = kinds[Math.floor(random() * kinds.length)] ?? 'kill'
    const [from, to] = LASTS[kind]
    yield {
      kind,
      afterMs: Math.round(500 + 5_000 * random() ** 2),
      lastsMs: Math.round(1_000 * (from + (to - from) * random() ** 2)),
      pick: random(),
      offsetMs: Math.round((random() < 0.5 ? -1 : 1) * 1_000 * 60 ** (2 * random())),
      isOutward: random() < 0.5,
    }
  }
}

export const CHANGE_KINDS = ['join', 'drain', 'replace', 'remove', 'zone', 'capacity'] as const
export type ScheduledChangeKind = (typeof CHANGE_KINDS)[number]

export interface ScheduledChange {
  readonly kind: ScheduledChangeKind
  /** In [0, 1): picks a node. */
  readonly pick: number
  /** Begins while blocks of the change before still move. A disk is never lost before `status` permits it. */
  readonly isEarly: boolean
  /** How many members there will be after it. */
  readonly size: number
}

/**
 * Endless changes. Three members stay at least, and there are never more than `most`. Where none of `kinds` is possible, a
 * node joins or is drained instead.
 */
export function* plannedChanges(
  seed: number,
  kinds: readonly ScheduledChangeKind[],
  most: number,
): Generator<ScheduledChange, never> {
  const random = seededRandom(seed * 104_729 + 17)
  let size = 3
  let last: ScheduledChangeKind | undefined
  for (;;) {
    const possible = kinds.filter((kind) => {
      if (kind === 'join') return size < most
      return (kind !== 'drain' && kind !== 'remove') || size > 3
    })
    const others = possible.filter((kind) => kind !== last)
    const from = others.length > 0 ? others : possible
    const kind = from[Math.floor(random() * from.length)] ?? (size < most ? 'join' : 'drain')
    last = kind
    if (kind === 'join') size++
    if (kind === 'drain' || kind === 'remove') size--
    yield { kind, pick: random(), isEarly: random() < 0.5, size }
  }
}

/** One fault in the line of a schedule. */
export function faultLine({ kind, afterMs, lastsMs, pick, ...more }: PlannedFault): string {
  const detail =
    kind === 'clock'
      ? ` ${seconds(more.offsetMs)} s off`
      : kind === 'one-way'
        ? ` ${more.isOutward ? 'outward' : 'inward'}`
        : ''
  return `+${seconds(afterMs)} s ${kind}${detail} for ${seconds(lastsMs)} s (${pick.toFixed(2)})`
}

export function changeLine({ kind, isEarly, size, pick }: ScheduledChange): string {
  return `${kind}${isEarly ? ' early' : ''} -> ${size} (${pick.toFixed(2)})`
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1)
}
