/** Wires the data side of a change of the layout: blocks that come to this node, and data that it drops. */

import type { Gauge } from '../../gateway/port/admin.ts'
import { EMPTY_DIGEST } from '../../protocol/sync/digest.ts'
import { isNearlyFull } from '../log/free-space.ts'
import type { Store } from '../log/store.ts'
import { digestRow } from '../replica/index-rows.ts'
import { BlockDrop, type BlockDropOptions } from './block-drop.ts'
import { BlockMover, type BlockMoverOptions } from './block-mover.ts'
import type { MoverProgress } from './block-fetcher.ts'
import { moveGauges } from './move-gauges.ts'
import { ByteRate } from './rate.ts'

export type BlockMovesOptions = Omit<BlockMoverOptions, 'digestOf'> &
  Omit<BlockDropOptions, 'rate' | 'isTight'> & { readonly store: Pick<Store, 'get' | 'stats'> }

/** Bytes that a node fetches a second at most, by default. */
export const MOVE_BYTES_PER_SECOND = 64 << 20

/**
 * The two loops, each with a rate of its own: what this node gives to other holders does not slow what it fetches.
 */
export class BlockMoves {
  readonly mover: BlockMover
  readonly drop: BlockDrop

  readonly #options: BlockMovesOptions

  constructor(options: BlockMovesOptions) {
    this.#options = options
    const rate = new ByteRate(options.clock, options.bytesPerSecond)
    const { store } = options
    const digestOf = (partition: number): Uint8Array =>
      store.get(digestRow(partition))?.slice() ?? EMPTY_DIGEST
    this.mover = new BlockMover({ ...options, digestOf })
    this.drop = new BlockDrop({ ...options, rate, isTight: () => isNearlyFull(store.stats()) })
  }

  /** Begins both loops. A second call changes nothing. */
  start(): void {
    this.mover.start()
    this.drop.start()
  }

  /** Called when the layout has changed. */
  kick(): void {
    this.mover.kick()
  }

  stop(): void {
    this.mover.stop()
    this.drop.stop()
  }

  /** Metrics of blocks and registers that move (move-gauges.ts). */
  gauges(registers: { readonly copiedBytes: number }): Gauge[] {
    const { view, peers } = this.#options
    return moveGauges(view(), (node) => peers.connected(node), this, registers.copiedBytes)
  }

  progress(): MoverProgress {
    return this.mover.progress()
  }
}
