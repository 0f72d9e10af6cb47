/** The IAM role of a node: each action of the table of operations goes to the module that answers it. */

import type { RequestContext } from '../../protocol/context.ts'
import {
  IamError,
  type IamBackend,
  type IamCall,
  type IamResult,
  type NamedKind,
} from '../../gateway/port/iam-backend.ts'
import { entityArn } from '../../protocol/iam/identity.ts'

/** Answers one action. The caller was authorised, and the parameters fit the table of operations. */
export type IamHandler = (call: IamCall) => Promise<IamResult>
/** Handlers by AWS's name of the action. */
export type IamActions = Readonly<Record<string, IamHandler>>
/** The path of an entity, '/' or '/a/b/'; undefined when the account has none of that name. */
export type PathOf = (
  context: RequestContext,
  accountId: string,
  name: string,
) => Promise<string | undefined>

export interface IamServiceOptions {
  /** The actions of each module. No two have one in common. */
  readonly modules: readonly IamActions[]
  /** How the path is found for each kind of entity that a request names by its name. */
  readonly paths: Readonly<Record<NamedKind, PathOf>>
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
   * The ARN that decides about a request for this entity. A name that belongs to nothing gets the
   * path '/', so that callers without the right are not told that there is none.
   */
  async arnOf(
    context: RequestContext,
    accountId: string,
    kind: NamedKind,
    name: string,
  ): Promise<string> {
    const path = await this.#options.paths[kind](context, accountId, name)
    return entityArn(accountId, kind, path ?? '/', name)
  }
}
