/**
 * Managed policies: actions of the query API on them and their versions.
 *
 * Invariants:
 *   - exactly one version of a policy is in force, the default one. It is what every holder has
 *   - a policy that is held gets no text whose rights the caller does not have (F31): CreateVersion
 *     and SetDefault compare first, and change only the text that was compared with
 *   - a policy is deleted only while no holder has it, and only with one version left
 *     (attachments.ts)
 */

import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import type { DirectoryEntry } from '../../protocol/iam/name-record.ts'
import {
  POLICY_VERSIONS_MAX,
  policyTextOf,
  type PolicyRecord,
  type PolicyVersion,
} from '../../protocol/iam/policy-record.ts'
import type { IamTag } from '../../protocol/iam/record.ts'
import type { Attachments, HolderKind } from './attachments.ts'
import { iamTagsOf, withoutTags, withTags, type ModuleOptions } from './common.ts'
import { compareTexts } from './directory.ts'
import { entityNames, tagPage } from './entities.ts'
import {
  checkDocument,
  checkSize,
  encodedDocument,
  MANAGED_POLICY_CHARACTERS,
} from './documents.ts'
import {
  concurrentModification,
  deleteConflict,
  invalidInput,
  limitExceeded,
  noSuchEntity,
} from './errors.ts'
import { POLICY } from './holdings.ts'
import { uniqueId } from './ids.ts'
import { BUILT_IN_POLICIES } from './managed.ts'
import type { Names } from './names.ts'
import { pageOf, readPage } from './page.ts'
import { booleanOf, requiredText, textParameter } from './parameters.ts'
import type { PolicyUses } from './policy-uses.ts'
import { denies } from './rights.ts'
import type { IamActions } from './service.ts'
import { arnOf, listedManaged, shownManaged, shownVersion } from './shown-policies.ts'

/** AWS's default quota. */
const POLICIES_MAX = 1_500
const BOUNDARY = 'PermissionsBoundary'

export interface PoliciesOptions extends ModuleOptions {
  readonly attachments: Attachments
  readonly uses: PolicyUses
}

/** Answers the actions about managed policies. Holds no state: everything is in registers. */
export class Policies {
  readonly #options: PoliciesOptions
  /** Names and the account's list of its own policies, without the built-in ones. */
  readonly names: Names<PolicyRecord>

  constructor(options: PoliciesOptions) {
    this.#options = options
    this.names = entityNames(options, {
      kind: POLICY,
      word: 'policy',
      quota: 'PoliciesPerAccount',
      entriesMax: POLICIES_MAX,
    })
  }

  actions(): IamActions {
    return {
      CreatePolicy: (call) => this.#create(call),
      GetPolicy: async (call) => ({ Policy: shownManaged(await this.#named(call)) }),
      ListPolicies: (call) => this.#list(call),
      DeletePolicy: (call) => this.#delete(call),
      CreatePolicyVersion: (call) => this.#createVersion(call),
      GetPolicyVersion: (call) => this.#getVersion(call),
      ListPolicyVersions: (call) => this.#listVersions(call),
      DeletePolicyVersion: (call) => this.#deleteVersion(call),
      SetDefaultPolicyVersion: (call) => this.#setDefault(call),
      ListEntitiesForPolicy: (call) => this.#listEntities(call),
      TagPolicy: (call) => this.#setTags(call, (tags) => withTags(tags, call)),
      UntagPolicy: (call) => this.#setTags(call, (tags) => withoutTags(tags, call)),
      ListPolicyTags: async (call) => tagPage(call, (await this.#named(call)).tags),
    }
  }

  async #create(call: IamCall): Promise<IamResult> {
    const { clock, random } = this.#options
    const text = requiredText(call, 'PolicyDocument')
    checkManaged(text)
    const createdMs = Math.floor(clock.nowMs())
    const record: PolicyRecord = {
      accountId: call.caller.accountId,
      id: uniqueId(random, 'policy'),
      name: requiredText(call, 'PolicyName'),
      path: textParameter(call, 'Path') ?? '/',
      createdMs,
      updatedMs: createdMs,
      description: textParameter(call, 'Description') ?? '',
      defaultVersion: 1,
      nextVersion: 2,
      versions: [{ number: 1, text, createdMs }],
      holders: [],
      deleting: '',
      tags: iamTagsOf(call),
    }
    await this.names.create(call.context, record)
    return { Policy: shownManaged(record) }
  }

  /**
   * Built-in policies come first, then the account's own by name. `sort` keeps the two apart, and is
   * also what the marker encodes.
   */
  async #list(call: IamCall): Promise<IamResult> {
    const scope = textParameter(call, 'Scope') ?? 'All'
    const prefix = textParameter(call, 'PathPrefix') ?? '/'
    const attachedOnly = booleanOf(call, 'OnlyAttached') ?? false
    const usage = textParameter(call, 'PolicyUsageFilter')
    const { context } = call
    const { accountId } = call.caller
    const builtIn = [...BUILT_IN_POLICIES.keys()].map((arn) => ({ sort: `0${arn}`, arn }))
    const own = scope === 'AWS' ? [] : await this.names.entries(context, accountId)
    const entries: { sort: string; arn?: string; entry?: DirectoryEntry }[] = [
      ...(scope === 'Local' ? [] : builtIn),
      ...own.map((entry) => ({ sort: `1${entry.name}`, entry })),
    ].sort((a, b) => compareTexts(a.sort, b.sort))
    const { items, more } = await readPage(
      entries,
      pageOf(call),
      ({ sort }) => sort,
      async ({ arn, entry }) => {
        const policy =
          arn === undefined
            ? await this.names.ofEntry(context, accountId, entry as DirectoryEntry)
            : await this.#options.uses.find(context, accountId, arn)
        if (policy === undefined || !policy.path.startsWith(prefix)) return undefined
        if (attachedOnly && policy.holders.length === 0) return undefined
        if (usage === BOUNDARY && !policy.bounded?.length) return undefined
        return listedManaged(policy)
      },
    )
    return { Policies: items, ...more }
  }

  async #delete(call: IamCall): Promise<IamResult> {
    const { context } = call
    const policy = await this.#own(call)
    const others = policy.versions.filter(({ number }) => number !== policy.defaultVersion)
    if (others.length > 0) {
      throw deleteConflict(
        'This policy has more than one version. Before you delete a policy, you must delete the policy’s versions. The default version is deleted with the policy.',
      )
    }
    await this.#options.attachments.whileUnheld(context, policy, (mark) =>
      this.names.remove(context, policy, (current) => {
        // It was attached meanwhile, or deleted twice at once.
        if (current.deleting !== mark || current.versions.length > 1) {
          throw concurrentModification()
        }
      }),
    )
    return {}
  }

  /**
   * Adds a version. Only one that becomes the default at once gives anybody anything, so only then
   * are rights compared.
   */
  async #createVersion(call: IamCall): Promise<IamResult> {
    const { clock } = this.#options
    const text = requiredText(call, 'PolicyDocument')
    const setAsDefault = booleanOf(call, 'SetAsDefault') ?? false
    checkManaged(text)
    const policy = await this.#own(call)
    const check = setAsDefault ? await this.#mayGrant(call, policy, text) : () => {}
    const createdMs = Math.floor(clock.nowMs())
    const { nextVersion } = await this.names.change(call.context, policy, (current) => {
      check(current)
      if (current.versions.length >= POLICY_VERSIONS_MAX) {
        throw limitExceeded(
          `A managed policy can have up to ${POLICY_VERSIONS_MAX} versions. Before you create a new version, you must delete an existing version.`,
        )
      }
      const number = current.nextVersion
      return {
        write: {
          ...current,
          updatedMs: createdMs,
          nextVersion: number + 1,
          defaultVersion: setAsDefault ? number : current.defaultVersion,
          versions: [...current.versions, { number, text, createdMs }],
        },
      }
    })
    // The record is the one that this change made, also when another followed at once.
    const version = { number: nextVersion - 1, text, createdMs }
    return { PolicyVersion: { ...shownVersion(version, setAsDefault), Document: undefined } }
  }

  async #getVersion(call: IamCall): Promise<IamResult> {
    const policy = await this.#named(call)
    const version = versionOf(policy, requiredText(call, 'VersionId'))
    const isDefault = version.number === policy.defaultVersion
    return {
      PolicyVersion: {
        Document: encodedDocument(version.text),
        ...shownVersion(version, isDefault),
      },
    }
  }

  async #listVersions(call: IamCall): Promise<IamResult> {
    const policy = await this.#named(call)
    const sorted = [...policy.versions].sort((a, b) => b.number - a.number)
    const { items, more } = await readPage(
      sorted,
      pageOf(call),
      // Newest first; the text sorts in this order too.
      ({ number }) => String(1e9 - number).padStart(10, '0'),
      (version) => Promise.resolve(shownVersion(version, version.number === policy.defaultVersion)),
    )
    return { Versions: items, ...more }
  }

  async #deleteVersion(call: IamCall): Promise<IamResult> {
    const policy = await this.#own(call)
    const { number } = versionOf(policy, requiredText(call, 'VersionId'))
    await this.names.change(call.context, policy, (current) => {
      if (current.defaultVersion === number) {
        throw deleteConflict('Cannot delete the default version of a policy.')
      }
      const versions = current.versions.filter((version) => version.number !== number)
      if (versions.length === current.versions.length) throw noVersion(policy, number)
      return { write: { ...current, versions, updatedMs: Math.floor(this.#options.clock.nowMs()) } }
    })
    return {}
  }

  async #setDefault(call: IamCall): Promise<IamResult> {
    const policy = await this.#own(call)
    const { number, text } = versionOf(policy, requiredText(call, 'VersionId'))
    const check = await this.#mayGrant(call, policy, text)
    await this.names.change(call.context, policy, (current) => {
      check(current)
      if (!current.versions.some((version) => version.number === number)) {
        throw noVersion(policy, number)
      }
      return { write: { ...current, defaultVersion: number } }
    })
    return {}
  }

  /** Who holds the policy: groups, roles and users in three lists that share one page. */
  async #listEntities(call: IamCall): Promise<IamResult> {
    const policy = await this.#named(call)
    const filter = textParameter(call, 'EntityFilter')
    const usage = textParameter(call, 'PolicyUsageFilter')
    const prefix = textParameter(call, 'PathPrefix') ?? '/'
    const holders = await this.#options.attachments.holders(call.context, policy)
    const wanted = holders
      .filter(({ kind, record, isAttached, isBoundary }) => {
        const fits = filter === undefined || filter === FILTERS[kind]
        const fitsUse = usage === undefined || (usage === BOUNDARY ? isBoundary : isAttached)
        return fits && fitsUse && record.path.startsWith(prefix)
      })
      .sort((a, b) => compareTexts(a.kind + a.record.name, b.kind + b.record.name))
    const { items, more } = await readPage(
      wanted,
      pageOf(call),
      ({ kind, record }) => `${kind}/${record.name}`,
      (holder) => Promise.resolve(holder),
    )
    const of = (kind: HolderKind, word: string): IamResult[] =>
      items
        .filter((item) => item.kind === kind)
        .map(({ record }) => ({ [`${word}Name`]: record.name, [`${word}Id`]: record.id }))
    return {
      PolicyGroups: of('group', 'Group'),
      PolicyUsers: of('user', 'User'),
      PolicyRoles: of('role', 'Role'),
      ...more,
    }
  }

  /**
   * The holders of the policy get what its new text allows, and so does a session that it limits,
   * which no record lists (F31). Throws IamError AccessDenied. The returned function must be called
   * with the state that is changed: it throws ConcurrentModification when the default text is not the
   * one that was compared with.
   */
  async #mayGrant(
    call: IamCall,
    policy: PolicyRecord,
    text: string,
  ): Promise<(current: PolicyRecord) => void> {
    const { rights } = this.#options
    const given = { name: arnOf(policy), text }
    await rights.mustCover(call, [given])
    const before = policyTextOf(policy)
    // Without its Deny, the other policies of its holders may allow more: only an administrator may remove it.
    if (denies(before) && before !== text) await rights.mustBeAdministrator(call, [given])
    return (current) => {
      if (policyTextOf(current) !== before) throw concurrentModification()
    }
  }

  async #setTags(
    call: IamCall,
    edit: (tags: readonly IamTag[]) => readonly IamTag[],
  ): Promise<IamResult> {
    const policy = await this.#own(call)
    await this.names.change(call.context, policy, (current) => ({
      write: { ...current, tags: edit(current.tags) },
    }))
    return {}
  }

  /**
   * The policy that the call names: the caller's account's own, or a built-in one. Throws IamError
   * NoSuchEntity.
   */
  #named(call: IamCall): Promise<PolicyRecord> {
    const arn = requiredText(call, 'PolicyArn')
    return this.#options.uses.find(call.context, call.caller.accountId, arn)
  }

  /** A policy that can be changed. Throws IamError InvalidInput for a built-in one. */
  async #own(call: IamCall): Promise<PolicyRecord> {
    const arn = requiredText(call, 'PolicyArn')
    if (BUILT_IN_POLICIES.has(arn)) {
      throw invalidInput(`Policy ${arn} is built in and cannot be changed.`)
    }
    return this.#named(call)
  }
}

/** AWS's values of EntityFilter. */
const FILTERS: Readonly<Record<HolderKind, string>> = { user: 'User', group: 'Group', role: 'Role' }

/** Throws IamError MalformedPolicyDocument or LimitExceeded. */
function checkManaged(text: string): void {
  checkDocument(text, 'identity')
  checkSize('PolicySize', [text], MANAGED_POLICY_CHARACTERS)
}

function versionOf(policy: PolicyRecord, id: string): PolicyVersion {
  const version = policy.versions.find(({ number }) => `v${number}` === id)
  if (version === undefined) throw noVersion(policy, id)
  return version
}

function noVersion(policy: PolicyRecord, id: string | number): Error {
  const version = typeof id === 'number' ? `v${id}` : id
  return noSuchEntity('policy version', `${version} of ${arnOf(policy)}`)
}
