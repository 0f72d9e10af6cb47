/**
 * Temporary credentials: STS's actions of the query API. This file decides who gets a session, how
 * long it lasts and what limits it; sessions.ts makes the token.
 *
 * The gate authorises neither GetSessionToken, which needs no right, nor AssumeRole, which the role's
 * trust policy decides. A session never gets more rights than the user or role behind it.
 */

import type { Identity } from '../../gateway/port/identity.ts'
import type { IamError, IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import { compiledPolicy } from '../../protocol/iam/compiled.ts'
import type { Decision } from '../../protocol/iam/decide.ts'
import type { Work } from '../../protocol/work.ts'
import type { ContextValues } from '../../protocol/iam/template.ts'
import type { RoleRecord } from '../../protocol/iam/role-record.ts'
import { accessDenied, noSuchEntity, validationError } from './errors.ts'
import { integerParameter, requiredText, textParameter } from './parameters.ts'
import { ACCESS_KEY, type Records } from './records.ts'
import { sessionArn } from './resolve.ts'
import type { Roles } from './roles.ts'
import type { IamActions } from './service.ts'
import {
  assumedRoleUser,
  sessionCredentials,
  packedPolicySize,
  roleSessionSeconds,
  sessionLimits,
} from './session-answers.ts'
import { HOUR_SECONDS, type Sessions, type SessionSubject } from './sessions.ts'
import { decidingFor } from './subject.ts'

/**
 * How long a session of GetSessionToken lasts by default: of a user 12 hours, of the root an hour, which is its
 * longest.
 */
const USER_SESSION_SECONDS = 43_200

export interface StsOptions {
  readonly records: Records
  readonly sessions: Sessions
  readonly roles: Roles
  /** The key in the genesis record: no other record has it. */
  readonly root: () => { readonly accessKeyId: string; readonly identity: Identity }
}

export class Sts {
  readonly #options: StsOptions

  constructor(options: StsOptions) {
    this.#options = options
  }

  actions(): IamActions {
    return {
      GetCallerIdentity: ({ caller }) =>
        Promise.resolve({
          UserId: caller.principalId,
          Account: caller.accountId,
          Arn: caller.principalArn,
        }),
      GetSessionToken: (call) => this.#getSessionToken(call),
      AssumeRole: (call) => this.#assumeRole(call),
      GetAccessKeyInfo: (call) => this.#getAccessKeyInfo(call),
    }
  }

  /**
   * A session for the caller itself. The caller needs no right, but a Deny counts. Session
   * credentials can't ask for more of them. The root's sessions are shortened to an hour, as in AWS.
   */
  async #getSessionToken(call: IamCall): Promise<IamResult> {
    const { caller } = call
    if (caller.tokenIssuedMs !== undefined) {
      throw accessDenied('Cannot call GetSessionToken with session credentials')
    }
    const asked = integerParameter(call, 'DurationSeconds')
    if (!caller.isRoot) {
      const decision = await call.inTurns(
        decidingFor(caller, {
          resourceAccount: caller.accountId,
          action: 'sts:GetSessionToken',
          resource: '*',
          context: call.conditions,
        }),
      )
      if (decision.kind === 'explicit-deny') throw notAuthorized(caller, 'sts:GetSessionToken', '*')
    }
    const seconds = caller.isRoot
      ? Math.min(asked ?? HOUR_SECONDS, HOUR_SECONDS)
      : (asked ?? USER_SESSION_SECONDS)
    const issued = await this.#options.sessions.issue(
      {
        kind: caller.isRoot ? 'root' : 'user',
        principalArn: caller.principalArn,
        accountId: caller.accountId,
        entityId: caller.principalId,
        name: caller.userName,
        sessionName: '',
        policy: '',
        policyArns: [],
        policyIds: [],
      },
      seconds,
    )
    return { Credentials: sessionCredentials(issued) }
  }

  /**
   * A session of a role. The trust policy decides (`trusting`); then the role's longest duration and,
   * with session credentials, one hour bound it.
   */
  async #assumeRole(call: IamCall): Promise<IamResult> {
    const { caller } = call
    const arn = requiredText(call, 'RoleArn')
    const sessionName = requiredText(call, 'RoleSessionName')
    if (caller.isRoot) throw accessDenied('Roles may not be assumed by root accounts.')
    const role = await this.#options.roles.ofArn(call.context, arn)
    // Only callers who may assume the role are told whether it exists.
    if (
      role === undefined ||
      !(await call.inTurns(trusting(call, role, arn, sessionName))).allowed
    ) {
      throw notAuthorized(caller, 'sts:AssumeRole', arn)
    }
    const seconds = roleSessionSeconds(call, role)
    // For every kind of session, also one of GetSessionToken, as in AWS.
    const isChained = caller.tokenIssuedMs !== undefined
    if (isChained && seconds > HOUR_SECONDS) {
      throw validationError(
        'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
      )
    }
    const subject: SessionSubject = {
      kind: 'role',
      principalArn: sessionArn(role, sessionName),
      accountId: role.accountId,
      entityId: role.id,
      name: role.name,
      sessionName,
      isChained,
      ...(await sessionLimits(this.#options.records, call, role.accountId)),
    }
    const issued = await this.#options.sessions.issue(subject, seconds)
    return {
      Credentials: sessionCredentials(issued),
      AssumedRoleUser: assumedRoleUser(issued),
      PackedPolicySize: packedPolicySize(issued),
    }
  }

  /** The account of a key. No other part of the key is told. */
  async #getAccessKeyInfo(call: IamCall): Promise<IamResult> {
    const id = requiredText(call, 'AccessKeyId')
    const root = this.#options.root()
    if (root.accessKeyId === id) return { Account: root.identity.accountId }
    const key = await this.#options.records.read(call.context, ACCESS_KEY, id)
    if (key === undefined) throw noSuchEntity('access key', id)
    return { Account: key.accountId }
  }
}

/**
 * Whether the caller may assume the role. The role's trust policy decides. In the same account it is
 * enough that it names the caller. When it names only the account, and always across accounts, the
 * caller also needs the right in its own account.
 */
function trusting(
  call: IamCall,
  role: RoleRecord,
  arn: string,
  sessionName: string,
): Work<Decision> {
  const externalId = textParameter(call, 'ExternalId')
  // Known to be absent when it is absent: a condition may ask for that.
  const own = new Map<string, readonly string[]>([
    ['sts:externalid', externalId === undefined ? [] : [externalId]],
    ['sts:rolesessionname', [sessionName]],
  ])
  const { conditions } = call
  const context: ContextValues = {
    get: (key) => own.get(key) ?? conditions.get(key),
    has: (key) => own.has(key) || conditions.has(key),
  }
  return decidingFor(call.caller, {
    resourcePolicy: compiledPolicy('trust policy', role.trust, 'trust', role.principals),
    resourceMustAllow: true,
    resourceAccount: role.accountId,
    action: 'sts:AssumeRole',
    resource: arn,
    context,
  })
}

function notAuthorized(caller: Identity, action: string, resource: string): IamError {
  return accessDenied(
    `User: ${caller.principalArn} is not authorized to perform: ${action} on resource: ${resource}`,
  )
}
