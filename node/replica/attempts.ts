/**
 * Attempts to store data, and which of them are over (G5).
 *
 * A data id names the node, its boot and the attempt. An attempt is over when its node says so, shows a
 * later boot, or its storage id left the layout. An attempt that is over stays over, so a node's statement about itself
 * may be of any age.
 *
 * So nothing may go on under an id whose node was out of the layout in between. No attempt begins before the node
 * is in P, the set that a change starts from. A node in P′ alone is out again when the JOINT is abandoned, and a
 * later plan may take it in. A node that has left P does not come back with this storage id (layout/admission.ts).
 */

import { assert } from '../../protocol/assert.ts'
import { checkInput } from '../../protocol/input.ts'
import { byteString, bytesOfHex, readU32, u32 } from '../../protocol/bytes.ts'
import { StoreError } from '../../protocol/errors.ts'
import { dataId, type ByteString, type DataId, type StorageId } from '../../protocol/ids.ts'

export interface WriteAttempt {
  readonly id: DataId
  /** Call it when nothing will ever be proposed again that names the id. A second call does nothing. */
  end(): void
}

/** The watermark of one node: all attempts of earlier boots are over, and those of this boot up to `covered`, except the
 * ones that it names as running. */
export interface Watermark {
  readonly storage: StorageId
  readonly boot: number
  /** It says nothing about higher numbers. */
  readonly covered: number
  /** Ascending, none above `covered`. */
  readonly running: readonly number[]
}

/** How many running attempts a watermark names. When more are running, it covers less. */
export const RUNNING_MAX = 256
const STORAGE_BYTES = 12

export class Attempts {
  /** This node's storage id, as data ids begin with it. */
  readonly #storage: ByteString
  readonly #storageId: StorageId
  /** This start's number. Data ids carry it. */
  #boot: number
  #held = false
  #isEstablished = (): boolean => true
  /** Numbers of attempts that have begun and not ended, ascending. */
  readonly #running = new Set<number>()
  /** The last watermark of each other node, by storage id. A watermark of an earlier boot is never put back. */
  readonly #others = new Map<ByteString, Watermark>()
  /** The highest number that was given out. */
  #last = 0

  constructor(storage: StorageId, boot: number) {
    this.#storageId = storage
    this.#storage = byteString(bytesOfHex(storage))
    this.#boot = boot
  }

  /**
   * No attempt begins before `release`: until then it is not known whether this boot belongs to this start alone (D2).
   *
   * @param isEstablished this node is in P: asked whenever an attempt begins
   */
  hold(isEstablished: () => boolean): void {
    assert(this.#last === 0, 'held before the first attempt')
    this.#held = true
    this.#isEstablished = isEstablished
  }

  /** Attempts may begin. `boot` may be higher than at first, because none has begun yet. */
  release(boot: number): void {
    assert(this.#last === 0 && boot >= this.#boot, 'released before the first attempt')
    this.#boot = boot
    this.#held = false
  }

  /** Throws StoreError Unavailable while attempts are held, and while this node is not in P. */
  begin(): WriteAttempt {
    if (this.#held)
      throw new StoreError(
        'Unavailable',
        'too few members have recorded this start of the node yet',
      )
    if (!this.#isEstablished())
      throw new StoreError('Unavailable', 'this node is no member of a cluster (yet)')
    const number = ++this.#last
    this.#running.add(number)
    const high = Math.floor(number / 0x100000000)
    return {
      id: dataId(this.#storage + u32(this.#boot) + u32(high) + u32(number >>> 0)),
      end: () => void this.#running.delete(number),
    }
  }

  get runningCount(): number {
    return this.#running.size
  }

  /** This node's watermark. The Set keeps the order of insertion, so its numbers are ascending. */
  watermark(): Watermark {
    const running: number[] = []
    for (const number of this.#running) {
      running.push(number)
      if (running.length === RUNNING_MAX) break
    }
    const all = running.length === this.#running.size
    const covered = all ? this.#last : (running.at(-1) ?? this.#last)
    return { storage: this.#storageId, boot: this.#boot, covered, running }
  }

  /** Notes what another node says about its own attempts. */
  learn(told: Watermark): void {
    const storage = byteString(bytesOfHex(told.storage))
    if (storage === this.#storage) return
    const known = this.#others.get(storage)
    if (known !== undefined && known.boot > told.boot) return
    // Messages may come twice or late. Of two watermarks of one boot, the one that covers less is older, or covers less
    // because more is running. What a watermark does not cover counts as "not known" only.
    if (known?.boot === told.boot && known.covered > told.covered) return
    this.#others.set(storage, told)
  }

  /** Whether this node knows that the attempt is over. False may mean "not known". */
  isOver(id: DataId): boolean {
    const { storage, boot, number } = partsOf(id)
    if (storage === this.#storage) {
      // A later boot than ours: this data directory is an old copy (D2), so nothing is known.
      if (boot !== this.#boot) return boot < this.#boot
      return number <= this.#last && !this.#running.has(number)
    }
    const known = this.#others.get(storage)
    if (known === undefined) return false
    if (boot !== known.boot) return boot < known.boot
    return number <= known.covered && !known.running.includes(number)
  }
}

/** Raw storage id (12 bytes) of the node that made the attempt. */
export function storageOf(id: DataId): ByteString {
  return id.slice(0, STORAGE_BYTES)
}

function partsOf(id: DataId): { storage: ByteString; boot: number; number: number } {
  checkInput(id.length === STORAGE_BYTES + 12, 'a data id has 24 bytes')
  return {
    storage: storageOf(id),
    boot: readU32(id, STORAGE_BYTES),
    number: readU32(id, STORAGE_BYTES + 4) * 0x100000000 + readU32(id, STORAGE_BYTES + 8),
  }
}
