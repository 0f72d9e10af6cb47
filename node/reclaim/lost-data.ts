/** Data that is lost for good: reads and the check of references find it, a list keeps it, peers and status report it. */

import type { BlockKey, BucketId } from '../../protocol/ids.ts'
import type { Disk } from '../env/ports.ts'
import type { BlockLosses } from '../objects/losses.ts'
import { LostObjects, type LostObject } from './lost-objects.ts'
import { LostReport, type LostReportOptions } from './lost-report.ts'
import { ReferenceCheck, type ReferenceCheckOptions } from './reference-check.ts'

export interface LostDataOptions extends Omit<ReferenceCheckOptions, 'note' | 'peers'> {
  readonly disk: Disk
  readonly peers: LostReportOptions['peers'] & ReferenceCheckOptions['peers']
}

export class LostData implements BlockLosses {
  readonly objects: LostObjects
  readonly references: ReferenceCheck
  readonly report: LostReport
  readonly #options: LostDataOptions

  constructor(options: LostDataOptions) {
    this.#options = options
    const { disk, clock, logger } = options
    this.references = new ReferenceCheck({
      ...options,
      note: (object) => this.objects.note(object),
    })
    this.objects = new LostObjects({
      disk,
      clock,
      logger,
      check: (register) => this.references.lostOf(register),
    })
    this.report = new LostReport({ ...options, lost: this.objects })
  }

  isLost(block: BlockKey): Promise<boolean> {
    return this.#options.isLost(block)
  }

  note(
    bucket: { readonly id: BucketId; readonly name: string },
    lost: Omit<LostObject, 'foundMs'>,
  ): void {
    this.objects.nameBucket(bucket.id, bucket.name)
    this.objects.note({ ...lost, foundMs: this.#options.clock.nowMs() })
  }
}
