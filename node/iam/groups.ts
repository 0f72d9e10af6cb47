/**
 * Groups and their members.
 *
 * Invariants:
 *   - the user's record decides which groups it is in; the group's list of members is a superset (T2)
 *   - a group is deleted only when it has no members, also when a user is added at the same moment: the removal
 *     changes exactly the list that was checked, and a user that was entered in it but is not in the group yet finds
 *     the group gone afterwards
 *
 * Each entry has its own token, so that a late removal never removes a later entry.
 */

import type { PolicyText } from '../../gateway/port/identity.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { IamError, type IamCall, type IamResult } from '../../gateway/port/iam-backend.ts'
import type { GroupRecord } from '../../protocol/iam/group-record.ts'
import { entityArn } from '../../protocol/iam/identity.ts'
import type { Reference } from '../../protocol/iam/record.ts'
import type { UserRecord } from '../../protocol/iam/user-record.ts'
import { batchesOf } from '../tools/in-batches.ts'
import type { Attachments } from './attachments.ts'
import type { ModuleOptions, PolicyBearer } from './common.ts'
import { compareTexts } from './directory.ts'
import { entityNames, entityPage } from './entities.ts'
import { concurrentModification, deleteConflict, limitExceeded, noSuchEntity } from './errors.ts'
import { groupPolicies } from './holdings.ts'
import { holderPolicyActions } from './holder-policies.ts'
import { drawToken, uniqueId } from './ids.ts'
import type { Names } from './names.ts'
import { mustOwn } from './ownership.ts'
import { pageOf, readPage } from './page.ts'
import { requiredText, textParameter } from './parameters.ts'
import { byId, GROUP, readAll, READS_AT_ONCE, USER } from './records.ts'
import { denies } from './rights.ts'
import type { EntityOf, IamActions } from './service.ts'
import { shown as shownUser, type Users } from './users.ts'

/** AWS's default quota for an account. */
const GROUPS_MAX = 300
/** AWS's quota for a user. It bounds what one request has to read about its caller. */
const GROUPS_PER_USER_MAX = 10
/** Up to this many members have their rights checked one by one. */
const BEARERS_MAX = 100

export interface GroupsOptions extends ModuleOptions {
  readonly attachments: Attachments
  /** The members, whose records this module changes. */
  readonly users: Users
}

/** Answers the actions about groups. Holds no state: everything is in registers. */
export class Groups {
  /** Names and the account's list of groups. */
  readonly names: Names<GroupRecord>
  readonly #options: GroupsOptions

  constructor(options: GroupsOptions) {
    this.#options = options
    this.names = entityNames(options, {
      kind: GROUP,
      word: 'group',
      quota: 'GroupsPerAccount',
      entriesMax: GROUPS_MAX,
    })
  }

  /** The handlers of this module, for service.ts, those for the policies of groups included. */
  actions(): IamActions {
    return {
      CreateGroup: (call) => this.#create(call),
      GetGroup: (call) => this.#get(call),
      ListGroups: (call) => this.#list(call),
      UpdateGroup: (call) => this.#update(call),
      DeleteGroup: (call) => this.#delete(call),
      AddUserToGroup: (call) => this.#add(call),
      RemoveUserFromGroup: (call) => this.#remove(call),
      ListGroupsForUser: (call) => this.#listForUser(call),
      ...holderPolicyActions(
        {
          word: 'Group',
          kind: 'group',
          find: (call) => this.find(call),
          change: (context, group, edit) => this.names.change(context, group, edit),
          bearers: (call, group) => this.#bearers(call, group),
        },
        this.#options,
      ),
    }
  }

  /** The group that the call names. Throws IamError NoSuchEntity. */
  find(call: IamCall): Promise<GroupRecord> {
    return this.names.get(call.context, call.caller.accountId, requiredText(call, 'GroupName'))
  }

  /** A group as requests for it are judged. Undefined when the account has no such group. */
  readonly entityOf: EntityOf = (context, accountId, name) =>
    this.names.find(context, accountId, name)

  async #create(call: IamCall): Promise<IamResult> {
    const group: GroupRecord = {
      accountId: call.caller.accountId,
      id: uniqueId(this.#options.random, 'group'),
      name: requiredText(call, 'GroupName'),
      path: textParameter(call, 'Path') ?? '/',
      renaming: '',
      createdMs: call.nowMs,
      policies: [],
      attached: [],
      members: [],
    }
    await this.names.create(call.context, group)
    return { Group: shownGroup(group) }
  }

  async #get(call: IamCall): Promise<IamResult> {
    const group = await this.find(call)
    const { items, more } = await readPage(
      [...new Set(group.members.map(({ id }) => id))].sort(compareTexts),
      pageOf(call),
      (id) => id,
      (id) => this.#member(call.context, group, id),
    )
    return { Group: shownGroup(group), Users: items.map(shownUser), ...more }
  }

  async #list(call: IamCall): Promise<IamResult> {
    const { items, more } = await entityPage(call, this.names, shownGroup)
    return { Groups: items, ...more }
  }

  /**
   * A new name or path changes the group's ARN, and with it which policies apply to it. So the caller
   * must have every right over the group as it is (ownership.ts).
   */
  async #update(call: IamCall): Promise<IamResult> {
    const group = await this.find(call)
    const path = textParameter(call, 'NewPath') ?? group.path
    const name = textParameter(call, 'NewGroupName') ?? group.name
    if (name !== group.name || path !== group.path) {
      await mustOwn(call, 'group', entityArn(group.accountId, 'group', group.path, group.name))
    }
    const edit = (current: GroupRecord): GroupRecord => ({ ...current, name, path })
    if (name !== group.name) await this.names.rename(call.context, group, name, edit)
    else await this.names.change(call.context, group, (now) => ({ write: { ...now, path } }))
    return {}
  }

  /**
   * Reads every listed member first. Inside the change it refuses when the list has an entry that was
   * not looked at: that user may just be joining.
   */
  async #delete(call: IamCall): Promise<IamResult> {
    const { context } = call
    const group = await this.find(call)
    const ids = [...new Set(group.members.map(({ id }) => id))]
    for (const some of batchesOf(ids, READS_AT_ONCE)) {
      const members = await Promise.all(some.map((id) => this.#member(context, group, id)))
      if (members.some((member) => member !== undefined)) {
        throw inUse('remove users from group first')
      }
    }
    const seen = new Set(group.members.map(({ token }) => token))
    await this.names.remove(context, group, (current) => {
      if (current.members.some(({ token }) => !seen.has(token))) throw concurrentModification()
      if (current.policies.length > 0) throw inUse('delete policies first')
      if (current.attached.length > 0) throw inUse('detach all policies first')
    })
    return {}
  }

  /**
   * (1) Enters the user in the group, (2) enters the group in the user, which decides, (3) checks
   * that the group still exists. Broken off after (1), it leaves an entry in the group's list that
   * means nothing.
   */
  async #add(call: IamCall): Promise<IamResult> {
    const { context } = call
    const { random, rights, users } = this.#options
    const group = await this.find(call)
    const user = await users.find(call)
    if (user.groups.some(({ id }) => id === group.id)) return {}
    await rights.mustCover(call, await this.#holds(context, group))
    const token = drawToken(random)
    await this.names.change(context, group, (current) => ({
      write: { ...current, members: [...current.members, { id: user.id, token }] },
    }))
    const gone = await this.#goneGroups(context, user)
    let after: UserRecord
    try {
      after = await users.names.change(context, user, (current) => {
        if (current.groups.some(({ id }) => id === group.id)) return { keep: true }
        const groups = current.groups.filter(({ id }) => !gone.has(id))
        if (groups.length >= GROUPS_PER_USER_MAX) {
          throw limitExceeded(`Cannot exceed quota for GroupsPerUser: ${GROUPS_PER_USER_MAX}`)
        }
        return { write: { ...current, groups: [...groups, { id: group.id, token }] } }
      })
    } catch (error) {
      // After any other failure it is not known whether the change has happened: the list is a superset.
      if (error instanceof IamError) await this.#leave(context, group, token)
      throw error
    }
    // The user was in it already, under the token of that time.
    if (!after.groups.some((each) => each.token === token)) await this.#leave(context, group, token)
    if ((await this.names.readById(context, group.accountId, group.id)) === undefined) {
      await this.#drop(context, user, (reference) => reference.token === token)
      throw noSuchEntity('group', group.name)
    }
    return {}
  }

  /** The other way round: the user's record first, which decides, then the group's list. */
  async #remove(call: IamCall): Promise<IamResult> {
    const group = await this.find(call)
    const user = await this.#options.users.find(call)
    await this.#mayLift(call, group, user)
    const dropped = await this.#drop(call.context, user, ({ id }) => id === group.id)
    if (dropped === undefined) {
      throw noSuchEntity('user', `${user.name} in group ${group.name}`)
    }
    await this.#leave(call.context, group, dropped.token)
    return {}
  }

  async #listForUser(call: IamCall): Promise<IamResult> {
    const user = await this.#options.users.find(call)
    const { items, more } = await readPage(
      user.groups.map(({ id }) => id).sort(compareTexts),
      pageOf(call),
      (id) => id,
      (id) => this.names.readById(call.context, user.accountId, id),
    )
    return { Groups: items.map(shownGroup), ...more }
  }

  /** All policies that membership in the group gives. */
  #holds(context: RequestContext, group: GroupRecord): Promise<PolicyText[]> {
    return groupPolicies((kind, name) => this.#options.records.read(context, kind, name), group)
  }

  /**
   * Without the group's Deny, the user's other policies may allow more than the caller has (F31).
   * Throws IamError AccessDenied then.
   */
  async #mayLift(call: IamCall, group: GroupRecord, user: UserRecord): Promise<void> {
    const { rights, users } = this.#options
    const lifted = await this.#holds(call.context, group)
    if (!lifted.some(({ text }) => denies(text))) return
    const groups = user.groups.filter(({ id }) => id !== group.id)
    await rights.mustCoverBearer(call, await users.bearer(call.context, { ...user, groups }))
  }

  /**
   * The principals whose rights change with the group's policies (F31): its members. With more than
   * BEARERS_MAX members the caller must be an administrator, and none is returned.
   */
  async #bearers(call: IamCall, group: GroupRecord): Promise<PolicyBearer[]> {
    const { rights, users } = this.#options
    const ids = [...new Set(group.members.map(({ id }) => id))]
    if (ids.length > BEARERS_MAX) {
      const name = entityArn(group.accountId, 'group', group.path, group.name)
      await rights.mustBeAdministrator(call, [{ name, text: '' }])
      return []
    }
    const members = await readAll(ids, (id) => this.#member(call.context, group, id))
    const present = members.filter((member) => member !== undefined)
    return readAll(present, (member) => users.bearer(call.context, member))
  }

  /**
   * The user behind an entry of the group's list. Undefined when the user is gone, or is not in the
   * group.
   */
  async #member(
    context: RequestContext,
    group: GroupRecord,
    id: string,
  ): Promise<UserRecord | undefined> {
    const user = await this.#options.records.read(context, USER, byId(group.accountId, id))
    return user?.groups.some((reference) => reference.id === group.id) === true ? user : undefined
  }

  /**
   * Groups in the user's record that do not exist any more. They don't count towards the quota.
   * Looked for only when the quota is reached.
   */
  async #goneGroups(context: RequestContext, user: UserRecord): Promise<Set<string>> {
    const gone = new Set<string>()
    if (user.groups.length < GROUPS_PER_USER_MAX) return gone
    for (const { id } of user.groups) {
      const group = await this.names.readById(context, user.accountId, id)
      if (group === undefined) gone.add(id)
    }
    return gone
  }

  /** Takes a group out of the user's record. Undefined when the user was not in it, or is gone. */
  async #drop(
    context: RequestContext,
    { accountId, id }: UserRecord,
    which: (reference: Reference) => boolean,
  ): Promise<Reference | undefined> {
    const { records } = this.#options
    const { written, before } = await records.change(
      context,
      USER,
      byId(accountId, id),
      (current) => {
        const dropped = current?.groups.find(which)
        if (current === undefined || dropped === undefined) return { keep: true }
        const groups = current.groups.filter((reference) => reference !== dropped)
        return { write: { ...current, groups } }
      },
    )
    // As it was when it was changed: the last call of an edit may meet a later state.
    return written ? before?.groups.find(which) : undefined
  }

  /** Takes an entry out of the group's list. */
  async #leave(
    context: RequestContext,
    { accountId, id }: GroupRecord,
    token: string,
  ): Promise<void> {
    await this.#options.records.change(context, GROUP, byId(accountId, id), (current) => {
      if (current === undefined) return { keep: true }
      const members = current.members.filter((member) => member.token !== token)
      if (members.length === current.members.length) return { keep: true }
      return { write: { ...current, members } }
    })
  }
}

function inUse(what: string): Error {
  return deleteConflict(`Cannot delete entity, must ${what}.`)
}

export function shownGroup({ accountId, id, name, path, createdMs }: GroupRecord): IamResult {
  return {
    Path: path,
    GroupName: name,
    GroupId: id,
    Arn: entityArn(accountId, 'group', path, name),
    CreateDate: new Date(createdMs),
  }
}
