import { beforeEach, describe, expect, it } from 'vitest'
import { allow, deny, FIRST_ACCOUNT, IamWorld } from './testing/world.ts'

let world: IamWorld
const names = (result: unknown, list: string, field: string): unknown[] =>
  (result as Record<string, Record<string, unknown>[]>)[list]!.map((item) => item[field])

beforeEach(() => {
  world = new IamWorld()
})

describe('users', () => {
  it('are created, read, listed, changed and deleted', async () => {
    const { root } = world
    const made = await world.run(root, 'CreateUser', {
      UserName: 'ann',
      Path: '/ops/',
      'Tags.member.1.Key': 'team',
      'Tags.member.1.Value': 'blue',
    })
    const user = {
      UserName: 'ann',
      Path: '/ops/',
      UserId: expect.stringMatching(/^AIDA[A-Z2-7]{17}$/),
      Arn: `arn:aws:iam::${FIRST_ACCOUNT}:user/ops/ann`,
      CreateDate: new Date(world.nowMs),
      Tags: [{ Key: 'team', Value: 'blue' }],
    }
    expect(made).toEqual({ User: user })
    expect(await world.run(root, 'GetUser', { UserName: 'ann' })).toEqual({ User: user })
    expect(await world.codeOf(root, 'CreateUser', { UserName: 'ann' })).toBe('EntityAlreadyExists')
    await world.run(root, 'CreateUser', { UserName: 'bob' })
    expect(names(await world.run(root, 'ListUsers'), 'Users', 'UserName')).toEqual(['ann', 'bob'])
    const below = await world.run(root, 'ListUsers', { PathPrefix: '/ops/' })
    expect(names(below, 'Users', 'UserName')).toEqual(['ann'])
    await world.run(root, 'UpdateUser', { UserName: 'ann', NewPath: '/dev/' })
    await world.run(root, 'DeleteUser', { UserName: 'bob' })
    expect(await world.codeOf(root, 'GetUser', { UserName: 'bob' })).toBe('NoSuchEntity')
    expect(await world.codeOf(root, 'DeleteUser', { UserName: 'bob' })).toBe('NoSuchEntity')
    const listed = await world.run(root, 'ListUsers')
    expect(names(listed, 'Users', 'Arn')).toEqual([`arn:aws:iam::${FIRST_ACCOUNT}:user/dev/ann`])
  })

  it('are listed in pages', async () => {
    const { root } = world
    for (let i = 10; i < 35; i++) await world.run(root, 'CreateUser', { UserName: `u${i}` })
    const seen: unknown[] = []
    let marker: string | undefined
    let pages = 0
    do {
      const page = await world.run(root, 'ListUsers', {
        MaxItems: '10',
        ...(marker === undefined ? {} : { Marker: marker }),
      })
      seen.push(...names(page, 'Users', 'UserName'))
      expect(page['IsTruncated']).toBe(page['Marker'] !== undefined)
      marker = page['Marker'] as string | undefined
      pages++
    } while (marker !== undefined)
    expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => `u${i + 10}`))
    expect(pages).toBe(3)
    expect(await world.codeOf(root, 'ListUsers', { Marker: '?' })).toBe('ValidationError')
  })
})

describe('changes of users', () => {
  it('renamed users keep their keys, groups and policies', async () => {
    const { root } = world
    await world.user(root, 'ann', allow('s3:GetObject'))
    const key = await world.key(root, 'ann')
    await world.run(root, 'CreateGroup', { GroupName: 'g' })
    await world.run(root, 'AddUserToGroup', { GroupName: 'g', UserName: 'ann' })
    await world.run(root, 'CreateUser', { UserName: 'bob' })
    const rename = (from: string, to: string) =>
      world.codeOf(root, 'UpdateUser', { UserName: from, NewUserName: to })
    expect(await rename('ann', 'bob')).toBe('EntityAlreadyExists')
    expect(await rename('nobody', 'eve')).toBe('NoSuchEntity')
    expect(await rename('ann', 'eve')).toBeUndefined()
    expect(await world.codeOf(root, 'GetUser', { UserName: 'ann' })).toBe('NoSuchEntity')
    const identity = await world.identity(key)
    expect(identity.userName).toBe('eve')
    expect(identity.policies.map(({ name }) => name)).toEqual(['user/eve/p0'])
    expect(names(await world.run(root, 'ListUsers'), 'Users', 'UserName')).toEqual(['bob', 'eve'])
    const groups = await world.run(root, 'ListGroupsForUser', { UserName: 'eve' })
    expect(names(groups, 'Groups', 'GroupName')).toEqual(['g'])
    // The old name is free again, and a new user under it inherits nothing.
    await world.run(root, 'CreateUser', { UserName: 'ann' })
    const policies = await world.run(root, 'ListUserPolicies', { UserName: 'ann' })
    expect(policies['PolicyNames']).toEqual([])
    expect(await rename('eve', 'eve')).toBeUndefined()
  })

  it('users are deleted only when they have no keys, groups or policies left', async () => {
    const { root } = world
    const ann = { UserName: 'ann' }
    await world.user(root, 'ann', allow('s3:*'))
    const key = names(
      await world.run(root, 'ListAccessKeys', ann),
      'AccessKeyMetadata',
      'AccessKeyId',
    )
    const arn = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'
    await world.run(root, 'AttachUserPolicy', { ...ann, PolicyArn: arn })
    await world.run(root, 'CreateGroup', { GroupName: 'g' })
    await world.run(root, 'AddUserToGroup', { ...ann, GroupName: 'g' })
    const steps: [string, Record<string, string>][] = [
      ['DeleteAccessKey', { ...ann, AccessKeyId: key[0] as string }],
      ['DeleteUserPolicy', { ...ann, PolicyName: 'p0' }],
      ['DetachUserPolicy', { ...ann, PolicyArn: arn }],
      ['RemoveUserFromGroup', { ...ann, GroupName: 'g' }],
    ]
    for (const [action, parameters] of steps) {
      expect(await world.codeOf(root, 'DeleteUser', ann)).toBe('DeleteConflict')
      await world.run(root, action, parameters)
    }
    await world.run(root, 'DeleteUser', ann)
  })
})

describe('names of users', () => {
  it('a new user under the name of a deleted one inherits nothing', async () => {
    const { root } = world
    await world.user(root, 'ann')
    const [key] = names(
      await world.run(root, 'ListAccessKeys', { UserName: 'ann' }),
      'AccessKeyMetadata',
      'AccessKeyId',
    )
    await world.run(root, 'DeleteAccessKey', { UserName: 'ann', AccessKeyId: key as string })
    await world.run(root, 'DeleteUser', { UserName: 'ann' })
    await world.user(root, 'ann')
    expect(await world.credential(key as string)).toBeUndefined()
  })

  it('when two users are created at once under one name, one of them exists afterwards', async () => {
    const { root } = world
    const create = () => world.codeOf(root, 'CreateUser', { UserName: 'ann' })
    for (let round = 0; round < 20; round++) {
      const codes = await Promise.all([create(), create(), create()])
      expect(codes.filter((code) => code === undefined)).toHaveLength(1)
      expect(codes.filter((code) => code === 'EntityAlreadyExists')).toHaveLength(2)
      const listed = await world.run(root, 'ListUsers')
      expect(names(listed, 'Users', 'UserName')).toEqual(['ann'])
      await world.run(root, 'DeleteUser', { UserName: 'ann' })
    }
  })
})

describe('tags of users', () => {
  it('are set, listed and removed', async () => {
    const { root } = world
    const ann = { UserName: 'ann' }
    await world.run(root, 'CreateUser', ann)
    const tag = (key: string, value: string) => ({
      ...ann,
      'Tags.member.1.Key': key,
      'Tags.member.1.Value': value,
    })
    await world.run(root, 'TagUser', tag('b', '1'))
    await world.run(root, 'TagUser', tag('a', '2'))
    await world.run(root, 'TagUser', tag('b', '3'))
    const list = () => world.run(root, 'ListUserTags', ann)
    expect((await list())['Tags']).toEqual([
      { Key: 'a', Value: '2' },
      { Key: 'b', Value: '3' },
    ])
    await world.run(root, 'UntagUser', { ...ann, 'TagKeys.member.1': 'a' })
    expect((await list())['Tags']).toEqual([{ Key: 'b', Value: '3' }])
  })
})

describe('GetUser', () => {
  it('without a name shows the caller, and the root too', async () => {
    const ann = await world.user(world.root, 'ann')
    expect(await world.run(ann, 'GetUser')).toMatchObject({ User: { UserName: 'ann' } })
    expect(await world.run(world.root, 'GetUser')).toMatchObject({
      User: { Arn: `arn:aws:iam::${FIRST_ACCOUNT}:root`, UserId: FIRST_ACCOUNT },
    })
    const role = { ...ann, type: 'AssumedRole' as const, userName: '' }
    expect(await world.codeOf(role, 'GetUser')).toBe('ValidationError')
  })
})

describe('policies of users', () => {
  it('inline policies are part of the user, and are checked before they are stored', async () => {
    const { root } = world
    const ann = { UserName: 'ann' }
    await world.run(root, 'CreateUser', ann)
    const text = allow('s3:GetObject', 'arn:aws:s3:::a b/*')
    await world.run(root, 'PutUserPolicy', { ...ann, PolicyName: 'p', PolicyDocument: text })
    const got = await world.run(root, 'GetUserPolicy', { ...ann, PolicyName: 'p' })
    expect(decodeURIComponent(got['PolicyDocument'] as string)).toBe(text)
    expect((await world.run(root, 'ListUserPolicies', ann))['PolicyNames']).toEqual(['p'])
    const put = (document: string) =>
      world.run(root, 'PutUserPolicy', { ...ann, PolicyName: 'q', PolicyDocument: document })
    await expect(put('{"Statement":[{"Effect":"Maybe"}]}')).rejects.toMatchObject({
      code: 'MalformedPolicyDocument',
      message: expect.stringContaining('Statement[0]') as string,
    })
    await expect(put(allow('s3:*', `arn:aws:s3:::${'x'.repeat(2_000)}`))).rejects.toMatchObject({
      code: 'LimitExceeded',
    })
    await world.run(root, 'DeleteUserPolicy', { ...ann, PolicyName: 'p' })
    expect(await world.codeOf(root, 'DeleteUserPolicy', { ...ann, PolicyName: 'p' })).toBe(
      'NoSuchEntity',
    )
    expect(await world.codeOf(root, 'GetUserPolicy', { ...ann, PolicyName: 'p' })).toBe(
      'NoSuchEntity',
    )
  })

  it('managed policies are attached and detached', async () => {
    const { root } = world
    const ann = await world.user(root, 'ann')
    const arn = 'arn:aws:iam::aws:policy/ReadOnlyAccess'
    const one = { UserName: 'ann', PolicyArn: arn }
    await world.run(root, 'AttachUserPolicy', one)
    await world.run(root, 'AttachUserPolicy', one)
    const list = () => world.run(root, 'ListAttachedUserPolicies', { UserName: 'ann' })
    expect((await list())['AttachedPolicies']).toEqual([
      { PolicyName: 'ReadOnlyAccess', PolicyArn: arn },
    ])
    const [key] = names(await world.run(ann, 'ListAccessKeys'), 'AccessKeyMetadata', 'AccessKeyId')
    expect((await world.identity(key as string)).policies.map(({ name }) => name)).toEqual([arn])
    await world.run(root, 'DetachUserPolicy', one)
    expect((await list())['AttachedPolicies']).toEqual([])
    expect(await world.codeOf(root, 'DetachUserPolicy', one)).toBe('NoSuchEntity')
    const missing = `arn:aws:iam::${FIRST_ACCOUNT}:policy/none`
    expect(await world.codeOf(root, 'AttachUserPolicy', { ...one, PolicyArn: missing })).toBe(
      'NoSuchEntity',
    )
  })
})

describe('callers give only rights that they have (F31)', () => {
  it('not by policies, groups or the keys of others', async () => {
    const { root } = world
    const helper = await world.user(root, 'helper', allow('iam:*'), allow('s3:GetObject'))
    await world.user(root, 'boss', allow('*'))
    await world.run(root, 'CreateGroup', { GroupName: 'admins' })
    await world.run(root, 'AttachGroupPolicy', {
      GroupName: 'admins',
      PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess',
    })
    const self = { UserName: 'helper' }
    const denied: [string, Record<string, string>][] = [
      ['PutUserPolicy', { ...self, PolicyName: 'more', PolicyDocument: allow('*') }],
      ['PutUserPolicy', { ...self, PolicyName: 'more', PolicyDocument: allow('s3:PutObject') }],
      ['AttachUserPolicy', { ...self, PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' }],
      ['AddUserToGroup', { ...self, GroupName: 'admins' }],
      ['CreateAccessKey', { UserName: 'boss' }],
      ['PutGroupPolicy', { GroupName: 'admins', PolicyName: 'x', PolicyDocument: allow('s3:*') }],
    ]
    for (const [action, parameters] of denied) {
      expect([action, await world.codeOf(helper, action, parameters)]).toEqual([
        action,
        'AccessDenied',
      ])
    }
    const read = { PolicyName: 'same', PolicyDocument: allow('s3:GetObject') }
    expect(
      await world.codeOf(helper, 'PutUserPolicy', { UserName: 'boss', ...read }),
    ).toBeUndefined()
    expect(await world.codeOf(helper, 'CreateAccessKey', self)).toBeUndefined()
  })

  it('not by removing a Deny', async () => {
    const { root } = world
    const ann = await world.user(root, 'ann', allow('*'), deny('s3:DeleteObject'))
    const self = { UserName: 'ann' }
    expect(await world.codeOf(ann, 'DeleteUserPolicy', { ...self, PolicyName: 'p1' })).toBe(
      'AccessDenied',
    )
    const put = { ...self, PolicyName: 'p1', PolicyDocument: allow('iam:GetUser') }
    expect(await world.codeOf(ann, 'PutUserPolicy', put)).toBe('AccessDenied')
    await world.run(root, 'CreateGroup', { GroupName: 'bound' })
    await world.run(root, 'PutGroupPolicy', {
      GroupName: 'bound',
      PolicyName: 'd',
      PolicyDocument: deny('s3:PutObject'),
    })
    await world.run(root, 'AddUserToGroup', { ...self, GroupName: 'bound' })
    const now = await world.identity(await world.key(root, 'ann'))
    expect(await world.codeOf(now, 'RemoveUserFromGroup', { ...self, GroupName: 'bound' })).toBe(
      'AccessDenied',
    )
    expect(await world.codeOf(root, 'RemoveUserFromGroup', { ...self, GroupName: 'bound' })).toBe(
      undefined,
    )
  })
})
