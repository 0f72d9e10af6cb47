/**
 * The file of what this node has forgotten (forgotten.ts): two slots of 24 KiB (two-slot-file.ts).
 *
 * ```
 * 0       8         9       10   12             16            24           32       8224     16416    24544
 * magic   version   flags        length n u32   writes u64    mark u64     bitmap   blocks   notes    BLAKE3
 * ```
 *
 *   bitmap   partitions of which something may be forgotten
 *   blocks   partitions of which blocks may be missing
 *   flags    1: the ballot mark may be lost and must be raised (A1), above `mark` too, to which it was raised before
 *   notes    JSON, followed by zeros
 *
 * Version 1 has slots of 16 KiB without `blocks`, so that blocks of any partition may be missing until the node says which
 * partitions that can still harm (`Forgotten.completeEarlierFile`). A full disk has no room for the larger file: until it has,
 * changes are written as version 1, in which a partition that may lack blocks counts as forgotten.
 */

import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { BITMAP_BYTES, emptyBitmap } from '../../protocol/keyspace/bitmap.ts'
import type { LogLoss } from '../log/types.ts'
import { HASH_BYTES, type SlotForm } from '../tools/two-slot-file.ts'

const MUST_RAISE = 1
const BITMAP_AT = 32
const BLOCKS_AT = BITMAP_AT + BITMAP_BYTES
const NOTES_AT = BLOCKS_AT + BITMAP_BYTES
const MAGIC = utf8('SHOALFGT')
export const FORGOTTEN_FORM: SlotForm = { magic: MAGIC, version: 2, slotBytes: 24 << 10 }
export const FORGOTTEN_FORM_1: SlotForm = { magic: MAGIC, version: 1, slotBytes: 16 << 10 }
const HASH_AT = FORGOTTEN_FORM.slotBytes - HASH_BYTES
/** How many notes are kept, the latest ones. */
export const NOTES_MAX = 20
/** Why something was lost. */
export interface ForgottenNote {
  readonly reason: LogLoss['reason'] | 'unreadable' | 'given-up'
  readonly detail: string
}

export interface ForgottenNotes {
  /** Why the partitions that are still forgotten are so. */
  readonly open: readonly ForgottenNote[]
  /** How many partitions lost something and had no other replica to get it from. */
  readonly lostPartitions: number
  /** Why those are lost. Kept for good. */
  readonly lost: readonly ForgottenNote[]
}

const NO_NOTES: ForgottenNotes = { open: [], lostPartitions: 0, lost: [] }

/** Segment, offset and length in bytes of damage in the log. */
export type LossPlace = readonly [number, number, number]

export interface LossPlaces {
  /** Something is still forgotten because of the damage there. */
  readonly open: readonly LossPlace[]
  /** All that was forgotten because of the damage there has been compared. */
  readonly repaired: readonly LossPlace[]
}

export const NO_PLACES: LossPlaces = { open: [], repaired: [] }

export interface ForgottenState {
  /** Partitions of which something may be forgotten, one bit each. */
  readonly bits: Uint8Array<ArrayBuffer>
  /** Partitions of which blocks may be missing, one bit each. */
  readonly blocks: Uint8Array<ArrayBuffer>
  readonly mustRaise: boolean
  readonly mark: number
  readonly notes: ForgottenNotes
  readonly places: LossPlaces
}

export const NOTHING_FORGOTTEN: ForgottenState = {
  bits: emptyBitmap(),
  blocks: emptyBitmap(),
  mustRaise: false,
  mark: 0,
  notes: NO_NOTES,
  places: NO_PLACES,
}

/** Encodes a slot. Of the notes, the last ones that fit into 8 KiB of JSON are kept; the places, at most 128, take half of it. */
export function encodeForgotten({
  bits,
  blocks,
  mustRaise,
  mark,
  notes,
  places,
}: ForgottenState): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FORGOTTEN_FORM.slotBytes)
  const view = new DataView(bytes.buffer)
  let text = utf8(JSON.stringify({ ...notes, places }))
  for (let kept = NOTES_MAX; text.length > HASH_AT - NOTES_AT; kept >>= 1) {
    const { open, lost, lostPartitions } = notes
    const fewer = { open: last(open, kept), lost: last(lost, kept), lostPartitions, places }
    text = utf8(JSON.stringify(fewer))
  }
  bytes[9] = mustRaise ? MUST_RAISE : 0
  view.setUint32(12, text.length)
  view.setBigUint64(24, BigInt(mark))
  bytes.set(bits, BITMAP_AT)
  bytes.set(blocks, BLOCKS_AT)
  bytes.set(text, NOTES_AT)
  return bytes
}

/** Encodes a slot of version 1. The notes have as much room there; the blocks have none. */
export function encodeForgotten1(stored: ForgottenState): Uint8Array<ArrayBuffer> {
  const bytes = encodeForgotten(stored)
  const first = new Uint8Array(FORGOTTEN_FORM_1.slotBytes)
  first.set(bytes.subarray(0, BLOCKS_AT))
  first.set(bytes.subarray(NOTES_AT, HASH_AT), BLOCKS_AT)
  return first
}

/** Decodes a slot of either version. */
export function decodeForgotten(bytes: Uint8Array): ForgottenState {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const isFirst = bytes[8] === FORGOTTEN_FORM_1.version
  const notesAt = isFirst ? BLOCKS_AT : NOTES_AT
  const text = utf8Text(bytes.subarray(notesAt, notesAt + view.getUint32(12)))
  const notes = JSON.parse(text) as ForgottenNotes & { readonly places?: LossPlaces }
  return {
    bits: bytes.slice(BITMAP_AT, BLOCKS_AT),
    blocks: isFirst ? emptyBitmap().fill(0xff) : bytes.slice(BLOCKS_AT, NOTES_AT),
    mustRaise: (bytes[9]! & MUST_RAISE) !== 0,
    mark: Number(view.getBigUint64(24)),
    notes: { open: notes.open, lostPartitions: notes.lostPartitions, lost: notes.lost },
    places: notes.places ?? NO_PLACES,
  }
}

function last<T>(items: readonly T[], count: number): readonly T[] {
  return count === 0 ? [] : items.slice(-count)
}
