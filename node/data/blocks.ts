/**
 * Blocks of this node: immutable pieces of object data, each one record of the log. What is read is
 * verified against the record's checksum, always; a bad block is no block (faults 2, 5).
 */

import type { BlockKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { blockRow, decodePosition, RECORD } from '../metadata/index-rows.ts'
import type { Store } from './store.ts'
import type { LogPosition } from './types.ts'

export class BlockStore {
  readonly #store: Store
  /** Blocks that were found damaged when read: they are asked from a replica, then written again. */
  readonly #damaged = new Set<BlockKey>()
  readonly #onDamage: (key: BlockKey) => void

  constructor(store: Store, onDamage: (key: BlockKey) => void = () => {}) {
    this.#store = store
    this.#onDamage = onDamage
  }

  has(key: BlockKey): boolean {
    return !this.#damaged.has(key) && this.#store.get(blockRow(key)) !== undefined
  }

  /** Resolves when the block is flushed. The bytes must stay as they are until then. */
  async put(key: BlockKey, bytes: Uint8Array): Promise<void> {
    if (this.has(key)) return
    await this.#store.append([
      {
        type: RECORD.block,
        partition: partitionOfKey(key),
        key,
        body: new Uint8Array(0),
        payload: bytes,
      },
    ])
    this.#damaged.delete(key)
  }

  /** Verified bytes; undefined when absent or damaged. */
  async read(key: BlockKey, into?: Uint8Array): Promise<Uint8Array | undefined> {
    for (;;) {
      const row = this.#store.get(blockRow(key))
      if (row === undefined || this.#damaged.has(key)) return undefined
      const position = decodePosition(row)
      try {
        return await this.#store.readPayload(position, into)
      } catch {
        if (!this.#moved(key, position)) return this.#noteDamage(key)
      }
    }
  }

  /** Compaction has copied the record and removed its segment since the look-up. */
  #moved(key: BlockKey, from: LogPosition): boolean {
    const row = this.#store.get(blockRow(key))
    if (row === undefined) return true
    const { segment, offset } = decodePosition(row)
    return segment !== from.segment || offset !== from.offset
  }

  /** As `read`, for packed blocks. */
  readSync(key: BlockKey): Uint8Array | undefined {
    const row = this.#store.get(blockRow(key))
    if (row === undefined || this.#damaged.has(key)) return undefined
    try {
      return this.#store.readPayloadSync(decodePosition(row))
    } catch {
      return this.#noteDamage(key)
    }
  }

  get damagedCount(): number {
    return this.#damaged.size
  }

  #noteDamage(key: BlockKey): undefined {
    this.#damaged.add(key)
    this.#onDamage(key)
    return undefined
  }
}
