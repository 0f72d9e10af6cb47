/**
 * Blocks of this node: immutable pieces of object data, each one record of the log. Every read is verified against the
 * record's checksum, also of the small blocks that `read` keeps in memory. A bad block counts as absent (F2, F5).
 */

import { batchesOf } from '../tools/in-batches.ts'
import { byteString, bytesOf, EMPTY_BYTES } from '../../protocol/bytes.ts'
import type { BlockKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'
import { blockDropped, blockGone } from './removal-records.ts'
import { blockRow } from './index-rows.ts'
import { RecentBlocks } from './recent-blocks.ts'
import { RECORD } from './record-types.ts'
import { decodePosition } from './row-format.ts'
import type { DiskWatch } from '../env/watched-disk.ts'
import { errorCode, LogError } from '../log/errors.ts'
import type { Store } from '../log/store.ts'
import type { LogPosition, NewRecord } from '../log/types.ts'

/** When a read takes this long, the disk hangs: no other read is begun until one ends. */
const SILENT_MS = 3_000
/** With this many bytes of reads under way a shorter time is enough. */
const READING_BYTES_MAX = 64 << 20
const BUSY_MS = 500

/** A block and its owner: all that a replica needs to keep it. */
export interface OwnedBlock {
  readonly key: BlockKey
  readonly bytes: Uint8Array
  readonly owner: BlockOwner
}

export function blockRecord({ key, bytes, owner }: OwnedBlock): NewRecord {
  const partition = partitionOfKey(key)
  return { type: RECORD.block, partition, key, body: bytesOf(owner), payload: bytes }
}

/** Blocks in one append. */
const FORGOTTEN_AT_ONCE = 250

export class BlockStore {
  readonly #store: Store
  /** Called for blocks that a read has found damaged: they are fetched from a replica, then written again. */
  readonly #damaged = new Set<BlockKey>()
  readonly #onDamage: (key: BlockKey) => void
  readonly #disk: Pick<DiskWatch, 'readsSilentMs'> | undefined
  readonly #recent: RecentBlocks | undefined
  #readingBytes = 0
  /** Reads that were refused because the disk does not answer earlier ones. */
  refusedReads = 0

  /** @param recentBytesMax for small blocks that were read last; 0 keeps none */
  constructor(
    store: Store,
    onDamage: (key: BlockKey) => void = () => {},
    disk?: Pick<DiskWatch, 'readsSilentMs'>,
    recentBytesMax = 0,
  ) {
    this.#store = store
    this.#onDamage = onDamage
    this.#disk = disk
    this.#recent = recentBytesMax > 0 ? new RecentBlocks(recentBytesMax) : undefined
  }

  has(key: BlockKey): boolean {
    return !this.#damaged.has(key) && this.#store.get(blockRow(key)) !== undefined
  }

  /** Resolves when the block is flushed. The bytes must stay as they are until then. */
  async put(block: OwnedBlock): Promise<void> {
    if (this.has(block.key)) return
    await this.#store.append([blockRecord(block)])
    this.#damaged.delete(block.key)
  }

  /** As `readOwned`, but small blocks that were read lately come from memory, and at once. For answers to readers. */
  read(key: BlockKey): Promise<Uint8Array | undefined> | Uint8Array {
    const recent = this.#recent
    if (recent?.has(key) === true && !this.#damaged.has(key)) {
      const row = this.#store.get(blockRow(key))
      const bytes = row && recent.get(key, decodePosition(row))
      if (bytes !== undefined) return bytes
    }
    return this.#read(key, undefined, recent).then((block) => block?.bytes)
  }

  /** Verified bytes and their owner, read from the disk; undefined when the block is absent or damaged. Rejects with
   * OVERLOADED when the disk does not answer: another replica is faster (D11). */
  readOwned(key: BlockKey, into?: Uint8Array): Promise<OwnedBlock | undefined> {
    return this.#read(key, into)
  }

  async #read(
    key: BlockKey,
    into: Uint8Array | undefined,
    recent?: RecentBlocks,
  ): Promise<OwnedBlock | undefined> {
    for (;;) {
      const row = this.#store.get(blockRow(key))
      if (row === undefined || this.#damaged.has(key)) return undefined
      const position = decodePosition(row)
      this.#mustAnswer(position)
      this.#readingBytes += position.lengthBytes
      try {
        const record = await this.#store.readRecord(position, into)
        const { key: found, body, payload } = record
        // A row that points to another block's record is as bad as a damaged record (F4).
        if (found !== key) return this.noteDamage(key)
        recent?.keep(key, position, record)
        const bytes = payload ?? EMPTY_BYTES
        return { key, bytes, owner: byteString(body) as BlockOwner }
      } catch (error) {
        if (this.#moved(key, position)) continue
        if (!isDamage(error)) throw error
        return this.noteDamage(key)
      } finally {
        this.#readingBytes -= position.lengthBytes
      }
    }
  }

  #mustAnswer({ lengthBytes }: LogPosition): void {
    const silentMs = this.#disk?.readsSilentMs() ?? 0
    const isFull = this.#readingBytes + lengthBytes > READING_BYTES_MAX && silentMs > BUSY_MS
    if (silentMs <= SILENT_MS && !isFull) return
    this.refusedReads++
    throw new LogError('OVERLOADED', 'the disk does not answer')
  }

  /** Compaction has copied the record and removed its segment since the look-up. */
  #moved(key: BlockKey, from: LogPosition): boolean {
    const row = this.#store.get(blockRow(key))
    if (row === undefined) return true
    const { segment, offset } = decodePosition(row)
    return segment !== from.segment || offset !== from.offset
  }

  /** Whether the block's record is here and damaged. */
  async isBad(key: BlockKey): Promise<boolean> {
    const row = this.#store.get(blockRow(key))
    if (row === undefined) return false
    try {
      await this.#store.readRecord(decodePosition(row))
      return false
    } catch (error) {
      return ['CHECKSUM_MISMATCH', 'MISDIRECTED'].includes(errorCode(error))
    }
  }

  /** The block's owner, also when only its bytes are damaged: a damaged block that nothing names is freed too. Undefined
   * when the block is absent or its owner is damaged. */
  async ownerOf(key: BlockKey): Promise<BlockOwner | undefined> {
    for (;;) {
      const row = this.#store.get(blockRow(key))
      if (row === undefined) return undefined
      const position = decodePosition(row)
      try {
        const { key: found, body } = await this.#store.readMeta(position)
        return found === key ? (byteString(body) as BlockOwner) : this.noteDamage(key)
      } catch (error) {
        if (this.#moved(key, position)) continue
        if (!isDamage(error)) throw error
        return this.noteDamage(key)
      }
    }
  }

  /**
   * Frees blocks of data that nothing names any more (G5). They are gone once this resolves. The result is how many were
   * here.
   */
  async forget(keys: readonly BlockKey[]): Promise<{ blocks: number; bytes: number }> {
    return this.#removeAll(keys, blockGone)
  }

  /** Removes blocks that this node need not keep any more (L8). They may come back. */
  async drop(keys: readonly BlockKey[]): Promise<{ blocks: number; bytes: number }> {
    return this.#removeAll(keys, blockDropped)
  }

  async #removeAll(
    keys: readonly BlockKey[],
    removal: (key: BlockKey) => NewRecord,
  ): Promise<{ blocks: number; bytes: number }> {
    const forgotten = { blocks: 0, bytes: 0 }
    // In several appends: all removals of one append are applied to the index in one turn of the event loop.
    for (const some of batchesOf(keys, FORGOTTEN_AT_ONCE)) {
      const here = some.filter((key) => {
        const row = this.#store.get(blockRow(key))
        if (row !== undefined) forgotten.bytes += decodePosition(row).lengthBytes
        return row !== undefined
      })
      if (here.length === 0) continue
      await this.#store.append(here.map(removal), { urgent: true })
      for (const key of here) {
        this.#damaged.delete(key)
        this.#recent?.drop(key)
      }
      forgotten.blocks += here.length
    }
    return forgotten
  }

  get damagedCount(): number {
    return this.#damaged.size
  }

  /** The block counts as absent until it is written again. Another read has it fetched again. */
  noteDamage(key: BlockKey): undefined {
    this.#damaged.add(key)
    this.#recent?.drop(key)
    this.#onDamage(key)
    return undefined
  }
}

/** Errors which say that the bytes are not those that were written. A closed log says nothing about them. */
function isDamage(error: unknown): boolean {
  return ['CHECKSUM_MISMATCH', 'MISDIRECTED', 'NO_SEGMENT', 'EIO'].includes(errorCode(error))
}
