import { describe, expect, test } from 'vitest'
import type { IamResult } from '../../gateway/port/iam-backend.ts'
import { allow, FIRST_ACCOUNT, IamWorld } from './testing/world.ts'

const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sts:AssumeRole' }],
})
const R = { RoleName: 'r' }

async function worldWith(more: Readonly<Record<string, string>> = {}): Promise<IamWorld> {
  const world = new IamWorld()
  await world.run(world.root, 'CreateRole', { ...R, AssumeRolePolicyDocument: TRUST, ...more })
  return world
}

function roleOf(result: IamResult): Record<string, unknown> {
  return result['Role'] as Record<string, unknown>
}

describe('roles', () => {
  test('are created, shown, changed, listed and deleted', async () => {
    const world = await worldWith({
      Path: '/team/',
      Description: 'reads',
      MaxSessionDuration: '7200',
      'Tags.member.1.Key': 'a',
      'Tags.member.1.Value': 'b',
    })
    const shown = roleOf(await world.run(world.root, 'GetRole', R))
    expect(shown).toMatchObject({
      Path: '/team/',
      RoleName: 'r',
      Arn: `arn:aws:iam::${FIRST_ACCOUNT}:role/team/r`,
      Description: 'reads',
      MaxSessionDuration: 7200,
      Tags: [{ Key: 'a', Value: 'b' }],
    })
    expect(shown['RoleId']).toMatch(/^AROA[A-Z2-7]{17}$/)
    // As AWS returns documents: URL-encoded, so clients decode them.
    expect(shown['AssumeRolePolicyDocument']).toMatch(/^%7B%22Version%22/)
    expect(decodeURIComponent(String(shown['AssumeRolePolicyDocument']))).toBe(TRUST)

    const twice = { ...R, AssumeRolePolicyDocument: TRUST }
    expect(await world.codeOf(world.root, 'CreateRole', twice)).toBe('EntityAlreadyExists')
    await world.run(world.root, 'UpdateRole', { ...R, MaxSessionDuration: '3600' })
    await world.run(world.root, 'UpdateRole', { ...R, Description: 'writes' })
    expect(roleOf(await world.run(world.root, 'GetRole', R))).toMatchObject({
      Description: 'writes',
      MaxSessionDuration: 3600,
    })
    await world.run(world.root, 'UpdateRoleDescription', { ...R, Description: '' })
    expect(roleOf(await world.run(world.root, 'GetRole', R))['Description']).toBeUndefined()

    const names = async (prefix: string): Promise<unknown[]> => {
      const { Roles } = await world.run(world.root, 'ListRoles', { PathPrefix: prefix })
      return (Roles as IamResult[]).map((role) => role['RoleName'])
    }
    expect(await names('/')).toEqual(['r'])
    expect(await names('/team/')).toEqual(['r'])
    expect(await names('/other/')).toEqual([])
    const other = await world.account('other')
    expect(await world.codeOf(other, 'GetRole', R)).toBe('NoSuchEntity')

    await world.run(world.root, 'DeleteRole', R)
    for (const action of ['GetRole', 'DeleteRole', 'ListRolePolicies']) {
      expect(await world.codeOf(world.root, action, R)).toBe('NoSuchEntity')
    }
    expect(await names('/')).toEqual([])
  })

  test('an account with roles or policies is not deleted', async () => {
    const world = new IamWorld()
    const other = await world.account('other')
    const remove = () => world.codeOf(world.root, 'DeleteAccount', { AccountId: other.accountId })
    await world.run(other, 'CreateRole', { ...R, AssumeRolePolicyDocument: TRUST })
    expect(await remove()).toBe('DeleteConflict')
    await world.run(other, 'DeleteRole', R)
    await world.run(other, 'CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('s3:*') })
    expect(await remove()).toBe('DeleteConflict')
    const PolicyArn = `arn:aws:iam::${other.accountId}:policy/p`
    await world.run(other, 'DeletePolicy', { PolicyArn })
    expect(await remove()).toBeUndefined()
  })
})

describe('trust policies', () => {
  test('name principals and no resource', async () => {
    const world = await worldWith()
    const bad: [string, string][] = [
      [allow('sts:AssumeRole'), 'Statement[0]'],
      [TRUST.replace('}]', ',"Resource":"*"}]'), 'Resource'],
      [TRUST.replace('"*"', '"arn:aws:iam::1:user/x"'), 'Statement[0].Principal'],
      [TRUST.replace('"Allow"', '"Maybe"'), 'Statement[0].Effect'],
      ['{"Version":"2012-10-17"}', 'Statement'],
    ]
    for (const [text, place] of bad) {
      const update = world.run(world.root, 'UpdateAssumeRolePolicy', { ...R, PolicyDocument: text })
      await expect(update).rejects.toMatchObject({ code: 'MalformedPolicyDocument' })
      await expect(update).rejects.toThrow(place)
    }
    expect(
      decodeURIComponent(
        String(roleOf(await world.run(world.root, 'GetRole', R))['AssumeRolePolicyDocument']),
      ),
    ).toBe(TRUST)
    const many = Array.from({ length: 200 }, (_, at) => `arn:aws:iam::${FIRST_ACCOUNT}:user/u${at}`)
    const long = TRUST.replace('"*"', JSON.stringify(many))
    const code = await world.codeOf(world.root, 'UpdateAssumeRolePolicy', {
      ...R,
      PolicyDocument: long,
    })
    expect(code).toBe('LimitExceeded')
  })
})

describe('inline policies of roles', () => {
  test('have 10,240 characters together', async () => {
    const world = await worldWith()
    const large = (name: string): Record<string, string> => ({
      ...R,
      PolicyName: name,
      PolicyDocument: allow('s3:*').replace(
        '"*"',
        JSON.stringify(Array.from({ length: 5 }, () => `arn:aws:s3:::${'x'.repeat(1_000)}`)),
      ),
    })
    expect(await world.codeOf(world.root, 'PutRolePolicy', large('a'))).toBeUndefined()
    expect(await world.codeOf(world.root, 'PutRolePolicy', large('b'))).toBe('LimitExceeded')
    // It fits when it replaces the first one.
    expect(await world.codeOf(world.root, 'PutRolePolicy', large('a'))).toBeUndefined()
  })

  test('are stored, shown, listed and deleted', async () => {
    const world = await worldWith()
    const put = (name: string, text: string) =>
      world.codeOf(world.root, 'PutRolePolicy', { ...R, PolicyName: name, PolicyDocument: text })
    expect(await put('b', allow('s3:*'))).toBeUndefined()
    expect(await put('a', allow('s3:Get*'))).toBeUndefined()
    expect(await put('a', allow('s3:List*'))).toBeUndefined()
    expect(await put('c', '{}')).toBe('MalformedPolicyDocument')
    expect((await world.run(world.root, 'ListRolePolicies', R))['PolicyNames']).toEqual(['a', 'b'])
    const shown = await world.run(world.root, 'GetRolePolicy', { ...R, PolicyName: 'a' })
    expect(shown).toMatchObject({ RoleName: 'r', PolicyName: 'a' })
    expect(decodeURIComponent(shown['PolicyDocument'] as string)).toBe(allow('s3:List*'))
    expect(await world.codeOf(world.root, 'DeleteRole', R)).toBe('DeleteConflict')
    for (const name of ['a', 'b']) {
      await world.run(world.root, 'DeleteRolePolicy', { ...R, PolicyName: name })
      const gone = { ...R, PolicyName: name }
      expect(await world.codeOf(world.root, 'DeleteRolePolicy', gone)).toBe('NoSuchEntity')
      expect(await world.codeOf(world.root, 'GetRolePolicy', gone)).toBe('NoSuchEntity')
    }
    await world.run(world.root, 'DeleteRole', R)
  })
})

describe('tags of roles', () => {
  test('are set, listed and removed', async () => {
    const world = await worldWith()
    await world.run(world.root, 'TagRole', {
      ...R,
      'Tags.member.1.Key': 'b',
      'Tags.member.1.Value': '1',
      'Tags.member.2.Key': 'a',
      'Tags.member.2.Value': '',
    })
    expect((await world.run(world.root, 'ListRoleTags', R))['Tags']).toEqual([
      { Key: 'a', Value: '' },
      { Key: 'b', Value: '1' },
    ])
    await world.run(world.root, 'UntagRole', { ...R, 'TagKeys.member.1': 'a' })
    expect((await world.run(world.root, 'ListRoleTags', R))['Tags']).toEqual([
      { Key: 'b', Value: '1' },
    ])
  })
})
