/**
 * Aliases of accounts: actions of the query API on them. An account has one at most, and no two accounts of the cluster
 * have the same.
 *
 * The account's record says which alias it has. A register of the alias, which belongs to no account, holds the id of
 * the account that claims it (name-claims.ts). An alias goes from the record first, then its register is removed. When
 * that is broken off, the register names an account that does not have the alias, which is free then.
 */

import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import type { AccountRecord } from '../../protocol/codec/versioned.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { accountOf } from '../objects/account-record.ts'
import type { ModuleOptions } from './common.ts'
import { accessDenied, alreadyExists, concurrentModification, noSuchEntity } from './errors.ts'
import { drawToken } from './ids.ts'
import { NameClaims, type ScopedName } from './name-claims.ts'
import { pageOf, readPage } from './page.ts'
import { requiredText } from './parameters.ts'
import { ACCOUNT } from './records.ts'
import type { IamActions } from './service.ts'

/** Answers the actions about aliases. Holds no state: everything is in registers. */
export class Aliases {
  readonly #options: Pick<ModuleOptions, 'records' | 'random'>
  readonly #claims: NameClaims<AccountRecord>

  constructor(options: Pick<ModuleOptions, 'records' | 'random'>) {
    this.#options = options
    this.#claims = new NameClaims({
      records: options.records,
      kind: ACCOUNT,
      recordName: (_scope, accountId) => accountId,
      nameOf: ({ alias }) => alias,
      tokenOf: ({ aliasClaim }) => aliasClaim,
      withoutToken: (account) => ({ ...account, aliasClaim: '' }),
    })
  }

  /** The handlers of this module, for service.ts. */
  actions(): IamActions {
    return {
      CreateAccountAlias: (call) => this.#create(call),
      ListAccountAliases: (call) => this.#list(call),
      DeleteAccountAlias: (call) => this.#delete(call),
    }
  }

  /** Frees the alias of an account that is closed. May be repeated. Throws StoreError Unavailable. */
  async surrender(context: RequestContext, accountId: string): Promise<void> {
    const alias = await this.#read(context, accountId)
    await this.#giveUp(context, accountId, alias, (account) =>
      account.closed && account.alias === alias
        ? { ...account, alias: '', aliasClaim: '' }
        : undefined,
    )
  }

  /**
   * The three steps of name-claims.ts. The alias that the account had before is replaced, as in AWS, and free afterwards.
   *
   * @throws IamError EntityAlreadyExists, AccessDenied when the account is closed, or ConcurrentModification when another
   *   request changes the alias at the same time
   */
  async #create(call: IamCall): Promise<IamResult> {
    const { context } = call
    const { accountId } = call.caller
    const alias = requiredText(call, 'AccountAlias')
    const old = await this.#read(context, accountId)
    if (old === alias) return {}
    const token = drawToken(this.#options.random)
    await this.#change(context, accountId, (account) => {
      if (account.closed) throw accessDenied('The account is closed.')
      if (account.alias !== old) throw concurrentModification()
      return { ...account, aliasClaim: token }
    })
    if (!(await this.#claims.claim(context, inCluster(alias), { id: accountId, token }))) {
      throw alreadyExists('account alias', alias)
    }
    await this.#giveUp(context, accountId, old, (account) => {
      if (account.closed) throw accessDenied('The account is closed.')
      // Every change of the alias takes the token away, so the alias is still `old`.
      if (account.aliasClaim !== token) throw concurrentModification()
      return { ...account, alias, aliasClaim: '' }
    })
    return {}
  }

  async #list(call: IamCall): Promise<IamResult> {
    const alias = await this.#read(call.context, call.caller.accountId)
    const { items, more } = await readPage(
      alias === '' ? [] : [alias],
      pageOf(call),
      (each) => each,
      (each) => Promise.resolve(each),
    )
    return { AccountAliases: items, ...more }
  }

  /** Throws IamError NoSuchEntity when the account does not have this alias, also when another one has it. */
  async #delete(call: IamCall): Promise<IamResult> {
    const alias = requiredText(call, 'AccountAlias')
    await this.#giveUp(call.context, call.caller.accountId, alias, (account) => {
      if (account.alias !== alias) throw noSuchEntity('account alias', alias)
      return { ...account, alias: '', aliasClaim: '' }
    })
    return {}
  }

  /** A change by which the account loses this alias, if it has one ('' for none). Then the register of the alias goes. */
  async #giveUp(
    context: RequestContext,
    accountId: string,
    alias: string,
    edit: (account: AccountRecord) => AccountRecord | undefined,
  ): Promise<void> {
    const pointer = alias === '' ? undefined : await this.#claims.holder(context, inCluster(alias))
    const written = await this.#change(context, accountId, edit)
    if (!written || pointer?.id !== accountId) return
    await this.#claims.release(context, inCluster(alias), pointer.token)
  }

  /** '' when the account has no alias. Reads linearizably. */
  async #read(context: RequestContext, accountId: string): Promise<string> {
    const account = await this.#options.records.read(context, ACCOUNT, accountId)
    return account?.alias ?? ''
  }

  /** `edit` is pure, may run several times, and returns undefined to keep the record. Returns whether it was written. */
  async #change(
    context: RequestContext,
    accountId: string,
    edit: (account: AccountRecord) => AccountRecord | undefined,
  ): Promise<boolean> {
    const { written } = await this.#options.records.change(
      context,
      ACCOUNT,
      accountId,
      (current) => {
        const account = edit(current ?? accountOf(undefined, accountId))
        return account === undefined ? { keep: true } : { write: account }
      },
    )
    return written
  }
}

function inCluster(name: string): ScopedName {
  return { scope: '', name }
}
