/** The query API over HTTP: signatures, rights, documents, with the real IAM role behind it, on one thread and across the port. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GatewayMetrics } from '../../gateway/admin/metrics.ts'
import type { Backend } from '../../gateway/port/backend.ts'
import { ABSENT_ACTIONS } from '../../gateway/iam/absent.ts'
import { IAM_ACTIONS } from '../../gateway/iam/operations.ts'
import type { ParameterRule } from '../../gateway/iam/parameters.ts'
import type { RightsSource } from '../../gateway/port/rights.ts'
import { createGateway, type Gateway } from '../../gateway/server.ts'
import { joinThreads, type Joined } from '../../gateway/threads/testing/joined.ts'
import { childNamed, QueryClient, elementText, type QuerySigner } from '../cli/query-client.ts'
import { SystemClock } from '../env/system.ts'
import type { IamService } from './service.ts'
import { TestIssuer } from './testing/issuer.ts'
import { allow, deny, FIRST_KEY, FIRST_ACCOUNT, IamWorld } from './testing/world.ts'

const ROOT: QuerySigner = { accessKeyId: FIRST_KEY, secretAccessKey: 'founder-secret' }

let world: IamWorld
let gateway: Gateway
let url: string
let lines: Record<string, unknown>[]
let joined: Joined | undefined

beforeEach(() => {
  world = new IamWorld()
  lines = []
})
afterEach(async () => {
  await gateway.close({ drainMs: 0 })
  joined?.close()
  joined = undefined
})

async function start(place: (typeof PLACES)[number]): Promise<void> {
  const { resolver, service } = world.identities
  const clock = new SystemClock()
  const own = {
    credential: (id: string) => resolver.credential(id),
    sessionCredential: (id: string, token: string) => resolver.session(id, token),
  } as Backend
  if (place === 'across the port') {
    const rights: RightsSource = {
      timedCredential: (id, token, ageMs) => resolver.timed(id, token, ageMs),
      timedAccess: () => Promise.reject(new Error('no request is about a bucket')),
      onForget: (forget) => resolver.onForget(forget),
    }
    joined = joinThreads(own, { iam: service, kept: { rights, monotonicMs: () => world.nowMs } })
  }
  gateway = createGateway({
    backend: joined?.thread ?? own,
    iam: joined?.thread.iam ?? service,
    region: 'eu-north-1',
    hostSuffixes: [],
    clock: {
      nowMs: () => world.nowMs,
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, run) => clock.after(delayMs, run),
    },
    randomBytes: (count) => new Uint8Array(count).fill(1),
    metrics: new GatewayMetrics(),
    logger: {
      debug() {},
      info: (fields) => void lines.push(fields),
      warn() {},
      error: (fields) => void lines.push(fields),
    },
  })
  url = (await gateway.listen({ host: '127.0.0.1', port: 0 })).url
}

const now = { nowMs: (): number => world.nowMs }
const client = (signer: QuerySigner): QueryClient => new QueryClient(new URL(url), signer, now)
const run = (signer: QuerySigner, action: string, parameters: Record<string, string> = {}) =>
  client(signer).run(action, parameters)
/** AWS's error code; undefined when the call succeeded. */
const codeOf = (
  signer: QuerySigner,
  action: string,
  parameters: Record<string, string> = {},
): Promise<string | undefined> =>
  run(signer, action, parameters).then(
    () => undefined,
    (error: Error) => error.message.split(':')[0],
  )

async function signerOf(name: string, ...policies: string[]): Promise<QuerySigner> {
  await world.run(world.root, 'CreateUser', { UserName: name })
  for (const [index, PolicyDocument] of policies.entries()) {
    const PolicyName = `p${index}`
    await world.run(world.root, 'PutUserPolicy', { UserName: name, PolicyName, PolicyDocument })
  }
  const made = await world.run(world.root, 'CreateAccessKey', { UserName: name })
  const key = made['AccessKey'] as { AccessKeyId: string; SecretAccessKey: string }
  return { accessKeyId: key.AccessKeyId, secretAccessKey: key.SecretAccessKey }
}

/** The fewest parameters that the operation takes. */
function sample(action: string): Record<string, string> {
  const service = IAM_ACTIONS.get(action)?.service
  const parameters: Record<string, string> = service === 'sts' ? { Version: '2011-06-15' } : {}
  const add = (name: string, rule: ParameterRule): void => {
    if (rule.type === 'list') add(`${name}.member.1`, rule.items)
    else if (rule.type === 'record') {
      for (const [field, inner] of Object.entries(rule.fields)) {
        if (inner.required === true) add(`${name}.${field}`, inner)
      }
    } else if (rule.type === 'choice') parameters[name] = rule.choices[0] as string
    else if (rule.type === 'integer') parameters[name] = String(rule.min)
    else parameters[name] = SAMPLES[name] ?? 'x'.repeat(Math.max(rule.min, 3))
  }
  for (const [name, rule] of Object.entries(IAM_ACTIONS.get(action)?.parameters ?? {})) {
    if (rule.required === true) add(name, rule)
  }
  return parameters
}

const SAMPLES: Record<string, string> = {
  AccountId: '123456789012',
  PermissionsBoundary: `arn:aws:iam::${FIRST_ACCOUNT}:policy/p`,
  PolicyArn: `arn:aws:iam::${FIRST_ACCOUNT}:policy/p`,
  PolicySourceArn: `arn:aws:iam::${FIRST_ACCOUNT}:user/ann`,
  OpenIDConnectProviderArn: `arn:aws:iam::${FIRST_ACCOUNT}:oidc-provider/idp.example.org`,
  RoleArn: `arn:aws:iam::${FIRST_ACCOUNT}:role/r`,
  PolicyDocument: allow('s3:*'),
  AssumeRolePolicyDocument: '{}',
  VersionId: 'v1',
}

/** Where the gateway is: on the thread of the role, or across the port. */
const PLACES = ['on one thread', 'across the port'] as const

describe.each(PLACES)('the query API on the S3 port, %s', (place) => {
  beforeEach(() => start(place))

  it('has an answer for each operation of the table, and an operation for each answer', () => {
    const actions = (world.identities.service as IamService).actions()
    expect(actions.sort()).toEqual([...IAM_ACTIONS.keys()].sort())
  })

  it('answers signed requests in its own documents', async () => {
    const made = await run(ROOT, 'CreateUser', { UserName: 'ann' })
    expect(elementText(childNamed(made, 'User') ?? made, 'UserName')).toBe('ann')
    expect(await codeOf(ROOT, 'CreateUser', { UserName: 'ann' })).toBe('EntityAlreadyExists')
    expect(await codeOf(ROOT, 'GetUser', { UserName: 'eve' })).toBe('NoSuchEntity')
    expect(await codeOf(ROOT, 'Nonsense')).toBe('InvalidAction')
    expect(await codeOf(ROOT, ABSENT_ACTIONS[0] as string)).toBe('NotImplemented')
    expect(await codeOf(ROOT, 'CreateUser', { Version: '2011-06-15' })).toBe('InvalidAction')
    expect(await codeOf(ROOT, 'CreateUser', { UserName: 'b', Boundary: 'x' })).toBe(
      'NotImplemented',
    )
  })

  it('lets a policy name users by path and name', async () => {
    const arn = `arn:aws:iam::${FIRST_ACCOUNT}:user/dev/*`
    const helper = await signerOf('helper', allow('iam:*User', arn))
    expect(await codeOf(helper, 'CreateUser', { UserName: 'a', Path: '/dev/' })).toBeUndefined()
    expect(await codeOf(helper, 'CreateUser', { UserName: 'b', Path: '/ops/' })).toBe(
      'AccessDenied',
    )
    expect(await codeOf(helper, 'GetUser', { UserName: 'a' })).toBeUndefined()
    const move = { UserName: 'a', NewPath: '/ops/' }
    expect(await codeOf(helper, 'UpdateUser', move)).toBe('AccessDenied')
    expect(await codeOf(helper, 'DeleteUser', { UserName: 'helper' })).toBe('AccessDenied')
    expect(await codeOf(helper, 'DeleteUser', { UserName: 'a' })).toBeUndefined()
  })
})

describe.each(PLACES)('signatures of the query API, %s', (place) => {
  beforeEach(() => start(place))

  it('refuses unsigned and altered requests (F22)', async () => {
    const wrong = { ...ROOT, secretAccessKey: 'another' }
    expect(await codeOf(wrong, 'ListUsers')).toBe('SignatureDoesNotMatch')
    expect(await codeOf({ ...ROOT, accessKeyId: 'NOBODY' }, 'ListUsers')).toBe(
      'InvalidClientTokenId',
    )
    world.nowMs += 20 * 60_000
    const late = new QueryClient(new URL(url), ROOT, { nowMs: () => world.nowMs - 20 * 60_000 })
    await expect(late.run('ListUsers', {})).rejects.toThrow(/RequestTimeTooSkewed/)
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const post = (body: string, extra: Record<string, string> = {}) =>
      fetch(url, { method: 'POST', body, headers: { ...headers, ...extra } })
    const anonymous = await post('Action=ListUsers')
    expect(anonymous.status).toBe(403)
    expect(await anonymous.text()).toContain('<Code>MissingAuthenticationToken</Code>')
    const huge = await post('x'.repeat(300_000), { authorization: 'AWS4-HMAC-SHA256 x' })
    expect(huge.status).toBeGreaterThanOrEqual(400)
    const get = await fetch(`${url}/?Action=ListUsers`)
    expect(get.status).toBe(403)
  })

  it('takes session tokens until they expire', async () => {
    await signerOf('ann', allow('iam:*'))
    const ann = { ...(await signerOf('bob', allow('iam:*'))) }
    const session = childNamed(
      await run(ann, 'GetSessionToken', { Version: '2011-06-15' }),
      'Credentials',
    )
    if (session === undefined) throw new Error('no credentials')
    const temporary = {
      accessKeyId: elementText(session, 'AccessKeyId'),
      secretAccessKey: elementText(session, 'SecretAccessKey'),
      sessionToken: elementText(session, 'SessionToken'),
    }
    expect(await codeOf(temporary, 'GetCallerIdentity', { Version: '2011-06-15' })).toBeUndefined()
    world.nowMs += 2 * 86_400_000
    for (const name of IAM_ACTIONS.keys()) {
      expect([name, await codeOf(temporary, name, sample(name))]).toEqual([name, 'ExpiredToken'])
    }
  })
})

describe.each(PLACES)('rights in the query API, %s', (place) => {
  beforeEach(() => start(place))

  it('allows only what a policy allows and none denies (F30)', async () => {
    const nobody = await signerOf('nobody')
    const forbidden = await signerOf('forbidden', allow('*'), deny('*'))
    for (const [name, operation] of IAM_ACTIONS) {
      const refused = operation.unsigned === true ? 'InvalidIdentityToken' : 'AccessDenied'
      const expected = operation.authorizedBy === 'nobody' ? undefined : refused
      const own = name === 'GetSessionToken' ? undefined : expected
      expect([name, await codeOf(nobody, name, sample(name))]).toEqual([name, own])
      expect([name, await codeOf(forbidden, name, sample(name))]).toEqual([name, expected])
    }
    for (const [name, { unsigned }] of IAM_ACTIONS) {
      const form = new URLSearchParams({ Action: name, ...sample(name) })
      const { status } = await fetch(url, { method: 'POST', body: form })
      expect([name, status]).toEqual([name, unsigned === true ? 400 : 403])
    }
  })

  it('keeps accounts apart: names of another account do not exist, and its policies are refused', async () => {
    await world.run(world.root, 'CreateUser', { UserName: 'ann' })
    await world.run(world.root, 'CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('*') })
    const made = await world.run(world.root, 'CreateAccount', { Name: 'other' })
    const key = made['AccessKey'] as { AccessKeyId: string; SecretAccessKey: string }
    const other = { accessKeyId: key.AccessKeyId, secretAccessKey: key.SecretAccessKey }
    world.nowMs += 10_000
    expect(await codeOf(other, 'GetUser', { UserName: 'ann' })).toBe('NoSuchEntity')
    expect(await codeOf(other, 'DeleteUser', { UserName: 'ann' })).toBe('NoSuchEntity')
    for (const action of ['GetPolicy', 'DeletePolicy', 'ListEntitiesForPolicy']) {
      expect(await codeOf(other, action, sample(action))).toBe('AccessDenied')
    }
    for (const action of ['CreateAccount', 'ListAccounts', 'DeleteAccount']) {
      expect(await codeOf(other, action, sample(action))).toBe('AccessDenied')
    }
  })
})

describe.each(PLACES)('requests without a signature, %s', (place) => {
  beforeEach(() => start(place))

  it('take a token for a session, from a form or a query, and no long form is read for it', async () => {
    const issuer = await TestIssuer.create('https://idp.example.org')
    world.issuerKeys.set(issuer.url, issuer.keys)
    const provider = { Url: issuer.url, 'ClientIDList.member.1': 'app' }
    await run(ROOT, 'CreateOpenIDConnectProvider', provider)
    const Federated = `arn:aws:iam::${FIRST_ACCOUNT}:oidc-provider/idp.example.org`
    await run(ROOT, 'CreateRole', {
      RoleName: 'r',
      AssumeRolePolicyDocument: statement('sts:AssumeRoleWithWebIdentity', {
        Principal: { Federated },
        Condition: { IpAddress: { 'aws:SourceIp': '127.0.0.1' } },
      }),
    })
    const PolicyDocument = statement('iam:ListUsers', {
      Resource: '*',
      Condition: { StringEquals: { 'idp.example.org:sub': 'ann' } },
    })
    await run(ROOT, 'PutRolePolicy', { RoleName: 'r', PolicyName: 'p', PolicyDocument })
    const iat = Math.floor(world.nowMs / 1000)
    const asked = async (sub: string): Promise<URLSearchParams> =>
      new URLSearchParams({
        Action: 'AssumeRoleWithWebIdentity',
        Version: '2011-06-15',
        RoleArn: `arn:aws:iam::${FIRST_ACCOUNT}:role/r`,
        RoleSessionName: 'one',
        WebIdentityToken: await issuer.token({ sub, aud: 'app', iat, exp: iat + 60 }),
      })
    const form = await asked('ann')
    const ann = await signerIn(await fetch(url, { method: 'POST', body: form }))
    expect(await codeOf(ann, 'ListUsers')).toBeUndefined()
    const bob = await signerIn(await fetch(`${url}/?${(await asked('bob')).toString()}`))
    expect(await codeOf(bob, 'ListUsers')).toBe('AccessDenied')
    form.set('Policy', ' '.repeat(70_000))
    const long = await fetch(url, { method: 'POST', body: form })
    expect(await long.text()).toContain('<Code>MissingAuthenticationToken</Code>')
  })
})

function statement(Action: string, more: object): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: { Effect: 'Allow', Action, ...more } })
}

/** The credentials in an answer of STS. */
async function signerIn(answer: Response): Promise<QuerySigner> {
  const text = await answer.text()
  const valueOf = (name: string): string => new RegExp(`<${name}>([^<]+)`).exec(text)?.[1] ?? text
  return {
    accessKeyId: valueOf('AccessKeyId'),
    secretAccessKey: valueOf('SecretAccessKey'),
    sessionToken: valueOf('SessionToken'),
  }
}

describe.each(PLACES)('conditions of the query API, %s', (place) => {
  beforeEach(() => start(place))

  it('tell the boundary that is given or there, and the policy that is attached', async () => {
    const PermissionsBoundary = sample('PutUserPermissionsBoundary')[
      'PermissionsBoundary'
    ] as string
    const PolicyArn = 'arn:aws:iam::aws:policy/IAMReadOnlyAccess'
    await run(ROOT, 'CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('iam:Get*') })
    const when = (Action: string[], keys: object) => ({
      Effect: 'Allow',
      Action,
      Resource: '*',
      Condition: { StringEquals: keys },
    })
    const within = { 'iam:PermissionsBoundary': PermissionsBoundary }
    const Statement = [
      { Effect: 'Allow', Action: 'iam:Get*', Resource: '*' },
      when(['iam:CreateUser'], within),
      when(['iam:AttachUserPolicy'], { ...within, 'iam:PolicyARN': PolicyArn }),
    ]
    const lead = await signerOf('lead', JSON.stringify({ Version: '2012-10-17', Statement }))
    const create = (UserName: string, more = {}) =>
      codeOf(lead, 'CreateUser', { UserName, ...more })
    expect(await create('free')).toBe('AccessDenied')
    const other = { PermissionsBoundary: PolicyArn }
    expect(await create('other', other)).toBe('AccessDenied')
    expect(await create('bound', { PermissionsBoundary })).toBeUndefined()
    const attach = (UserName: string, arn: string) =>
      codeOf(lead, 'AttachUserPolicy', { UserName, PolicyArn: arn })
    expect(await attach('bound', PolicyArn)).toBeUndefined()
    expect(await attach('bound', PermissionsBoundary)).toBe('AccessDenied')
    expect(await attach('lead', PolicyArn)).toBe('AccessDenied')
  })
})

describe.each(PLACES)('the audit of the query API, %s', (place) => {
  beforeEach(() => start(place))

  it('has one line for each change, with no secret in it (F37)', async () => {
    await run(ROOT, 'CreateUser', { UserName: 'ann' })
    const made = await run(ROOT, 'CreateAccessKey', { UserName: 'ann' })
    const secret = elementText(childNamed(made, 'AccessKey') ?? made, 'SecretAccessKey')
    await run(ROOT, 'ListUsers')
    const audit = lines.filter((line) => line['audit'] === true)
    expect(audit.map(({ action, outcome }) => [action, outcome])).toEqual([
      ['iam:CreateUser', 'done'],
      ['iam:CreateAccessKey', 'done'],
    ])
    expect(secret).toHaveLength(40)
    expect(JSON.stringify(lines)).not.toContain(secret)
  })
})
