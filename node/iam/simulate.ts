/**
 * What policies would decide: SimulatePrincipalPolicy and SimulateCustomPolicy, by the evaluation that also decides
 * requests.
 */

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
import {
  MalformedPolicyError,
  parsePolicy,
  type Policy,
  type PolicyKind,
} from '../../protocol/iam/policy.ts'
import { entityIdOf, type Principal, type ResolvedPrincipal } from '../../protocol/iam/principal.ts'
import { invalidInput } from './errors.ts'
import { BudgetError, Meter, type Work } from '../../protocol/work.ts'
import { markerOf, pageOf } from './page.ts'
import { recordsOf, requiredText, textParameter, textsOf } from './parameters.ts'
import {
  policySource,
  simulatedUser,
  type HeldPolicies,
  type PolicySourceOptions,
} from './policy-source.ts'
import type { IamActions } from './service.ts'

/** Twelve digits, or the ARN of the account's root. */
const ACCOUNT = /^(?:arn:aws:iam::)?([0-9]{12})(?::root)?$/

/** Answers the two actions. Nothing is changed, and nothing that is simulated is stored or cached. */
export class Simulations {
  readonly #options: PolicySourceOptions

  constructor(options: PolicySourceOptions) {
    this.#options = options
  }

  actions(): IamActions {
    return {
      SimulatePrincipalPolicy: async (call) => {
        const source = await policySource(
          call,
          this.#options,
          requiredText(call, 'PolicySourceArn'),
        )
        return this.#simulate(call, source)
      },
      SimulateCustomPolicy: (call) => {
        const { accountId } = call.caller
        const arn = textParameter(call, 'CallerArn') ?? entityArn(accountId, 'user', '/', 'anybody')
        return this.#simulate(call, { caller: simulatedUser(accountId, arn), policies: [] })
      },
    }
  }

  async #simulate(call: IamCall, source: HeldPolicies): Promise<IamResult> {
    return call.inTurns(simulating(call, source))
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
function* simulating(call: IamCall, source: HeldPolicies): Work<IamResult> {
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
  { caller, policies, boundary }: HeldPolicies,
  meter: Meter,
): Work<Pick<Question, 'identityPolicies' | 'boundary' | 'resourcePolicy' | 'context'>> {
  const inputs: CompiledPolicy[] = []
  for (const [at, text] of textsOf(call, 'PolicyInputList').entries()) {
    const name = `PolicyInputList.${at + 1}`
    meter.take(text.length * PARSING_STEPS)
    inputs.push({ name, policy: checkedInput(name, text, 'identity') })
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
        : { name: limitName, policy: checkedInput(limitName, limit, 'identity') },
    resourcePolicy:
      text === undefined
        ? undefined
        : {
            name: 'ResourcePolicy',
            policy: checkedInput('ResourcePolicy', text, 'resource', namesOf(caller)),
          },
    context: contextOf(call),
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
export function checkedInput(
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
