/**
 * A small file with two copies of the same content, in two slots of one size, written in place one after the other: a
 * full disk has room for it, and a write that is torn leaves the other copy.
 *
 * ```
 * file   slot, slot
 * slot   0 magic (64) | version (8) | the caller's (56) | number of the write (64)                  0 .. 24
 *        24 the caller's, up to 32 bytes before the end
 *        BLAKE3 of all before it (32 bytes)
 * ```
 *
 * Invariants:
 *   - while one slot is written, the other one is sound and flushed: a write begins with the slot that is not the
 *     newest sound one. What a start found is flushed before the first write: it may be only in the page cache
 *   - a write is durable once its first slot is flushed
 */

import { equalBytes } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { Disk, DiskFile } from '../env/ports.ts'

export const HASH_BYTES = 32
const WRITES_AT = 16

/** What tells the files of one kind from others. `slotBytes`: the size of one slot, head and hash included. */
export interface SlotForm {
  readonly magic: Uint8Array
  readonly version: number
  readonly slotBytes: number
}

/** One for each file. Its caller writes one thing at a time. */
export class TwoSlotFile {
  readonly #disk: Disk
  readonly #name: string
  readonly #form: SlotForm
  #file: DiskFile | undefined
  /** There is no file yet, or a write has failed: the whole file is written (D5). */
  #isMissing: boolean
  #writes: number
  /** The number of the slot that is written first. */
  #first: 0 | 1

  constructor(disk: Disk, name: string, form: SlotForm, found: FoundSlot | undefined) {
    this.#disk = disk
    this.#name = name
    this.#form = form
    this.#isMissing = found === undefined
    this.#writes = found?.writes ?? 0
    this.#first = found?.number === 0 ? 1 : 0
  }

  get isMissing(): boolean {
    return this.#isMissing
  }

  /**
   * `slot` has everything but head and hash. The write is durable when it resolves. Wait for it before the next
   * call.
   */
  async write(slot: Uint8Array<ArrayBuffer>): Promise<void> {
    const { magic, version, slotBytes } = this.#form
    slot.set(magic)
    slot[8] = version
    new DataView(slot.buffer).setBigUint64(WRITES_AT, BigInt(++this.#writes))
    slot.set(blake3(slot.subarray(0, slotBytes - HASH_BYTES)), slotBytes - HASH_BYTES)
    if (this.#isMissing) {
      const both = new Uint8Array(2 * slotBytes)
      both.set(slot)
      both.set(slot, slotBytes)
      await this.#disk.writeFile(this.#name, both, { mode: 0o600 })
      this.#isMissing = false
      return
    }
    try {
      if (this.#file === undefined) {
        this.#file = await this.#disk.open(this.#name, 'write')
        await this.#file.flush()
      }
      for (const number of [this.#first, 1 - this.#first]) {
        await this.#file.write([slot], number * slotBytes)
        await this.#file.flush()
      }
    } catch (error) {
      this.#isMissing = true
      this.#file = undefined
      throw error
    }
  }
}

export interface FoundSlot {
  readonly slot: Uint8Array
  readonly writes: number
  /** The slot in which it was found. */
  readonly number: 0 | 1
  /** True when the other copy was damaged or torn, or is of an earlier write. */
  readonly isAlone: boolean
}

/** The latest sound slot. Undefined when both are damaged, or of an unknown version. */
export function latestSlot(bytes: Uint8Array, form: SlotForm): FoundSlot | undefined {
  const [one, other] = ([0, 1] as const)
    .map((number) => ({
      number,
      slot: bytes.subarray(number * form.slotBytes, (number + 1) * form.slotBytes),
    }))
    .filter(({ slot }) => isSound(slot, form))
    .map(({ number, slot }) => ({ number, slot, writes: writesOf(slot) }))
    .toSorted((a, b) => b.writes - a.writes)
  return one && { ...one, isAlone: other?.writes !== one.writes }
}

function isSound(slot: Uint8Array, { magic, version, slotBytes }: SlotForm): boolean {
  if (slot.length < slotBytes) return false
  const hash = slot.subarray(slotBytes - HASH_BYTES)
  if (!equalBytes(blake3(slot.subarray(0, slotBytes - HASH_BYTES)), hash)) return false
  return equalBytes(slot.subarray(0, 8), magic) && slot[8] === version
}

function writesOf(slot: Uint8Array): number {
  return Number(new DataView(slot.buffer, slot.byteOffset).getBigUint64(WRITES_AT))
}
