/**
 * The principals behind the ARNs that bucket and trust policies name, in any account. ARNs are resolved once, when a
 * policy is stored, and ids are turned back into ARNs when it is shown. Decisions need neither, so no decision
 * depends on names that a node knows.
 */

import type { RequestContext } from '../../protocol/context.ts'
import type { PrincipalDirectory } from '../../gateway/port/principals.ts'
import { entityArn, providerOfArn } from '../../protocol/iam/identity.ts'
import {
  entityIdOf,
  principalName,
  rootAccountOf,
  type PrincipalName,
  type ResolvedPrincipal,
} from '../../protocol/iam/principal.ts'
import { ROLE } from './holdings.ts'
import {
  ACCOUNT,
  byId,
  byName,
  nameKind,
  PROVIDER,
  readAll,
  USER,
  type RecordEdit,
  type Records,
} from './records.ts'

/** What a user's and a role's record have in common here. */
interface Entity {
  readonly id: string
  readonly name: string
  readonly path: string
  readonly namedAbroad?: true
}

/** The gateway's port for principals in policies; also used by roles.ts for trust policies. */
export class Principals implements PrincipalDirectory {
  readonly #records: Records
  readonly #firstAccount: () => string

  /** @param firstAccount the id of the account that exists without a record */
  constructor(records: Records, firstAccount: () => string) {
    this.#records = records
    this.#firstAccount = firstAccount
  }

  /**
   * The ids of the principals that these ARNs name now, by ARN: the unique id of the user or role,
   * and ':SESSION' for a role's session; the id of an OIDC provider; for the root of an account the account's id. ARNs that
   * name none are left out. Throws StoreError Unavailable.
   */
  async principalIds(
    context: RequestContext,
    arns: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    const found = await readAll(arns, async (arn) => {
      const account = rootAccountOf(arn)
      if (account !== undefined) {
        return (await this.#accountExists(context, account)) ? { arn, id: account } : undefined
      }
      const provider = providerOfArn(arn)
      if (provider !== undefined) return this.#provider(context, arn, provider)
      const name = principalName(arn)
      const entity = name && (await this.#byName(context, name))
      if (name === undefined || entity === undefined) return undefined
      if (name.path !== undefined && name.path !== entity.path) return undefined
      return { arn, id: entity.id + (name.session === undefined ? '' : `:${name.session}`) }
    })
    return new Map(found.filter((each) => each !== undefined).map(({ arn, id }) => [arn, id]))
  }

  /**
   * Marks principals of other accounts than `accountId` as named abroad, before a policy that names
   * them is stored (F31). The mark is never taken away. From then on only administrators of their
   * account may widen their rights.
   */
  async markNamed(
    context: RequestContext,
    accountId: string,
    principals: readonly ResolvedPrincipal[],
  ): Promise<void> {
    await readAll(principals, async ({ arn, id }) => {
      const name = principalName(arn)
      if (name === undefined || name.accountId === accountId) return
      const entity = await this.#byId(context, name, entityIdOf(id))
      if (entity !== undefined && entity.namedAbroad !== true) {
        await this.#mark(context, name, entity.id)
      }
    })
  }

  /**
   * The present ARNs of these principals, by id: a user that was renamed is shown under its new name.
   * Those that are gone are left out.
   */
  async principalArns(
    context: RequestContext,
    principals: readonly ResolvedPrincipal[],
  ): Promise<ReadonlyMap<string, string>> {
    const found = await readAll(principals, async ({ arn, id }) => {
      const name = principalName(arn)
      const entity = name && (await this.#byId(context, name, entityIdOf(id)))
      if (name === undefined || entity === undefined) return undefined
      const { accountId, kind, session } = name
      const present =
        session === undefined
          ? entityArn(accountId, kind, entity.path, entity.name)
          : `arn:aws:sts::${accountId}:assumed-role/${entity.name}/${session}`
      return { id, present }
    })
    return new Map(
      found.filter((each) => each !== undefined).map(({ id, present }) => [id, present]),
    )
  }

  async #mark(
    context: RequestContext,
    { accountId, kind }: PrincipalName,
    id: string,
  ): Promise<void> {
    const name = byId(accountId, id)
    const marked = <T>(current: T | undefined): RecordEdit<T> =>
      current === undefined ? { keep: true } : { write: { ...current, namedAbroad: true } }
    if (kind === 'user') await this.#records.change(context, USER, name, marked)
    else await this.#records.change(context, ROLE, name, marked)
  }

  async #accountExists(context: RequestContext, accountId: string): Promise<boolean> {
    const account = await this.#records.read(context, ACCOUNT, accountId)
    return account === undefined ? accountId === this.#firstAccount() : !account.closed
  }

  async #provider(
    context: RequestContext,
    arn: string,
    { accountId, name }: { readonly accountId: string; readonly name: string },
  ): Promise<ResolvedPrincipal | undefined> {
    const names = nameKind(PROVIDER.space)
    const pointer = await this.#records.read(context, names, byName(accountId, name))
    if (pointer === undefined) return undefined
    const found = await this.#records.read(context, PROVIDER, byId(accountId, pointer.id))
    return found?.name === name ? { arn, id: found.id } : undefined
  }

  /** The user or role that has this name now. */
  async #byName(context: RequestContext, name: PrincipalName): Promise<Entity | undefined> {
    const { accountId, kind } = name
    const pointer = await this.#records.read(context, nameKind(kind), byName(accountId, name.name))
    const entity = pointer && (await this.#byId(context, name, pointer.id))
    return entity?.name === name.name ? entity : undefined
  }

  /** A user's or role's record by id. Undefined when it is gone. */
  #byId(
    context: RequestContext,
    { accountId, kind }: PrincipalName,
    id: string,
  ): Promise<Entity | undefined> {
    return kind === 'user'
      ? this.#records.read(context, USER, byId(accountId, id))
      : this.#records.read(context, ROLE, byId(accountId, id))
  }
}
