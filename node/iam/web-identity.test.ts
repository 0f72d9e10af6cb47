import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ANONYMOUS } from '../../gateway/auth/authorize.ts'
import type { IamResult } from '../../gateway/port/iam-backend.ts'
import { allow, FIRST_ACCOUNT, IamWorld } from './testing/world.ts'
import { TestIssuer } from './testing/issuer.ts'

const URL = 'https://idp.example.org/realms/a'
const NAME = 'idp.example.org/realms/a'
const PROVIDER = `arn:aws:iam::${FIRST_ACCOUNT}:oidc-provider/${NAME}`
const ROLE = `arn:aws:iam::${FIRST_ACCOUNT}:role/reader`

function trust(Condition?: unknown, Federated: unknown = PROVIDER): string {
  const Action = 'sts:AssumeRoleWithWebIdentity'
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Federated }, Action, Condition }],
  })
}

let issuer: TestIssuer
let other: TestIssuer
let world: IamWorld

beforeAll(async () => {
  issuer = await TestIssuer.create(URL)
  other = await TestIssuer.create(URL)
})

/** The provider takes tokens for `app`, and the role `reader` trusts it. */
beforeEach(async () => {
  world = new IamWorld()
  world.issuerKeys.set(URL, issuer.keys)
  await world.run(world.root, 'CreateOpenIDConnectProvider', {
    Url: URL,
    'ClientIDList.member.1': 'app',
  })
  await world.run(world.root, 'CreateRole', {
    RoleName: 'reader',
    AssumeRolePolicyDocument: trust(),
    MaxSessionDuration: '7200',
  })
})

/** The claims of a token that counts now. */
const good = (more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> => {
  const now = Math.floor(world.nowMs / 1000)
  return { sub: 'ann', aud: 'app', iat: now, exp: now + 600, ...more }
}

interface Asked {
  readonly token?: string
  readonly RoleArn?: string
  readonly more?: Readonly<Record<string, string>>
}

const assume = async ({ token, RoleArn = ROLE, more }: Asked = {}): Promise<IamResult> =>
  world.run(ANONYMOUS, 'AssumeRoleWithWebIdentity', {
    RoleArn,
    RoleSessionName: 'one',
    WebIdentityToken: token ?? (await issuer.token(good())),
    ...more,
  })

const refusal = async (asked: Asked): Promise<string> =>
  assume(asked).then(
    () => 'taken',
    (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
  )

const trustOnly = (PolicyDocument: string): Promise<IamResult> =>
  world.run(world.root, 'UpdateAssumeRolePolicy', { RoleName: 'reader', PolicyDocument })

describe('AssumeRoleWithWebIdentity', () => {
  test('gives a session of the role, which says who has proved it', async () => {
    const policy = { Policy: allow('s3:GetObject', 'arn:aws:s3:::b/*') }
    const got = await assume({ more: { ...policy, DurationSeconds: '7200' } })
    expect(got).toMatchObject({
      SubjectFromWebIdentityToken: 'ann',
      Audience: 'app',
      Provider: URL,
      PackedPolicySize: 6,
      AssumedRoleUser: { Arn: `arn:aws:sts::${FIRST_ACCOUNT}:assumed-role/reader/one` },
    })
    const { AccessKeyId, SessionToken, Expiration } = got['Credentials'] as Record<string, string>
    expect(Number(Expiration) - world.nowMs).toBe(7_200_000)
    const found = await world.identities.resolver.session(AccessKeyId!, SessionToken!)
    expect(found?.identity.sessionPolicies).toHaveLength(1)
    expect(found?.identity.keys).toEqual(
      new Map([
        ['aws:federatedprovider', [PROVIDER]],
        [`${NAME}:aud`, ['app']],
        [`${NAME}:sub`, ['ann']],
      ]),
    )
  })

  test.each(['RS256', 'PS512', 'ES384'])('takes tokens signed by %s', async (algorithm) => {
    const signer = await TestIssuer.create(URL, algorithm)
    world.issuerKeys.set(URL, signer.keys)
    expect(await refusal({ token: await signer.token(good()) })).toBe('taken')
  })

  test('tries the keys that fit a token without a name of its key', async () => {
    const nameless = {
      keys: [...other.keys.keys, ...issuer.keys.keys].map((key) => ({ ...key, kid: undefined })),
    }
    world.issuerKeys.set(URL, nameless as never)
    const token = await issuer.token(good(), { kid: undefined })
    expect(await refusal({ token })).toBe('taken')
    const strange = await (await TestIssuer.create(URL)).token(good(), { kid: undefined })
    expect(await refusal({ token: strange })).toMatch(/^InvalidIdentityToken: The signature/)
  })
})

describe('a token of an OIDC provider', () => {
  test.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    ['has ended', { exp: 1 }, /^ExpiredTokenException: Token expired/],
    ['has no end', { exp: undefined }, /^InvalidIdentityToken: Missing a required claim: exp/],
    ['ends at no number', { exp: '1' }, /^InvalidIdentityToken: The claim exp/],
    ['has no time of its making', { iat: undefined }, /required claim: iat/],
    [
      'was made in the future',
      { iat: 9e9, exp: 9e9 + 1 },
      /^InvalidIdentityToken: .*not valid yet/,
    ],
    ['begins in the future', { nbf: 9e9, exp: 9e9 + 1 }, /^InvalidIdentityToken: .*not valid yet/],
    ['is about nobody', { sub: undefined }, /required claim: sub/],
    ['is about a number', { sub: 5 }, /The claim sub is not a text/],
    ['is for nobody', { aud: undefined }, /required claim: aud/],
    ['is for another client', { aud: 'other' }, /^InvalidIdentityToken: Incorrect token audience/],
    ['was given to another client', { azp: 'other' }, /Incorrect token audience/],
    ['has a list of numbers', { aud: [1] }, /The claim aud is not a list of texts/],
    ['is too long', { sub: 'x'.repeat(3_000) }, /too long/],
    ['is of an issuer that is unknown', { iss: 'https://idp.example.org' }, /No OpenIDConnect/],
    ['is of no issuer', { iss: undefined }, /not a valid JWT/],
  ])('refuses a token that %s', async (_, claims, why) => {
    const token = await issuer.token(good(claims))
    expect(await refusal({ token })).toMatch(why)
  })

  test('takes the authorized party for the audience, as AWS does', async () => {
    const condition = { StringEquals: { [`${NAME}:aud`]: 'app', [`${NAME}:oaud`]: 'api' } }
    await trustOnly(trust(condition))
    const token = await issuer.token(good({ aud: ['api'], azp: 'app' }))
    expect((await assume({ token }))['Audience']).toBe('app')
    expect(await refusal({ token: await issuer.token(good()) })).toMatch(/^AccessDenied/)
  })

  test('refuses what another key has signed, what is altered, unsigned, or signed by a shared secret', async () => {
    expect(await refusal({ token: await other.token(good()) })).toMatch(/The signature/)
    const [header, , signature] = (await issuer.token(good())).split('.')
    const claims = Buffer.from(JSON.stringify({ iss: URL, ...good({ sub: 'eve' }) }))
    const altered = [header, claims.toString('base64url'), signature].join('.')
    expect(await refusal({ token: altered })).toMatch(/The signature/)
    for (const alg of ['none', 'HS256']) {
      const plain = Buffer.from(JSON.stringify({ alg, typ: 'JWT' })).toString('base64url')
      const token = [plain, claims.toString('base64url'), 'AA'].join('.')
      expect(await refusal({ token })).toMatch(/^InvalidIdentityToken: .*not a valid JWT/)
    }
    expect(await refusal({ token: 'an access token' })).toMatch(/not a valid JWT/)
    const named = await issuer.token(good(), { kid: 'two' })
    expect(await refusal({ token: named })).toMatch(/no key that fits/)
    world.issuerKeys.clear()
    expect(await refusal({})).toMatch(/has been given no keys/)
  })
})

describe('the trust policy of a role that trusts a provider', () => {
  test.each<[string, unknown, string]>([
    ['sub', { StringLike: { [`${NAME.toUpperCase()}:sub`]: 'a*' } }, 'taken'],
    ['sub', { StringEquals: { [`${NAME}:sub`]: 'bob' } }, 'AccessDenied'],
    ['aud', { StringEquals: { [`${NAME}:aud`]: 'app' } }, 'taken'],
    ['aud', { StringNotEquals: { [`${NAME}:aud`]: 'app' } }, 'AccessDenied'],
    ['another provider', { StringEquals: { 'other.example.org:sub': 'ann' } }, 'AccessDenied'],
    ['RoleSessionName', { StringEquals: { 'sts:RoleSessionName': 'one' } }, 'taken'],
    ['RoleSessionName', { StringEquals: { 'sts:RoleSessionName': 'two' } }, 'AccessDenied'],
    ['an account', { StringLike: { 'aws:PrincipalAccount': '*' } }, 'AccessDenied'],
  ])('conditions on %s: %j', async (_, condition, expected) => {
    await trustOnly(trust(condition))
    expect((await refusal({})).split(':')[0]).toBe(expected)
  })

  test('lets in nobody whom it does not name', async () => {
    await world.run(world.root, 'CreateOpenIDConnectProvider', { Url: 'https://b.example.org' })
    await trustOnly(trust({}, `arn:aws:iam::${FIRST_ACCOUNT}:oidc-provider/b.example.org`))
    const denied = 'AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity'
    expect(await refusal({})).toBe(denied)
    await trustOnly(trust({}, 'cognito-identity.amazonaws.com'))
    expect(await refusal({})).toBe(denied)
    expect(await refusal({ RoleArn: `${ROLE}s` })).toBe(denied)
    const deny = { Effect: 'Deny', Principal: '*', Action: 'sts:*' }
    const both = JSON.parse(trust()) as { Statement: unknown[] }
    await trustOnly(JSON.stringify({ ...both, Statement: [...both.Statement, deny] }))
    expect(await refusal({})).toBe(denied)
  })

  test('does not let in users, and its ARN means the provider that was there', async () => {
    const ann = await world.user(world.root, 'ann', allow('sts:*'))
    const RoleArn = ROLE
    const asked = { RoleArn, RoleSessionName: 'one' }
    expect(await world.codeOf(ann, 'AssumeRole', asked)).toBe('AccessDenied')
    const OpenIDConnectProviderArn = PROVIDER
    await world.run(world.root, 'DeleteOpenIDConnectProvider', { OpenIDConnectProviderArn })
    expect(await refusal({})).toMatch(/^InvalidIdentityToken: No OpenIDConnect/)
    const again = { Url: URL, 'ClientIDList.member.1': 'app' }
    await world.run(world.root, 'CreateOpenIDConnectProvider', again)
    expect(await refusal({})).toMatch(/^AccessDenied/)
    const { Role } = await world.run(world.root, 'GetRole', { RoleName: 'reader' })
    const document = (Role as Record<string, string>)['AssumeRolePolicyDocument'] as string
    expect(decodeURIComponent(document)).toBe(trust())
    await trustOnly(trust())
    expect(await refusal({})).toBe('taken')
  })

  test('can only name a provider of its account that is there', async () => {
    const wrong = [
      `arn:aws:iam::${FIRST_ACCOUNT}:oidc-provider/none.example.org`,
      `arn:aws:iam::999999999999:oidc-provider/${NAME}`,
    ]
    for (const arn of wrong) {
      await expect(trustOnly(trust({}, arn))).rejects.toThrow(
        `Invalid principal in policy: "Federated":"${arn}"`,
      )
    }
  })

  test('bounds the length of the session by the role', async () => {
    const long = await refusal({ more: { DurationSeconds: '7201' } })
    expect(long).toMatch(/^ValidationError: .*MaxSessionDuration/)
    const limited = { 'PolicyArns.member.1.arn': `arn:aws:iam::${FIRST_ACCOUNT}:policy/none` }
    expect(await refusal({ more: limited })).toMatch(/^NoSuchEntity/)
  })
})
