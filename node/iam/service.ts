/**
 * The IAM role of a node: each action of the table of operations goes to the module that answers it.
 * What is changed leaves one audit line, without secrets.
 */

import type { RequestContext } from '../../gateway/backend.ts'
import {
  IamError,
  type IamBackend,
  type IamCall,
  type IamResult,
  type NamedKind,
  type QueryRecord,
} from '../../gateway/iam-backend.ts'
import { IAM_ACTIONS } from '../../gateway/iam/operations.ts'
import { entityArn } from '../../protocol/iam/identity.ts'
import type { Logger } from '../env/ports.ts'

export type IamHandler = (call: IamCall) => Promise<IamResult>
/** Handlers by AWS's name of the action. */
export type IamActions = Readonly<Record<string, IamHandler>>
/** The path of an entity; undefined: there is none of that name. */
export type PathOf = (
  context: RequestContext,
  accountId: string,
  name: string,
) => Promise<string | undefined>

export interface IamServiceOptions {
  readonly modules: readonly IamActions[]
  readonly paths: Readonly<Record<NamedKind, PathOf>>
  readonly logger: Logger
}

export class IamService implements IamBackend {
  readonly #handlers = new Map<string, IamHandler>()
  readonly #options: IamServiceOptions

  constructor(options: IamServiceOptions) {
    this.#options = options
    for (const module of options.modules) {
      for (const [name, handler] of Object.entries(module)) this.#handlers.set(name, handler)
    }
  }

  /** Names of the actions that are answered: a test compares them with the table. */
  actions(): string[] {
    return [...this.#handlers.keys()]
  }

  async run(call: IamCall): Promise<IamResult> {
    const handler = this.#handlers.get(call.action)
    if (handler === undefined) {
      throw new IamError('NotImplemented', 501, `${call.action} is not implemented.`)
    }
    const result = await handler(call)
    if (IAM_ACTIONS.get(call.action)?.mutating === true) this.#audit(call, result)
    return result
  }

  async arnOf(
    context: RequestContext,
    accountId: string,
    kind: NamedKind,
    name: string,
  ): Promise<string> {
    const path = await this.#options.paths[kind](context, accountId, name)
    return entityArn(accountId, kind, path ?? '/', name)
  }

  #audit({ action, caller, parameters }: IamCall, result: IamResult): void {
    this.#options.logger.info(
      {
        audit: action,
        account: caller.accountId,
        by: caller.principalArn,
        parameters: shown(parameters),
        ...(madeKey(result) && { accessKey: madeKey(result) }),
      },
      'identity changed',
    )
  }
}

const SHOWN_MAX = 200

/** Parameters hold no secrets: keys are drawn here. Long ones are cut: policies, session policies. */
function shown(parameters: QueryRecord): Record<string, string> {
  const record = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(parameters)) {
    if (name === 'TokenCode') continue
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    record[name] = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text
  }
  return record
}

/** The id of a key that was made, never its secret. */
function madeKey(result: IamResult): string | undefined {
  const { AccessKey } = result
  if (typeof AccessKey !== 'object' || Array.isArray(AccessKey) || AccessKey instanceof Date) {
    return undefined
  }
  const id = (AccessKey as IamResult)['AccessKeyId']
  return typeof id === 'string' ? id : undefined
}
