/** Roles: actions of the query API on them, their trust policies and their inline policies. */

import type { RequestContext } from '../../protocol/context.ts'
import type { IamCall, IamError, IamResult } from '../../gateway/port/iam-backend.ts'
import { resolvePrincipals, type PrincipalDirectory } from '../../gateway/port/principals.ts'
import { entityArn, providerOfArn } from '../../protocol/iam/identity.ts'
import { shownPolicy, unresolvedPrincipals } from '../../protocol/iam/named-principals.ts'
import type { Policy } from '../../protocol/iam/policy.ts'
import type { ResolvedPrincipal } from '../../protocol/iam/principal.ts'
import { ROLE_SESSION_SECONDS_MIN, type RoleRecord } from '../../protocol/iam/role-record.ts'
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
import {
  checkDocument,
  countedCharacters,
  encodedDocument,
  TRUST_POLICY_CHARACTERS,
} from './documents.ts'
import { concurrentModification, deleteConflict, limitExceeded, malformedPolicy } from './errors.ts'
import { boundaryText, ROLE, rolePolicies, sameHoldings, type RecordReader } from './holdings.ts'
import { holderPolicyActions, type HolderSource } from './holder-policies.ts'
import { uniqueId } from './ids.ts'
import type { Names } from './names.ts'
import { readAll } from './records.ts'
import { integerParameter, requiredText, textParameter } from './parameters.ts'
import type { EntityOf, IamActions } from './service.ts'

/** AWS's default quota. */
const ROLES_MAX = 1_000

export interface RolesOptions extends ModuleOptions {
  readonly attachments: Attachments
  readonly boundaries: Boundaries
  /** Turns the ARNs of trust policies into ids, which are what is stored. */
  readonly principals: PrincipalDirectory
}

/** Answers the actions about roles. Holds no state: everything is in registers. */
export class Roles {
  readonly #options: RolesOptions
  /** Names and the account's list of roles. Roles are never renamed. */
  readonly names: Names<RoleRecord>

  constructor(options: RolesOptions) {
    this.#options = options
    this.names = entityNames(options, {
      kind: ROLE,
      word: 'role',
      quota: 'RolesPerAccount',
      entriesMax: ROLES_MAX,
    })
  }

  /** A role as requests for it are judged. Undefined when the account has no such role. */
  readonly entityOf: EntityOf = (context, accountId, name) =>
    this.names.find(context, accountId, name)

  /**
   * The role that has this ARN now, in any account: AssumeRole and simulations name roles by ARN.
   * Undefined when there is none. Throws StoreError Unavailable.
   */
  async ofArn(context: RequestContext, arn: string): Promise<RoleRecord | undefined> {
    const [, accountId, path, name] = ROLE_ARN.exec(arn) ?? []
    if (accountId === undefined || name === undefined) return undefined
    const role = await this.names.find(context, accountId, name)
    return role?.path === path ? role : undefined
  }

  /** All roles of the account that exist, for checks of rights. Reads each record. */
  async all(context: RequestContext, accountId: string): Promise<RoleRecord[]> {
    const entries = await this.names.entries(context, accountId)
    const roles = await readAll(entries, (entry) => this.names.ofEntry(context, accountId, entry))
    return roles.filter((role) => role !== undefined)
  }

  /**
   * Refuses a change that lets more tokens of an OIDC provider count, unless the caller has the rights of every role that
   * trusts the provider. Throws IamError AccessDenied.
   */
  async mustCoverTrusting(call: IamCall, providerId: string): Promise<void> {
    for (const role of await this.all(call.context, call.caller.accountId)) {
      if (role.principals?.some(({ id }) => id === providerId) !== true) continue
      await this.#options.rights.mustCoverBearer(call, await this.#bearer(call.context, role))
    }
  }

  /** The handlers of this module, for service.ts, those for the policies of roles included. */
  actions(): IamActions {
    const holders: HolderSource<RoleRecord> = {
      word: 'Role',
      kind: 'role',
      find: (call) => this.#named(call),
      change: (context, role, edit) => this.names.change(context, role, edit),
      bearers: async ({ context }, role) => [await this.#bearer(context, role)],
    }
    return {
      CreateRole: (call) => this.#create(call),
      GetRole: async (call) => ({ Role: await this.#shown(call, await this.#named(call)) }),
      ListRoles: (call) => this.#list(call),
      UpdateRole: (call) => this.#update(call),
      UpdateRoleDescription: async (call) => {
        const Description = textParameter(call, 'Description') ?? ''
        const role = await this.#change(call, (current) => ({
          ...current,
          description: Description,
        }))
        return { Role: await this.#shown(call, role) }
      },
      UpdateAssumeRolePolicy: (call) => this.#updateTrust(call),
      DeleteRole: (call) => this.#delete(call),
      TagRole: (call) => this.#edit(call, (role) => ({ ...role, tags: withTags(role.tags, call) })),
      UntagRole: (call) =>
        this.#edit(call, (role) => ({ ...role, tags: withoutTags(role.tags, call) })),
      ListRoleTags: (call) => this.#listTags(call),
      ...holderPolicyActions(holders, this.#options),
      ...this.#options.boundaries.actions(holders, this.#options),
    }
  }

  /**
   * Principals of other accounts are marked before the role exists, so that there is no moment in
   * which the role names one that is not marked.
   */
  async #create(call: IamCall): Promise<IamResult> {
    const { random } = this.#options
    const trust = requiredText(call, 'AssumeRolePolicyDocument')
    const principals = await this.#trusted(call, trust)
    const role: RoleRecord = {
      accountId: call.caller.accountId,
      id: uniqueId(random, 'role'),
      name: requiredText(call, 'RoleName'),
      path: textParameter(call, 'Path') ?? '/',
      createdMs: call.nowMs,
      description: textParameter(call, 'Description') ?? '',
      maxSessionSeconds: integerParameter(call, 'MaxSessionDuration') ?? ROLE_SESSION_SECONDS_MIN,
      trust,
      principals,
      policies: [],
      attached: [],
      tags: iamTagsOf(call),
    }
    // The role has no policies yet, so this checks what other policies give to its name.
    await this.#options.rights.mustCoverBearer(call, await this.#bearer(call.context, role))
    await this.#markTrusted(call, principals)
    let created = role
    await this.#options.boundaries.whileEntered(
      call,
      role.id,
      (bounded) => this.names.create(call.context, (created = { ...role, ...bounded })),
      () => this.names.remove(call.context, role, () => {}),
    )
    return { Role: await this.#shown(call, created) }
  }

  async #list(call: IamCall): Promise<IamResult> {
    const { items, more } = await entityPage(call, this.names, (role) => this.listed(call, role))
    return { Roles: items, ...more }
  }

  async #update(call: IamCall): Promise<IamResult> {
    const description = textParameter(call, 'Description')
    const maxSessionSeconds = integerParameter(call, 'MaxSessionDuration')
    await this.#change(call, (current) => ({
      ...current,
      description: description ?? current.description,
      maxSessionSeconds: maxSessionSeconds ?? current.maxSessionSeconds,
    }))
    return {}
  }

  /**
   * A caller who may say which principals may assume a role could assume it, so the caller must have
   * the rights of the role (F31). A change of the role's policies in between is refused, because its
   * rights were compared before.
   */
  async #updateTrust(call: IamCall): Promise<IamResult> {
    const trust = requiredText(call, 'PolicyDocument')
    const principals = await this.#trusted(call, trust)
    const role = await this.#named(call)
    await this.#options.rights.mustCoverBearer(call, await this.#bearer(call.context, role))
    await this.#markTrusted(call, principals)
    await this.#change(call, (current) => {
      if (!sameHoldings(current, role)) throw concurrentModification()
      return { ...current, trust, principals }
    })
    return {}
  }

  async #delete(call: IamCall): Promise<IamResult> {
    const role = await this.#named(call)
    await this.names.remove(call.context, role, (current) => {
      if (current.attached.length > 0) {
        throw deleteConflict('Cannot delete entity, must detach all policies first.')
      }
      if (current.policies.length > 0) {
        throw deleteConflict('Cannot delete entity, must delete policies first.')
      }
    })
    const { accountId, id, boundary } = role
    await this.#options.boundaries.left(call.context, accountId, id, boundary)
    return {}
  }

  async #listTags(call: IamCall): Promise<IamResult> {
    return tagPage(call, (await this.#named(call)).tags)
  }

  /** The role that the call names. Throws IamError NoSuchEntity. */
  #named(call: IamCall): Promise<RoleRecord> {
    const { context, caller } = call
    return this.names.get(context, caller.accountId, requiredText(call, 'RoleName'))
  }

  async #edit(call: IamCall, edit: (current: RoleRecord) => RoleRecord): Promise<IamResult> {
    await this.#change(call, edit)
    return {}
  }

  async #change(call: IamCall, edit: (current: RoleRecord) => RoleRecord): Promise<RoleRecord> {
    const role = await this.#named(call)
    return this.names.change(call.context, role, (current) => ({ write: edit(current) }))
  }

  /**
   * Checks a trust policy and returns the principals that its ARNs mean now. Throws IamError
   * MalformedPolicyDocument, also for an ARN that names none, or LimitExceeded.
   */
  async #trusted({ context, caller }: IamCall, trust: string): Promise<ResolvedPrincipal[]> {
    const arns = unresolvedPrincipals(checkTrust(trust))
    const invalid = (arn: string): IamError => {
      const kind = providerOfArn(arn) === undefined ? 'AWS' : 'Federated'
      return malformedPolicy(`Invalid principal in policy: "${kind}":"${arn}"`)
    }
    for (const arn of arns) {
      const provider = providerOfArn(arn)
      if (provider !== undefined && provider.accountId !== caller.accountId) throw invalid(arn)
    }
    return resolvePrincipals(this.#options.principals, context, arns, invalid)
  }

  #markTrusted({ context, caller }: IamCall, named: readonly ResolvedPrincipal[]): Promise<void> {
    return this.#options.principals.markNamed(context, caller.accountId, named)
  }

  /** The Role element of an answer. */
  async #shown(call: IamCall, role: RoleRecord): Promise<IamResult> {
    return {
      ...(await this.listed(call, role)),
      PermissionsBoundary: shownBoundary(role),
      Tags: shownTags(role.tags),
    }
  }

  /** The Role element of lists. The trust policy is shown with the present ARNs of its principals. */
  async listed({ context }: IamCall, role: RoleRecord): Promise<IamResult> {
    const { trust, principals = [] } = role
    const present = await this.#options.principals.principalArns(context, principals)
    return listed(role, shownPolicy(trust, principals, present))
  }

  /** The role as a bearer of rights, for checks. */
  async #bearer(context: RequestContext, role: RoleRecord): Promise<PolicyBearer> {
    const read: RecordReader = (kind, name) => this.#options.records.read(context, kind, name)
    const { accountId, id, path, name } = role
    return {
      accountId,
      id,
      name: entityArn(accountId, 'role', path, name),
      namedAbroad: role.namedAbroad,
      policies: await rolePolicies(read, role),
      boundary: await boundaryText(read, role),
    }
  }
}

/** The account in the ARN of a role. Undefined when it is none. */
export function accountOfRole(arn: string): string | undefined {
  return ROLE_ARN.exec(arn)?.[1]
}

/** Account, path with its slashes, name. */
const ROLE_ARN = /^arn:aws:iam::([0-9]{12}):role(\/(?:[!-~]{1,510}\/)?)([A-Za-z0-9_+=,.@-]{1,64})$/

/** Throws IamError MalformedPolicyDocument or LimitExceeded. */
function checkTrust(text: string): Policy {
  const policy = checkDocument(text, 'trust')
  const size = countedCharacters(text)
  if (size > TRUST_POLICY_CHARACTERS) {
    throw limitExceeded(`Cannot exceed quota for ACLSizePerRole: ${TRUST_POLICY_CHARACTERS}`)
  }
  return policy
}

/** The Role element. `trust` is the trust policy as it is shown. */
function listed(role: RoleRecord, trust: string): IamResult {
  return {
    Path: role.path,
    RoleName: role.name,
    RoleId: role.id,
    Arn: entityArn(role.accountId, 'role', role.path, role.name),
    CreateDate: new Date(role.createdMs),
    AssumeRolePolicyDocument: encodedDocument(trust),
    Description: role.description === '' ? undefined : role.description,
    MaxSessionDuration: role.maxSessionSeconds,
  }
}
