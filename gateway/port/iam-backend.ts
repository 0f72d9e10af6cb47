/**
 * The port through which the gateway sees identities: AWS's IAM and STS actions as calls with plain
 * parameters and plain results. node/iam implements it on registers.
 *
 * The gateway has authenticated the caller and has checked its right to the action before it calls; what
 * only the records can tell (existence, limits, conflicts, rights beyond the caller's own) is checked here.
 */

import type { ContextValues } from '../../protocol/iam/template.ts'
import type { Identity } from './identity.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { InTurns } from './in-turns.ts'

/** A list, a record or text, as the query protocol's 'Tags.member.1.Key=…' unfold. Null-prototype. */
export type QueryValue = string | readonly QueryValue[] | QueryRecord
export interface QueryRecord {
  readonly [name: string]: QueryValue
}

/** AWS's response shape under …Result: lists become <member>s, Maps <entry>s, Dates ISO 8601, undefined is
 * left out. */
export type ResultValue =
  | string
  | number
  | boolean
  | Date
  | undefined
  | ReadonlyMap<string, ResultValue>
  | readonly ResultValue[]
  | { readonly [name: string]: ResultValue }

export type IamResult = { readonly [name: string]: ResultValue }

export interface IamCall {
  readonly context: RequestContext
  readonly caller: Identity
  readonly action: string
  /** Checked against the action's row: names, types, lengths, patterns. Null-prototype. */
  readonly parameters: QueryRecord
  readonly nowMs: number
  /** Condition keys of this request, lower-case: for decisions that an action itself has to make (the trust
   * policy of a role). */
  readonly conditions: ContextValues
  /** For work that grows with what the caller sent, or with stored policies (lane.ts). */
  readonly inTurns: InTurns
}

/** What has a path in its ARN that a request does not say. */
export type NamedKind = 'user' | 'group' | 'role'

/** AWS's code of an IAM or STS failure, its HTTP status and text. */
export class IamError extends Error {
  override readonly name = 'IamError'
  readonly code: string
  readonly status: number

  constructor(code: string, status: number, message: string) {
    super(message)
    this.code = code
    this.status = status
  }
}

export interface IamBackend {
  /** One action of the table of operations. Throws IamError; StoreError Unavailable when in doubt. */
  run(call: IamCall): Promise<IamResult>
  /** For the decision about a request: 'arn:aws:iam::123456789012:user/path/ann'. At '/' when there is none
   * of that name. */
  arnOf(context: RequestContext, accountId: string, kind: NamedKind, name: string): Promise<string>
}
