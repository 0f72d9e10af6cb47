/**
 * A cluster with an account that a limited user, mallory, attacks. It contains things that she was not given: behind
 * names, groups, roles, sessions and Denies. What she and everything that she controls may do is measured by deciding a
 * set of requests as each of them. Her own requests go over HTTP through the whole gateway.
 */

import { ANONYMOUS } from '../../../gateway/auth/authorize.ts'
import { IAM_ACTIONS } from '../../../gateway/iam/operations.ts'
import { createGateway, type Gateway } from '../../../gateway/server.ts'
import { GatewayMetrics } from '../../../gateway/admin/metrics.ts'
import type { Backend } from '../../../gateway/port/backend.ts'
import type { Credential, Identity } from '../../../gateway/port/identity.ts'
import type { BucketSettings } from '../../../gateway/port/buckets.ts'
import { MemoryBackend } from '../../../gateway/memory/memory-backend.ts'
import { send, sendForm } from '../../../gateway/testing/callers.ts'
import { compiledPolicy } from '../../../protocol/iam/compiled.ts'
import { decide } from '../../../protocol/iam/decide.ts'
import type { Caller } from '../../../protocol/iam/principal.ts'
import { SystemClock } from '../../env/system.ts'
import { internalContext } from '../../tools/internal-context.ts'
import { bucketPoliciesOf } from '../bucket-policies.ts'
import {
  ACCOUNT_STEPS,
  BUCKET_POLICIES,
  BUCKETS,
  documentOf,
  ESCALATION_ROLES,
  HER_CLIENT,
  iamArn,
  IDP,
  MALLORY,
  policyArn,
  putPolicy,
  RIGHTS_PROBES,
  TOKEN_ROLES,
} from './escalation-account.ts'
import { allow, FIRST_ACCOUNT, IamWorld } from './world.ts'
import { principalOf } from '../subject.ts'

/** Credentials: a key, or a session. */
interface Signer {
  readonly id: string
  readonly token?: string
}

export interface EscalationAttempt {
  readonly action: string
  /** For IAM and STS a form; for S3 `bucket` and the body. */
  readonly parameters: Readonly<Record<string, string>>
}

export type Who = 'user' | 'limited'

interface Snapshot {
  readonly values: ReadonlyMap<unknown, unknown>
  readonly settings: ReadonlyMap<string, BucketSettings>
}

export class EscalationWorld {
  readonly iam = new IamWorld()
  readonly #memory = new MemoryBackend({ credentials: [], nowMs: () => Date.now() })
  readonly #gateway: Gateway
  /** Keys of other users whose secrets mallory knows. They are inactive. */
  lostKeys: readonly string[] = []
  otherAccount = ''
  #url = ''
  #start!: Snapshot
  #mallory = ''
  /** The key of a user without rights. Mallory has it too. */
  #puppet = ''
  /** The key of an administrator within the boundary `limit`, which mallory has as well. */
  #tame = ''
  /** Gives mallory sessions of an administrator's role that the policy `limit` limits. */
  #broker!: Identity
  /** Of the account's OIDC provider, for the client `hers`. */
  #webToken = ''
  /** A user of another account who does what mallory asks for. */
  #outsider!: Identity

  constructor() {
    const { resolver, service, principals } = this.iam.identities
    const memory = this.#memory
    const backend = new Proxy(memory, {
      get(target, name: keyof Backend) {
        if (name === 'credential') return resolver.credential.bind(resolver)
        if (name === 'sessionCredential') return resolver.session.bind(resolver)
        if (name === 'principalIds') return principals.principalIds.bind(principals)
        if (name === 'markNamed') return principals.markNamed.bind(principals)
        if (name === 'principalArns') return principals.principalArns.bind(principals)
        return target[name].bind(target)
      },
    })
    this.iam.bucketPolicies = (context, accountId) =>
      bucketPoliciesOf(
        {
          list: (...asked) => memory.listBuckets(...asked),
          settings: (...asked) => memory.getBucketSettings(...asked),
        },
        context,
        accountId,
      )
    const clock = new SystemClock()
    this.#gateway = createGateway({
      backend,
      iam: service,
      region: 'us-east-1',
      hostSuffixes: [],
      clock: {
        nowMs: () => Date.now(),
        monotonicMs: () => clock.monotonicMs(),
        after: (delayMs, run) => clock.after(delayMs, run),
      },
      randomBytes: (count) => new Uint8Array(count).fill(1),
      metrics: new GatewayMetrics(),
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    })
  }

  static async start(): Promise<EscalationWorld> {
    const world = new EscalationWorld()
    world.#url = (await world.#gateway.listen({ host: '127.0.0.1', port: 0 })).url
    const { iam } = world
    for (const [action, parameters] of ACCOUNT_STEPS) await iam.run(iam.root, action, parameters)
    for (const bucket of BUCKETS) {
      await world.#memory.createBucket(internalContext(), {
        bucket,
        ownerAccount: FIRST_ACCOUNT,
        region: 'us-east-1',
      })
      const policy = BUCKET_POLICIES[bucket]
      if (policy !== undefined) await world.#storePolicy(bucket, policy)
    }
    const publicAccessBlock = {
      blockPublicAcls: true,
      ignorePublicAcls: true,
      blockPublicPolicy: true,
      restrictPublicBuckets: true,
    }
    await world.#change('shared', { publicAccessBlock })
    world.#mallory = await iam.key(iam.root, 'mallory')
    world.#puppet = await iam.key(iam.root, 'puppet')
    world.#tame = await iam.key(iam.root, 'tame')
    world.lostKeys = [await iam.key(iam.root, 'trusted'), await iam.key(iam.root, 'victim')]
    for (const [at, UserName] of ['trusted', 'victim'].entries()) {
      const AccessKeyId = world.lostKeys[at] as string
      await iam.run(iam.root, 'UpdateAccessKey', { UserName, AccessKeyId, Status: 'Inactive' })
    }
    world.#broker = await iam.identity(await iam.key(iam.root, 'broker'))
    // Signatures would take most of the time of the measurement.
    const iss = `https://${IDP}`
    iam.webTokens = {
      issuerOf: (token) => (token.includes(iss) ? iss : undefined),
      verify: (_, claims) => Promise.resolve({ claims }),
    }
    const iat = Math.floor(iam.nowMs / 1000)
    const times = { iat, exp: iat + 10 ** 9 }
    world.#webToken = JSON.stringify({ iss, sub: 'mallory', aud: HER_CLIENT, ...times })
    const other = await iam.account('other')
    world.otherAccount = other.accountId
    world.#outsider = await iam.user(other, 'eve', allow('*'))
    await world.#save()
    return world
  }

  close(): Promise<void> {
    return this.#gateway.close({ drainMs: 0 })
  }

  /** From the start, with the right to these actions and no more, mallory makes these attempts one after the other.
   * Returns what she and everything she controls may do afterwards and could not before. */
  async gained(
    who: Who,
    attempts: readonly EscalationAttempt[],
  ): Promise<{ gained: string[]; codes: string[] }> {
    await this.#restore()
    const rights = attempts.map(({ action }) => (action.includes(':') ? action : rightOf(action)))
    const text = allowAll(rights)
    const { root } = this.iam
    if (who === 'user') await this.iam.run(root, ...putPolicy('User', 'mallory', 'may', text))
    else {
      const PolicyDocument = text
      const version = { PolicyArn: policyArn('limit'), PolicyDocument, SetAsDefault: 'true' }
      await this.iam.run(root, 'CreatePolicyVersion', version)
    }
    const limited = signerOf(
      await this.iam.run(this.#broker, 'AssumeRole', {
        RoleArn: iamArn('role/power'),
        RoleSessionName: 'lent',
        'PolicyArns.member.1.arn': policyArn('limit'),
      }),
    )
    const signers: Signer[] = [
      { id: this.#mallory },
      limited,
      { id: this.#puppet },
      { id: this.#tame },
      ...this.lostKeys.map((id) => ({ id })),
    ]
    const before = await this.#rights(signers)
    const codes: string[] = []
    for (const attempt of attempts) {
      const answer = await this.#send(who === 'user' ? signers[0] : limited, attempt)
      codes.push(/<Code>(\w+)/.exec(answer)?.[1] ?? 'done')
      const id = /<AccessKeyId>(\w+)<\/AccessKeyId>/.exec(answer)?.[1]
      const token = /<SessionToken>([^<]+)</.exec(answer)?.[1]
      if (id !== undefined && /<SecretAccessKey>/.test(answer)) {
        signers.push(token === undefined ? { id } : { id, token })
      }
    }
    const after = await this.#rights(signers)
    return { gained: [...after].filter((each) => !before.has(each)), codes }
  }

  async #send(
    signer: Signer | undefined,
    { action, parameters }: EscalationAttempt,
  ): Promise<string> {
    const who = signer && (await this.#credential(signer))
    if (signer === undefined || who === undefined) return '<Code>InvalidClientTokenId</Code>'
    const target = { endpoint: this.#url, region: 'us-east-1' }
    const headers: Record<string, string> =
      signer.token === undefined ? {} : { 'x-amz-security-token': signer.token }
    if (!action.startsWith('s3:')) {
      const service = IAM_ACTIONS.get(action)?.service ?? 'iam'
      const Version = service === 'sts' ? '2011-06-15' : '2010-05-08'
      const form = { Action: action, Version, ...parameters }
      return (await sendForm(target, who, form, { service, headers })).text
    }
    const { bucket = '', body } = parameters
    const isPolicy = action.endsWith('BucketPolicy')
    const answer = await send(target, who, {
      method: action.startsWith('s3:Delete') || body === undefined ? 'DELETE' : 'PUT',
      path: `/${bucket}`,
      query: [[isPolicy ? 'policy' : 'publicAccessBlock', '']],
      headers,
      body: body === undefined ? [] : [Buffer.from(body)],
    })
    return answer.text
  }

  /** The rights of all these signers, and of the roles that they may assume one after the other. */
  async #rights(signers: readonly Signer[]): Promise<Set<string>> {
    // So that cached identities are too old.
    this.iam.nowMs += 2_000
    const rights = new Set<string>()
    const queue = [...signers]
    const roles = new Set<string>()
    await this.#probe(undefined, rights)
    await this.#probe(this.#outsider, rights)
    const take = async (identity: Identity | undefined): Promise<void> => {
      for (const name of identity === undefined ? TOKEN_ROLES : ESCALATION_ROLES) {
        const session = roles.has(name) ? undefined : await this.#assumed(identity, name)
        if (session === undefined) continue
        roles.add(name)
        queue.push(session)
      }
    }
    await take(undefined)
    for (const signer of queue) {
      const identity = (await this.#credential(signer))?.identity
      if (identity === undefined) continue
      await this.#probe(identity, rights)
      await take(identity)
    }
    return rights
  }

  /** A session of the role for whoever has these credentials or, without any, mallory's token. */
  async #assumed(identity: Identity | undefined, role: string): Promise<Signer | undefined> {
    const asked = { RoleArn: iamArn(`role/${role}`), RoleSessionName: 'it' }
    const session = await (
      identity === undefined
        ? this.iam.run(ANONYMOUS, 'AssumeRoleWithWebIdentity', {
            ...asked,
            WebIdentityToken: this.#webToken,
          })
        : this.iam.run(identity, 'AssumeRole', asked)
    ).catch(() => undefined)
    return session && signerOf(session)
  }

  async #credential({ id, token }: Signer): Promise<Credential | undefined> {
    const { resolver } = this.iam.identities
    try {
      return await (token === undefined ? resolver.credential(id) : resolver.session(id, token))
    } catch {
      return undefined
    }
  }

  async #probe(identity: Identity | undefined, rights: Set<string>): Promise<void> {
    for (const [action, resource] of RIGHTS_PROBES) {
      const bucket = /^arn:aws:s3:::([a-z]+)/.exec(resource)?.[1] ?? ''
      const known = (BUCKETS as readonly string[]).includes(bucket)
      const settings = known
        ? await this.#memory.getBucketSettings(internalContext(), bucket)
        : undefined
      const { policy, principals } = settings ?? {}
      const decision = decide({
        caller: identity === undefined ? 'anonymous' : callerOf(identity),
        identityPolicies: compiled(identity?.policies ?? []),
        boundary: identity?.boundary && compiled([identity.boundary])[0],
        sessionPolicies: identity?.sessionPolicies && compiled(identity.sessionPolicies),
        resourcePolicy:
          policy === undefined ? undefined : compiledPolicy('', policy, 'resource', principals),
        restrictPublicBuckets: settings?.publicAccessBlock?.restrictPublicBuckets,
        // A bucket that does not exist belongs to the principal that asks.
        resourceAccount: bucket === 'fresh' ? (identity?.accountId ?? '') : FIRST_ACCOUNT,
        action,
        resource,
        context: new Map(),
      })
      const who = bucket === 'fresh' && identity === this.#outsider ? 'eve ' : ''
      if (decision.allowed) rights.add(`${who}${action} ${resource}`)
    }
  }

  async #storePolicy(bucket: string, policy: string): Promise<void> {
    const named = [MALLORY, iamArn('user/trusted')].filter((arn) => policy.includes(arn))
    const ids = await this.iam.identities.principals.principalIds(internalContext(), named)
    const principals = [...ids].map(([arn, id]) => ({ arn, id }))
    await this.#change(bucket, { policy, principals })
  }

  #change(bucket: string, change: Parameters<Backend['changeBucket']>[1]['change']): Promise<void> {
    return this.#memory.changeBucket(internalContext(), { bucket, change })
  }

  async #save(): Promise<void> {
    const settings = new Map<string, BucketSettings>()
    for (const bucket of BUCKETS) {
      settings.set(bucket, await this.#memory.getBucketSettings(internalContext(), bucket))
    }
    this.#start = { values: new Map(this.iam.registers.values), settings }
  }

  async #restore(): Promise<void> {
    const { values } = this.iam.registers
    values.clear()
    for (const [key, value] of this.#start.values) values.set(key as never, value as never)
    for (const [bucket, { policy, principals, publicAccessBlock }] of this.#start.settings) {
      await this.#change(bucket, {
        policy: policy ?? null,
        ...(principals !== undefined && { principals }),
        publicAccessBlock: publicAccessBlock ?? null,
      })
    }
    this.iam.nowMs += 2_000
  }
}

function signerOf(result: Readonly<Record<string, unknown>>): Signer {
  const { AccessKeyId, SessionToken } = result['Credentials'] as Record<string, string>
  return { id: AccessKeyId as string, token: SessionToken as string }
}

function compiled(policies: Identity['policies']) {
  return policies.map(({ name, text }) => compiledPolicy(name, text))
}

function callerOf(identity: Identity): Caller {
  return identity.type === 'Anonymous' ? 'anonymous' : principalOf(identity)
}

function rightOf(action: string): string {
  return IAM_ACTIONS.get(action)?.action ?? action
}

function allowAll(actions: readonly string[]): string {
  return documentOf({ Effect: 'Allow', Action: [...new Set(actions)], Resource: '*' })
}
