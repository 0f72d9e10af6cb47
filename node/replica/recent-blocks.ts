/**
 * Small blocks that were read last, so that reading them again asks neither the disk nor a thread of libuv. Called by blocks.ts.
 *
 * Invariants:
 *   - only bytes that were read from the disk and verified are kept, and each use verifies them again
 *   - they are used only while the block's row names the place in the log from which they were read. A flushed place is never
 *     written again, so a block that was removed, written again or moved by compaction is not found here
 *   - what is kept takes at most `bytesMax`
 *
 * Only answers to readers come from here. Scrub, repair, copies to other nodes and everything else that asks what the disk has
 * read the disk.
 */

import { equalBytes } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { BlockKey } from '../../protocol/ids.ts'
import type { ReadRecord } from '../log/read.ts'
import type { LogPosition } from '../log/types.ts'

/** Larger blocks cost so much to verify and to send that the read matters little. */
const RECENT_RECORD_BYTES_MAX = 16 << 10

interface Recent {
  readonly segment: number
  readonly offset: number
  readonly bytes: Uint8Array
  /** BLAKE3-256, as it stands in the record's header. */
  readonly hash: Uint8Array
}

/** Two generations: what is used moves to the young one. When that is full, the old one is let go. */
export class RecentBlocks {
  /** Of one generation. */
  readonly #bytesMax: number
  #young = new Map<BlockKey, Recent>()
  #old = new Map<BlockKey, Recent>()
  #youngBytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax / 2
  }

  /** Whether anything is kept of the block, from whatever place. */
  has(key: BlockKey): boolean {
    return this.#young.has(key) || this.#old.has(key)
  }

  /** The bytes of the block whose record is at this place, verified now. They must not be changed. */
  get(key: BlockKey, position: LogPosition): Uint8Array | undefined {
    let kept = this.#young.get(key)
    if (kept === undefined) {
      kept = this.#old.get(key)
      if (kept === undefined) return undefined
      this.#old.delete(key)
      this.#add(key, kept, position.lengthBytes)
    }
    const { segment, offset, bytes, hash } = kept
    if (segment !== position.segment || offset !== position.offset) return undefined
    return equalBytes(blake3(bytes), hash) ? bytes : undefined
  }

  /** Keeps what was just read, unless it is too large. From now on nobody may change the record's memory. */
  keep(key: BlockKey, { segment, offset, lengthBytes }: LogPosition, record: ReadRecord): void {
    const { payload, payloadHash } = record
    if (payload === undefined || lengthBytes > RECENT_RECORD_BYTES_MAX) return
    if (lengthBytes > this.#bytesMax) return
    this.#add(key, { segment, offset, bytes: payload, hash: payloadHash }, lengthBytes)
  }

  /** Gives back the memory of a block that is damaged or gone. */
  drop(key: BlockKey): void {
    this.#old.delete(key)
    this.#young.delete(key)
  }

  #add(key: BlockKey, kept: Recent, lengthBytes: number): void {
    if (this.#youngBytes + lengthBytes > this.#bytesMax) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngBytes = 0
    }
    this.#young.set(key, kept)
    this.#youngBytes += lengthBytes
  }
}
