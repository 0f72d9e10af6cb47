/**
 * Callers give away only rights that they have themselves (F31). The check is made on the principals whose rights a
 * change would widen: afterwards they may do no more than the caller may, by identity policies, by the bucket policies of
 * the account, and within the policies of the caller's session and its permissions boundary. A principal that may act
 * as another one (by its keys, or by a role that trusts it) has the rights of that one.
 *
 * The root of an account and administrators, whom their identity policies allow everything, always pass.
 */

import { compiledPolicy, compilingPolicies } from '../../protocol/iam/compiled.ts'
import type { Policy } from '../../protocol/iam/policy.ts'
import { entityIdOf } from '../../protocol/iam/principal.ts'
import {
  assuming,
  isNameDependent,
  leastRights,
  mostRights,
  type Bearer,
} from '../../protocol/iam/reach.ts'
import { covering, COVERING_STEPS_MAX } from '../../protocol/iam/rights.ts'
import { BudgetError, Meter, type Work } from '../../protocol/work.ts'
import type { PolicyText } from '../../gateway/port/identity.ts'
import type { IamCall } from '../../gateway/port/iam-backend.ts'
import type { PolicyBearer, RightsCheck } from './common.ts'
import { accessDenied } from './errors.ts'
import { boundaryText, rolePolicies, type RecordReader } from './holdings.ts'
import type { Records } from './records.ts'
import {
  surroundingsOf,
  type BucketSurroundings,
  type SurroundingsOptions,
  type TrustingRole,
} from './surroundings.ts'

/** The rights of an administrator. */
const EVERYTHING: PolicyText = {
  name: 'everything',
  text: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
}

export interface RightsOptions extends SurroundingsOptions {
  readonly records: Pick<Records, 'read'>
}

/**
 * Whether the policy contains a Deny, so that taking it away may give rights. A policy that can't be
 * read counts as one that does.
 */
export function denies(text: string): boolean {
  const { policy } = compiledPolicy('', text)
  return policy === undefined || policy.statements.some(({ effect }) => effect === 'Deny')
}

/** The caller's rights: what all sets allow. A set that is left out does not limit. */
interface Limits {
  readonly identity?: readonly Policy[]
  readonly session?: readonly Policy[]
  readonly boundary?: readonly Policy[]
}

/** What a principal may do by its own policies: what `policies` allow, within the boundary. */
type Holdings = Pick<PolicyBearer, 'policies' | 'boundary'>

/** What the checks of one call have in common. */
interface Check {
  readonly call: IamCall
  /** Counts the steps of all checks together. */
  readonly meter: Meter
  /** Undefined when one of the caller's policies cannot be read: then it denies everything. */
  readonly limits: Limits | undefined
  readonly isAdministrator: boolean
  /** Read once for all checks of the call, and only when one needs it. */
  surroundings?: Promise<BucketSurroundings>
}

/**
 * Compares what a change would give with what the caller has. policies.ts, holder-policies.ts and
 * others ask it before they write.
 */
export class Rights implements RightsCheck {
  readonly #options: RightsOptions
  /** Checks of one call share what they have read and their budget of steps. Forgotten with the call. */
  readonly #checks = new WeakMap<IamCall, Promise<Check>>()

  constructor(options: RightsOptions) {
    this.#options = options
  }

  mustCover(call: IamCall, granted: readonly PolicyText[], boundary?: PolicyText): Promise<void> {
    if (granted.length === 0) return Promise.resolve()
    return this.#checking(call, async (check) => {
      const anybody: Bearer = { accountId: call.caller.accountId }
      const surroundings = await this.#surroundingsOf(check)
      const given = { policies: granted, boundary }
      // A role that trusts some principals of its account may become open to the principal that is given this policy.
      const roles = await call.inTurns(judging(check, surroundings, anybody, given))
      if (roles === undefined) throw refused(call, granted)
      await this.#mustCoverRoles(check, surroundings, roles)
    })
  }

  mustCoverBearer(call: IamCall, bearer: PolicyBearer): Promise<void> {
    return this.#checking(call, async (check) => {
      const surroundings = await this.#surroundingsOf(check)
      const roles = await call.inTurns(judging(check, surroundings, bearer, bearer))
      if (roles === undefined) throw refused(call, bearer.policies, bearer.name)
      await this.#mustCoverRoles(check, surroundings, roles)
    })
  }

  mustBeAdministrator(call: IamCall, granted: readonly PolicyText[]): Promise<void> {
    return this.#checking(call, () => Promise.reject(refused(call, granted)))
  }

  async dependsOnName(call: IamCall, policies: readonly PolicyText[]): Promise<boolean> {
    let depends = false
    await this.#checking(call, async (check) => {
      const compiled = await call.inTurns(policiesOf(policies, check.meter))
      const { nameDependent } = await this.#surroundingsOf(check)
      depends = nameDependent || compiled === undefined || compiled.some(isNameDependent)
    })
    return depends
  }

  /**
   * Runs a check within the call's budget of steps. Administrators pass without one. Throws IamError
   * AccessDenied when the budget is used up: what can't be compared is not given.
   */
  async #checking(call: IamCall, run: (check: Check) => Promise<void>): Promise<void> {
    let known = this.#checks.get(call)
    if (known === undefined) {
      known = begin(call)
      this.#checks.set(call, known)
    }
    try {
      const check = await known
      if (!check.isAdministrator) await run(check)
    } catch (error) {
      if (!(error instanceof BudgetError)) throw error
      throw accessDenied(
        `${notAuthorized(call)} the caller's policies and those that it would give are too many to compare: who may do everything (Action * on Resource *) needs no comparison`,
      )
    }
  }

  /**
   * Checks the roles that become open to the principal, and the roles that these may assume in turn,
   * each once. Throws IamError AccessDenied.
   */
  async #mustCoverRoles(
    check: Check,
    surroundings: BucketSurroundings,
    roles: readonly TrustingRole[],
  ): Promise<void> {
    const { call } = check
    const read: RecordReader = (kind, name) => this.#options.records.read(call.context, kind, name)
    const followed = new Map(roles.map((each) => [each.role.id, each]))
    for (const { role, arn } of followed.values()) {
      const policies = await rolePolicies(read, role)
      const held = { policies, boundary: await boundaryText(read, role) }
      const more = await call.inTurns(judging(check, surroundings, role, held))
      if (more === undefined) throw refused(call, policies, arn)
      // Iterating over a map also visits what is added meanwhile.
      for (const each of more) followed.set(each.role.id, each)
    }
  }

  /** What buckets and roles of the account say by name. */
  #surroundingsOf(check: Check): Promise<BucketSurroundings> {
    check.surroundings ??= surroundingsOf(this.#options, check.call, check.meter)
    return check.surroundings
  }
}

async function begin(call: IamCall): Promise<Check> {
  return call.inTurns(beginning(call))
}

/** Reads the caller's policies and finds out whether they allow everything. */
function* beginning(call: IamCall): Work<Check> {
  const meter = new Meter(COVERING_STEPS_MAX)
  const limits = yield* limitsOf(call, meter)
  const all = (yield* policiesOf([EVERYTHING], meter)) ?? []
  let isAdministrator = limits !== undefined
  for (const limit of [limits?.identity, limits?.session, limits?.boundary]) {
    if (limit !== undefined && !(yield* covering(limit, all, meter))) isAdministrator = false
  }
  return { call, meter, limits, isAdministrator }
}

/** The caller's rights as policies. Undefined when one of them can't be read. */
function* limitsOf({ caller }: IamCall, meter: Meter): Work<Limits | undefined> {
  const { isRoot, policies, sessionPolicies, boundary } = caller
  const identity = yield* policiesOf(policies, meter)
  const session = yield* policiesOf(sessionPolicies ?? [], meter)
  const bounds = yield* policiesOf(boundary === undefined ? [] : [boundary], meter)
  if (identity === undefined || session === undefined || bounds === undefined) return undefined
  return {
    ...(!isRoot && { identity }),
    ...(sessionPolicies !== undefined && { session }),
    ...(boundary !== undefined && { boundary: bounds }),
  }
}

/**
 * May the bearer of these policies do no more than the caller? If so, returns the roles that it may assume,
 * which have to be checked as well. Undefined when it may do more, or when that is not known.
 */
function* judging(
  { call: { caller }, limits, meter }: Check,
  { bucketPolicies, roles }: BucketSurroundings,
  bearer: Bearer & Pick<PolicyBearer, 'namedAbroad'>,
  held: Holdings,
): Work<TrustingRole[] | undefined> {
  const policies = yield* policiesOf(held.policies, meter)
  if (limits === undefined || policies === undefined || bearer.namedAbroad === true) {
    return undefined
  }
  const bounds = held.boundary && (yield* policiesOf([held.boundary], meter))
  const self: Bearer = {
    accountId: caller.accountId,
    id: entityIdOf(caller.principalId),
    userId: caller.principalId,
  }
  const { identity, session, boundary } = limits
  const forms = formsOf(policies, bounds).map((own) => [
    ...own,
    ...bucketPolicies.map((policy) => mostRights(policy, bearer)),
  ])
  const byName = bucketPolicies.map((policy) => leastRights(policy, self))
  for (const limit of [session, boundary, identity && [...identity, ...byName]]) {
    if (limit !== undefined && !(yield* coversOne(limit, forms, meter))) return undefined
  }
  const assumed: TrustingRole[] = []
  for (const each of roles) {
    if (each.role.id === bearer.id) continue
    if (yield* assuming(each.trust, each.arn, bearer, policies, meter)) assumed.push(each)
  }
  return assumed
}

/** What policies allow within a boundary is within each of these: the policies, and the boundary, each with all Denies. */
function formsOf(
  policies: readonly Policy[],
  bounds: readonly Policy[] | undefined,
): (readonly Policy[])[] {
  if (bounds === undefined) return [policies]
  return [
    [...policies, ...bounds.map(deniesOf)],
    [...bounds, ...policies.map(deniesOf)],
  ]
}

function deniesOf({ statements, kind }: Policy): Policy {
  return { kind, statements: statements.filter(({ effect }) => effect === 'Deny') }
}

function* coversOne(
  limit: readonly Policy[],
  forms: readonly (readonly Policy[])[],
  meter: Meter,
): Work<boolean> {
  for (const granted of forms) if (yield* covering(limit, granted, meter)) return true
  return false
}

function notAuthorized({ caller, action }: IamCall): string {
  return `User: ${caller.principalArn} is not authorized to perform: iam:${action} because`
}

/**
 * Names the policies that would give too much, the first five of them. `whose` is the ARN of the
 * principal that would get the rights.
 */
function refused(call: IamCall, granted: readonly PolicyText[], whose?: string): Error {
  const names = granted.map(({ name }) => name).slice(0, 5)
  const what = whose === undefined ? names : [whose, ...names]
  return accessDenied(
    `${notAuthorized(call)} it would give rights that the caller does not have: ${what.join(', ')}`,
  )
}

/** Undefined when one of them cannot be read: it may contain a Deny. */
function* policiesOf(texts: readonly PolicyText[], meter: Meter): Work<Policy[] | undefined> {
  const policies: Policy[] = []
  for (const { policy } of yield* compilingPolicies(texts, meter)) {
    if (policy === undefined) return undefined
    policies.push(policy)
  }
  return policies
}
