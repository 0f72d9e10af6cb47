/**
 * What this node may have forgotten, durably: two sets of partitions (D8). Of those in the first set it may have forgotten
 * registers: it does not vote on one before it was compared with its replicas (recall.ts). Of those in the second set it may
 * lack blocks that it had acknowledged: it is no witness of blocks before these were compared as well
 * (block-mover.ts), which takes longer. The file is described in forgotten-format.ts.
 *
 * The notes also name places of damage in the log: places for which something is still forgotten ("open"), and places for
 * which nothing is any more ("repaired"). An index that is rebuilt from the log lacks what was at these places, as the
 * index did that was compared. It has the result of the comparison, which was appended later. So a repaired place need
 * not be compared again.
 *
 * Invariants:
 *   - what is added counts at once, and is durable when `add` resolves
 *   - what is cleared may be back after a crash: it is then compared once more
 *   - a partition in the first set is in the second one, too
 *   - without a sound slot everything is forgotten
 *   - a place is repaired only when its damage was met while the log was read into the index that was compared,
 *     and only for damage of just this extent
 *   - the file is older than the log's manifest: beside a manifest, a missing file is damage
 */

import { addBit, hasBit, partitionsIn, unionOf, takeBit } from '../../protocol/keyspace/bitmap.ts'
import { isNoSpace } from '../log/errors.ts'
import { LOSS_PLACES_MAX } from '../log/losses.ts'
import type { LogPosition, LogLoss } from '../log/types.ts'
import type { Disk, Logger } from '../env/ports.ts'
import { latestSlot, TwoSlotFile, type FoundSlot } from '../tools/two-slot-file.ts'

import {
  decodeForgotten,
  encodeForgotten,
  encodeForgotten1,
  FORGOTTEN_FORM,
  FORGOTTEN_FORM_1,
  NO_PLACES,
  NOTES_MAX,
  NOTHING_FORGOTTEN,
  type LossPlace,
  type LossPlaces,
  type ForgottenNote,
  type ForgottenNotes,
  type ForgottenState,
} from './forgotten-format.ts'

export const FORGOTTEN_FILE = 'forgotten'

const DETAIL_CHARACTERS_MAX = 150

export class Forgotten {
  readonly #file: TwoSlotFile
  /** Set while the disk has a file of version 1. */
  #earlier: TwoSlotFile | undefined
  /** It is not known yet which partitions may lack blocks: a file of version 1 does not say. */
  #isIncomplete: boolean
  readonly #logger: Logger
  readonly #bits: Uint8Array<ArrayBuffer>
  /** The second set: partitions of which blocks may be missing here. */
  readonly #blocks: Uint8Array<ArrayBuffer>
  /** The mark may be lost: no vote on anything until it was raised (A1). */
  #mustRaise: boolean
  #mark: number
  #notes: ForgottenNotes
  #places: LossPlaces
  #serial = 0
  #listener: (() => void) | undefined
  /** Settles when the last write that was asked for has ended. */
  #writing: Promise<void> = Promise.resolve()

  private constructor(
    disk: Disk,
    logger: Logger,
    found: FoundSlot | undefined,
    stored: ForgottenState = NOTHING_FORGOTTEN,
    first?: FoundSlot,
  ) {
    this.#file = new TwoSlotFile(disk, FORGOTTEN_FILE, FORGOTTEN_FORM, found)
    this.#earlier = first && new TwoSlotFile(disk, FORGOTTEN_FILE, FORGOTTEN_FORM_1, first)
    this.#isIncomplete = first !== undefined
    this.#logger = logger
    this.#bits = stored.bits.slice()
    this.#blocks = stored.blocks.slice()
    this.#mustRaise = stored.mustRaise
    this.#mark = stored.mark
    this.#notes = stored.notes
    this.#places = stored.places
  }

  /**
   * Reads the file. A missing file beside a log's manifest, and one without a sound slot, count as damage: then
   * everything is forgotten, durably, before this resolves.
   */
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
    const latest = latestSlot(bytes, FORGOTTEN_FORM)
    if (latest === undefined) {
      const earlier = latestSlot(bytes, FORGOTTEN_FORM_1)
      if (earlier === undefined) return Forgotten.#unreadable(disk, logger, 'it is damaged')
      // The file of an earlier program is written in the new form once it is complete, or with the next change.
      return new Forgotten(disk, logger, undefined, decodeForgotten(earlier.slot), earlier)
    }
    const forgotten = new Forgotten(disk, logger, latest, decodeForgotten(latest.slot))
    if (latest.isAlone) {
      logger.warn({ file: FORGOTTEN_FILE }, 'one of its two copies was damaged or torn')
      await forgotten.#write()
    }
    return forgotten
  }

  static async #unreadable(disk: Disk, logger: Logger, why: string): Promise<Forgotten> {
    logger.error({ file: FORGOTTEN_FILE }, `it is not known what this node has forgotten: ${why}`)
    const forgotten = new Forgotten(disk, logger, undefined)
    const detail = `${FORGOTTEN_FILE}: ${why}`
    await forgotten.#add('all', true, [{ reason: 'unreadable', detail }])
    return forgotten
  }

  /** After a file of version 1 was read: sets of which partitions blocks may be missing, besides the forgotten ones. */
  async completeEarlierFile(partitions: () => Iterable<number>): Promise<void> {
    if (!this.#isIncomplete) return
    this.#isIncomplete = false
    this.#blocks.set(this.#bits)
    for (const partition of partitions()) addBit(this.#blocks, partition)
    await this.#writeIfRoom()
  }

  has(partition: number): boolean {
    return hasBit(this.#bits, partition)
  }

  /** Neither anything of the partition nor the ballot mark is forgotten. */
  votes(partition: number): boolean {
    return !this.#mustRaise && !this.has(partition)
  }

  /** Blocks that this node acknowledged may be missing here, so it is no witness of which blocks there are. */
  lacksBlocks(partition: number): boolean {
    return this.has(partition) || hasBit(this.#blocks, partition)
  }

  /** All partitions with `lacksBlocks`, ascending. Numbers go up to 65,535, however many partitions the cluster has. */
  lackingBlocks(): number[] {
    return partitionsIn(this.#bits, this.#blocks)
  }

  /** Those of the given partitions of which something is forgotten. */
  among(partitions: readonly number[]): number[] {
    return partitions.filter((partition) => this.has(partition))
  }

  /** The ballot mark has to be raised before anything is promised (A1). */
  get mustRaiseMark(): boolean {
    return this.#mustRaise
  }

  /** The value to which the mark was raised before. */
  get mark(): number {
    return this.#mark
  }

  /** Changes with each loss: a comparison that began before a loss proves nothing. */
  get serial(): number {
    return this.#serial
  }

  get notes(): ForgottenNotes {
    return this.#notes
  }

  /** Sets the one listener. It is called after each loss, once that is durable. */
  onLoss(listener: () => void): void {
    this.#listener = listener
  }

  /** Adds losses. Durable when it resolves. */
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

  /** Whether all that was forgotten because of damage of just this place and extent has been compared. */
  isRepaired({ segment, offset, lengthBytes }: LogPosition): boolean {
    return this.#places.repaired.some((place) => isSame(place, [segment, offset, lengthBytes]))
  }

  /** Notes that the ballot mark was raised to this value, and flushed. */
  async markRaised(mark: number): Promise<void> {
    this.#mustRaise = false
    this.#mark = Math.max(this.#mark, mark)
    await this.#write()
  }

  /**
   * Notes that a comparison which began at `serial` has compared these partitions with their replicas. Resolves with
   * false, and clears nothing, when something was lost meanwhile.
   */
  async clear(partitions: readonly number[], serial: number): Promise<boolean> {
    if (serial !== this.#serial) return false
    await this.#cleared(partitions)
    return true
  }

  /** As `clear`, for partitions without other replicas: what was lost of them is lost for good, and noted. */
  async clearAsLost(partitions: readonly number[], serial: number): Promise<boolean> {
    if (serial !== this.#serial) return false
    this.#addLost(partitions.length, this.#notes.open)
    await this.#cleared(partitions)
    return true
  }

  /**
   * Notes that a comparison which began at `serial` has brought all blocks of these partitions here. Partitions that are
   * still forgotten are passed over. Resolves with false, and clears nothing, when something was lost meanwhile.
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

  /** Notes that the operator gave up data of this many partitions, for good. */
  async noteLost(partitions: number, detail: string): Promise<void> {
    this.#addLost(partitions, [{ reason: 'given-up', detail: short(detail) }])
    await this.#write()
  }

  /** Closes the open notes: nothing of what this node holds is forgotten any more. */
  async closeNotes(): Promise<void> {
    if (this.#notes.open.length + this.#places.open.length === 0) return
    this.#close()
    await this.#write()
  }

  #cleared(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) takeBit(this.#bits, partition)
    if (this.#bits.every((byte) => byte === 0)) this.#close()
    return this.#write()
  }

  #addLost(partitions: number, why: readonly ForgottenNote[]): void {
    const { open, lost, lostPartitions } = this.#notes
    this.#notes = { open, lostPartitions: lostPartitions + partitions, lost: merged(lost, why) }
  }

  #close(): void {
    this.#notes = { ...this.#notes, open: [] }
    if (this.#mustRaise) return
    const { open, repaired } = this.#places
    this.#places = { open: [], repaired: [...repaired, ...open].slice(-LOSS_PLACES_MAX) }
  }

  /** A loss without a place may mean another log, or only a part of the log. Then the noted places prove nothing. */
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

  /** Writes run one after the other. Each writes the state of the moment in which it begins. */
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
      await this.#file.write(encodeForgotten(stored))
      this.#earlier = undefined
    } catch (error) {
      if (this.#earlier === undefined || !isNoSpace(error)) throw error
      const bits = this.#isIncomplete ? stored.bits : unionOf(stored.bits, stored.blocks)
      await this.#earlier.write(encodeForgotten1({ ...stored, bits }))
    }
  }

  #stored(): ForgottenState {
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

/** The known notes with the new ones behind them, each once, the latest NOTES_MAX of them. */
function merged(
  known: readonly ForgottenNote[],
  more: readonly ForgottenNote[],
): readonly ForgottenNote[] {
  const fresh = more.filter(
    (note) => !known.some(({ reason, detail }) => reason === note.reason && detail === note.detail),
  )
  return [...known, ...fresh].slice(-NOTES_MAX)
}

function isSame(a: LossPlace, b: LossPlace): boolean {
  return a.every((value, i) => value === b[i])
}

function short(detail: string): string {
  return detail.slice(0, DETAIL_CHARACTERS_MAX)
}
