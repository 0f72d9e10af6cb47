/**
 * Attempts to store data, and which of them are over (G5).
 *
 * A data id names the node, its boot and the attempt. An attempt is over when its node says so, shows a
 * later boot, or its storage id left the layout. Numbers rise, so that "all below n are over" says it
 * for all but the youngest.
 */

import { byteString, bytesOfHex, u32 } from '../../protocol/bytes.ts'
import { readU32 } from '../../protocol/bytes.ts'
import { dataId, type ByteString, type DataId, type StorageId } from '../../protocol/ids.ts'

export interface Attempt {
  readonly id: DataId
  /** Nothing will ever be proposed again that names the id. Call exactly when that is so; twice is once. */
  end(): void
}

/** Of one node: attempts of earlier boots are over, and of this boot those below `oldestRunning`. */
export interface Watermark {
  readonly storage: StorageId
  readonly boot: number
  readonly oldestRunning: number
}

const STORAGE_BYTES = 12

export class Attempts {
  readonly #storage: ByteString
  readonly #storageId: StorageId
  readonly #boot: number
  readonly #running = new Set<number>()
  readonly #others = new Map<ByteString, Watermark>()
  #last = 0

  constructor(storage: StorageId, boot: number) {
    this.#storageId = storage
    this.#storage = byteString(bytesOfHex(storage))
    this.#boot = boot
  }

  begin(): Attempt {
    const number = ++this.#last
    this.#running.add(number)
    const high = Math.floor(number / 0x100000000)
    return {
      id: dataId(this.#storage + u32(this.#boot) + u32(high) + u32(number >>> 0)),
      end: () => void this.#running.delete(number),
    }
  }

  /** Of this node. A Set keeps the order of insertion: the first is the oldest. */
  watermark(): Watermark {
    const [oldest = this.#last + 1] = this.#running
    return { storage: this.#storageId, boot: this.#boot, oldestRunning: oldest }
  }

  /** What another node said of itself. */
  learn(mark: Watermark): void {
    const storage = byteString(bytesOfHex(mark.storage))
    const known = this.#others.get(storage)
    if (known !== undefined && known.boot > mark.boot) return
    if (known?.boot === mark.boot && known.oldestRunning > mark.oldestRunning) return
    this.#others.set(storage, mark)
  }

  /** By what this node knows now: false may also mean "not known". */
  isOver(id: DataId): boolean {
    const { storage, boot, number } = partsOf(id)
    if (storage === this.#storage) {
      return boot < this.#boot || (boot === this.#boot && !this.#running.has(number))
    }
    const mark = this.#others.get(storage)
    if (mark === undefined) return false
    return boot < mark.boot || (boot === mark.boot && number < mark.oldestRunning)
  }
}

/** Raw storage id (12 bytes) of the node that made the attempt. */
export function storageOf(id: DataId): ByteString {
  return id.slice(0, STORAGE_BYTES)
}

function partsOf(id: DataId): { storage: ByteString; boot: number; number: number } {
  return {
    storage: storageOf(id),
    boot: readU32(id, STORAGE_BYTES),
    number: readU32(id, STORAGE_BYTES + 4) * 0x100000000 + readU32(id, STORAGE_BYTES + 8),
  }
}
