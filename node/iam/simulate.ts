/** What policies would decide: SimulatePrincipalPolicy and SimulateCustomPolicy, by the same evaluation. */

import type { PolicyText } from '../../gateway/backend.ts'
import type { IamCall, IamResult } from '../../gateway/iam-backend.ts'
import { compiledPolicy } from '../../protocol/iam/compiled.ts'
import { decide, type Decision } from '../../protocol/iam/decide.ts'
import { entityArn } from '../../protocol/iam/identity.ts'
import type { GroupRecord } from '../../protocol/iam/group-record.ts'
import { MalformedPolicyError, parsePolicy, type PolicyKind } from '../../protocol/iam/policy.ts'
import { entityIdOf, type Principal, type ResolvedPrincipal } from '../../protocol/iam/principal.ts'
import type { UserRecord } from '../../protocol/iam/user-record.ts'
import { invalidInput, noSuchEntity } from './errors.ts'
import { groupPolicies, rolePolicies, userPolicies, type ReadRecord } from './holdings.ts'
import { pageOf, readPage } from './page.ts'
import { recordsOf, requiredText, textOf, textsOf } from './parameters.ts'
import { byId, byName, GROUP, nameKind, USER, type Records } from './records.ts'
import type { Roles } from './roles.ts'
import type { IamActions } from './service.ts'
import { compiledPolicies } from './subject.ts'

const ARN = /^arn:aws:iam::([0-9]{12}):(user|group|role)(\/(?:[!-~]{1,510}\/)?)([\w+=,.@-]{1,128})$/
const ACCOUNT = /^(?:arn:aws:iam::)?([0-9]{12})(?::root)?$/

export interface SimulationsOptions {
  readonly records: Records
  readonly roles: Roles
}

/** Whose policies are tried. */
interface Source {
  readonly caller: Principal
  readonly policies: readonly PolicyText[]
}

export class Simulations {
  readonly #options: SimulationsOptions

  constructor(options: SimulationsOptions) {
    this.#options = options
  }

  actions(): IamActions {
    return {
      SimulatePrincipalPolicy: async (call) => {
        const source = await this.#source(call, requiredText(call, 'PolicySourceArn'))
        return this.#simulate(call, source)
      },
      SimulateCustomPolicy: (call) => {
        const { accountId } = call.caller
        const arn = textOf(call, 'CallerArn') ?? entityArn(accountId, 'user', '/', 'anybody')
        return this.#simulate(call, { caller: userOf(accountId, arn), policies: [] })
      },
    }
  }

  async #simulate(call: IamCall, source: Source): Promise<IamResult> {
    const inputs = textsOf(call, 'PolicyInputList').map((text, at) =>
      checked({ name: `PolicyInputList.${at + 1}`, text }, 'identity'),
    )
    const resourcePolicy = textOf(call, 'ResourcePolicy')
    if (resourcePolicy !== undefined) {
      checked({ name: 'ResourcePolicy', text: resourcePolicy }, 'resource')
    }
    const policies = compiledPolicies([...source.policies, ...inputs])
    const context = contextOf(call)
    const owner = textOf(call, 'ResourceOwner')
    const resourceAccount = owner === undefined ? source.caller.accountId : accountOf(owner)
    const resources = textsOf(call, 'ResourceArns')
    const cases = textsOf(call, 'ActionNames').flatMap((action) =>
      (resources.length === 0 ? ['*'] : resources).map((resource) => ({ action, resource })),
    )
    const numbered = cases.map((each, at) => ({ ...each, sort: String(at).padStart(6, '0') }))
    const { items, more } = await readPage(
      numbered,
      pageOf(call),
      ({ sort }) => sort,
      ({ action, resource }) => {
        const decision = decide({
          caller: source.caller,
          identityPolicies: policies,
          resourcePolicy:
            resourcePolicy === undefined
              ? undefined
              : compiledPolicy(
                  'ResourcePolicy',
                  resourcePolicy,
                  'resource',
                  namesOf(source.caller),
                ),
          resourceAccount,
          action,
          resource,
          context,
        })
        return Promise.resolve(shown(action, resource, decision))
      },
    )
    return { EvaluationResults: items, ...more }
  }

  /** Throws NoSuchEntity. Of the caller's account. */
  async #source(call: IamCall, arn: string): Promise<Source> {
    const { context, caller } = call
    const read: ReadRecord = (kind, name) => this.#options.records.read(context, kind, name)
    const [, accountId = '', kind, path, name = ''] = ARN.exec(arn) ?? []
    const missing = (): Error => noSuchEntity('entity', arn)
    if (accountId !== caller.accountId) throw missing()
    const callerArn = textOf(call, 'CallerArn') ?? arn
    switch (kind) {
      case 'user': {
        const user = await named<UserRecord>(read, USER, accountId, name)
        if (user === undefined || user.path !== path) throw missing()
        return {
          caller: { ...userOf(accountId, callerArn), userId: user.id, userName: user.name },
          policies: await userPolicies(read, user),
        }
      }
      case 'group': {
        const group = await named<GroupRecord>(read, GROUP, accountId, name)
        if (group === undefined || group.path !== path) throw missing()
        return {
          caller: userOf(accountId, callerArn),
          policies: await groupPolicies(read, group),
        }
      }
      case 'role': {
        const role = await this.#options.roles.ofArn(context, arn)
        if (role === undefined) throw missing()
        return {
          caller: {
            accountId,
            arn: `arn:aws:sts::${accountId}:assumed-role/${role.name}/simulated`,
            roleArn: callerArn,
            type: 'AssumedRole',
            isRoot: false,
            userId: `${role.id}:simulated`,
          },
          policies: await rolePolicies(read, role),
        }
      }
      case undefined:
      default:
        throw missing()
    }
  }
}

async function named<T extends { readonly name: string }>(
  read: ReadRecord,
  kind: Parameters<typeof read<T>>[0],
  accountId: string,
  name: string,
): Promise<T | undefined> {
  const pointer = await read(nameKind(kind.space), byName(accountId, name))
  const record = pointer && (await read(kind, byId(accountId, pointer.id)))
  return record?.name === name ? record : undefined
}

function userOf(accountId: string, arn: string): Principal {
  return {
    accountId,
    arn,
    type: 'User',
    isRoot: false,
    userId: 'simulated',
    userName: arn.slice(arn.lastIndexOf('/') + 1),
  }
}

/** In a policy that is tried the caller is meant by its ARN: nothing was stored. */
function namesOf({ arn, roleArn, userId = '' }: Principal): ResolvedPrincipal[] {
  const role = roleArn === undefined ? [] : [{ arn: roleArn, id: entityIdOf(userId) }]
  return [{ arn, id: userId }, ...role]
}

function accountOf(owner: string): string {
  const account = ACCOUNT.exec(owner)?.[1]
  if (account === undefined)
    throw invalidInput(`ResourceOwner ${owner.slice(0, 100)} is no account.`)
  return account
}

/** Throws InvalidInput with the place. */
function checked(policy: PolicyText, kind: PolicyKind): PolicyText {
  try {
    parsePolicy(policy.text, kind)
    return policy
  } catch (error) {
    if (error instanceof MalformedPolicyError) {
      throw invalidInput(`Invalid Input ${policy.name}: ${error.message}`)
    }
    throw error
  }
}

function contextOf(call: IamCall): Map<string, readonly string[]> {
  const context = new Map<string, readonly string[]>()
  for (const entry of recordsOf(call, 'ContextEntries')) {
    const { ContextKeyName: name, ContextKeyValues: values } = entry
    if (typeof name !== 'string') throw invalidInput('A context entry has no ContextKeyName.')
    const list = Array.isArray(values) ? (values as readonly unknown[]) : []
    context.set(
      name.toLowerCase(),
      list.filter((value) => typeof value === 'string'),
    )
  }
  return context
}

const DECISIONS: Readonly<Record<Decision['kind'], string>> = {
  allow: 'allowed',
  'explicit-deny': 'explicitDeny',
  'default-deny': 'implicitDeny',
}

/** The statement that decided is the one that is shown: those behind it changed nothing. */
function shown(action: string, resource: string, { kind, by, source }: Decision): IamResult {
  const statement =
    by === undefined
      ? []
      : [{ SourcePolicyId: by.policy, SourcePolicyType: typeOf(by.policy, source) }]
  return {
    EvalActionName: action,
    EvalResourceName: resource,
    EvalDecision: DECISIONS[kind],
    MatchedStatements: statement,
    MissingContextValues: [],
  }
}

function typeOf(policy: string, source: Decision['source']): string {
  if (source === 'resource') return 'resource'
  if (policy.startsWith('arn:aws:iam::aws:')) return 'aws-managed'
  if (policy.startsWith('arn:')) return 'user-managed'
  const kind = policy.slice(0, policy.indexOf('/'))
  return ['user', 'group', 'role'].includes(kind) ? kind : 'none'
}
