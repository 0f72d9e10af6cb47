/**
 * AssumeRoleWithWebIdentity: a token of an OIDC provider is exchanged for a session of a role. The caller has no
 * credentials, so everything depends on the token:
 *
 *   issuer → the provider of the role's account → its keys → signature → claims → the role → its trust policy
 *
 * Until the signature is verified, little is done: the token is parsed, and two records are read. A stranger is not told
 * whether a role exists. The session has what the token says as condition values ('idp.example.org:sub').
 */

import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import { compiledPolicy } from '../../protocol/iam/compiled.ts'
import {
  deciding,
  DECISION_STEPS_MAX,
  type Decision,
  type Question,
} from '../../protocol/iam/decide.ts'
import { providerArn } from '../../protocol/iam/identity.ts'
import type { ProviderRecord } from '../../protocol/iam/provider-record.ts'
import type { RoleRecord } from '../../protocol/iam/role-record.ts'
import type { ContextValues } from '../../protocol/iam/template.ts'
import { BudgetError, Meter, type Work } from '../../protocol/work.ts'
import type { WebTokens } from '../env/ports.ts'
import { accessDenied } from './errors.ts'
import { requiredText } from './parameters.ts'
import type { Providers } from './providers.ts'
import type { Records } from './records.ts'
import { sessionArn } from './resolve.ts'
import { accountOfRole, type Roles } from './roles.ts'
import type { IamActions } from './service.ts'
import {
  assumedRoleUser,
  sessionCredentials,
  packedPolicySize,
  roleSessionSeconds,
  sessionLimits,
} from './session-answers.ts'
import type { Sessions } from './sessions.ts'
import { invalidIdentityToken, readWebClaims, type WebClaims } from './web-claims.ts'

const ACTION = 'sts:AssumeRoleWithWebIdentity'

export interface WebIdentitiesOptions {
  readonly records: Records
  readonly sessions: Sessions
  readonly roles: Pick<Roles, 'ofArn'>
  readonly providers: Pick<Providers, 'ofIssuer'>
  /** Without it no token counts. */
  readonly webTokens: WebTokens | undefined
}

/** Answers the one action. Holds no state. */
export class WebIdentities {
  readonly #options: WebIdentitiesOptions

  constructor(options: WebIdentitiesOptions) {
    this.#options = options
  }

  actions(): IamActions {
    return { AssumeRoleWithWebIdentity: (call) => this.#assume(call) }
  }

  async #assume(call: IamCall): Promise<IamResult> {
    const { records, sessions, roles } = this.#options
    const roleArn = requiredText(call, 'RoleArn')
    const sessionName = requiredText(call, 'RoleSessionName')
    const { provider, claims } = await this.#verified(call, roleArn)
    const role = await roles.ofArn(call.context, roleArn)
    const about = { provider, claims, roleArn, sessionName }
    if (role === undefined || !(await call.inTurns(trusting(call, role, about))).allowed) {
      throw accessDenied(`Not authorized to perform ${ACTION}`)
    }
    const issued = await sessions.issue(
      {
        kind: 'role',
        principalArn: sessionArn(role, sessionName),
        accountId: role.accountId,
        entityId: role.id,
        name: role.name,
        sessionName,
        ...(await sessionLimits(records, call, role.accountId)),
        keys: new Map([
          ['aws:federatedprovider', [providerArn(provider.accountId, provider.name)]],
          ...keysOfToken(provider, claims),
        ]),
      },
      roleSessionSeconds(call, role),
    )
    return {
      SubjectFromWebIdentityToken: claims.subject,
      Audience: claims.audience,
      AssumedRoleUser: assumedRoleUser(issued),
      Credentials: sessionCredentials(issued),
      PackedPolicySize: packedPolicySize(issued),
      Provider: claims.issuer,
    }
  }

  /** Throws IamError InvalidIdentityToken, ExpiredTokenException, or StoreError Unavailable. */
  async #verified(
    call: IamCall,
    roleArn: string,
  ): Promise<{ provider: ProviderRecord; claims: WebClaims }> {
    const { webTokens, providers } = this.#options
    const token = requiredText(call, 'WebIdentityToken')
    const issuer = webTokens?.issuerOf(token)
    if (webTokens === undefined || issuer === undefined) {
      throw invalidIdentityToken(
        'The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)',
      )
    }
    const accountId = accountOfRole(roleArn)
    const provider = accountId && (await providers.ofIssuer(call.context, accountId, issuer))
    if (!provider) {
      const shown = issuer.slice(0, 255)
      throw invalidIdentityToken(`No OpenIDConnect provider found in your account for ${shown}`)
    }
    const verified = await webTokens.verify(issuer, token)
    if ('lacks' in verified) throw invalidIdentityToken(REASONS[verified.lacks])
    return { provider, claims: readWebClaims(verified.claims, provider, call.nowMs) }
  }
}

const REASONS = {
  keys: "Couldn't retrieve verification key from your identity provider: this cluster has been given no keys of it",
  key: "Couldn't retrieve verification key from your identity provider: it has no key that fits the token",
  signature: 'The signature of the ID Token is not valid',
} as const

interface About {
  readonly provider: ProviderRecord
  readonly claims: WebClaims
  readonly roleArn: string
  readonly sessionName: string
}

/** Whether the role's trust policy lets in whoever has this token. */
function* trusting(call: IamCall, role: RoleRecord, about: About): Work<Decision> {
  const { provider, claims, roleArn, sessionName } = about
  const own = new Map([
    ...keysOfToken(provider, claims),
    ['sts:rolesessionname', [sessionName]] as const,
  ])
  const { conditions } = call
  const context: ContextValues = {
    get: (key) => own.get(key) ?? conditions.get(key),
    has: (key) => own.has(key) || conditions.has(key),
  }
  const question: Question = {
    caller: {
      accountId: '',
      arn: providerArn(provider.accountId, provider.name),
      type: 'Federated',
      isRoot: false,
      userId: provider.id,
    },
    identityPolicies: [],
    resourcePolicy: compiledPolicy('trust policy', role.trust, 'trust', role.principals),
    resourceMustAllow: true,
    resourceAccount: role.accountId,
    action: ACTION,
    resource: roleArn,
    context,
  }
  try {
    return yield* deciding(question, new Meter(DECISION_STEPS_MAX))
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error
    return { allowed: false, kind: 'explicit-deny', source: 'resource' }
  }
}

/**
 * Condition values, by lower-case key. As in AWS, `aud` is the authorized party of a token that names one, and its
 * audience is then `oaud`.
 */
function keysOfToken(
  { name }: ProviderRecord,
  { subject, audience, originalAudiences, methods }: WebClaims,
): (readonly [string, readonly string[]])[] {
  const prefix = name.toLowerCase()
  return [
    [`${prefix}:aud`, [audience]],
    [`${prefix}:sub`, [subject]],
    ...(originalAudiences.length > 0
      ? ([
          [`${prefix}:azp`, [audience]],
          [`${prefix}:oaud`, originalAudiences],
        ] as const)
      : []),
    ...(methods.length > 0 ? ([[`${prefix}:amr`, methods]] as const) : []),
  ]
}
