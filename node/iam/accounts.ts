/**
 * Accounts: Shoal's own actions of the query API, for the cluster's first account alone. The first account is in the
 * genesis record; each other one has a record, which holds the account's buckets too.
 *
 * A deleted account is kept as closed, so that its id is never given to another one. It is closed first and checked
 * afterwards, so that nothing enters it unseen. When something is found in it, it is opened again.
 */

import type { RequestContext } from '../../protocol/context.ts'
import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import type { AccountRecord } from '../../protocol/codec/versioned.ts'
import { accountOf } from '../objects/account-record.ts'
import type { AccessKeys, FirstAccount } from './access-keys.ts'
import { rootKeysOf } from './account-keys.ts'
import type { Aliases } from './aliases.ts'
import type { ModuleOptions } from './common.ts'
import { Directory } from './directory.ts'
import { accessDenied, deleteConflict, limitExceeded, noSuchEntity } from './errors.ts'
import { drawAccountId } from './ids.ts'
import { pageOf, readPage } from './page.ts'
import { integerParameter, requiredText, textParameter } from './parameters.ts'
import { ACCESS_KEY, ACCOUNT } from './records.ts'
import type { IamActions } from './service.ts'

/** A limit of Shoal, for the whole cluster: the list of accounts has eight registers (directory.ts). */
const ACCOUNTS_MAX = 10_000
/** The list of accounts belongs to no account. */
const CLUSTER = ''

/** What an account holds, of one kind: 'users', 'groups' … */
export interface Holdings {
  readonly word: string
  /** Names of the entities. */
  readonly list: (context: RequestContext, accountId: string) => Promise<readonly string[]>
  /** Also true while one may be under way. */
  readonly isOccupied: (context: RequestContext, accountId: string) => Promise<boolean>
}

export interface AccountsOptions extends ModuleOptions {
  readonly accessKeys: AccessKeys
  readonly aliases: Pick<Aliases, 'surrender'>
  /** The account whose administrators may use these actions. */
  readonly firstAccount: () => FirstAccount
  /** How many buckets an account may have that has no limit of its own (`bucketsMax` 0). */
  readonly bucketsPerAccount: number
  /** What an account must not hold any more when it is deleted. Buckets are checked in its own record. */
  readonly holdings: readonly Holdings[]
}

/** Answers the actions about accounts. rotation.ts asks it for all of them. */
export class Accounts {
  readonly #options: AccountsOptions
  readonly #directory: Directory

  constructor(options: AccountsOptions) {
    const { records, clock } = options
    this.#options = options
    this.#directory = new Directory({
      records,
      clock,
      space: 'account',
      entriesMax: ACCOUNTS_MAX,
      full: () => limitExceeded(`Cannot exceed quota for AccountsPerCluster: ${ACCOUNTS_MAX}`),
      exists: async (context, _cluster, { id }) =>
        (await this.#existing(context, id)) !== undefined,
    })
  }

  /**
   * The handlers of this module, for service.ts. All but GetAccountSummary are refused to callers of
   * other accounts, whatever their policies say.
   */
  actions(): IamActions {
    const guarded =
      (run: (call: IamCall) => Promise<IamResult>) =>
      (call: IamCall): Promise<IamResult> => {
        this.#mustBeFirst(call)
        return run(call)
      }
    return {
      CreateAccount: guarded((call) => this.#create(call)),
      ListAccounts: guarded((call) => this.#list(call)),
      GetAccount: guarded(async (call) => ({ Account: this.#shown(await this.#named(call)) })),
      UpdateAccount: guarded((call) => this.#update(call)),
      DeleteAccount: guarded((call) => this.#delete(call)),
      GetAccountSummary: (call) => this.#summary(call),
    }
  }

  /**
   * Ids of all accounts that exist, the first one included. May contain one whose creation was broken
   * off. Throws StoreError Unavailable.
   */
  async ids(context: RequestContext): Promise<string[]> {
    const entries = await this.#directory.entries(context, CLUSTER)
    return [this.#options.firstAccount().accountId, ...entries.map(({ id }) => id)]
  }

  /** Throws IamError AccessDenied unless the caller belongs to the first account. */
  #mustBeFirst({ caller }: IamCall): void {
    if (caller.accountId === this.#options.firstAccount().accountId) return
    throw accessDenied("Accounts belong to the administrators of the cluster's first account.")
  }

  /**
   * (1) Enters the account in the list, (2) writes its record, unless the drawn id is taken, (3)
   * makes the root's key. Broken off after (2), it leaves an account without a key, which the first
   * account can delete.
   */
  async #create(call: IamCall): Promise<IamResult> {
    const { records, random, rights, accessKeys } = this.#options
    const { context, nowMs } = call
    const name = requiredText(call, 'Name')
    // The root of a new account may do everything in it (F31).
    await rights.mustBeAdministrator(call, [{ name: `root of ${name}`, text: '' }])
    const fresh = {
      name,
      bucketsMax: integerParameter(call, 'BucketsMax') ?? 0,
      createdMs: nowMs,
    }
    for (;;) {
      const accountId = drawAccountId(random)
      if (accountId === this.#options.firstAccount().accountId) continue
      const entry = { id: accountId, name: accountId }
      await this.#directory.enter(context, CLUSTER, entry)
      const account: AccountRecord = { ...accountOf(undefined, accountId), ...fresh }
      const { written } = await records.change(context, ACCOUNT, accountId, (current) =>
        current === undefined ? { write: account } : { keep: true },
      )
      // Another account has this id, and its entry too.
      if (!written) continue
      await this.#directory.confirm(context, CLUSTER, entry)
      const AccessKey = await accessKeys.createRootKey(context, accountId, nowMs)
      return { Account: this.#shown(account), AccessKey }
    }
  }

  async #list(call: IamCall): Promise<IamResult> {
    const { context } = call
    const ids = (await this.ids(context)).sort()
    const { items, more } = await readPage(
      ids,
      pageOf(call),
      (id) => id,
      (id) => this.#existing(context, id),
    )
    return { Accounts: items.map((account) => this.#shown(account)), ...more }
  }

  async #update(call: IamCall): Promise<IamResult> {
    const { accountId } = await this.#named(call)
    const name = textParameter(call, 'Name')
    const bucketsMax = integerParameter(call, 'BucketsMax')
    const { after } = await this.#options.records.change(
      call.context,
      ACCOUNT,
      accountId,
      (current) => {
        const account = current ?? accountOf(undefined, accountId)
        if (account.closed) throw noAccount(accountId)
        return {
          write: {
            ...account,
            name: name ?? account.name,
            bucketsMax: bucketsMax ?? account.bucketsMax,
          },
        }
      },
    )
    return { Account: this.#shown(after ?? accountOf(undefined, accountId)) }
  }

  /**
   * (1) Closes the account, so that nothing new can be created in it, (2) looks whether it holds
   * anything, and opens it again if it does, (3) removes the keys of its root and its alias, (4) takes
   * it off the list. The closed record stays for good. A deletion that was broken off can be repeated.
   */
  async #delete(call: IamCall): Promise<IamResult> {
    const { records, firstAccount, aliases } = this.#options
    const { context } = call
    const accountId = requiredText(call, 'AccountId')
    if (accountId === firstAccount().accountId) {
      throw deleteConflict("The cluster's first account can not be deleted.")
    }
    // Also an account whose deletion was broken off: it is closed, and still listed.
    const entries = await this.#directory.entries(context, CLUSTER)
    if (!entries.some(({ id }) => id === accountId)) throw noAccount(accountId)
    const { before } = await records.change(context, ACCOUNT, accountId, (current) => {
      if (current === undefined) throw noAccount(accountId)
      if (current.buckets.some(({ live }) => live)) throw inUse('buckets')
      // Buckets that are being created never come to life without their entry.
      return { write: { ...current, buckets: [], closed: true } }
    })
    await this.#lookThrough(context, accountId)
    for (const { id } of before === undefined ? [] : rootKeysOf(before)) {
      await records.change(context, ACCESS_KEY, id, () => ({ remove: true }))
    }
    await records.change(context, ACCOUNT, accountId, (current) =>
      current?.closed === true ? { write: { ...current, rootKeys: [] } } : { keep: true },
    )
    await aliases.surrender(context, accountId)
    await this.#directory.drop(context, CLUSTER, { id: accountId, name: accountId })
    return {}
  }

  /**
   * Throws IamError DeleteConflict when the account still holds something, or StoreError Unavailable,
   * and opens the account again first.
   */
  async #lookThrough(context: RequestContext, accountId: string): Promise<void> {
    try {
      for (const { word, isOccupied } of this.#options.holdings) {
        if (await isOccupied(context, accountId)) throw inUse(word)
      }
    } catch (error) {
      await this.#options.records.change(context, ACCOUNT, accountId, (current) =>
        current === undefined ? { keep: true } : { write: { ...current, closed: false } },
      )
      throw error
    }
  }

  async #summary({ context, caller }: IamCall): Promise<IamResult> {
    const counts = new Map<string, number>()
    for (const { word, list } of this.#options.holdings) {
      const held = await list(context, caller.accountId)
      counts.set(word.charAt(0).toUpperCase() + word.slice(1), held.length)
    }
    return { SummaryMap: counts }
  }

  /** The account that the call names. Throws NoSuchEntity. */
  async #named(call: IamCall): Promise<AccountRecord> {
    const accountId = requiredText(call, 'AccountId')
    const account = await this.#existing(call.context, accountId)
    if (account === undefined) throw noAccount(accountId)
    return account
  }

  /** The record of an account that is not closed. The first account exists without a record. */
  async #existing(context: RequestContext, accountId: string): Promise<AccountRecord | undefined> {
    const account = await this.#options.records.read(context, ACCOUNT, accountId)
    if (account !== undefined) return account.closed ? undefined : account
    const first = this.#options.firstAccount().accountId === accountId
    return first ? accountOf(undefined, accountId) : undefined
  }

  /** The Account element of an answer. */
  #shown({ accountId, name, createdMs, bucketsMax, buckets }: AccountRecord): IamResult {
    return {
      AccountId: accountId,
      Name: name,
      Arn: `arn:aws:iam::${accountId}:root`,
      // The creation of the first account is recorded nowhere.
      CreateDate: createdMs === 0 ? undefined : new Date(createdMs),
      BucketsMax: bucketsMax === 0 ? this.#options.bucketsPerAccount : bucketsMax,
      BucketCount: buckets.filter(({ live }) => live).length,
    }
  }
}

function inUse(what: string): Error {
  return deleteConflict(`Cannot delete entity, must delete its ${what} first.`)
}

function noAccount(accountId: string): Error {
  return noSuchEntity('account', accountId)
}
