/** Counts what the start had to read from the log because the index did not contain it yet. */

import type { NodeStatus } from '../../gateway/port/status.ts'
import type { StoreStats } from '../log/types.ts'

export class RecoveryStatus {
  running = true
  records = 0
  bytes = 0

  note(lengthBytes: number): void {
    if (!this.running) return
    this.records++
    this.bytes += lengthBytes
  }

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
