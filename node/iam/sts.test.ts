import { describe, expect, test } from 'vitest'
import type { Credential, Identity } from '../../gateway/port/identity.ts'
import { StoreError } from '../../protocol/errors.ts'
import { allow, deny, FIRST_ACCOUNT, FIRST_KEY, IamWorld } from './testing/world.ts'

interface Given {
  readonly AccessKeyId: string
  readonly SecretAccessKey: string
  readonly SessionToken: string
  readonly Expiration: Date
}

const ROLE = `arn:aws:iam::${FIRST_ACCOUNT}:role/reader`

function trust(principal: unknown, condition?: unknown): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: principal,
        Action: 'sts:AssumeRole',
        ...(condition === undefined ? {} : { Condition: condition }),
      },
    ],
  })
}

/** A world with the role `reader` in the first account, with this trust policy. */
async function worldWith(principal: unknown, condition?: unknown): Promise<IamWorld> {
  const world = new IamWorld()
  await world.run(world.root, 'CreateRole', {
    RoleName: 'reader',
    AssumeRolePolicyDocument: trust(principal, condition),
    MaxSessionDuration: '7200',
  })
  await world.run(world.root, 'PutRolePolicy', {
    RoleName: 'reader',
    PolicyName: 'read',
    PolicyDocument: allow('s3:GetObject'),
  })
  return world
}

function assume(
  world: IamWorld,
  caller: Identity,
  more: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  return world.codeOf(caller, 'AssumeRole', { RoleArn: ROLE, RoleSessionName: 'one', ...more })
}

/** Principals that a trust policy names must exist. */
async function trustOnly(world: IamWorld, principal: unknown, condition?: unknown): Promise<void> {
  const PolicyDocument = trust(principal, condition)
  await world.run(world.root, 'UpdateAssumeRolePolicy', { RoleName: 'reader', PolicyDocument })
}

const ANN = { AWS: `arn:aws:iam::${FIRST_ACCOUNT}:user/ann` }

async function assumed(
  world: IamWorld,
  caller: Identity,
  more: Readonly<Record<string, string>> = {},
): Promise<Given> {
  const result = await world.run(caller, 'AssumeRole', {
    RoleArn: ROLE,
    RoleSessionName: 'one',
    ...more,
  })
  return result['Credentials'] as unknown as Given
}

async function opened(world: IamWorld, given: Given): Promise<Credential | undefined> {
  world.nowMs += 5_000
  return world.identities.resolver.session(given.AccessKeyId, given.SessionToken)
}

describe('AssumeRole in one account', () => {
  test('a trust policy that names the user is enough', async () => {
    const world = await worldWith({ AWS: FIRST_ACCOUNT })
    const ann = await world.user(world.root, 'ann')
    await trustOnly(world, ANN)
    const bob = await world.user(world.root, 'bob', allow('sts:AssumeRole'))
    expect(await assume(world, ann)).toBeUndefined()
    expect(await assume(world, bob)).toBe('AccessDenied')
    const denied = await world.user(world.root, 'carl', allow('*'), deny('sts:*'))
    expect(await assume(world, denied)).toBe('AccessDenied')
  })

  test('an explicit Deny of the user counts', async () => {
    const world = await worldWith({ AWS: FIRST_ACCOUNT })
    const ann = await world.user(world.root, 'ann', deny('sts:AssumeRole'))
    await trustOnly(world, ANN)
    expect(await assume(world, ann)).toBe('AccessDenied')
  })

  test.each([FIRST_ACCOUNT, `arn:aws:iam::${FIRST_ACCOUNT}:root`])(
    'a trust policy that names the account leaves it to the identity policies: %s',
    async (principal) => {
      const world = await worldWith({ AWS: principal })
      const ann = await world.user(world.root, 'ann', allow('s3:*'))
      const bob = await world.user(world.root, 'bob', allow('sts:AssumeRole', ROLE))
      expect(await assume(world, ann)).toBe('AccessDenied')
      expect(await assume(world, bob)).toBeUndefined()
    },
  )

  test('roots assume no roles, and a missing role looks like one that does not trust the caller', async () => {
    const world = await worldWith({ AWS: '*' })
    expect(await assume(world, world.root)).toBe('AccessDenied')
    const ann = await world.user(world.root, 'ann', allow('sts:AssumeRole'))
    const nowhere = `arn:aws:iam::${FIRST_ACCOUNT}:role/nowhere`
    for (const arn of [nowhere, `${ROLE}x`, ROLE.replace('role/', 'role/path/'), 'x'.repeat(30)]) {
      expect(await assume(world, ann, { RoleArn: arn })).toBe('AccessDenied')
    }
  })
})

describe('AssumeRole across accounts', () => {
  test('both sides must allow', async () => {
    const world = await worldWith({ AWS: FIRST_ACCOUNT })
    const other = await world.account('other')
    const stranger = await world.user(other, 'eve', allow('sts:AssumeRole'))
    expect(await assume(world, stranger)).toBe('AccessDenied')
    await world.run(world.root, 'UpdateAssumeRolePolicy', {
      RoleName: 'reader',
      PolicyDocument: trust({ AWS: [other.accountId] }),
    })
    const without = await world.user(other, 'fay')
    expect(await assume(world, without)).toBe('AccessDenied')
    const given = await assumed(world, stranger)
    const identity = (await opened(world, given))?.identity
    expect(identity).toMatchObject({
      accountId: FIRST_ACCOUNT,
      principalArn: `arn:aws:sts::${FIRST_ACCOUNT}:assumed-role/reader/one`,
      roleArn: ROLE,
      type: 'AssumedRole',
      isRoot: false,
      userName: '',
    })
    expect(identity?.principalId).toMatch(/^AROA[A-Z2-7]{17}:one$/)
    expect(identity?.policies.map(({ name }) => name)).toEqual(['role/reader/read'])
    expect(identity?.sessionPolicies).toBeUndefined()
  })

  test('a user that is named in another account still needs the right in its own', async () => {
    const world = new IamWorld()
    const other = await world.account('other')
    const eve = await world.user(other, 'eve')
    await world.run(world.root, 'CreateRole', {
      RoleName: 'reader',
      AssumeRolePolicyDocument: trust({ AWS: `arn:aws:iam::${other.accountId}:user/eve` }),
    })
    expect(await assume(world, eve)).toBe('AccessDenied')
    await world.run(other, 'PutUserPolicy', {
      UserName: 'eve',
      PolicyName: 'p',
      PolicyDocument: allow('sts:AssumeRole', ROLE),
    })
    const now = await world.identity(await world.key(other, 'eve'))
    expect(await assume(world, now)).toBeUndefined()
  })
})

describe('conditions and durations of AssumeRole', () => {
  test('sts:ExternalId is compared', async () => {
    const condition = { StringEquals: { 'sts:ExternalId': 'secret' } }
    const world = await worldWith({ AWS: FIRST_ACCOUNT })
    const ann = await world.user(world.root, 'ann')
    await trustOnly(world, ANN, condition)
    expect(await assume(world, ann)).toBe('AccessDenied')
    expect(await assume(world, ann, { ExternalId: 'other' })).toBe('AccessDenied')
    expect(await assume(world, ann, { ExternalId: 'secret' })).toBeUndefined()
  })

  test('durations stay within the bound of the role, and chained sessions last an hour at most', async () => {
    const world = await worldWith({ AWS: '*' })
    const ann = await world.user(world.root, 'ann', allow('sts:AssumeRole'))
    for (const [seconds, code] of [
      ['899', 'ValidationError'],
      ['900', undefined],
      ['7200', undefined],
      ['7201', 'ValidationError'],
      ['43201', 'ValidationError'],
    ] as const) {
      expect([seconds, await assume(world, ann, { DurationSeconds: seconds })]).toEqual([
        seconds,
        code,
      ])
    }
    await world.run(world.root, 'PutRolePolicy', {
      RoleName: 'reader',
      PolicyName: 'chain',
      PolicyDocument: allow('sts:AssumeRole'),
    })
    const session = (await opened(world, await assumed(world, ann)))?.identity as Identity
    expect(await assume(world, session, { DurationSeconds: '3600' })).toBeUndefined()
    expect(await assume(world, session, { DurationSeconds: '3601' })).toBe('ValidationError')
    const own = await world.run(ann, 'GetSessionToken', {})
    const user = (await opened(world, own['Credentials'] as unknown as Given))?.identity as Identity
    expect(await assume(world, user, { DurationSeconds: '3600' })).toBeUndefined()
    expect(await assume(world, user, { DurationSeconds: '3601' })).toBe('ValidationError')
  })
})

describe('session policies', () => {
  test('are given inline or by ARN, belong to the role’s account, and have a bounded size', async () => {
    const world = await worldWith({ AWS: '*' })
    const ann = await world.user(world.root, 'ann', allow('sts:AssumeRole'))
    await world.run(world.root, 'CreatePolicy', {
      PolicyName: 'limit',
      PolicyDocument: allow('s3:Get*'),
    })
    const own = `arn:aws:iam::${FIRST_ACCOUNT}:policy/limit`
    const spaced = allow('s3:List*').replaceAll(',', ',\n     ')
    const given = await assumed(world, ann, {
      Policy: spaced,
      'PolicyArns.member.1.arn': own,
      'PolicyArns.member.2.arn': 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess',
    })
    const identity = (await opened(world, given))?.identity
    expect(identity?.sessionPolicies?.map(({ name }) => name)).toEqual([
      'session-policy',
      own,
      'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess',
    ])
    expect(identity?.sessionPolicies?.[0]?.text).toBe(allow('s3:List*'))
    // The policy limits by its present text. When it is deleted, it allows nothing.
    await world.run(world.root, 'DeletePolicy', { PolicyArn: own })
    const after = (await opened(world, given))?.identity
    expect(after?.sessionPolicies).toHaveLength(2)

    const codes: [Record<string, string>, string][] = [
      [{ Policy: '{' }, 'MalformedPolicyDocument'],
      [{ Policy: trust({ AWS: '*' }) }, 'MalformedPolicyDocument'],
      [{ Policy: allow('s3:*', `arn:aws:s3:::${'x'.repeat(2_000)}`) }, 'PackedPolicyTooLarge'],
      [{ 'PolicyArns.member.1.arn': own }, 'NoSuchEntity'],
      [{ 'PolicyArns.member.1.arn': 'arn:aws:iam::999999999999:policy/x' }, 'NoSuchEntity'],
    ]
    for (const [more, code] of codes) expect(await assume(world, ann, more)).toBe(code)
  })

  test('a session whose only policy is deleted may do nothing', async () => {
    const world = await worldWith({ AWS: '*' })
    const ann = await world.user(world.root, 'ann', allow('sts:AssumeRole'))
    await world.run(world.root, 'CreatePolicy', {
      PolicyName: 'limit',
      PolicyDocument: allow('s3:Get*'),
    })
    const arn = `arn:aws:iam::${FIRST_ACCOUNT}:policy/limit`
    const given = await assumed(world, ann, { 'PolicyArns.member.1.arn': arn })
    await world.run(world.root, 'DeletePolicy', { PolicyArn: arn })
    expect((await opened(world, given))?.identity.sessionPolicies).toEqual([])
  })
})

describe('sessions of a role', () => {
  test('end with the role, also when there is a new role under its name', async () => {
    const world = await worldWith({ AWS: '*' })
    const ann = await world.user(world.root, 'ann', allow('sts:AssumeRole'))
    const given = await assumed(world, ann)
    expect(await opened(world, given)).toBeDefined()
    await world.run(world.root, 'DeleteRolePolicy', { RoleName: 'reader', PolicyName: 'read' })
    expect((await opened(world, given))?.identity.policies).toEqual([])
    await world.run(world.root, 'DeleteRole', { RoleName: 'reader' })
    expect(await opened(world, given)).toBeUndefined()
    await world.run(world.root, 'CreateRole', {
      RoleName: 'reader',
      AssumeRolePolicyDocument: trust({ AWS: '*' }),
    })
    expect(await opened(world, given)).toBeUndefined()
  })
})

describe('GetSessionToken', () => {
  async function given(world: IamWorld, caller: Identity, seconds?: string): Promise<Given> {
    const more: Record<string, string> = seconds === undefined ? {} : { DurationSeconds: seconds }
    const result = await world.run(caller, 'GetSessionToken', more)
    return result['Credentials'] as unknown as Given
  }

  test('a session has the user’s present rights, and ends with the user', async () => {
    const world = new IamWorld()
    const ann = await world.user(world.root, 'ann', allow('s3:*'))
    const session = await given(world, ann)
    expect(session.Expiration.getTime()).toBe(Math.floor(world.nowMs / 1000) * 1000 + 43_200_000)
    const credential = await opened(world, session)
    expect(credential?.secretAccessKey).toBe(session.SecretAccessKey)
    expect(credential?.identity).toMatchObject({ ...ann, tokenIssuedMs: expect.any(Number) })
    await world.run(world.root, 'DeleteUserPolicy', { UserName: 'ann', PolicyName: 'p0' })
    expect((await opened(world, session))?.identity.policies).toEqual([])
    await world.run(world.root, 'UpdateUser', { UserName: 'ann', NewUserName: 'anna' })
    expect((await opened(world, session))?.identity.userName).toBe('anna')
  })

  test('needs no right, but a Deny counts, and a session cannot call it', async () => {
    const world = new IamWorld()
    const ann = await world.user(world.root, 'ann')
    const identity = (await opened(world, await given(world, ann)))?.identity as Identity
    expect(await world.codeOf(identity, 'GetSessionToken')).toBe('AccessDenied')
    const bob = await world.user(world.root, 'bob', deny('sts:GetSessionToken'))
    expect(await world.codeOf(bob, 'GetSessionToken')).toBe('AccessDenied')
  })

  test('durations are checked, and the root gets an hour at most', async () => {
    const world = new IamWorld()
    const ann = await world.user(world.root, 'ann')
    expect(await world.codeOf(ann, 'GetSessionToken', { DurationSeconds: '899' })).toBe(
      'ValidationError',
    )
    expect(await world.codeOf(ann, 'GetSessionToken', { DurationSeconds: '129601' })).toBe(
      'ValidationError',
    )
    const long = await given(world, ann, '129600')
    expect(long.Expiration.getTime() - world.nowMs).toBeGreaterThan(129_598_000)
    const root = await given(world, world.root, '129600')
    expect(root.Expiration.getTime() - world.nowMs).toBeLessThanOrEqual(3_600_000)
    expect((await opened(world, root))?.identity).toMatchObject({ isRoot: true, type: 'Account' })
  })

  test('a session of another account’s root ends when the account is closed', async () => {
    const world = new IamWorld()
    const other = await world.account('other')
    const session = await given(world, other)
    expect((await opened(world, session))?.identity.isRoot).toBe(true)
    await world.run(world.root, 'DeleteAccount', { AccountId: other.accountId })
    expect(await opened(world, session)).toBeUndefined()
  })

  test('its key is refused without its token and with another token', async () => {
    const world = new IamWorld()
    const ann = await world.user(world.root, 'ann')
    const [a, b] = [await given(world, ann), await given(world, ann)]
    await opened(world, a)
    expect(await world.identities.resolver.credential(a.AccessKeyId)).toBeUndefined()
    const swapped = world.identities.resolver.session(b.AccessKeyId, a.SessionToken)
    await expect(swapped).rejects.toBeInstanceOf(StoreError)
  })
})

describe('questions about the caller', () => {
  test('GetCallerIdentity needs no right', async () => {
    const world = new IamWorld()
    const ann = await world.user(world.root, 'ann', deny('*'))
    expect(await world.run(ann, 'GetCallerIdentity')).toEqual({
      UserId: ann.principalId,
      Account: FIRST_ACCOUNT,
      Arn: `arn:aws:iam::${FIRST_ACCOUNT}:user/ann`,
    })
    expect(await world.run(world.root, 'GetCallerIdentity')).toEqual({
      UserId: FIRST_ACCOUNT,
      Account: FIRST_ACCOUNT,
      Arn: `arn:aws:iam::${FIRST_ACCOUNT}:root`,
    })
  })

  test('GetAccessKeyInfo names the account of a key', async () => {
    const world = new IamWorld()
    const other = await world.account('other')
    await world.run(other, 'CreateUser', { UserName: 'eve' })
    const key = await world.key(other, 'eve')
    const info = await world.run(world.root, 'GetAccessKeyInfo', { AccessKeyId: key })
    expect(info).toEqual({ Account: other.accountId })
    const own = await world.run(world.root, 'GetAccessKeyInfo', { AccessKeyId: FIRST_KEY })
    expect(own).toEqual({ Account: FIRST_ACCOUNT })
    const none = await world.codeOf(world.root, 'GetAccessKeyInfo', { AccessKeyId: 'AKIANOTHING' })
    expect(none).toBe('NoSuchEntity')
  })
})
