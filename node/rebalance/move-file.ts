/**
 * How far this node has come with changes of the layout, durably: which partitions it may have registers of at all (L9),
 * which it has synced (L5), and which have all their blocks here. A file of two slots of 48 KiB (two-slot-file.ts).
 *
 * ```
 * 0       8         9         16            24            32            40
 * magic   version   sources   writes u64    epoch u64     joint u64     held (8,192)   synced (8,192)
 * then, for each source, oldest first: its epoch u64 and the partitions that are whole (8,192); zeros; BLAKE3
 * ```
 *
 *   held     partitions whose registers here are those of a replica that has served since without a gap, or of a
 *            learner's run that is under way; at `epoch`, the last entry of the layout that was looked at
 *   synced   partitions that are synced at exactly the JOINT epoch `joint`
 *   whole    partitions that have all blocks of the source that began with that epoch
 *
 * A bit that is removed no longer counts at once. It may still be on the disk: after a start the entries after `epoch` are
 * looked at again, and remove it once more. A bit that is added counts when it is durable.
 *
 * Invariants:
 *   - nothing is reported before it is durable
 *   - what was synced at one epoch proves nothing at another                                       (L6)
 *   - without a sound slot nothing is synced and nothing whole. The caller then decides what is held, because
 *     "nothing" would throw away registers that this node may have voted for
 */

import { utf8 } from '../../protocol/bytes.ts'
import {
  addBit,
  BITMAP_BYTES,
  emptyBitmap,
  hasBit,
  keepBits,
  takeBit,
  type Bitmap,
} from '../../protocol/keyspace/bitmap.ts'
import { SOURCES_MAX } from '../../protocol/layout/entry.ts'
import { isNoSpace } from '../log/errors.ts'
import type { Disk, Logger } from '../env/ports.ts'
import { latestSlot, TwoSlotFile, type FoundSlot, type SlotForm } from '../tools/two-slot-file.ts'

export const MOVE_FILE = 'moves'

/** Most entries of the layout that a start has to look at again. */
const ENTRIES_UNWRITTEN_MAX = 64

const FORM: SlotForm = { magic: utf8('SHOALMOV'), version: 1, slotBytes: 48 << 10 }
const HELD_AT = 40
const SYNCED_AT = HELD_AT + BITMAP_BYTES
const SOURCES_AT = SYNCED_AT + BITMAP_BYTES
const SOURCE_BYTES = 8 + BITMAP_BYTES

interface State {
  /** The epoch of the last entry that was looked at. */
  epoch: number
  readonly held: Bitmap
  joint: number
  synced: Bitmap
  /** By the source's epoch. */
  readonly whole: Map<number, Bitmap>
}

export class MoveFile {
  /** How the file was found. `none` when it did not exist. */
  readonly found: 'sound' | 'none' | 'unreadable'
  readonly #file: TwoSlotFile
  /** The state with changes that are on their way to the disk. */
  readonly #next: State
  readonly #durable: State
  /** Changes whenever a held partition is removed, so that an older write does not bring it back. */
  #serial = 0
  #writing: Promise<void> = Promise.resolve()
  /** A write that has not begun yet. Calls that come meanwhile share it. */
  #queued: Promise<void> | undefined

  private constructor(disk: Disk, found: MoveFile['found'], stored?: FoundSlot) {
    this.found = found
    this.#file = new TwoSlotFile(disk, MOVE_FILE, FORM, stored)
    this.#durable = stored === undefined ? newState() : decode(stored.slot)
    this.#next = copyOf(this.#durable)
  }

  static async open(disk: Disk, logger: Logger): Promise<MoveFile> {
    const bytes = await disk.readFile(MOVE_FILE)
    if (bytes === undefined) return new MoveFile(disk, 'none')
    const latest = latestSlot(bytes, FORM)
    if (latest === undefined) {
      logger.error({ file: MOVE_FILE }, 'both its copies are damaged')
      return new MoveFile(disk, 'unreadable')
    }
    const file = new MoveFile(disk, 'sound', latest)
    if (latest.isAlone) {
      logger.warn({ file: MOVE_FILE }, 'one of its two copies was damaged or torn')
      // The other copy counts, also while a full disk has no room for this one.
      await file.write().catch(unlessNoSpace)
    }
    return file
  }

  /** Whether the file could not be written, or never was. */
  get isOwed(): boolean {
    return this.#file.isMissing
  }

  /** Whether many entries of the layout were looked at and not written down yet. */
  get isLagging(): boolean {
    return this.#next.epoch - this.#durable.epoch >= ENTRIES_UNWRITTEN_MAX
  }

  /** Writes the present state, for example once a full disk has room again. */
  write(): Promise<void> {
    return this.#write()
  }

  /** The epoch up to which entries of the layout were looked at. */
  get epoch(): number {
    return this.#next.epoch
  }

  /** Whether this node may vote with its registers of the partition. */
  isHeld(partition: number): boolean {
    return hasBit(this.#durable.held, partition)
  }

  /** Notes that a later entry was looked at: registers of partitions outside `kept` are left over from now on. */
  follow(epoch: number, kept: Uint8Array, sources: readonly number[]): void {
    let changed = false
    for (const state of [this.#next, this.#durable]) {
      changed = keepBits(state.held, kept) || changed
      for (const [source, bits] of state.whole) {
        if (sources.includes(source)) keepBits(bits, kept)
        else state.whole.delete(source)
      }
    }
    if (changed) this.#serial++
    this.#next.epoch = epoch
  }

  /** Notes that left-over registers of these partitions are dropped, so that they are held. Durable when it resolves, except
   * for partitions that were removed meanwhile. */
  async hold(partitions: Iterable<number>): Promise<void> {
    for (const partition of partitions) addBit(this.#next.held, partition)
    await this.#write()
  }

  /** Notes that registers of these partitions are left over, even if they were held. Durable when it resolves. */
  async release(partitions: readonly number[]): Promise<void> {
    const held = partitions.filter((partition) => hasBit(this.#next.held, partition))
    if (held.length === 0) return
    for (const { held: bits } of [this.#next, this.#durable]) {
      for (const partition of held) takeBit(bits, partition)
    }
    this.#serial++
    await this.#write()
  }

  /** Sets which partitions are held, at `epoch`, after the file was missing or unreadable. */
  async begin(epoch: number, bits: Uint8Array): Promise<void> {
    this.#next.epoch = epoch
    for (let at = 0; at < BITMAP_BYTES; at++) this.#next.held[at]! |= bits[at] ?? 0
    await this.#write()
  }

  /** Whether the partition is durably synced at exactly this JOINT epoch. */
  isSynced(epoch: number, partition: number): boolean {
    return this.#durable.joint === epoch && hasBit(this.#durable.synced, partition)
  }

  /** Durable when it resolves. */
  async addSynced(epoch: number, partitions: Iterable<number>): Promise<void> {
    const next = this.#next
    if (next.joint > epoch) return
    if (next.joint !== epoch) {
      next.joint = epoch
      next.synced = emptyBitmap()
    }
    for (const partition of partitions) addBit(next.synced, partition)
    await this.#write()
  }

  /** Whether every block of the partition, of the source that began with this epoch, is here durably. */
  isWhole(source: number, partition: number): boolean {
    const bits = this.#durable.whole.get(source)
    return bits !== undefined && hasBit(bits, partition)
  }

  /** Durable when it resolves, unless the source or the partition was removed meanwhile. */
  async addWhole(source: number, partitions: Iterable<number>): Promise<void> {
    const { whole } = this.#next
    let bits = whole.get(source)
    if (bits === undefined) {
      while (whole.size >= SOURCES_MAX) whole.delete(Math.min(...whole.keys()))
      whole.set(source, (bits = emptyBitmap()))
    }
    for (const partition of partitions) addBit(bits, partition)
    await this.#write()
  }

  /** Writes run one after the other. Each writes the state of the moment in which it begins. */
  #write(): Promise<void> {
    this.#queued ??= this.#writing.then(() => {
      this.#queued = undefined
      return this.#replace()
    })
    const written = this.#queued
    this.#writing = written.catch(() => {})
    return written
  }

  async #replace(): Promise<void> {
    const state = copyOf(this.#next)
    const serial = this.#serial
    await this.#file.write(encode(state))
    this.#written(state, serial)
  }

  #written({ epoch, held, joint, synced, whole }: State, serial: number): void {
    const durable = this.#durable
    durable.epoch = epoch
    durable.joint = joint
    durable.synced = synced
    // A partition was removed meanwhile: callers that added wait for the write that follows.
    if (serial !== this.#serial) return
    durable.held.set(held)
    for (const [source, bits] of whole) durable.whole.set(source, bits)
  }
}

/** A start goes on when a full disk has no room for the file. */
export function unlessNoSpace(error: unknown): void {
  if (!isNoSpace(error)) throw error
}

function newState(): State {
  // A new directory: nothing in it is left over.
  const held = emptyBitmap().fill(0xff)
  return { epoch: 0, held, joint: 0, synced: emptyBitmap(), whole: new Map() }
}

function copyOf({ epoch, held, joint, synced, whole }: State): State {
  return {
    epoch,
    held: held.slice(),
    joint,
    synced: synced.slice(),
    whole: new Map([...whole].map(([source, bits]) => [source, bits.slice()])),
  }
}

function encode({ epoch, held, joint, synced, whole }: State): Bitmap {
  const bytes = new Uint8Array(FORM.slotBytes)
  const view = new DataView(bytes.buffer)
  bytes[9] = whole.size
  view.setBigUint64(24, BigInt(epoch))
  view.setBigUint64(32, BigInt(joint))
  bytes.set(held, HELD_AT)
  bytes.set(synced, SYNCED_AT)
  const sources = [...whole].toSorted(([a], [b]) => a - b)
  for (const [i, [source, bits]] of sources.entries()) {
    view.setBigUint64(SOURCES_AT + i * SOURCE_BYTES, BigInt(source))
    bytes.set(bits, SOURCES_AT + i * SOURCE_BYTES + 8)
  }
  return bytes
}

function decode(bytes: Uint8Array): State {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const number = (at: number): number => Number(view.getBigUint64(at))
  const bitmap = (at: number): Bitmap => new Uint8Array(bytes.subarray(at, at + BITMAP_BYTES))
  const whole = new Map<number, Bitmap>()
  for (let i = 0; i < bytes[9]! && i < SOURCES_MAX; i++) {
    const at = SOURCES_AT + i * SOURCE_BYTES
    whole.set(number(at), bitmap(at + 8))
  }
  return {
    epoch: number(24),
    held: bitmap(HELD_AT),
    joint: number(32),
    synced: bitmap(SYNCED_AT),
    whole,
  }
}
