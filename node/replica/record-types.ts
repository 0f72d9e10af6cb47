/** The types of log records, all in one place. */

/** A retired number is never used again. */
export const RECORD = {
  block: 1,
  register: 2,
  minimum: 3,
  mark: 4,
  duty: 5,
  dutyDone: 6,
  /** A freed block (G5): its data id is dead for good. */
  blockGone: 7,
  /** A collected register (G2); the body is the floor that it leaves to its partition. */
  registerGone: 8,
  /** A segment whose live records are all copied: the store's own (compaction.ts). */
  compacted: 9,
  /** A minimum of a bucket that is gone, which no node knows any more (T8). */
  minimumGone: 10,
  /** A register of a partition that the node has left, or enters again: it may come back (L8, L9). */
  registerDropped: 11,
  /** A block of such a partition: it may come back. */
  blockDropped: 12,
} as const

export type RecordType = (typeof RECORD)[keyof typeof RECORD]

const NAMES = new Map<number, keyof typeof RECORD>(
  Object.entries(RECORD).map(([name, type]) => [type, name as keyof typeof RECORD]),
)

/** Undefined for types that this version does not know (F20). */
export function nameOfType(type: number): keyof typeof RECORD | undefined {
  return NAMES.get(type)
}
