import { describe, expect, test } from 'vitest'
import { allow, FIRST_ACCOUNT, IamWorld } from './testing/world.ts'

const LOCAL = `arn:aws:iam::${FIRST_ACCOUNT}:policy/team/own`
const READ_ONLY = 'arn:aws:iam::aws:policy/IAMReadOnlyAccess'
const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: FIRST_ACCOUNT }, Action: 'sts:AssumeRole' }],
})

type Detail = Readonly<Record<string, unknown>>

async function filledWorld(): Promise<IamWorld> {
  const world = new IamWorld()
  const run = (action: string, parameters: Record<string, string>): Promise<unknown> =>
    world.run(world.root, action, parameters)
  await run('CreatePolicy', { PolicyName: 'own', Path: '/team/', PolicyDocument: allow('s3:Get*') })
  await run('CreatePolicyVersion', { PolicyArn: LOCAL, PolicyDocument: allow('s3:List*') })
  await run('CreateGroup', { GroupName: 'g' })
  await run('AttachGroupPolicy', { GroupName: 'g', PolicyArn: READ_ONLY })
  await run('CreateUser', {
    UserName: 'u',
    'Tags.member.1.Key': 'team',
    'Tags.member.1.Value': 'a',
    PermissionsBoundary: LOCAL,
  })
  await run('PutUserPolicy', { UserName: 'u', PolicyName: 'in', PolicyDocument: allow('s3:*') })
  await run('AddUserToGroup', { UserName: 'u', GroupName: 'g' })
  await run('CreateRole', { RoleName: 'r', AssumeRolePolicyDocument: TRUST })
  await run('AttachRolePolicy', { RoleName: 'r', PolicyArn: LOCAL })
  return world
}

describe('GetAccountAuthorizationDetails', () => {
  test('shows all entities with what they hold', async () => {
    const world = await filledWorld()
    const all = await world.run(world.root, 'GetAccountAuthorizationDetails', {})
    expect(all).toMatchObject({
      UserDetailList: [
        {
          UserName: 'u',
          UserPolicyList: [
            {
              PolicyName: 'in',
              PolicyDocument: encodeURIComponent(allow('s3:*')).replaceAll('*', '%2A'),
            },
          ],
          GroupList: ['g'],
          AttachedManagedPolicies: [],
          PermissionsBoundary: { PermissionsBoundaryArn: LOCAL },
          Tags: [{ Key: 'team', Value: 'a' }],
        },
      ],
      GroupDetailList: [
        {
          GroupName: 'g',
          GroupPolicyList: [],
          AttachedManagedPolicies: [{ PolicyName: 'IAMReadOnlyAccess', PolicyArn: READ_ONLY }],
        },
      ],
      RoleDetailList: [
        {
          RoleName: 'r',
          RolePolicyList: [],
          InstanceProfileList: [],
          AttachedManagedPolicies: [{ PolicyName: 'own', PolicyArn: LOCAL }],
        },
      ],
      IsTruncated: false,
    })
    const own = (all['Policies'] as unknown as Detail[]).find(({ Arn }) => Arn === LOCAL)
    expect(own).toMatchObject({
      AttachmentCount: 1,
      PermissionsBoundaryUsageCount: 1,
      DefaultVersionId: 'v1',
      PolicyVersionList: [
        { VersionId: 'v2', IsDefaultVersion: false },
        { VersionId: 'v1', IsDefaultVersion: true },
      ],
    })
  })
})

describe('its answers', () => {
  test('have filters', async () => {
    const world = await filledWorld()
    const counts = async (...filters: string[]): Promise<number[]> => {
      const parameters = Object.fromEntries(
        filters.map((filter, at) => [`Filter.member.${at + 1}`, filter]),
      )
      const got = await world.run(world.root, 'GetAccountAuthorizationDetails', parameters)
      return ['UserDetailList', 'GroupDetailList', 'RoleDetailList', 'Policies'].map(
        (list) => (got[list] as unknown as Detail[]).length,
      )
    }
    expect(await counts('User')).toEqual([1, 0, 0, 0])
    expect(await counts('Group', 'Role')).toEqual([0, 1, 1, 0])
    expect(await counts('LocalManagedPolicy')).toEqual([0, 0, 0, 1])
    const [, , , builtIn = 0] = await counts('AWSManagedPolicy')
    expect(builtIn).toBeGreaterThan(1)
    expect(await counts()).toEqual([1, 1, 1, builtIn + 1])
  })

  test('have pages that give each entity once', async () => {
    const world = await filledWorld()
    // The same name as the user and the role have.
    for (const GroupName of ['u', 'r']) await world.run(world.root, 'CreateGroup', { GroupName })
    const seen: string[] = []
    let marker: string | undefined
    do {
      const parameters = { MaxItems: '1', ...(marker !== undefined && { Marker: marker }) }
      const got = await world.run(world.root, 'GetAccountAuthorizationDetails', parameters)
      const lists = ['GroupDetailList', 'RoleDetailList', 'UserDetailList', 'Policies']
      const page = lists.flatMap((list) => got[list] as unknown as Detail[])
      expect(page.length).toBeLessThanOrEqual(1)
      seen.push(...page.map(({ Arn }) => String(Arn)))
      marker = got['Marker'] as string | undefined
    } while (marker !== undefined)
    expect(new Set(seen).size).toBe(seen.length)
    const entities = ['group/g', 'group/u', 'group/r', 'role/r', 'user/u'].map(
      (name) => `arn:aws:iam::${FIRST_ACCOUNT}:${name}`,
    )
    expect(seen).toEqual(expect.arrayContaining([...entities, LOCAL, READ_ONLY]))
    expect(seen.length).toBeGreaterThan(7)
  })
})

describe('condition keys', () => {
  const policy = (statement: object): string =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*', ...statement }],
    })
  const conditional = policy({
    Resource: "arn:aws:s3:::home/${aws:username}/${*}/${aws:PrincipalTag/team, 'none'}",
    Condition: {
      StringEquals: { 's3:prefix': '${aws:userid}' },
      Bool: { 'aws:SecureTransport': 'true' },
    },
  })
  const KEYS = [
    's3:prefix',
    'aws:SecureTransport',
    'aws:username',
    'aws:PrincipalTag/team',
    'aws:userid',
  ]

  test('of given policies are named once, as they are written', async () => {
    const world = new IamWorld()
    const got = await world.run(world.root, 'GetContextKeysForCustomPolicy', {
      'PolicyInputList.member.1': conditional,
      'PolicyInputList.member.2': policy({ Condition: { Null: { 'S3:Prefix': 'true' } } }),
    })
    expect(got).toEqual({ ContextKeyNames: KEYS })
  })

  test('are none where `${` is literal text', async () => {
    const world = new IamWorld()
    const got = await world.run(world.root, 'GetContextKeysForCustomPolicy', {
      'PolicyInputList.member.1': conditional.replace('2012-10-17', '2008-10-17'),
    })
    expect(got).toEqual({ ContextKeyNames: ['s3:prefix', 'aws:SecureTransport'] })
  })

  test('of a malformed policy are refused with its place', async () => {
    const world = new IamWorld()
    const parameters = { 'PolicyInputList.member.1': conditional, 'PolicyInputList.member.2': '{}' }
    const got = world.run(world.root, 'GetContextKeysForCustomPolicy', parameters)
    await expect(got).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining('PolicyInputList.2'),
    })
  })

  test('of a principal are those of its policies and its groups', async () => {
    const world = await filledWorld()
    await world.run(world.root, 'PutGroupPolicy', {
      GroupName: 'g',
      PolicyName: 'p',
      PolicyDocument: conditional,
    })
    const got = await world.run(world.root, 'GetContextKeysForPrincipalPolicy', {
      PolicySourceArn: `arn:aws:iam::${FIRST_ACCOUNT}:user/u`,
      'PolicyInputList.member.1': policy({ Condition: { Null: { 'aws:TokenIssueTime': 'true' } } }),
    })
    expect(got).toEqual({ ContextKeyNames: ['aws:TokenIssueTime', ...KEYS] })
    const other = `arn:aws:iam::${FIRST_ACCOUNT}:user/nobody`
    const missing = { PolicySourceArn: other }
    expect(await world.codeOf(world.root, 'GetContextKeysForPrincipalPolicy', missing)).toBe(
      'NoSuchEntity',
    )
  })
})

describe('tags of managed policies', () => {
  test('are set, replaced, listed and removed', async () => {
    const world = await filledWorld()
    const tag = (key: string, value: string): Promise<unknown> =>
      world.run(world.root, 'TagPolicy', {
        PolicyArn: LOCAL,
        'Tags.member.1.Key': key,
        'Tags.member.1.Value': value,
      })
    const listed = async (): Promise<unknown> =>
      (await world.run(world.root, 'ListPolicyTags', { PolicyArn: LOCAL }))['Tags']
    expect(await listed()).toEqual([])
    await tag('b', '1')
    await tag('a', '2')
    await tag('b', '3')
    expect(await listed()).toEqual([
      { Key: 'a', Value: '2' },
      { Key: 'b', Value: '3' },
    ])
    const { Policy } = await world.run(world.root, 'GetPolicy', { PolicyArn: LOCAL })
    expect(Policy).toMatchObject({ Tags: expect.arrayContaining([{ Key: 'a', Value: '2' }]) })
    await world.run(world.root, 'UntagPolicy', {
      PolicyArn: LOCAL,
      'TagKeys.member.1': 'b',
      'TagKeys.member.2': 'absent',
    })
    expect(await listed()).toEqual([{ Key: 'a', Value: '2' }])
  })

  test('a built-in policy has none, and none can be set', async () => {
    const world = new IamWorld()
    const tags = { 'Tags.member.1.Key': 'a', 'Tags.member.1.Value': '1' }
    const asked = { PolicyArn: READ_ONLY, ...tags }
    expect(await world.codeOf(world.root, 'TagPolicy', asked)).toBe('InvalidInput')
    const listed = await world.run(world.root, 'ListPolicyTags', { PolicyArn: READ_ONLY })
    expect(listed['Tags']).toEqual([])
  })
})
