/** GetAccountAuthorizationDetails: all users, groups, roles and managed policies of an account with what they hold. */

import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import type { GroupRecord } from '../../protocol/iam/group-record.ts'
import type { BoundedHolder } from '../../protocol/iam/entity.ts'
import type { DirectoryEntry } from '../../protocol/iam/name-record.ts'
import type { IamTag } from '../../protocol/iam/record.ts'
import type { UserRecord } from '../../protocol/iam/user-record.ts'
import { shownAttached } from './attachments.ts'
import { shownBoundary } from './boundaries.ts'
import { shownTags } from './common.ts'
import { compareTexts } from './directory.ts'
import { encodedDocument } from './documents.ts'
import { shownGroup, type Groups } from './groups.ts'
import { BUILT_IN_POLICIES } from './managed.ts'
import { pageOf, readPage } from './page.ts'
import { textsOf } from './parameters.ts'
import type { Policies } from './policies.ts'
import type { PolicyUses } from './policy-uses.ts'
import type { Roles } from './roles.ts'
import type { IamActions } from './service.ts'
import { detailedManaged } from './shown-policies.ts'
import { shown as shownUser, type Users } from './users.ts'

export interface AccountDetailsOptions {
  readonly users: Users
  readonly groups: Groups
  readonly roles: Roles
  readonly policies: Policies
  readonly uses: PolicyUses
}

/** AWS's names of the filters, and the lists of the answer that they leave. */
const LISTS = {
  Group: 'GroupDetailList',
  Role: 'RoleDetailList',
  User: 'UserDetailList',
  LocalManagedPolicy: 'Policies',
  AWSManagedPolicy: 'Policies',
} as const

type Kind = keyof typeof LISTS

/** An entity that the list has, with its record still to be read. */
interface Listed {
  readonly kind: Kind
  /** Its place among all of them, which is also what the marker encodes. */
  readonly sort: string
  readonly read: () => Promise<IamResult | undefined>
}

export class AccountDetails {
  readonly #options: AccountDetailsOptions

  constructor(options: AccountDetailsOptions) {
    this.#options = options
  }

  actions(): IamActions {
    return { GetAccountAuthorizationDetails: (call) => this.#get(call) }
  }

  /** One page of everything together: groups, roles, users, then policies, each by name. */
  async #get(call: IamCall): Promise<IamResult> {
    const wanted = new Set<string>(textsOf(call, 'Filter'))
    const kinds = (Object.keys(LISTS) as Kind[]).filter(
      (kind) => wanted.size === 0 || wanted.has(kind),
    )
    const listed = (await Promise.all(kinds.map((kind) => this.#listed(call, kind)))).flat()
    const { items, more } = await readPage(
      listed.toSorted((a, b) => compareTexts(a.sort, b.sort)),
      pageOf(call),
      ({ sort }) => sort,
      async ({ kind, read }) => {
        const shown = await read()
        return shown && { kind, shown }
      },
    )
    const lists: Record<string, IamResult[]> = {
      UserDetailList: [],
      GroupDetailList: [],
      RoleDetailList: [],
      Policies: [],
    }
    for (const { kind, shown } of items) lists[LISTS[kind]]?.push(shown)
    return { ...lists, ...more }
  }

  async #listed(call: IamCall, kind: Kind): Promise<Listed[]> {
    const { context } = call
    const { accountId } = call.caller
    const { users, groups, roles, policies, uses } = this.#options
    const prefix = String(Object.keys(LISTS).indexOf(kind))
    const each = <T>(
      names: NamesOf<T>,
      entries: readonly DirectoryEntry[],
      show: (record: T) => IamResult | Promise<IamResult>,
    ): Listed[] =>
      entries.map((entry) => ({
        kind,
        sort: prefix + entry.name,
        read: async () => {
          const record = await names.ofEntry(context, accountId, entry)
          return record && show(record)
        },
      }))
    switch (kind) {
      case 'Group':
        return each(groups.names, await groups.names.entries(context, accountId), groupDetail)
      case 'Role':
        return each(roles.names, await roles.names.entries(context, accountId), async (role) => ({
          ...(await roles.listed(call, role)),
          InstanceProfileList: [],
          RolePolicyList: inlineOf(role),
          ...heldBy(role, role.tags),
        }))
      case 'User':
        return each(users.names, await users.names.entries(context, accountId), (user) =>
          this.#userDetail(call, user),
        )
      case 'LocalManagedPolicy':
        return each(
          policies.names,
          await policies.names.entries(context, accountId),
          detailedManaged,
        )
      case 'AWSManagedPolicy':
        return [...BUILT_IN_POLICIES.keys()].map((arn) => ({
          kind,
          sort: prefix + arn,
          read: async () => detailedManaged(await uses.find(context, accountId, arn)),
        }))
    }
  }

  async #userDetail({ context }: IamCall, user: UserRecord): Promise<IamResult> {
    const { names } = this.#options.groups
    const groups = await Promise.all(
      user.groups.map(({ id }) => names.readById(context, user.accountId, id)),
    )
    return {
      ...shownUser(user),
      UserPolicyList: inlineOf(user),
      GroupList: groups.flatMap((group) => group?.name ?? []).sort(compareTexts),
      ...heldBy(user, user.tags),
    }
  }
}

/** What is needed of the names of one kind. */
interface NamesOf<T> {
  ofEntry(
    context: IamCall['context'],
    accountId: string,
    entry: DirectoryEntry,
  ): Promise<T | undefined>
}

function groupDetail(group: GroupRecord): IamResult {
  const { AttachedManagedPolicies } = heldBy(group, [])
  return { ...shownGroup(group), GroupPolicyList: inlineOf(group), AttachedManagedPolicies }
}

function inlineOf({ policies }: BoundedHolder): IamResult[] {
  return policies
    .toSorted((a, b) => compareTexts(a.name, b.name))
    .map(({ name, text }) => ({ PolicyName: name, PolicyDocument: encodedDocument(text) }))
}

function heldBy(holder: BoundedHolder, tags: readonly IamTag[]) {
  return {
    AttachedManagedPolicies: holder.attached
      .toSorted((a, b) => compareTexts(a.arn, b.arn))
      .map(shownAttached),
    PermissionsBoundary: shownBoundary(holder),
    Tags: shownTags(tags),
  }
}
