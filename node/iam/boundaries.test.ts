/** Permissions boundaries: what they limit, who may set and remove them, and how long their policies stay. */

import { describe, expect, test } from 'vitest'
import type { Identity } from '../../gateway/port/identity.ts'
import type { IamResult } from '../../gateway/port/iam-backend.ts'
import { allow, FIRST_ACCOUNT, iamRandom, IamWorld, slow } from './testing/world.ts'

const ADMIN = 'arn:aws:iam::aws:policy/AdministratorAccess'
const READ = `arn:aws:iam::${FIRST_ACCOUNT}:policy/read`
const S3 = `arn:aws:iam::${FIRST_ACCOUNT}:policy/s3`
const ANN = { UserName: 'ann' }
const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: FIRST_ACCOUNT }, Action: 'sts:AssumeRole' }],
})

/** Two managed policies, and ann with all rights. */
async function worldWithAnn(): Promise<[IamWorld, Identity]> {
  const world = new IamWorld()
  const { root } = world
  const read = allow('s3:GetObject', 'arn:aws:s3:::a/*')
  await world.run(root, 'CreatePolicy', { PolicyName: 'read', PolicyDocument: read })
  await world.run(root, 'CreatePolicy', { PolicyName: 's3', PolicyDocument: allow('s3:*') })
  return [world, await world.user(root, 'ann', allow('*'))]
}

/** EvalDecision, and what the boundary says. */
async function simulated(
  world: IamWorld,
  source: string,
  action: string,
  more: Readonly<Record<string, string>> = {},
): Promise<unknown[]> {
  const { EvaluationResults } = await world.run(world.root, 'SimulatePrincipalPolicy', {
    PolicySourceArn: `arn:aws:iam::${FIRST_ACCOUNT}:${source}`,
    'ActionNames.member.1': action,
    'ResourceArns.member.1': 'arn:aws:s3:::a/x',
    ...more,
  })
  const [result] = EvaluationResults as IamResult[]
  const detail = result?.['PermissionsBoundaryDecisionDetail'] as IamResult | undefined
  return [result?.['EvalDecision'], detail?.['AllowedByPermissionsBoundary']]
}

const put = { ...ANN, PermissionsBoundary: READ }

async function counts(world: IamWorld, PolicyArn: string): Promise<unknown[]> {
  const { Policy } = await world.run(world.root, 'GetPolicy', { PolicyArn })
  const { AttachmentCount, PermissionsBoundaryUsageCount } = Policy as IamResult
  return [AttachmentCount, PermissionsBoundaryUsageCount]
}

describe('a boundary of a user', () => {
  test('is part of the identity, is shown, and goes', async () => {
    const [world] = await worldWithAnn()
    const key = await world.key(world.root, 'ann')
    expect(await simulated(world, 'user/ann', 's3:PutObject')).toEqual(['allowed', undefined])
    await world.run(world.root, 'PutUserPermissionsBoundary', put)
    expect((await world.identity(key)).boundary?.name).toBe(READ)
    const { User } = await world.run(world.root, 'GetUser', ANN)
    expect((User as IamResult)['PermissionsBoundary']).toEqual({
      PermissionsBoundaryType: 'Policy',
      PermissionsBoundaryArn: READ,
    })
    expect(await simulated(world, 'user/ann', 's3:GetObject')).toEqual(['allowed', true])
    expect(await simulated(world, 'user/ann', 's3:PutObject')).toEqual(['implicitDeny', false])
    const instead = { 'PermissionsBoundaryPolicyInputList.member.1': allow('s3:PutObject') }
    expect(await simulated(world, 'user/ann', 's3:PutObject', instead)).toEqual(['allowed', true])
    expect(await counts(world, READ)).toEqual([0, 1])
    await world.run(world.root, 'PutUserPermissionsBoundary', { ...put, PermissionsBoundary: S3 })
    expect([await counts(world, READ), await counts(world, S3)]).toEqual([
      [0, 0],
      [0, 1],
    ])
    await world.run(world.root, 'DeleteUserPermissionsBoundary', ANN)
    expect((await world.identity(key)).boundary).toBeUndefined()
    expect(await counts(world, S3)).toEqual([0, 0])
    const again = await world.codeOf(world.root, 'DeleteUserPermissionsBoundary', ANN)
    expect(again).toBe('NoSuchEntity')
  })

  test('must be a policy of the account or of AWS', async () => {
    const [world] = await worldWithAnn()
    const other = `arn:aws:iam::999999999999:policy/read`
    for (const PermissionsBoundary of [`${READ}x`, other]) {
      const asked = { ...ANN, PermissionsBoundary }
      expect(await world.codeOf(world.root, 'PutUserPermissionsBoundary', asked)).toBe(
        'NoSuchEntity',
      )
      const created = { UserName: 'bob', PermissionsBoundary }
      expect(await world.codeOf(world.root, 'CreateUser', created)).toBe('NoSuchEntity')
    }
    expect(await world.codeOf(world.root, 'GetUser', { UserName: 'bob' })).toBe('NoSuchEntity')
    const builtIn = { ...ANN, PermissionsBoundary: ADMIN }
    await world.run(world.root, 'PutUserPermissionsBoundary', builtIn)
    expect(await simulated(world, 'user/ann', 's3:PutObject')).toEqual(['allowed', true])
  })
})

describe('what else a boundary does', () => {
  test('keeps its policy from being deleted, and is listed with it', async () => {
    const [world] = await worldWithAnn()
    const created = { UserName: 'bob', PermissionsBoundary: READ }
    const { User } = await world.run(world.root, 'CreateUser', created)
    expect((User as IamResult)['PermissionsBoundary']).toBeDefined()
    const role = { RoleName: 'r', AssumeRolePolicyDocument: TRUST, PermissionsBoundary: READ }
    const { Role } = await world.run(world.root, 'CreateRole', role)
    expect((Role as IamResult)['PermissionsBoundary']).toBeDefined()
    expect(await world.codeOf(world.root, 'DeletePolicy', { PolicyArn: READ })).toBe(
      'DeleteConflict',
    )
    const list = async (usage: string): Promise<unknown[]> => {
      const asked = { PolicyArn: READ, PolicyUsageFilter: usage }
      const { PolicyUsers, PolicyRoles } = await world.run(
        world.root,
        'ListEntitiesForPolicy',
        asked,
      )
      return [(PolicyUsers as IamResult[]).length, (PolicyRoles as IamResult[]).length]
    }
    expect(await list('PermissionsBoundary')).toEqual([1, 1])
    expect(await list('PermissionsPolicy')).toEqual([0, 0])
    const filter = { PolicyUsageFilter: 'PermissionsBoundary' }
    const { Policies } = await world.run(world.root, 'ListPolicies', filter)
    expect((Policies as IamResult[]).map((each) => each['Arn'])).toEqual([READ])
    await world.run(world.root, 'DeleteUser', { UserName: 'bob' })
    await world.run(world.root, 'DeleteRole', { RoleName: 'r' })
    expect(await counts(world, READ)).toEqual([0, 0])
    await world.run(world.root, 'DeletePolicy', { PolicyArn: READ })
  })

  test('limits sessions of a role', async () => {
    const [world, ann] = await worldWithAnn()
    const role = { RoleName: 'r', AssumeRolePolicyDocument: TRUST }
    await world.run(world.root, 'CreateRole', { ...role, PermissionsBoundary: READ })
    await world.run(world.root, 'AttachRolePolicy', { RoleName: 'r', PolicyArn: ADMIN })
    expect(await simulated(world, 'role/r', 's3:PutObject')).toEqual(['implicitDeny', false])
    const { Credentials } = await world.run(ann, 'AssumeRole', {
      RoleArn: `arn:aws:iam::${FIRST_ACCOUNT}:role/r`,
      RoleSessionName: 'it',
    })
    const { AccessKeyId, SessionToken } = Credentials as Record<string, string>
    const session = await world.identities.resolver.session(AccessKeyId!, SessionToken!)
    expect(session?.identity.boundary?.name).toBe(READ)
  })
})

describe('rights of those who change boundaries (F31)', () => {
  test('a boundary that limits to what the caller has makes room for policies', async () => {
    const [world] = await worldWithAnn()
    const mia = await world.user(world.root, 'mia', allow('iam:*'), allow('s3:Get*'))
    await world.run(world.root, 'CreateUser', { UserName: 'bob' })
    const attach = { UserName: 'bob', PolicyArn: ADMIN }
    expect(await world.codeOf(mia, 'AttachUserPolicy', attach)).toBe('AccessDenied')
    const limit = { UserName: 'bob', PermissionsBoundary: READ }
    await world.run(mia, 'PutUserPermissionsBoundary', limit)
    await world.run(mia, 'AttachUserPolicy', attach)
    // Without the boundary, or with a wider one, bob would have more than mia.
    expect(await world.codeOf(mia, 'DeleteUserPermissionsBoundary', { UserName: 'bob' })).toBe(
      'AccessDenied',
    )
    const wider = { ...limit, PermissionsBoundary: S3 }
    expect(await world.codeOf(mia, 'PutUserPermissionsBoundary', wider)).toBe('AccessDenied')
    await world.run(mia, 'DetachUserPolicy', attach)
    await world.run(mia, 'DeleteUserPermissionsBoundary', { UserName: 'bob' })
  })

  test('the boundary of the caller limits what it may give, and it can not drop it', async () => {
    const [world] = await worldWithAnn()
    const key = await world.key(world.root, 'ann')
    await world.run(world.root, 'CreateUser', { UserName: 'bob' })
    const limit = allow('iam:*')
    await world.run(world.root, 'CreatePolicy', { PolicyName: 'limit', PolicyDocument: limit })
    const arn = `arn:aws:iam::${FIRST_ACCOUNT}:policy/limit`
    await world.run(world.root, 'PutUserPermissionsBoundary', { ...put, PermissionsBoundary: arn })
    const ann = await world.identity(key)
    const inline = (text: string) => ({ UserName: 'bob', PolicyName: 'x', PolicyDocument: text })
    expect(await world.codeOf(ann, 'PutUserPolicy', inline(allow('s3:*')))).toBe('AccessDenied')
    await world.run(ann, 'PutUserPolicy', inline(allow('iam:GetUser')))
    expect(await world.codeOf(ann, 'DeleteUserPermissionsBoundary', ANN)).toBe('AccessDenied')
    expect(await world.codeOf(ann, 'CreateAccount', { Name: 'new' })).toBe('AccessDenied')
  })
})

test('at the same time: no boundary whose policy is deleted, no rights without the boundary that let them', async () => {
  const seen = { deleted: 0, bounded: 0, freed: 0, attached: 0 }
  for (let seed = 1; seed <= 60; seed++) {
    const [world] = await worldWithAnn()
    const { root } = world
    const mia = await world.user(root, 'mia', allow('iam:*'), allow('s3:Get*'))
    await world.run(root, 'CreateUser', { UserName: 'bob', PermissionsBoundary: READ })
    const draw = iamRandom(seed)
    slow(world.registers, draw)
    /** Begins after a drawn time, so that each of them comes first at times. */
    const later: IamWorld['codeOf'] = async (...call) => {
      for (let ticks = Math.floor(draw() * 120); ticks > 0; ticks--) await Promise.resolve()
      return world.codeOf(...call)
    }
    const [deleted, bounded, freed, attached] = await Promise.all([
      later(root, 'DeletePolicy', { PolicyArn: S3 }),
      later(root, 'PutUserPermissionsBoundary', { ...ANN, PermissionsBoundary: S3 }),
      later(mia, 'DeleteUserPermissionsBoundary', { UserName: 'bob' }),
      later(mia, 'AttachUserPolicy', { UserName: 'bob', PolicyArn: ADMIN }),
    ])
    for (const [name, code] of Object.entries({ deleted, bounded, freed, attached })) {
      if (code === undefined) seen[name as keyof typeof seen]++
    }
    expect(deleted === undefined && bounded === undefined, `seed ${seed}`).toBe(false)
    expect(freed === undefined && attached === undefined, `seed ${seed}`).toBe(false)
  }
  for (const [name, count] of Object.entries(seen)) expect(count, name).toBeGreaterThan(0)
})
