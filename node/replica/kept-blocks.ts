/**
 * Blocks that may be freed, but are being read: they are freed when the last reader ends. If this forgets some, when it has
 * too many or in a restart, the scan finds them again.
 */

import type { BlockKey, DataId } from '../../protocol/ids.ts'
import { dataIdOf } from '../../protocol/keyspace/block-key.ts'
import type { Clock, Logger } from '../env/ports.ts'

/** How often it looks whether readers have ended. */
const POLL_MS = 2_000
const FREED_AT_ONCE = 500
/** Blocks that are kept in memory. More are left to the scan. */
const KEPT_MAX = 200_000

export interface KeptBlocksOptions {
  readonly isRead: (id: DataId) => boolean
  readonly free: (keys: readonly BlockKey[]) => Promise<unknown>
  readonly clock: Clock
  readonly logger: Logger
}

export class KeptBlocks {
  readonly #options: KeptBlocksOptions
  readonly #keys = new Set<BlockKey>()
  #cancel: (() => void) | undefined
  #stopped = false

  constructor(options: KeptBlocksOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#keys.size
  }

  /**
   * Keeps the blocks that are being read, to free them later. The result is the other ones, which the caller may free
   * now.
   */
  keep(keys: readonly BlockKey[]): BlockKey[] {
    const free: BlockKey[] = []
    for (const key of keys) {
      if (!this.#options.isRead(dataIdOf(key))) free.push(key)
      else if (this.#keys.size < KEPT_MAX) this.#keys.add(key)
    }
    this.#wake()
    return free
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  #wake(): void {
    if (this.#cancel !== undefined || this.#stopped || this.#keys.size === 0) return
    this.#cancel = this.#options.clock.after(POLL_MS, () => {
      this.#poll()
        .catch((error: unknown) => {
          this.#options.logger.debug({ error: String(error) }, 'space: blocks were not freed yet')
        })
        .finally(() => {
          this.#cancel = undefined
          this.#wake()
        })
    })
  }

  /** Frees blocks whose readers have ended, a bounded number at a time. If that fails, they are kept. */
  async #poll(): Promise<void> {
    const { isRead, free } = this.#options
    const due: BlockKey[] = []
    for (const key of this.#keys) {
      if (isRead(dataIdOf(key))) continue
      due.push(key)
      if (due.length === FREED_AT_ONCE) break
    }
    if (due.length === 0) return
    await free(due)
    for (const key of due) this.#keys.delete(key)
  }
}
