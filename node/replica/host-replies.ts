/** What the register host answers. */

import type { BlockKey } from '../../protocol/ids.ts'
import type { RegisterReply } from '../../protocol/register/types.ts'

/** The packed block of a value that was read. */
export interface PackedBlock {
  readonly key: BlockKey
  readonly bytes: Uint8Array
}

export interface HostReply {
  readonly reply: RegisterReply
  readonly block?: PackedBlock | undefined
}

/** What became of a copy (G3). Only `installed` and `held` count as synced. */
export type Learnt =
  | 'installed'
  /** The same or a later state was here. */
  | 'held'
  /** Not above the floor: an identity change above it has to settle it. */
  | 'refused'
  /** A block is missing (A5). */
  | 'incomplete'
  /** The epoch in which it was read is over (L6). */
  | 'late'
  /** A damaged state may have voted for something later: it comes back by an identity change (D3). */
  | 'faulty'
