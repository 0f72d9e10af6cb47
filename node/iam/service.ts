/** The IAM role of a node: each action of the table of operations goes to the module that answers it. */

import type { RequestContext } from '../../protocol/context.ts'
import {
  IamError,
  type IamBackend,
  type IamCall,
  type IamResult,
  type JudgedEntity,
  type NamedKind,
} from '../../gateway/port/iam-backend.ts'
import type { BoundedRecord, EntityRecord } from '../../protocol/iam/entity.ts'
import { entityArn } from '../../protocol/iam/identity.ts'

/** Answers one action. The caller was authorised, and the parameters fit the table of operations. */
export type IamHandler = (call: IamCall) => Promise<IamResult>
/** Handlers by AWS's name of the action. */
export type IamActions = Readonly<Record<string, IamHandler>>
/** What decisions about an entity need of its record; undefined when the account has none of that name. */
export type EntityOf = (
  context: RequestContext,
  accountId: string,
  name: string,
) => Promise<(Pick<EntityRecord, 'path'> & BoundedRecord) | undefined>

export interface IamServiceOptions {
  /** The actions of each module. No two have one in common. */
  readonly modules: readonly IamActions[]
  /** How each kind of entity is found that a request names by its name. */
  readonly entities: Readonly<Record<NamedKind, EntityOf>>
}

/** The gateway's port for the query API. */
export class IamService implements IamBackend {
  readonly #handlers = new Map<string, IamHandler>()
  readonly #options: IamServiceOptions

  constructor(options: IamServiceOptions) {
    this.#options = options
    for (const module of options.modules) {
      for (const [name, handler] of Object.entries(module)) this.#handlers.set(name, handler)
    }
  }

  /** Names of the actions that have a handler. A test compares them with the table. */
  actions(): string[] {
    return [...this.#handlers.keys()]
  }

  /**
   * Runs an action whose caller was authorised. Throws IamError for what the caller can mend, and
   * StoreError Unavailable when it is not known whether the action took effect.
   */
  async run(call: IamCall): Promise<IamResult> {
    const handler = this.#handlers.get(call.action)
    if (handler === undefined) {
      throw new IamError('NotImplemented', 501, `${call.action} is not implemented.`)
    }
    return handler(call)
  }

  /**
   * What decides about a request for this entity. A name that belongs to nothing gets the path '/', so that callers
   * without the right are not told that there is none.
   */
  async entityOf(
    context: RequestContext,
    accountId: string,
    kind: NamedKind,
    name: string,
  ): Promise<JudgedEntity> {
    const entity = await this.#options.entities[kind](context, accountId, name)
    return {
      arn: entityArn(accountId, kind, entity?.path ?? '/', name),
      boundary: entity?.boundary?.arn,
    }
  }
}
