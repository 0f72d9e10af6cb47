/**
 * An account with things that a limited user, mallory, was not given: behind names, groups, roles, sessions and
 * Denies. And what mallory and all that she controls may do there, measured: by deciding a set of requests as each of
 * them. Requests of hers go over HTTP through the whole gateway.
 */

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
import { allow, deny, FIRST_ACCOUNT, IamWorld } from './world.ts'
import { principalOf } from '../subject.ts'

export const ADMIN = 'arn:aws:iam::aws:policy/AdministratorAccess'
export const iamArn = (rest: string): string => `arn:aws:iam::${FIRST_ACCOUNT}:${rest}`
export const MALLORY = iamArn('user/mallory')
const policyArn = (name: string): string => iamArn(`policy/${name}`)

export function documentOf(...statements: readonly object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements })
}

export function trust(principal: unknown, more: object = {}): string {
  const Principal = principal === '*' ? '*' : { AWS: principal }
  return documentOf({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole', ...more })
}

const GHOST = { Condition: { StringEquals: { 'aws:username': 'ghost' } } }
const objects = (bucket: string, below = '*'): string => `arn:aws:s3:::${bucket}/${below}`
const on = (Effect: string, Principal: unknown, Action: string, Resource: string, more = {}) => ({
  Effect,
  Principal,
  Action,
  Resource,
  ...more,
})

export const BUCKETS = ['open', 'ledger', 'secret', 'named', 'vault', 'work', 'shared'] as const

const POLICIES: Readonly<Record<string, string>> = {
  ledger: documentOf(
    on('Allow', { AWS: MALLORY }, 's3:GetObject', objects('ledger', 'own/*')),
    on('Deny', { AWS: MALLORY }, 's3:GetObject', objects('ledger', 'secret/*')),
    on('Deny', '*', 's3:GetObject', objects('ledger', 'byname/*'), {
      Condition: { StringEquals: { 'aws:username': 'mallory' } },
    }),
  ),
  secret: documentOf(on('Allow', { AWS: iamArn('user/trusted') }, 's3:*', objects('secret'))),
  named: documentOf(on('Allow', '*', 's3:GetObject', objects('named'), GHOST)),
  shared: documentOf(on('Allow', '*', 's3:GetObject', objects('shared'))),
}

type Step = readonly [action: string, parameters: Readonly<Record<string, string>>]

const put = (word: string, name: string, PolicyName: string, PolicyDocument: string): Step => [
  `Put${word}Policy`,
  { [`${word}Name`]: name, PolicyName, PolicyDocument },
]
const role = (RoleName: string, AssumeRolePolicyDocument: string): Step => [
  'CreateRole',
  { RoleName, AssumeRolePolicyDocument },
]
const managed = (PolicyName: string, PolicyDocument: string): Step => [
  'CreatePolicy',
  { PolicyName, PolicyDocument },
]

const STEPS: readonly Step[] = [
  ...['mallory', 'trusted', 'deputy', 'puppet', 'victim', 'broker'].map((UserName): Step => [
    'CreateUser',
    { UserName },
  ]),
  managed('held', allow('s3:ListBucket', 'arn:aws:s3:::open')),
  managed('unheld', allow('*')),
  managed('wall', deny('s3:GetObject', objects('open', 'wall/*'))),
  managed('fence', deny('s3:PutObject', objects('ledger'))),
  managed('limit', allow('s3:GetObject', objects('open'))),
  ['CreatePolicyVersion', { PolicyArn: policyArn('held'), PolicyDocument: allow('*') }],
  put('User', 'mallory', 'base', allow('s3:GetObject', objects('open'))),
  put('User', 'mallory', 'own', allow('s3:*', objects('ledger'))),
  put('User', 'mallory', 'deny', deny('s3:GetObject', objects('open', 'private/*'))),
  put('User', 'victim', 'x', allow('s3:*', objects('vault'))),
  ['AttachUserPolicy', { UserName: 'mallory', PolicyArn: policyArn('held') }],
  ['AttachUserPolicy', { UserName: 'mallory', PolicyArn: policyArn('wall') }],
  ['CreateGroup', { GroupName: 'staff' }],
  put('Group', 'staff', 'deny', deny('s3:DeleteObject', objects('ledger'))),
  ['AttachGroupPolicy', { GroupName: 'staff', PolicyArn: policyArn('fence') }],
  ['AddUserToGroup', { GroupName: 'staff', UserName: 'mallory' }],
  ['CreateGroup', { GroupName: 'admins' }],
  ['AttachGroupPolicy', { GroupName: 'admins', PolicyArn: ADMIN }],
  role('boss', trust(iamArn('user/deputy'))),
  ['AttachRolePolicy', { RoleName: 'boss', PolicyArn: ADMIN }],
  role('worker', trust(MALLORY)),
  put('Role', 'worker', 'x', allow('s3:GetObject', objects('work'))),
  put('Role', 'worker', 'deny', deny('s3:GetObject', objects('work', 'private/*'))),
  role('shadow', trust(FIRST_ACCOUNT, GHOST)),
  put('Role', 'shadow', 'x', allow('s3:*', objects('vault'))),
  role('power', trust(iamArn('user/broker'))),
  ['AttachRolePolicy', { RoleName: 'power', PolicyArn: ADMIN }],
  [
    'CreateRole',
    {
      RoleName: 'apart',
      AssumeRolePolicyDocument: documentOf(
        { Effect: 'Allow', Principal: { AWS: FIRST_ACCOUNT }, Action: 'sts:AssumeRole' },
        { Effect: 'Deny', Principal: { AWS: MALLORY }, Action: 'sts:AssumeRole' },
      ),
    },
  ],
  ['AttachRolePolicy', { RoleName: 'apart', PolicyArn: ADMIN }],
]

const ROLES = ['boss', 'worker', 'shadow', 'power', 'apart', 'ghost']

/** Requests as whose answers rights are measured. */
const PROBES: readonly (readonly [action: string, resource: string])[] = [
  ...[
    'open/x',
    'open/private/x',
    'open/wall/x',
    'ledger/x',
    'ledger/own/x',
    'ledger/secret/x',
    'ledger/byname/x',
    'secret/x',
    'named/x',
    'vault/x',
    'work/x',
    'work/private/x',
    'shared/x',
  ].map((path) => ['s3:GetObject', `arn:aws:s3:::${path}`] as const),
  ['s3:ListBucket', 'arn:aws:s3:::open'],
  ['s3:PutObject', objects('ledger', 'x')],
  ['s3:DeleteObject', objects('ledger', 'x')],
  ['s3:PutObject', objects('vault', 'x')],
  ['s3:PutBucketPolicy', 'arn:aws:s3:::vault'],
  ['s3:CreateBucket', 'arn:aws:s3:::fresh'],
  ['iam:CreateUser', iamArn('user/probe')],
  ['iam:AttachUserPolicy', iamArn('user/victim')],
  ['iam:CreateAccessKey', iamArn('user/trusted')],
  ['iam:DeleteUser', iamArn('user/app/victim')],
]

/** Something that signs: a key, or a session. */
interface Signer {
  readonly id: string
  readonly token?: string
}

export interface EscalationAttempt {
  readonly action: string
  /** Of IAM and STS: a form. Of S3: `bucket`, and the body. */
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
  /** Keys of others that mallory knows the secrets of; they are inactive. */
  lostKeys: readonly string[] = []
  otherAccount = ''
  #url = ''
  #start!: Snapshot
  #mallory = ''
  /** The key of a user without rights, which mallory has too. */
  #puppet = ''
  /** Gives mallory sessions of an administrator's role that the policy `limit` limits. */
  #broker!: Identity
  /** Everybody may do what they may: mallory tells them. */
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
    for (const [action, parameters] of STEPS) await iam.run(iam.root, action, parameters)
    for (const bucket of BUCKETS) {
      await world.#memory.createBucket(internalContext(), {
        bucket,
        ownerAccount: FIRST_ACCOUNT,
        region: 'us-east-1',
      })
      const policy = POLICIES[bucket]
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
    world.lostKeys = [await iam.key(iam.root, 'trusted'), await iam.key(iam.root, 'victim')]
    for (const [at, UserName] of ['trusted', 'victim'].entries()) {
      const AccessKeyId = world.lostKeys[at] as string
      await iam.run(iam.root, 'UpdateAccessKey', { UserName, AccessKeyId, Status: 'Inactive' })
    }
    world.#broker = await iam.identity(await iam.key(iam.root, 'broker'))
    const other = await iam.account('other')
    world.otherAccount = other.accountId
    world.#outsider = await iam.user(other, 'eve', allow('*'))
    await world.#save()
    return world
  }

  close(): Promise<void> {
    return this.#gateway.close({ drainMs: 0 })
  }

  /**
   * From the start, with the right to these actions and no more, mallory makes these attempts one after the other.
   * Returns what she and hers may do afterwards and could not before.
   */
  async gained(
    who: Who,
    attempts: readonly EscalationAttempt[],
  ): Promise<{ gained: string[]; codes: string[] }> {
    await this.#restore()
    const rights = attempts.map(({ action }) => (action.includes(':') ? action : rightOf(action)))
    const text = allowAll(rights)
    const { root } = this.iam
    if (who === 'user') await this.iam.run(root, ...put('User', 'mallory', 'may', text))
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
      const service = ['AssumeRole', 'GetSessionToken'].includes(action) ? 'sts' : 'iam'
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

  /** Of all that these signers are, and of the roles that they may take on one after the other. */
  async #rights(signers: readonly Signer[]): Promise<Set<string>> {
    // What was read before is too old by then.
    this.iam.nowMs += 2_000
    const rights = new Set<string>()
    const queue = [...signers]
    const roles = new Set<string>()
    await this.#probe(undefined, rights)
    await this.#probe(this.#outsider, rights)
    for (const signer of queue) {
      const identity = (await this.#credential(signer))?.identity
      if (identity === undefined) continue
      await this.#probe(identity, rights)
      for (const name of ROLES) {
        if (roles.has(name)) continue
        const session = await this.iam
          .run(identity, 'AssumeRole', { RoleArn: iamArn(`role/${name}`), RoleSessionName: 'it' })
          .catch(() => undefined)
        if (session === undefined) continue
        roles.add(name)
        queue.push(signerOf(session))
      }
    }
    return rights
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
    for (const [action, resource] of PROBES) {
      const bucket = /^arn:aws:s3:::([a-z]+)/.exec(resource)?.[1] ?? ''
      const known = (BUCKETS as readonly string[]).includes(bucket)
      const settings = known
        ? await this.#memory.getBucketSettings(internalContext(), bucket)
        : undefined
      const { policy, principals } = settings ?? {}
      const decision = decide({
        caller: identity === undefined ? 'anonymous' : callerOf(identity),
        identityPolicies: compiled(identity?.policies ?? []),
        sessionPolicies: identity?.sessionPolicies && compiled(identity.sessionPolicies),
        resourcePolicy:
          policy === undefined ? undefined : compiledPolicy('', policy, 'resource', principals),
        restrictPublicBuckets: settings?.publicAccessBlock?.restrictPublicBuckets,
        // What is not there belongs to who asks.
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
  if (['AssumeRole', 'GetSessionToken'].includes(action)) return `sts:${action}`
  return action.endsWith('Account') ? `shoal:${action}` : `iam:${action}`
}

function allowAll(actions: readonly string[]): string {
  return documentOf({ Effect: 'Allow', Action: [...new Set(actions)], Resource: '*' })
}
