/** Errors of joining and of layout changes. Messages are one line, fit for a terminal. */

import type { Member } from '../../protocol/layout/entry.ts'
import { shownName } from '../../protocol/layout/member-names.ts'

export type MembershipErrorCode =
  /** The token is not a token, or was changed. */
  | 'bad-token'
  | 'expired-token'
  /** The token has admitted as many nodes as it may. */
  | 'used-token'
  /** There is no token with this id. */
  | 'no-such-token'
  | 'too-many-tokens'
  /** The token, or this data directory, belongs to another cluster. */
  | 'other-cluster'
  /** The joiner's program is too old for this cluster. Earlier programs: a cluster that held data changed nothing. */
  | 'holds-data'
  /** The members run an earlier program, which does not understand this one's request. */
  | 'old-members'
  /** This change of the layout cannot be made. The message says why, and what to do instead. */
  | 'bad-change'
  /** Another change of the layout comes first. */
  | 'under-way'
  /** The node was a member once and was removed: its data directory is of no use any more. */
  | 'removed'
  /** A known node came back with another storage id (D1). */
  | 'replaced'
  /** This data directory holds registers, or a layout, that a joiner must not bring. */
  | 'not-empty'
  /** No node answered, or no majority did, within the deadline. */
  | 'no-answer'
  /** Entries or signatures that do not fit. They are never obeyed. */
  | 'bad-layout'
  /** layout.json does not decode. */
  | 'damaged'
  | 'stopped'

export class MembershipError extends Error {
  override readonly name = 'MembershipError'
  readonly code: MembershipErrorCode

  constructor(code: MembershipErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export const TOO_OLD =
  'this cluster needs a newer version of the program than that of this node: install it, then join again'

export const OLD_MEMBERS =
  'the members run an earlier version of the program, which cannot take in this one: install this version on them ' +
  'first, or start this node with theirs'

/** A node that is up has data that other nodes may need. It has to be drained, so that they can copy from it. */
export function stillUp(member: Member, what: 'removed' | 'replaced'): string {
  return `node ${shownName(member)} is up: drain it instead, or stop it before it is ${what}`
}
