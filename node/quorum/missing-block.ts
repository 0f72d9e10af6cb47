/** A block that a register named when it was asked for, and that no replica returned. */

import { StoreError } from '../../protocol/errors.ts'
import type { BlockKey } from '../../protocol/ids.ts'

/**
 * The block may be out of reach for now, freed because the register has changed meanwhile (R4), or lost.
 * node/objects/loss-check.ts finds out which.
 */
export class MissingBlockError extends StoreError {
  readonly block: BlockKey

  constructor(block: BlockKey, what: string) {
    super('Unavailable', `no replica that answered has a good copy of ${what}`)
    this.block = block
  }
}
