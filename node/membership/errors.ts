/** What joining and layout changes can end with. Messages are one line, fit for a terminal. */

export type MembershipErrorCode =
  /** The token is not a token, or was changed. */
  | 'bad-token'
  | 'expired-token'
  /** It has admitted as many nodes as it may. */
  | 'used-token'
  /** There is none with this id. */
  | 'no-such-token'
  | 'too-many-tokens'
  /** The token, or this data directory, belongs to another cluster. */
  | 'other-cluster'
  /** The cluster holds data already: adding nodes to it is not supported yet. */
  | 'holds-data'
  /** A known node came back with another storage id (D1). */
  | 'replaced'
  /** This data directory holds registers, or a layout, that a joiner must not bring. */
  | 'not-empty'
  /** Nobody answered, or no majority came together, within the deadline. */
  | 'no-answer'
  /** Entries or signatures that do not fit: never obeyed. */
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

export const HOLDS_DATA =
  'this cluster already holds buckets; adding nodes to it is not supported yet'
