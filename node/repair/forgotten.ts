/**
 * Durably, two sets of partitions (D8). Of those in the first this node may have forgotten something: it does not vote on
 * one before it was compared with its replicas (recall.ts). Of those in the second it may lack blocks that it had
 * acknowledged: it is no witness of blocks before these were compared as well (block-mover.ts), which takes longer. A
 * file of two slots of 24 KiB (two-slot-file.ts).
 *
 * ```
 * 0       8         9       10   12             16            24           32       8224     16416    24544
 * magic   version   flags        length n u32   writes u64    mark u64     bitmap   blocks   notes    BLAKE3
 * ```
 * Version 1 has slots of 16 KiB without `blocks`, so that blocks of anything may be missing, until the node says which
 * partitions that can still harm (`settleFirst`). A full disk has no room for the larger file: until it has, changes are
 * written as version 1, where a partition that may lack blocks counts as forgotten.
 * Flag 1: the ballot mark may be lost and must be raised (A1), above `mark` too, to which it was raised
 * before. The notes are JSON and zeros behind it.
 *
 * Among the notes are the places of damage in the log: those that something is forgotten for, and those for which
 * nothing is any more. An index that is made of the log again lacks what lay there, as the one did that was
 * compared, and it has what came of the comparison, which lies behind. So it need not be compared again.
 *
 * Invariants:
 *   - what is added counts at once, and is durable when `add` resolves
 *   - what is cleared may be found again after a crash: it is then compared once more
 *   - a partition in the first set is in the second one, too
 *   - without a sound slot everything is forgotten
 *   - a place is repaired only when its damage was met while the log was read into the index that was compared,
 *     and only for damage of just this extent
 *   - the file is older than the log's manifest: beside one, a missing file is damage
 */

import { utf8, utf8Text } from '../../protocol/bytes.ts'
import {
  addBit,
  BITMAP_BYTES,
  emptyBitmap,
  hasBit,
  partitionsIn,
  unionOf,
  takeBit,
} from '../../protocol/keyspace/bitmap.ts'
import { isNoSpace } from '../log/errors.ts'
import { LOSS_PLACES_MAX } from '../log/losses.ts'
import type { LogPosition, LogLoss } from '../log/types.ts'
import type { Disk, Logger } from '../env/ports.ts'
import {
  HASH_BYTES,
  latestSlot,
  TwoSlotFile,
  type FoundSlot,
  type SlotForm,
} from '../tools/two-slot-file.ts'

export const FORGOTTEN_FILE = 'forgotten'

const MUST_RAISE = 1
const BITMAP_AT = 32
const BLOCKS_AT = BITMAP_AT + BITMAP_BYTES
const NOTES_AT = BLOCKS_AT + BITMAP_BYTES
const MAGIC = utf8('SHOALFGT')
const FORM: SlotForm = { magic: MAGIC, version: 2, slotBytes: 24 << 10 }
const FORM_1: SlotForm = { magic: MAGIC, version: 1, slotBytes: 16 << 10 }
const HASH_AT = FORM.slotBytes - HASH_BYTES
/** The latest ones are kept. */
const NOTES_MAX = 20
const DETAIL_CHARACTERS_MAX = 150

/** What was lost, and when nobody was there to compare with, for how many partitions that is for good. */
export interface ForgottenNote {
  readonly reason: LogLoss['reason'] | 'unreadable' | 'given-up'
  readonly detail: string
}

export interface ForgottenNotes {
  /** Why the partitions that are still forgotten are so. */
  readonly open: readonly ForgottenNote[]
  /** Partitions without another replica, of which something was lost: there is nowhere to get it from. */
  readonly lostPartitions: number
  /** Why: kept for good. */
  readonly lost: readonly ForgottenNote[]
}

const NO_NOTES: ForgottenNotes = { open: [], lostPartitions: 0, lost: [] }

/** Segment, offset, length: of damage. */
type Place = readonly [number, number, number]

interface Places {
  /** Something is forgotten for these. */
  readonly open: readonly Place[]
  readonly repaired: readonly Place[]
}

const NO_PLACES: Places = { open: [], repaired: [] }

export class Forgotten {
  readonly #file: TwoSlotFile
  /** While the disk has a file of version 1. */
  #first: TwoSlotFile | undefined
  #isUnsettled: boolean
  readonly #logger: Logger
  readonly #bits: Uint8Array<ArrayBuffer>
  /** The second set: partitions of which blocks may be missing here. */
  readonly #blocks: Uint8Array<ArrayBuffer>
  #mustRaise: boolean
  #mark: number
  #notes: ForgottenNotes
  #places: Places
  #serial = 0
  #listener: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()

  private constructor(
    disk: Disk,
    logger: Logger,
    found: FoundSlot | undefined,
    stored: Stored = NOTHING,
    first?: FoundSlot,
  ) {
    this.#file = new TwoSlotFile(disk, FORGOTTEN_FILE, FORM, found)
    this.#first = first && new TwoSlotFile(disk, FORGOTTEN_FILE, FORM_1, first)
    this.#isUnsettled = first !== undefined
    this.#logger = logger
    this.#bits = stored.bits.slice()
    this.#blocks = stored.blocks.slice()
    this.#mustRaise = stored.mustRaise
    this.#mark = stored.mark
    this.#notes = stored.notes
    this.#places = stored.places
  }

  static async open(disk: Disk, logger: Logger): Promise<Forgotten> {
    const bytes = await disk.readFile(FORGOTTEN_FILE)
    if (bytes === undefined) {
      const names = await disk.list('log')
      if (names.includes('manifest')) return Forgotten.#unreadable(disk, logger, 'it is missing')
      // A new directory, or one of a program that did not write this file yet.
      const forgotten = new Forgotten(disk, logger, undefined)
      await forgotten.#writeIfRoom()
      return forgotten
    }
    const latest = latestSlot(bytes, FORM)
    if (latest === undefined) {
      const earlier = latestSlot(bytes, FORM_1)
      if (earlier === undefined) return Forgotten.#unreadable(disk, logger, 'it is damaged')
      // A file of an earlier program is written as a whole in the new form once it is settled, or with the next change.
      return new Forgotten(disk, logger, undefined, decode(earlier.slot), earlier)
    }
    const forgotten = new Forgotten(disk, logger, latest, decode(latest.slot))
    if (latest.isAlone) {
      logger.warn({ file: FORGOTTEN_FILE }, 'one of its two copies was damaged or torn')
      await forgotten.#write()
    }
    return forgotten
  }

  static async #unreadable(disk: Disk, logger: Logger, why: string): Promise<Forgotten> {
    logger.error({ file: FORGOTTEN_FILE }, `what this node has forgotten is not known: ${why}`)
    const forgotten = new Forgotten(disk, logger, undefined)
    const detail = `${FORGOTTEN_FILE}: ${why}`
    await forgotten.#add('all', true, [{ reason: 'unreadable', detail }])
    return forgotten
  }

  /** Says of which partitions blocks may be missing after a file of version 1 was read: these, and the forgotten ones. */
  async settleFirst(partitions: () => Iterable<number>): Promise<void> {
    if (!this.#isUnsettled) return
    this.#isUnsettled = false
    this.#blocks.set(this.#bits)
    for (const partition of partitions()) addBit(this.#blocks, partition)
    await this.#writeIfRoom()
  }

  has(partition: number): boolean {
    return hasBit(this.#bits, partition)
  }

  /** Nothing of the partition is forgotten, nor is the mark. */
  votes(partition: number): boolean {
    return !this.#mustRaise && !this.has(partition)
  }

  /** Blocks that this node acknowledged may be missing here: it is no witness of what there is. */
  lacksBlocks(partition: number): boolean {
    return this.has(partition) || hasBit(this.#blocks, partition)
  }

  /** All partitions with `lacksBlocks`, ascending: the numbers go up to 65,535, whatever the cluster has. */
  lackingBlocks(): number[] {
    return partitionsIn(this.#bits, this.#blocks)
  }

  /** Of the partitions given. */
  among(partitions: readonly number[]): number[] {
    return partitions.filter((partition) => this.has(partition))
  }

  /** The ballot mark has to be raised before anything is promised (A1). */
  get mustRaiseMark(): boolean {
    return this.#mustRaise
  }

  /** To what it was raised before. */
  get mark(): number {
    return this.#mark
  }

  /** Another one after each loss: a comparison that began before it is worth nothing. */
  get serial(): number {
    return this.#serial
  }

  get notes(): ForgottenNotes {
    return this.#notes
  }

  onLoss(listener: () => void): void {
    this.#listener = listener
  }

  /** Durable when it resolves. */
  async add(losses: readonly LogLoss[]): Promise<void> {
    if (losses.length === 0) return
    const all = losses.some(({ partitions }) => partitions === 'all')
    const partitions = losses.flatMap((loss) => (loss.partitions === 'all' ? [] : loss.partitions))
    const notes = losses.map(({ reason, detail }) => ({ reason, detail: short(detail) }))
    this.#notePlaces(losses)
    await this.#add(
      all ? 'all' : partitions,
      losses.some(({ mark }) => mark),
      notes,
    )
  }

  /** All that was forgotten for damage of just this place and extent has been compared. */
  isRepaired({ segment, offset, lengthBytes }: LogPosition): boolean {
    return this.#places.repaired.some((place) => isSame(place, [segment, offset, lengthBytes]))
  }

  /** The mark is raised, and flushed. */
  async markRaised(mark: number): Promise<void> {
    this.#mustRaise = false
    this.#mark = Math.max(this.#mark, mark)
    await this.#write()
  }

  /**
   * Compared with the replicas, by a comparison that began at `serial`. `isLost`: there are no others, and
   * what was lost is lost for good. False when something was lost meanwhile: nothing is cleared.
   */
  async clear(partitions: readonly number[], serial: number, isLost = false): Promise<boolean> {
    if (serial !== this.#serial) return false
    for (const partition of partitions) takeBit(this.#bits, partition)
    if (isLost) {
      const { open, lost, lostPartitions } = this.#notes
      this.#notes = {
        open,
        lostPartitions: lostPartitions + partitions.length,
        lost: merged(lost, open),
      }
    }
    if (this.#bits.every((byte) => byte === 0)) this.#close()
    await this.#write()
    return true
  }

  /**
   * Notes that a comparison which began at `serial` has brought all blocks of these partitions here. Partitions that are
   * still forgotten are passed over. False, and nothing is cleared, when something was lost meanwhile.
   */
  async clearBlocks(partitions: readonly number[], serial: number): Promise<boolean> {
    if (serial !== this.#serial) return false
    let changed = false
    for (const partition of partitions) {
      if (this.has(partition) || !hasBit(this.#blocks, partition)) continue
      takeBit(this.#blocks, partition)
      changed = true
    }
    if (changed) await this.#write()
    return true
  }

  /** Notes that the operator gave up something, in so many partitions, for good. */
  async noteLost(partitions: number, detail: string): Promise<void> {
    const { open, lost, lostPartitions } = this.#notes
    const note = { reason: 'given-up', detail: short(detail) } as const
    this.#notes = {
      open,
      lostPartitions: lostPartitions + partitions,
      lost: merged(lost, [note]),
    }
    await this.#write()
  }

  /** Nothing of what this node holds is forgotten any more. */
  async closeNotes(): Promise<void> {
    if (this.#notes.open.length + this.#places.open.length === 0) return
    this.#close()
    await this.#write()
  }

  #close(): void {
    this.#notes = { ...this.#notes, open: [] }
    if (this.#mustRaise) return
    const { open, repaired } = this.#places
    this.#places = { open: [], repaired: [...repaired, ...open].slice(-LOSS_PLACES_MAX) }
  }

  /** A loss without a place may mean another log, or only a part of it: then what is noted of places says nothing. */
  #notePlaces(losses: readonly LogLoss[]): void {
    for (const { place } of losses) {
      if (place === undefined) {
        this.#places = NO_PLACES
        return
      }
    }
    let { open } = this.#places
    for (const { place } of losses) {
      const { segment, offset, lengthBytes } = place!
      const one = [segment, offset, lengthBytes] as const
      if (open.length < LOSS_PLACES_MAX && !open.some((each) => isSame(each, one)))
        open = [...open, one]
    }
    this.#places = { ...this.#places, open }
  }

  async #add(
    partitions: 'all' | readonly number[],
    mark: boolean,
    notes: readonly ForgottenNote[],
  ): Promise<void> {
    this.#serial++
    for (const bits of [this.#bits, this.#blocks]) {
      if (partitions === 'all') bits.fill(0xff)
      else for (const partition of partitions) addBit(bits, partition)
    }
    this.#mustRaise ||= mark
    this.#notes = { ...this.#notes, open: merged(this.#notes.open, notes) }
    await this.#write()
    this.#listener?.()
  }

  /** One write after the other; each writes what is known when it begins. */
  #write(): Promise<void> {
    const written = this.#writing.then(() => this.#replace())
    this.#writing = written.catch(() => {})
    return written
  }

  #writeIfRoom(): Promise<void> {
    return this.#write().catch((error: unknown) => {
      this.#logger.warn({ error: String(error) }, `${FORGOTTEN_FILE} can’t be written yet`)
    })
  }

  async #replace(): Promise<void> {
    const stored = this.#stored()
    try {
      await this.#file.write(encode(stored))
      this.#first = undefined
    } catch (error) {
      if (this.#first === undefined || !isNoSpace(error)) throw error
      const bits = this.#isUnsettled ? stored.bits : unionOf(stored.bits, stored.blocks)
      await this.#first.write(encodeFirst({ ...stored, bits }))
    }
  }

  #stored(): Stored {
    return {
      bits: this.#bits,
      blocks: this.#blocks,
      mustRaise: this.#mustRaise,
      mark: this.#mark,
      notes: this.#notes,
      places: this.#places,
    }
  }
}

interface Stored {
  readonly bits: Uint8Array<ArrayBuffer>
  readonly blocks: Uint8Array<ArrayBuffer>
  readonly mustRaise: boolean
  readonly mark: number
  readonly notes: ForgottenNotes
  readonly places: Places
}

const NOTHING: Stored = {
  bits: emptyBitmap(),
  blocks: emptyBitmap(),
  mustRaise: false,
  mark: 0,
  notes: NO_NOTES,
  places: NO_PLACES,
}

function merged(
  known: readonly ForgottenNote[],
  more: readonly ForgottenNote[],
): readonly ForgottenNote[] {
  const fresh = more.filter(
    (note) => !known.some(({ reason, detail }) => reason === note.reason && detail === note.detail),
  )
  return [...known, ...fresh].slice(-NOTES_MAX)
}

/** Of the notes the last ones that fit: 8 KiB of JSON. The places, at most 128, take half of it. */
function encode({ bits, blocks, mustRaise, mark, notes, places }: Stored): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FORM.slotBytes)
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

/** As version 1: the notes have as much room there, the blocks none. */
function encodeFirst(stored: Stored): Uint8Array<ArrayBuffer> {
  const bytes = encode(stored)
  const first = new Uint8Array(FORM_1.slotBytes)
  first.set(bytes.subarray(0, BLOCKS_AT))
  first.set(bytes.subarray(NOTES_AT, HASH_AT), BLOCKS_AT)
  return first
}

/** Decodes a slot of either version. */
function decode(bytes: Uint8Array): Stored {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const isFirst = bytes[8] === FORM_1.version
  const notesAt = isFirst ? BLOCKS_AT : NOTES_AT
  const text = utf8Text(bytes.subarray(notesAt, notesAt + view.getUint32(12)))
  const notes = JSON.parse(text) as ForgottenNotes & { readonly places?: Places }
  return {
    bits: bytes.slice(BITMAP_AT, BLOCKS_AT),
    blocks: isFirst ? emptyBitmap().fill(0xff) : bytes.slice(BLOCKS_AT, NOTES_AT),
    mustRaise: (bytes[9]! & MUST_RAISE) !== 0,
    mark: Number(view.getBigUint64(24)),
    notes: { open: notes.open, lostPartitions: notes.lostPartitions, lost: notes.lost },
    places: notes.places ?? NO_PLACES,
  }
}

function isSame(a: Place, b: Place): boolean {
  return a.every((value, i) => value === b[i])
}

function short(detail: string): string {
  return detail.slice(0, DETAIL_CHARACTERS_MAX)
}

function last<T>(items: readonly T[], count: number): readonly T[] {
  return count === 0 ? [] : items.slice(-count)
}
