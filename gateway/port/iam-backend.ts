/**
 * The port through which the gateway sees identities: AWS's IAM and STS actions as calls with plain
 * parameters and plain results. node/iam implements it on registers.
 *
 * Before it calls, the gateway has authenticated the caller and checked its right to the action. The backend checks
 * what depends on the records: existence, limits, conflicts, rights beyond the caller's own.
 */

import type { ContextValues } from '../../protocol/iam/template.ts'
import type { Identity } from './identity.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { InTurns } from './in-turns.ts'

/** Text, a list or a record: 'Tags.member.1.Key=…' of the query protocol, unfolded. Null-prototype. */
export type QueryValue = string | readonly QueryValue[] | QueryRecord
export interface QueryRecord {
  readonly [name: string]: QueryValue
}

/** A value inside AWS's …Result element. Lists become <member> elements, Maps <entry> elements, Dates ISO 8601;
 * undefined is left out. */
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

/** One action with everything that its implementation needs. */
export interface IamCall {
  readonly context: RequestContext
  readonly caller: Identity
  readonly action: string
  /** Already checked against the rules of the action: names, types, lengths, patterns. Null-prototype. */
  readonly parameters: QueryRecord
  readonly nowMs: number
  /** Condition keys of this request, lower-case, for decisions that the action makes itself (the trust policy of
   * a role). */
  readonly conditions: ContextValues
  /** For work that grows with what the caller sent, or with stored policies (work-queue.ts). */
  readonly inTurns: InTurns
}

/** Entities whose ARN contains a path that requests do not name. */
export type NamedKind = 'user' | 'group' | 'role'

/** What a decision about a request for an entity depends on. */
export interface JudgedEntity {
  /** 'arn:aws:iam::123456789012:user/path/ann'. */
  readonly arn: string
  /** The ARN of its permissions boundary, if it has one. */
  readonly boundary?: string | undefined
}

/** A failure of IAM or STS, with AWS's code, HTTP status and text. */
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
  /** Runs one action of the table of operations. Throws IamError, or StoreError Unavailable when the outcome is not known. */
  run(call: IamCall): Promise<IamResult>
  /** For the decision about a request. The path in the ARN is '/' when there is no entity of that name. */
  entityOf(
    context: RequestContext,
    accountId: string,
    kind: NamedKind,
    name: string,
  ): Promise<JudgedEntity>
}
