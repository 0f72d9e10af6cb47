/** Counts what the start had to read from the log because the index did not contain it yet. */

import type { NodeStatus } from '../../gateway/port/status.ts'
import type { StoreStats } from '../log/types.ts'

/** Counts while the log is replayed; fixed from then on. Part of `shoal status`. */
export class RecoveryStatus {
  /** Set to false once, when the store is open. */
  running = true
  records = 0
  bytes = 0

  /** One record was applied to the index. Ignored after the start. */
  note(lengthBytes: number): void {
    if (!this.running) return
    this.records++
    this.bytes += lengthBytes
  }

  /** The counts with what the store says about damage. */
  status({ damaged, indexRebuilt }: StoreStats): NodeStatus['recovery'] {
    return {
      running: this.running,
      recordsReplayed: this.records,
      bytesReplayed: this.bytes,
      damagedRecords: damaged,
      indexRebuilt,
    }
  }
}
