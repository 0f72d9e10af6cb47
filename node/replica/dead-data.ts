/**
 * Data that is known to be dead for good: its attempt is over, and no register names it or ever will (G5). A data id is
 * never used twice, so this is never undone. The memory is bounded: if forgotten data comes back with a late message, or
 * from a replica that missed its end, the scan finds it once more.
 */

import type { DataId } from '../../protocol/ids.ts'
import { dropOldest } from '../tools/drop-oldest.ts'

const IDS_MAX = 65_536

export class DeadData {
  readonly #ids = new Set<DataId>()
  readonly #most: number

  constructor(most: number = IDS_MAX) {
    this.#most = most
  }

  add(id: DataId): void {
    this.#ids.delete(id)
    this.#ids.add(id)
    dropOldest(this.#ids, this.#most)
  }

  has(id: DataId): boolean {
    return this.#ids.has(id)
  }
}
