/** What the acceptor host answers. */

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
  /** Not above the floor: an identity change has to write the value again above it. */
  | 'refused'
  /** A block is missing (A5). */
  | 'incomplete'
  /** The epoch in which it was read is over (L6). */
  | 'late'
  /** The state here is damaged and may have been a later one: an identity change brings it back (D3). */
  | 'faulty'
