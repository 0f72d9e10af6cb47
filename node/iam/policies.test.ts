import { describe, expect, test } from 'vitest'
import type { IamResult } from '../../gateway/port/iam-backend.ts'
import { allow, deny, FIRST_ACCOUNT, IamWorld } from './testing/world.ts'

const ARN = `arn:aws:iam::${FIRST_ACCOUNT}:policy/p`

async function worldWith(text = allow('s3:*')): Promise<IamWorld> {
  const world = new IamWorld()
  await world.run(world.root, 'CreatePolicy', { PolicyName: 'p', PolicyDocument: text })
  return world
}

function policyOf(result: IamResult): Record<string, unknown> {
  return result['Policy'] as Record<string, unknown>
}

describe('managed policies', () => {
  test('are created, shown, listed and deleted', async () => {
    const world = new IamWorld()
    const made = policyOf(
      await world.run(world.root, 'CreatePolicy', {
        PolicyName: 'p',
        Path: '/team/',
        PolicyDocument: allow('s3:*'),
        Description: 'all of S3',
        'Tags.member.1.Key': 'a',
        'Tags.member.1.Value': 'b',
      }),
    )
    const arn = `arn:aws:iam::${FIRST_ACCOUNT}:policy/team/p`
    expect(made).toMatchObject({
      Arn: arn,
      Path: '/team/',
      DefaultVersionId: 'v1',
      AttachmentCount: 0,
      Description: 'all of S3',
      Tags: [{ Key: 'a', Value: 'b' }],
    })
    expect(made['PolicyId']).toMatch(/^ANPA[A-Z2-7]{17}$/)
    const shown = policyOf(await world.run(world.root, 'GetPolicy', { PolicyArn: arn }))
    expect(shown).toEqual(made)
    const again = { PolicyName: 'p', PolicyDocument: allow('s3:*') }
    expect(await world.codeOf(world.root, 'CreatePolicy', again)).toBe('EntityAlreadyExists')
    const listed = await world.run(world.root, 'ListPolicies', { Scope: 'Local' })
    expect((listed['Policies'] as IamResult[]).map((policy) => policy['Arn'])).toEqual([arn])
    // The path is part of the ARN: without it, the ARN names another policy.
    expect(await world.codeOf(world.root, 'GetPolicy', { PolicyArn: ARN })).toBe('NoSuchEntity')
    await world.run(world.root, 'DeletePolicy', { PolicyArn: arn })
    expect(await world.codeOf(world.root, 'GetPolicy', { PolicyArn: arn })).toBe('NoSuchEntity')
    expect(await world.codeOf(world.root, 'DeletePolicy', { PolicyArn: arn })).toBe('NoSuchEntity')
  })

  test('those of another account do not exist for the caller', async () => {
    const world = await worldWith()
    const other = await world.account('other')
    for (const action of ['GetPolicy', 'DeletePolicy', 'ListPolicyVersions']) {
      expect(await world.codeOf(other, action, { PolicyArn: ARN })).toBe('NoSuchEntity')
    }
    await world.run(other, 'CreateUser', { UserName: 'eve' })
    const attach = { UserName: 'eve', PolicyArn: ARN }
    expect(await world.codeOf(other, 'AttachUserPolicy', attach)).toBe('NoSuchEntity')
  })

  test('lists are cut into pages', async () => {
    const world = new IamWorld()
    for (const name of ['c', 'a', 'b']) {
      await world.run(world.root, 'CreatePolicy', {
        PolicyName: name,
        PolicyDocument: allow('s3:*'),
      })
    }
    const names: unknown[] = []
    let marker: Record<string, string> = {}
    for (let page = 0; page < 20; page++) {
      const result = await world.run(world.root, 'ListPolicies', { MaxItems: '2', ...marker })
      names.push(...(result['Policies'] as IamResult[]).map((each) => each['PolicyName']))
      if (result['IsTruncated'] !== true) break
      marker = { Marker: result['Marker'] as string }
    }
    expect(names).toHaveLength(9)
    expect(names.slice(6)).toEqual(['a', 'b', 'c'])
  })
})

describe('documents of managed policies', () => {
  test.each([
    ['{', 'line 1, column 2'],
    ['[]', 'a policy is an object'],
    ['{"Version":"2012-10-17","Statement":[{"Effect":"Permit"}]}', 'Statement[0].Effect'],
    [allow('nothing'), 'Statement[0].Action'],
    [`{"Statement":${'['.repeat(40)}${']'.repeat(40)}}`, 'levels'],
    [allow('s3:*').replace('"Effect"', '"__proto__":{},"Effect"'), '__proto__'],
    [allow('s3:*').replace('}]', ',"Condition":{"Like":{"s3:prefix":"a"}}}]'), 'Like'],
    [allow('s3:*').replace('}]', ',"Principal":"*"}]'), 'Principal'],
  ])('a malformed document is refused with its place: %s', async (text, place) => {
    const world = new IamWorld()
    const create = world.run(world.root, 'CreatePolicy', {
      PolicyName: 'p',
      PolicyDocument: text,
    })
    await expect(create).rejects.toMatchObject({ code: 'MalformedPolicyDocument' })
    await expect(create).rejects.toThrow(place)
    expect((await world.run(world.root, 'ListPolicies', { Scope: 'Local' }))['Policies']).toEqual(
      [],
    )
  })

  test('sizes are counted without white space', async () => {
    const world = new IamWorld()
    const spaced = allow('s3:*').replace('{', `{${' '.repeat(7_000)}`)
    await world.run(world.root, 'CreatePolicy', { PolicyName: 'p', PolicyDocument: spaced })
    const actions = Array.from({ length: 400 }, (_, at) => `"s3:GetObject${at}"`).join(',')
    const large = allow('s3:*').replace('"s3:*"', `[${actions}]`)
    const code = await world.codeOf(world.root, 'CreatePolicy', {
      PolicyName: 'q',
      PolicyDocument: large,
    })
    expect(code).toBe('LimitExceeded')
  })
})

describe('versions of managed policies', () => {
  test('there are five at most, numbers are never used again, and the default version stays', async () => {
    const world = await worldWith()
    for (let version = 2; version <= 5; version++) {
      const result = await world.run(world.root, 'CreatePolicyVersion', {
        PolicyArn: ARN,
        PolicyDocument: allow(`s3:Get${version}`),
      })
      expect(result['PolicyVersion']).toMatchObject({
        VersionId: `v${version}`,
        IsDefaultVersion: false,
      })
    }
    const sixth = { PolicyArn: ARN, PolicyDocument: allow('s3:Get6') }
    expect(await world.codeOf(world.root, 'CreatePolicyVersion', sixth)).toBe('LimitExceeded')
    await world.run(world.root, 'DeletePolicyVersion', { PolicyArn: ARN, VersionId: 'v5' })
    await world.run(world.root, 'CreatePolicyVersion', { ...sixth, SetAsDefault: 'true' })
    const listed = await world.run(world.root, 'ListPolicyVersions', { PolicyArn: ARN })
    expect(
      (listed['Versions'] as IamResult[]).map((each) => [
        each['VersionId'],
        each['IsDefaultVersion'],
      ]),
    ).toEqual([
      ['v6', true],
      ['v4', false],
      ['v3', false],
      ['v2', false],
      ['v1', false],
    ])
    const get = await world.run(world.root, 'GetPolicyVersion', {
      PolicyArn: ARN,
      VersionId: 'v4',
    })
    const { Document } = get['PolicyVersion'] as Record<string, unknown>
    expect(Document).not.toContain('"')
    expect(decodeURIComponent(String(Document))).toBe(allow('s3:Get4'))
    const remove = (VersionId: string) =>
      world.codeOf(world.root, 'DeletePolicyVersion', { PolicyArn: ARN, VersionId })
    expect(await remove('v6')).toBe('DeleteConflict')
    expect(await remove('v9')).toBe('NoSuchEntity')
    expect(await world.codeOf(world.root, 'DeletePolicy', { PolicyArn: ARN })).toBe(
      'DeleteConflict',
    )
    await world.run(world.root, 'SetDefaultPolicyVersion', { PolicyArn: ARN, VersionId: 'v1' })
    for (const version of ['v2', 'v3', 'v4', 'v6']) expect(await remove(version)).toBeUndefined()
    await world.run(world.root, 'DeletePolicy', { PolicyArn: ARN })
  })
})

describe('built-in policies', () => {
  test('can be used and not changed', async () => {
    const world = new IamWorld()
    const arn = 'arn:aws:iam::aws:policy/AdministratorAccess'
    const ann = await world.user(world.root, 'ann')
    await world.run(world.root, 'AttachUserPolicy', { UserName: 'ann', PolicyArn: arn })
    const now = await world.identity(await world.key(world.root, 'ann'))
    expect(now.principalId).toBe(ann.principalId)
    expect(now.policies.map(({ name }) => name)).toEqual([arn])
    expect(policyOf(await world.run(world.root, 'GetPolicy', { PolicyArn: arn }))).toMatchObject({
      AttachmentCount: 1,
      Arn: arn,
    })
    const other = await world.account('other')
    expect(policyOf(await world.run(other, 'GetPolicy', { PolicyArn: arn }))).toMatchObject({
      AttachmentCount: 0,
    })
    const changes: [string, Record<string, string>][] = [
      ['DeletePolicy', {}],
      ['CreatePolicyVersion', { PolicyDocument: allow('s3:*') }],
      ['DeletePolicyVersion', { VersionId: 'v1' }],
      ['SetDefaultPolicyVersion', { VersionId: 'v1' }],
    ]
    for (const [action, more] of changes) {
      const code = await world.codeOf(world.root, action, { PolicyArn: arn, ...more })
      expect([action, code]).toEqual([action, 'InvalidInput'])
    }
    const scope = async (parameters: Record<string, string>): Promise<number> =>
      ((await world.run(world.root, 'ListPolicies', parameters))['Policies'] as unknown[]).length
    expect(await scope({ Scope: 'AWS' })).toBe(6)
    expect(await scope({ Scope: 'AWS', OnlyAttached: 'true' })).toBe(1)
    expect(await scope({ Scope: 'Local' })).toBe(0)
  })
})

describe('attached policies', () => {
  test('policies are attached to users, groups and roles, and their holders are listed', async () => {
    const world = await worldWith()
    await world.run(world.root, 'CreateUser', { UserName: 'ann' })
    await world.run(world.root, 'CreateGroup', { GroupName: 'team' })
    await world.run(world.root, 'CreateRole', {
      RoleName: 'role',
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: '*', Action: 'sts:AssumeRole' }],
      }),
    })
    const holders: [string, Record<string, string>][] = [
      ['User', { UserName: 'ann' }],
      ['Group', { GroupName: 'team' }],
      ['Role', { RoleName: 'role' }],
    ]
    for (const [word, holder] of holders) {
      await world.run(world.root, `Attach${word}Policy`, { ...holder, PolicyArn: ARN })
      // A repetition changes nothing.
      await world.run(world.root, `Attach${word}Policy`, { ...holder, PolicyArn: ARN })
      const listed = await world.run(world.root, `ListAttached${word}Policies`, holder)
      expect(listed['AttachedPolicies']).toEqual([{ PolicyName: 'p', PolicyArn: ARN }])
    }
    expect(policyOf(await world.run(world.root, 'GetPolicy', { PolicyArn: ARN }))).toMatchObject({
      AttachmentCount: 3,
    })
    const entities = await world.run(world.root, 'ListEntitiesForPolicy', { PolicyArn: ARN })
    expect(entities).toMatchObject({
      PolicyUsers: [{ UserName: 'ann' }],
      PolicyGroups: [{ GroupName: 'team' }],
      PolicyRoles: [{ RoleName: 'role' }],
      IsTruncated: false,
    })
    const roles = await world.run(world.root, 'ListEntitiesForPolicy', {
      PolicyArn: ARN,
      EntityFilter: 'Role',
    })
    expect(roles).toMatchObject({ PolicyUsers: [], PolicyRoles: [{ RoleName: 'role' }] })
    for (const [word, holder] of holders) {
      expect(await world.codeOf(world.root, `Delete${word}`, holder)).toBe('DeleteConflict')
      expect(await world.codeOf(world.root, 'DeletePolicy', { PolicyArn: ARN })).toBe(
        'DeleteConflict',
      )
      await world.run(world.root, `Detach${word}Policy`, { ...holder, PolicyArn: ARN })
      const again = { ...holder, PolicyArn: ARN }
      expect(await world.codeOf(world.root, `Detach${word}Policy`, again)).toBe('NoSuchEntity')
      await world.run(world.root, `Delete${word}`, holder)
    }
    await world.run(world.root, 'DeletePolicy', { PolicyArn: ARN })
  })
})

describe('holders of policies', () => {
  test('a new policy under the ARN of a deleted one is another policy', async () => {
    const world = await worldWith(deny('s3:*'))
    const key = await world.user(world.root, 'ann').then(() => world.key(world.root, 'ann'))
    await world.run(world.root, 'AttachUserPolicy', { UserName: 'ann', PolicyArn: ARN })
    await world.run(world.root, 'DetachUserPolicy', { UserName: 'ann', PolicyArn: ARN })
    await world.run(world.root, 'DeletePolicy', { PolicyArn: ARN })
    await world.run(world.root, 'CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('*') })
    expect((await world.identity(key)).policies).toEqual([])
  })

  test('a holder has ten at most', async () => {
    const world = new IamWorld()
    await world.run(world.root, 'CreateUser', { UserName: 'ann' })
    const codes: (string | undefined)[] = []
    for (let at = 0; at < 11; at++) {
      const PolicyName = `p${at}`
      await world.run(world.root, 'CreatePolicy', { PolicyName, PolicyDocument: allow('s3:*') })
      const PolicyArn = `arn:aws:iam::${FIRST_ACCOUNT}:policy/${PolicyName}`
      codes.push(await world.codeOf(world.root, 'AttachUserPolicy', { UserName: 'ann', PolicyArn }))
    }
    expect(codes.slice(9)).toEqual([undefined, 'LimitExceeded'])
    // A refused attachment leaves nothing in the policy.
    const refused = `arn:aws:iam::${FIRST_ACCOUNT}:policy/p10`
    await world.run(world.root, 'DeletePolicy', { PolicyArn: refused })
  })
})

describe('a policy that is attached and deleted at once', () => {
  test('is never both', async () => {
    const outcomes = new Set<string>()
    for (let hold = 0; hold < 24; hold++) {
      const world = await worldWith()
      await world.run(world.root, 'CreateUser', { UserName: 'ann' })
      const key = await world.key(world.root, 'ann')
      // One of its changes waits until the other request is finished.
      let count = 0
      const { registers } = world
      const other = hold % 2 === 0 ? 'attach' : 'delete'
      let release: (() => void) | undefined
      registers.before = () => {
        if (count++ !== Math.floor(hold / 2)) return undefined
        return new Promise((resolve) => {
          release = resolve
        })
      }
      const attach = (): Promise<string | undefined> =>
        world.codeOf(world.root, 'AttachUserPolicy', { UserName: 'ann', PolicyArn: ARN })
      const remove = (): Promise<string | undefined> =>
        world.codeOf(world.root, 'DeletePolicy', { PolicyArn: ARN })
      const first = other === 'attach' ? attach() : remove()
      for (let turn = 0; turn < 200; turn++) await Promise.resolve()
      registers.before = () => undefined
      const second = await (other === 'attach' ? remove() : attach())
      release?.()
      const firstCode = await first
      const [attached, deleted] = other === 'attach' ? [firstCode, second] : [second, firstCode]
      const policies = (await world.identity(key)).policies.map(({ name }) => name)
      const stands = (await world.codeOf(world.root, 'GetPolicy', { PolicyArn: ARN })) === undefined
      outcomes.add(`attach ${attached ?? 'ok'}, delete ${deleted ?? 'ok'}`)
      if (attached === undefined && deleted === undefined) throw new Error('both happened')
      expect(stands).toBe(deleted !== undefined)
      expect(policies).toEqual(attached === undefined ? [ARN] : [])
      // The user's record agrees with the answer.
      const listed = await world.run(world.root, 'ListAttachedUserPolicies', { UserName: 'ann' })
      expect(listed['AttachedPolicies']).toHaveLength(policies.length)
    }
    expect(outcomes.size).toBeGreaterThan(2)
  })
})
