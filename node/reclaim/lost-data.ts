/**
 * Data that is lost for good. Wires what finds, keeps and reports it; made by the node's assembly.
 *
 *   loss-check.ts (objects)   asks all replicas for a block
 *   reference-check.ts        walks registers and looks for the blocks that they name: part of a scrub
 *   lost-objects.ts           the list of what this node found, on disk
 *   lost-report.ts            the lists of all members, for status
 */

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

/** Given to node/objects as its port BlockLosses. */
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

  /** Asks every replica and source (LossCheck.isLost). */
  isLost(block: BlockKey): Promise<boolean> {
    return this.#options.isLost(block)
  }

  /** A read has found it: keeps the bucket's name as well, which the register does not tell. */
  note(
    bucket: { readonly id: BucketId; readonly name: string },
    lost: Omit<LostObject, 'foundMs'>,
  ): void {
    this.objects.nameBucket(bucket.id, bucket.name)
    this.objects.note({ ...lost, foundMs: this.#options.clock.nowMs() })
  }
}
