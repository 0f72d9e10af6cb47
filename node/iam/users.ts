/** Users: actions of the query API on them. Their keys: access-keys.ts; their groups: groups.ts. */

import type { RequestContext } from '../../protocol/context.ts'
import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import { entityArn, principalArn } from '../../protocol/iam/identity.ts'
import type { UserRecord } from '../../protocol/iam/user-record.ts'
import type { Attachments } from './attachments.ts'
import { shownBoundary, type Boundaries } from './boundaries.ts'
import {
  shownTags,
  iamTagsOf,
  withoutTags,
  withTags,
  type ModuleOptions,
  type PolicyBearer,
} from './common.ts'
import { entityNames, entityPage, tagPage } from './entities.ts'
import { concurrentModification, deleteConflict } from './errors.ts'
import { boundaryText, userPolicies, type RecordReader } from './holdings.ts'
import { holderPolicyActions, type HolderSource } from './holder-policies.ts'
import { uniqueId } from './ids.ts'
import type { Names } from './names.ts'
import { mustOwn } from './ownership.ts'
import { requiredText, subjectOf, textParameter } from './parameters.ts'
import { ACCESS_KEY, ACCOUNT, byId, GROUP, USER } from './records.ts'
import type { EntityOf, IamActions } from './service.ts'

/** AWS's default quota. */
const USERS_MAX = 5_000

export interface UsersOptions extends ModuleOptions {
  readonly attachments: Attachments
  readonly boundaries: Boundaries
  /** Another limit than AWS's, for tests. */
  readonly usersMax?: number | undefined
}

/** Answers the actions about users. Holds no state: everything is in registers. */
export class Users {
  /** Names and the account's list of users. */
  readonly names: Names<UserRecord>
  readonly #options: UsersOptions

  constructor(options: UsersOptions) {
    this.#options = options
    this.names = entityNames(options, {
      kind: USER,
      word: 'user',
      quota: 'UsersPerAccount',
      entriesMax: options.usersMax ?? USERS_MAX,
    })
  }

  /** The handlers of this module, for service.ts, those for the policies of users included. */
  actions(): IamActions {
    const holders: HolderSource<UserRecord> = {
      word: 'User',
      kind: 'user',
      find: (call) => this.find(call),
      change: (context, user, edit) => this.names.change(context, user, edit),
      bearers: async ({ context }, user) => [await this.bearer(context, user)],
    }
    return {
      CreateUser: (call) => this.#create(call),
      GetUser: (call) => this.#get(call),
      ListUsers: (call) => this.#list(call),
      UpdateUser: (call) => this.#update(call),
      DeleteUser: (call) => this.#delete(call),
      TagUser: (call) =>
        this.#change(call, (user) => ({ ...user, tags: withTags(user.tags, call) })),
      UntagUser: (call) =>
        this.#change(call, (user) => ({ ...user, tags: withoutTags(user.tags, call) })),
      ListUserTags: (call) => this.#listTags(call),
      ...holderPolicyActions(holders, this.#options),
      ...this.#options.boundaries.actions(holders, this.#options),
    }
  }

  /** The user that the call names. Throws IamError NoSuchEntity. */
  find(call: IamCall): Promise<UserRecord> {
    return this.names.get(call.context, call.caller.accountId, requiredText(call, 'UserName'))
  }

  /**
   * The user as a bearer of rights: with all policies that it holds, those of its groups too. For
   * checks of rights.
   */
  async bearer(context: RequestContext, user: UserRecord): Promise<PolicyBearer> {
    const read: RecordReader = (kind, name) => this.#options.records.read(context, kind, name)
    const { accountId, id, path, name } = user
    return {
      accountId,
      id,
      name: entityArn(accountId, 'user', path, name),
      namedAbroad: user.namedAbroad,
      policies: await userPolicies(read, user),
      boundary: await boundaryText(read, user),
    }
  }

  /** A user as requests for it are judged. Undefined when the account has no such user. */
  readonly entityOf: EntityOf = (context, accountId, name) =>
    this.names.find(context, accountId, name)

  async #create(call: IamCall): Promise<IamResult> {
    const { random } = this.#options
    const user: UserRecord = {
      accountId: call.caller.accountId,
      id: uniqueId(random, 'user'),
      name: requiredText(call, 'UserName'),
      path: textParameter(call, 'Path') ?? '/',
      renaming: '',
      createdMs: call.nowMs,
      policies: [],
      attached: [],
      groups: [],
      accessKeys: [],
      tags: iamTagsOf(call),
    }
    let created = user
    await this.#options.boundaries.whileEntered(
      call,
      user.id,
      (bounded) => this.names.create(call.context, (created = { ...user, ...bounded })),
      () => this.names.remove(call.context, user, () => {}),
    )
    return { User: shownFully(created) }
  }

  async #get(call: IamCall): Promise<IamResult> {
    const { context, caller } = call
    const name = subjectOf(call)
    if (name === undefined) return { User: await this.#root(call) }
    const user = await this.names.get(context, caller.accountId, name)
    return { User: shownFully(user) }
  }

  /** The root of the caller's account, which GetUser shows like a user. */
  async #root({ context, caller: { accountId } }: IamCall): Promise<IamResult> {
    const account = await this.#options.records.read(context, ACCOUNT, accountId)
    return {
      Path: '/',
      UserName: 'root',
      UserId: accountId,
      Arn: principalArn(accountId, undefined),
      CreateDate: account?.createdMs ? new Date(account.createdMs) : undefined,
    }
  }

  async #list(call: IamCall): Promise<IamResult> {
    const { items, more } = await entityPage(call, this.names, shown)
    return { Users: items, ...more }
  }

  async #update(call: IamCall): Promise<IamResult> {
    const user = await this.find(call)
    const path = textParameter(call, 'NewPath') ?? user.path
    const name = textParameter(call, 'NewUserName') ?? user.name
    if (name !== user.name || path !== user.path) await this.#mayRename(call, user)
    const edit = (current: UserRecord): UserRecord => ({ ...current, name, path })
    if (name !== user.name) await this.names.rename(call.context, user, name, edit)
    else await this.names.change(call.context, user, (now) => ({ write: { ...now, path } }))
    return {}
  }

  /** Some policies compare the name. The caller must have what they may say about another name (F31). */
  async #mayRename(call: IamCall, user: UserRecord): Promise<void> {
    const { rights } = this.#options
    const bearer = await this.bearer(call.context, user)
    await mustOwn(call, 'user', bearer.name)
    const { policies, boundary } = bearer
    const held = boundary === undefined ? policies : [...policies, boundary]
    if (await rights.dependsOnName(call, held)) {
      await rights.mustCoverBearer(call, bearer)
    }
  }

  /**
   * A user must hold nothing any more. The user's own record lists what refers to the user, keys too,
   * so that one change sees all of it. Listed keys and groups that do not exist are looked up first
   * and do not count.
   */
  async #delete(call: IamCall): Promise<IamResult> {
    const user = await this.find(call)
    const gone = new Set<string>()
    for (const key of user.accessKeys) {
      const record = await this.#options.records.read(call.context, ACCESS_KEY, key)
      if (record === undefined) gone.add(key)
    }
    const groups = new Set<string>()
    for (const { id } of user.groups) {
      const group = await this.#options.records.read(call.context, GROUP, byId(user.accountId, id))
      if (group === undefined) groups.add(id)
    }
    await this.names.remove(call.context, user, (current) => {
      // Entries that were added meanwhile are kept: it is not known that they are gone.
      const keys = current.accessKeys.filter((key) => !gone.has(key))
      if (keys.some((key) => !user.accessKeys.includes(key))) throw concurrentModification()
      if (keys.length > 0) throw inUse('delete access keys first')
      if (current.policies.length > 0) throw inUse('delete policies first')
      if (current.attached.length > 0) throw inUse('detach all policies first')
      if (current.groups.some(({ id }) => !groups.has(id))) {
        throw inUse('remove the user from all groups first')
      }
    })
    const { accountId, id, boundary } = user
    await this.#options.boundaries.left(call.context, accountId, id, boundary)
    return {}
  }

  /** Changes the record of the user that the call names. */
  async #change(call: IamCall, edit: (user: UserRecord) => UserRecord): Promise<IamResult> {
    const user = await this.find(call)
    await this.names.change(call.context, user, (current) => ({ write: edit(current) }))
    return {}
  }

  async #listTags(call: IamCall): Promise<IamResult> {
    return tagPage(call, (await this.find(call)).tags)
  }
}

function inUse(what: string): Error {
  return deleteConflict(`Cannot delete entity, must ${what}.`)
}

/** The User element of the answers about one user. */
function shownFully(user: UserRecord): IamResult {
  return {
    ...shown(user),
    PermissionsBoundary: shownBoundary(user),
    Tags: shownTags(user.tags),
  }
}

/** The User element of lists, without boundary and tags. */
export function shown({ accountId, id, name, path, createdMs }: UserRecord): IamResult {
  return {
    Path: path,
    UserName: name,
    UserId: id,
    Arn: entityArn(accountId, 'user', path, name),
    CreateDate: new Date(createdMs),
  }
}
