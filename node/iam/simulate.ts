/**
 * What policies would decide: SimulatePrincipalPolicy and SimulateCustomPolicy, by the evaluation that also decides
 * requests.
 */

import type { PolicyText } from '../../gateway/port/identity.ts'
import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import { compilingPolicies, compilingPolicy, PARSING_STEPS } from '../../protocol/iam/compiled.ts'
import {
  deciding,
  DECISION_STEPS_MAX,
  type CompiledPolicy,
  type Decision,
  type Question,
} from '../../protocol/iam/decide.ts'
import { entityArn } from '../../protocol/iam/identity.ts'
import type { GroupRecord } from '../../protocol/iam/group-record.ts'
import {
  MalformedPolicyError,
  parsePolicy,
  type Policy,
  type PolicyKind,
} from '../../protocol/iam/policy.ts'
import { entityIdOf, type Principal, type ResolvedPrincipal } from '../../protocol/iam/principal.ts'
import type { UserRecord } from '../../protocol/iam/user-record.ts'
import { invalidInput, noSuchEntity } from './errors.ts'
import {
  boundaryText,
  groupPolicies,
  rolePolicies,
  userPolicies,
  type RecordReader,
} from './holdings.ts'
import { BudgetError, Meter, type Work } from '../../protocol/work.ts'
import { markerOf, pageOf } from './page.ts'
import { recordsOf, requiredText, textParameter, textsOf } from './parameters.ts'
import { byId, byName, GROUP, nameKind, USER, type Records } from './records.ts'
import type { Roles } from './roles.ts'
import type { IamActions } from './service.ts'

/** Account, kind, path with its slashes, name. */
const ARN = /^arn:aws:iam::([0-9]{12}):(user|group|role)(\/(?:[!-~]{1,510}\/)?)([\w+=,.@-]{1,128})$/
/** Twelve digits, or the ARN of the account's root. */
const ACCOUNT = /^(?:arn:aws:iam::)?([0-9]{12})(?::root)?$/

export interface SimulationsOptions {
  readonly records: Records
  readonly roles: Roles
}

/** The principal whose policies are simulated. */
interface Source {
  /** Who the simulated request comes from. */
  readonly caller: Principal
  /** The policies that the principal really holds. */
  readonly policies: readonly PolicyText[]
  /** The permissions boundary that it really has. */
  readonly boundary?: PolicyText | undefined
}

/** Answers the two actions. Nothing is changed, and nothing that is simulated is stored or cached. */
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
        const arn = textParameter(call, 'CallerArn') ?? entityArn(accountId, 'user', '/', 'anybody')
        return this.#simulate(call, { caller: userOf(accountId, arn), policies: [] })
      },
    }
  }

  async #simulate(call: IamCall, source: Source): Promise<IamResult> {
    return call.inTurns(simulating(call, source))
  }

  /** A principal of the caller's account. Throws NoSuchEntity. */
  async #source(call: IamCall, arn: string): Promise<Source> {
    const { context, caller } = call
    const read: RecordReader = (kind, name) => this.#options.records.read(context, kind, name)
    const [, accountId = '', kind, path, name = ''] = ARN.exec(arn) ?? []
    const missing = (): Error => noSuchEntity('entity', arn)
    if (accountId !== caller.accountId) throw missing()
    const callerArn = textParameter(call, 'CallerArn') ?? arn
    switch (kind) {
      case 'user': {
        const user = await named<UserRecord>(read, USER, accountId, name)
        if (user === undefined || user.path !== path) throw missing()
        return {
          caller: { ...userOf(accountId, callerArn), userId: user.id, userName: user.name },
          policies: await userPolicies(read, user),
          boundary: await boundaryText(read, user),
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
          boundary: await boundaryText(read, role),
        }
      }
      case undefined:
      default:
        throw missing()
    }
  }
}

/**
 * A page ends early after this many steps: IAM may return fewer results than MaxItems. The first result of a page may
 * take as many steps as a request's decision.
 */
const PAGE_STEPS = 50_000_000

/**
 * One page of results, one for each pair of action and resource. The marker is the number of the pair
 * that comes next. Throws IamError InvalidInput.
 */
function* simulating(call: IamCall, source: Source): Work<IamResult> {
  const { caller } = source
  const meter = new Meter(DECISION_STEPS_MAX)
  const owner = textParameter(call, 'ResourceOwner')
  const resourceAccount = owner === undefined ? caller.accountId : accountOf(owner)
  const actions = textsOf(call, 'ActionNames')
  const given = textsOf(call, 'ResourceArns')
  const resources = given.length === 0 ? ['*'] : given
  const count = actions.length * resources.length
  const { limit, after } = pageOf(call)
  const start = after === undefined ? 0 : placeOf(after, count)
  const items: IamResult[] = []
  try {
    const policies = yield* tried(call, source, meter)
    for (let at = start; at < count; at++) {
      if (items.length === limit || (items.length > 0 && meter.steps > PAGE_STEPS)) break
      const action = actions[Math.floor(at / resources.length)] as string
      const resource = resources[at % resources.length] as string
      const question = { ...policies, caller, resourceAccount, action, resource }
      const decision = yield* deciding(question, meter)
      // Without it: does the boundary allow what is asked for?
      const alone = { ...question, ...ALONE, resourceAccount: caller.accountId }
      const { boundary } = policies
      const within =
        boundary && (yield* deciding({ ...alone, identityPolicies: [boundary] }, meter)).allowed
      items.push(shown(action, resource, decision, within))
    }
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error
    if (items.length === 0) {
      throw invalidInput('Invalid Input: the policies take too long to evaluate.')
    }
  }
  const next = start + items.length
  if (next >= count) return { EvaluationResults: items, IsTruncated: false }
  return { EvaluationResults: items, IsTruncated: true, Marker: markerOf(String(next)) }
}

/** A question to one policy. */
const ALONE = {
  sessionPolicies: undefined,
  boundary: undefined,
  resourcePolicy: undefined,
} as const

/** Where the next page begins. Throws InvalidInput. */
function placeOf(after: string, count: number): number {
  if (!/^[1-9][0-9]{0,5}$/.test(after) || Number(after) >= count) {
    throw invalidInput('Invalid Marker.')
  }
  return Number(after)
}

/** The simulated policies, parsed. No identity holds them, so no cache keeps them. */
function* tried(
  call: IamCall,
  { caller, policies, boundary }: Source,
  meter: Meter,
): Work<Pick<Question, 'identityPolicies' | 'boundary' | 'resourcePolicy' | 'context'>> {
  const inputs: CompiledPolicy[] = []
  for (const [at, text] of textsOf(call, 'PolicyInputList').entries()) {
    const name = `PolicyInputList.${at + 1}`
    meter.take(text.length * PARSING_STEPS)
    inputs.push({ name, policy: checked(name, text, 'identity') })
    if (meter.isDue()) yield
  }
  const [limit] = textsOf(call, 'PermissionsBoundaryPolicyInputList')
  const limitName = 'PermissionsBoundaryPolicyInputList.1'
  if (limit !== undefined) meter.take(limit.length * PARSING_STEPS)
  const text = textParameter(call, 'ResourcePolicy')
  const stored = yield* compilingPolicies(policies, meter)
  return {
    identityPolicies: [...stored, ...inputs],
    // As in AWS, one that is given takes the place of the principal's own.
    boundary:
      limit === undefined
        ? yield* compilingPolicy(boundary, meter)
        : { name: limitName, policy: checked(limitName, limit, 'identity') },
    resourcePolicy:
      text === undefined
        ? undefined
        : {
            name: 'ResourcePolicy',
            policy: checked('ResourcePolicy', text, 'resource', namesOf(caller)),
          },
    context: contextOf(call),
  }
}

/** A user or group by name, with its record. */
async function named<T extends { readonly name: string }>(
  read: RecordReader,
  kind: Parameters<typeof read<T>>[0],
  accountId: string,
  name: string,
): Promise<T | undefined> {
  const pointer = await read(nameKind(kind.space), byName(accountId, name))
  const record = pointer && (await read(kind, byId(accountId, pointer.id)))
  return record?.name === name ? record : undefined
}

/** The principal of a simulation that is not about a real user. Conditions see 'simulated' as its id. */
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

/** In a simulated policy an ARN means the caller that has it: nothing was resolved, because nothing was stored. */
function namesOf({ arn, roleArn, userId = '' }: Principal): ResolvedPrincipal[] {
  const role = roleArn === undefined ? [] : [{ arn: roleArn, id: entityIdOf(userId) }]
  return [{ arn, id: userId }, ...role]
}

/** The account that owns the simulated resource. Throws IamError InvalidInput. */
function accountOf(owner: string): string {
  const account = ACCOUNT.exec(owner)?.[1]
  if (account === undefined)
    throw invalidInput(`ResourceOwner ${owner.slice(0, 100)} is not an account.`)
  return account
}

/** Throws InvalidInput with the place of the error. */
function checked(
  name: string,
  text: string,
  kind: PolicyKind,
  principals: readonly ResolvedPrincipal[] = [],
): Policy {
  try {
    return parsePolicy(text, kind, principals)
  } catch (error) {
    if (error instanceof MalformedPolicyError) {
      throw invalidInput(`Invalid Input ${name}: ${error.message}`)
    }
    throw error
  }
}

/**
 * ContextEntries as condition keys, in lower case. Throws IamError InvalidInput for one without a
 * name.
 */
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

/** AWS's words for EvalDecision. */
const DECISIONS: Readonly<Record<Decision['kind'], string>> = {
  allow: 'allowed',
  'explicit-deny': 'explicitDeny',
  'default-deny': 'implicitDeny',
}

/**
 * Show the statement that decided: those after it changed nothing. `within`: what the permissions boundary says; undefined
 * without one.
 */
function shown(
  action: string,
  resource: string,
  { kind, by, source }: Decision,
  within: boolean | undefined,
): IamResult {
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
    PermissionsBoundaryDecisionDetail:
      within === undefined ? undefined : { AllowedByPermissionsBoundary: within },
  }
}

/** AWS's SourcePolicyType, from the name that holdings.ts gives to each policy. */
function typeOf(policy: string, source: Decision['source']): string {
  if (source === 'resource') return 'resource'
  if (policy.startsWith('arn:aws:iam::aws:')) return 'aws-managed'
  if (policy.startsWith('arn:')) return 'user-managed'
  const kind = policy.slice(0, policy.indexOf('/'))
  return ['user', 'group', 'role'].includes(kind) ? kind : 'none'
}
