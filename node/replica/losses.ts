/** What the node loses by a damaged record whose header can still be read (D7, D8). */

import type { Damage, LogLoss } from '../log/types.ts'
import { nameOfType, RECORD } from './record-types.ts'

type NamedDamage = Damage & { readonly identity: NonNullable<Damage['identity']> }

/** What the node has forgotten by this record; undefined when the row itself shows the damage. */
export function lossOf({ identity, segment, offset }: NamedDamage): LogLoss | undefined {
  const { type, partition } = identity
  const detail = `${nameOfType(type) ?? `type ${type}`} at ${offset} of segment ${segment}`
  switch (type) {
    case RECORD.mark:
      return { partitions: [], mark: true, reason: 'mark', detail }
    case RECORD.minimum:
      return { partitions: [partition], mark: false, reason: 'minimum', detail }
    case RECORD.registerGone:
    case RECORD.registerDropped:
      return { partitions: [partition], mark: false, reason: 'removal', detail }
    default:
      // The row of a register or a block shows that it is damaged (D3).
      return undefined
  }
}
