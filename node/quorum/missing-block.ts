/** A block that was named when it was asked for, and that no replica gave. */

import { StoreError } from '../../protocol/errors.ts'
import type { BlockKey } from '../../protocol/ids.ts'

/** It may be out of reach for now, freed because the register says something else by now (R4), or lost:
 * node/objects/loss-check.ts finds out. */
export class MissingBlockError extends StoreError {
  readonly block: BlockKey

  constructor(block: BlockKey, what: string) {
    super('Unavailable', `no replica that answered has a good copy of ${what}`)
    this.block = block
  }
}
