/** Callers give only rights that they have themselves (F31). */

import { describe, expect, test } from 'vitest'
import type { Identity } from '../../gateway/port/identity.ts'
import { allow, deny, FIRST_ACCOUNT, IamWorld } from './testing/world.ts'

const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: FIRST_ACCOUNT }, Action: 'sts:AssumeRole' }],
})
const ADMIN = 'arn:aws:iam::aws:policy/AdministratorAccess'
const ARN = `arn:aws:iam::${FIRST_ACCOUNT}:policy/p`

type Step = readonly [action: string, parameters: Readonly<Record<string, string>>]

/** A caller with all rights in IAM and few in S3; an administrator, and a group and a role that may do everything. */
async function worldWith(...policies: readonly string[]): Promise<[IamWorld, Identity]> {
  const world = new IamWorld()
  const root: Step[] = [
    ['CreateUser', { UserName: 'admin' }],
    ['AttachUserPolicy', { UserName: 'admin', PolicyArn: ADMIN }],
    ['CreateGroup', { GroupName: 'admins' }],
    ['AttachGroupPolicy', { GroupName: 'admins', PolicyArn: ADMIN }],
    ['CreateRole', { RoleName: 'boss', AssumeRolePolicyDocument: TRUST }],
    ['AttachRolePolicy', { RoleName: 'boss', PolicyArn: ADMIN }],
    ['CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('s3:GetObject') }],
    ['CreateUser', { UserName: 'other' }],
    ['CreateRole', { RoleName: 'plain', AssumeRolePolicyDocument: TRUST }],
    ['CreateGroup', { GroupName: 'plain' }],
  ]
  for (const [action, parameters] of root) await world.run(world.root, action, parameters)
  return [world, await world.user(world.root, 'mia', allow('iam:*'), ...policies)]
}

const SELF = { UserName: 'mia' }

describe('giving more than one has', () => {
  test.each<Step>([
    ['PutUserPolicy', { ...SELF, PolicyName: 'x', PolicyDocument: allow('*') }],
    ['PutUserPolicy', { ...SELF, PolicyName: 'x', PolicyDocument: allow('s3:*') }],
    ['PutUserPolicy', { ...SELF, PolicyName: 'x', PolicyDocument: allow('s3:Get*') }],
    ['PutUserPolicy', { ...SELF, PolicyName: 'x', PolicyDocument: allow('sts:AssumeRole') }],
    ['PutUserPolicy', { UserName: 'other', PolicyName: 'x', PolicyDocument: allow('s3:*') }],
    ['PutGroupPolicy', { GroupName: 'plain', PolicyName: 'x', PolicyDocument: allow('s3:*') }],
    ['PutRolePolicy', { RoleName: 'plain', PolicyName: 'x', PolicyDocument: allow('s3:*') }],
    ['AttachUserPolicy', { ...SELF, PolicyArn: ADMIN }],
    ['AttachGroupPolicy', { GroupName: 'plain', PolicyArn: ADMIN }],
    ['AttachRolePolicy', { RoleName: 'plain', PolicyArn: ADMIN }],
    ['AddUserToGroup', { ...SELF, GroupName: 'admins' }],
    ['CreateAccessKey', { UserName: 'admin' }],
    ['UpdateAssumeRolePolicy', { RoleName: 'boss', PolicyDocument: TRUST }],
  ])('is refused: %s %j', async (action, parameters) => {
    const [world, mia] = await worldWith(allow('s3:GetObject', 'arn:aws:s3:::a/*'))
    const before = new Map(world.registers.values)
    expect(await world.codeOf(mia, action, parameters)).toBe('AccessDenied')
    const holders = [...before].filter(([key, value]) => {
      const now = world.registers.values.get(key)
      return Buffer.compare(now?.body ?? Buffer.alloc(0), value.body) !== 0
    })
    // Entering a holder in the policy and removing it again leaves the same record.
    expect(holders).toEqual([])
  })
})

describe('giving what one has', () => {
  test('rights that the caller has may be given', async () => {
    const [world, mia] = await worldWith(allow('s3:Get*', 'arn:aws:s3:::a/*'))
    const own = allow('s3:GetObject', 'arn:aws:s3:::a/b/*')
    const steps: Step[] = [
      ['PutUserPolicy', { UserName: 'other', PolicyName: 'x', PolicyDocument: own }],
      ['PutRolePolicy', { RoleName: 'plain', PolicyName: 'x', PolicyDocument: own }],
      ['PutGroupPolicy', { GroupName: 'plain', PolicyName: 'x', PolicyDocument: own }],
      ['AddUserToGroup', { ...SELF, GroupName: 'plain' }],
      ['UpdateAssumeRolePolicy', { RoleName: 'plain', PolicyDocument: TRUST }],
      ['CreateAccessKey', { UserName: 'other' }],
      ['AttachUserPolicy', { ...SELF, PolicyArn: 'arn:aws:iam::aws:policy/IAMFullAccess' }],
      ['CreateAccessKey', { ...SELF }],
    ]
    for (const [action, parameters] of steps) {
      expect([action, await world.codeOf(mia, action, parameters)]).toEqual([action, undefined])
    }
  })

  test('administrators and the root may give everything', async () => {
    const [world] = await worldWith()
    const admin = await world.identity(await world.key(world.root, 'admin'))
    for (const caller of [admin, world.root]) {
      const code = await world.codeOf(caller, 'AttachUserPolicy', {
        UserName: 'other',
        PolicyArn: ADMIN,
      })
      expect(code).toBeUndefined()
    }
  })

  test('a session gives no more than its session policies allow', async () => {
    const [world] = await worldWith()
    const admin = await world.identity(await world.key(world.root, 'admin'))
    const limited: Identity = {
      ...admin,
      sessionPolicies: [{ name: 'session-policy', text: allow('iam:*') }],
    }
    const grant = { UserName: 'other', PolicyArn: ADMIN }
    expect(await world.codeOf(limited, 'AttachUserPolicy', grant)).toBe('AccessDenied')
    const iam = { UserName: 'other', PolicyName: 'x', PolicyDocument: allow('iam:GetUser') }
    expect(await world.codeOf(limited, 'PutUserPolicy', iam)).toBeUndefined()
    const nothing: Identity = { ...world.root, sessionPolicies: [] }
    expect(await world.codeOf(nothing, 'AttachUserPolicy', grant)).toBe('AccessDenied')
  })

  test('a Deny of the caller also limits what it gives to others', async () => {
    const [world, mia] = await worldWith(allow('s3:*'), deny('s3:DeleteObject'))
    const put = (text: string) =>
      world.codeOf(mia, 'PutUserPolicy', {
        UserName: 'other',
        PolicyName: 'x',
        PolicyDocument: text,
      })
    expect(await put(allow('s3:*'))).toBe('AccessDenied')
    expect(await put(allow('s3:GetObject'))).toBeUndefined()
  })
})

describe('removing a Deny', () => {
  test('a caller does not remove a Deny that applies to it', async () => {
    const [world, mia] = await worldWith(allow('s3:*'), deny('s3:DeleteObject'))
    const inline = { ...SELF, PolicyName: 'p2' }
    expect(await world.codeOf(mia, 'DeleteUserPolicy', inline)).toBe('AccessDenied')
    const harmless = { ...inline, PolicyDocument: allow('s3:GetObject') }
    expect(await world.codeOf(mia, 'PutUserPolicy', harmless)).toBe('AccessDenied')
    // Removing a policy without a Deny gives no rights.
    expect(await world.codeOf(mia, 'DeleteUserPolicy', { ...SELF, PolicyName: 'p1' })).toBe(
      undefined,
    )
  })

  test('not by detaching the policy, nor by making another version the default', async () => {
    const [world, mia] = await worldWith(allow('s3:*'))
    await world.run(world.root, 'CreatePolicyVersion', {
      PolicyArn: ARN,
      PolicyDocument: deny('s3:DeleteObject'),
      SetAsDefault: 'true',
    })
    await world.run(world.root, 'AttachUserPolicy', { ...SELF, PolicyArn: ARN })
    const now = await world.identity(await world.key(world.root, 'mia'))
    expect(now.principalId).toBe(mia.principalId)
    expect(await world.codeOf(now, 'DetachUserPolicy', { ...SELF, PolicyArn: ARN })).toBe(
      'AccessDenied',
    )
    const version = { PolicyArn: ARN, VersionId: 'v1' }
    expect(await world.codeOf(now, 'SetDefaultPolicyVersion', version)).toBe('AccessDenied')
    const fresh = { PolicyArn: ARN, PolicyDocument: allow('iam:GetUser'), SetAsDefault: 'true' }
    expect(await world.codeOf(now, 'CreatePolicyVersion', fresh)).toBe('AccessDenied')
    expect(await world.codeOf(world.root, 'SetDefaultPolicyVersion', version)).toBeUndefined()
  })

  test('a member does not remove the Deny of a group that has nothing else', async () => {
    const [world, mia] = await worldWith(allow('s3:*'))
    const deny1 = { PolicyName: 'no', PolicyDocument: deny('s3:DeleteObject') }
    await world.run(world.root, 'PutGroupPolicy', { GroupName: 'plain', ...deny1 })
    await world.run(world.root, 'AddUserToGroup', { ...SELF, GroupName: 'plain' })
    const now = await world.identity(await world.key(world.root, 'mia'))
    expect(now.principalId).toBe(mia.principalId)
    const lift: Step[] = [
      ['DeleteGroupPolicy', { GroupName: 'plain', PolicyName: 'no' }],
      [
        'PutGroupPolicy',
        { GroupName: 'plain', PolicyName: 'no', PolicyDocument: allow('s3:GetObject') },
      ],
      ['RemoveUserFromGroup', { ...SELF, GroupName: 'plain' }],
    ]
    for (const [action, parameters] of lift) {
      expect([action, await world.codeOf(now, action, parameters)]).toEqual([
        action,
        'AccessDenied',
      ])
    }
    // A caller with the rights that the members have without the Deny may remove it.
    const boss = await world.user(world.root, 'max', allow('iam:*'), allow('s3:*'))
    expect(await world.codeOf(boss, 'DeleteGroupPolicy', lift[0]?.[1])).toBeUndefined()
  })
})

describe('policies that others hold', () => {
  test('get no text beyond the rights of the caller who changes them', async () => {
    const [world, mia] = await worldWith()
    const more = { PolicyArn: ARN, PolicyDocument: allow('s3:*') }
    // The group has no members: removing its Deny gives no rights.
    expect(await world.codeOf(mia, 'CreatePolicyVersion', more)).toBeUndefined()
    await world.run(world.root, 'AttachUserPolicy', { UserName: 'other', PolicyArn: ARN })
    const version = { PolicyArn: ARN, VersionId: 'v2' }
    expect(await world.codeOf(mia, 'SetDefaultPolicyVersion', version)).toBe('AccessDenied')
    const both = { ...more, SetAsDefault: 'true' }
    expect(await world.codeOf(mia, 'CreatePolicyVersion', both)).toBe('AccessDenied')
    expect(await world.codeOf(mia, 'CreatePolicyVersion', more)).toBeUndefined()
  })

  test('not even when they are attached at the same moment', async () => {
    for (let hold = 0; hold < 8; hold++) {
      for (const held of ['attach', 'default'] as const) {
        const [world, mia] = await worldWith(allow('s3:GetObject'))
        await world.run(mia, 'CreatePolicyVersion', {
          PolicyArn: ARN,
          PolicyDocument: allow('*'),
        })
        const attach = () => world.codeOf(mia, 'AttachUserPolicy', { ...SELF, PolicyArn: ARN })
        const setDefault = () =>
          world.codeOf(mia, 'SetDefaultPolicyVersion', { PolicyArn: ARN, VersionId: 'v2' })
        let count = 0
        let release: (() => void) | undefined
        world.registers.before = () => {
          if (count++ !== hold) return undefined
          return new Promise((resolve) => {
            release = resolve
          })
        }
        const first = held === 'attach' ? attach() : setDefault()
        for (let turn = 0; turn < 200; turn++) await Promise.resolve()
        world.registers.before = () => undefined
        await (held === 'attach' ? setDefault() : attach())
        release?.()
        await first
        const now = await world.identity(await world.key(world.root, 'mia'))
        expect(now.policies.map(({ text }) => text)).not.toContain(allow('*'))
        expect([hold, held]).toBeDefined()
      }
    }
  })
})

describe('rights by name', () => {
  test('only administrators create keys for principals that other accounts name', async () => {
    const [world, mia] = await worldWith()
    const other = await world.account('other')
    const named = (name: string): string =>
      TRUST.replace(FIRST_ACCOUNT, `arn:aws:iam::${FIRST_ACCOUNT}:${name}`)
    const key = { UserName: 'other' }
    // A policy that is refused for another ARN in it names nothing.
    const nobody = `"arn:aws:iam::${FIRST_ACCOUNT}:user/other","arn:aws:iam::${FIRST_ACCOUNT}:user/nobody"`
    const refused = TRUST.replace(`"${FIRST_ACCOUNT}"`, `[${nobody}]`)
    const bad = { RoleName: 'bad', AssumeRolePolicyDocument: refused }
    expect(await world.codeOf(other, 'CreateRole', bad)).toBe('MalformedPolicyDocument')
    expect(await world.codeOf(mia, 'CreateAccessKey', key)).toBeUndefined()
    const role = { RoleName: 'there', AssumeRolePolicyDocument: named('user/other') }
    await world.run(other, 'CreateRole', role)
    expect(await world.codeOf(mia, 'CreateAccessKey', key)).toBe('AccessDenied')
    expect(await world.codeOf(world.root, 'CreateAccessKey', key)).toBeUndefined()
    // A role is checked too: principals that it trusts may go on from it to the other account.
    const trusting = { RoleName: 'plain', PolicyDocument: TRUST }
    expect(await world.codeOf(mia, 'UpdateAssumeRolePolicy', trusting)).toBeUndefined()
    const next = { RoleName: 'next', AssumeRolePolicyDocument: named('role/plain') }
    await world.run(other, 'CreateRole', next)
    expect(await world.codeOf(mia, 'UpdateAssumeRolePolicy', trusting)).toBe('AccessDenied')
  })

  test('policies that treat the whole account alike restrict nobody', async () => {
    const [world, mia] = await worldWith()
    const all = (more: object) => ({
      policy: JSON.stringify({
        Version: '2012-10-17',
        Statement: {
          Effect: 'Allow',
          Principal: '*',
          Action: 's3:GetObject',
          Resource: 'arn:aws:s3:::b/*',
          ...more,
        },
      }),
      principals: [],
    })
    const key = { UserName: 'other' }
    const alike = [
      all({}),
      all({ Principal: { AWS: FIRST_ACCOUNT } }),
      all({ Condition: { StringEquals: { 'aws:PrincipalAccount': FIRST_ACCOUNT } } }),
      all({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
    ]
    world.bucketPolicies = () => Promise.resolve(alike)
    expect(await world.codeOf(mia, 'CreateAccessKey', key)).toBeUndefined()
    const byName = all({ Condition: { StringEquals: { 'aws:username': 'other' } } })
    world.bucketPolicies = () => Promise.resolve([...alike, byName])
    expect(await world.codeOf(mia, 'CreateAccessKey', key)).toBe('AccessDenied')
  })
})

describe('names that policies ask for', () => {
  test('can be taken only by callers who have the rights that the name gives', async () => {
    const [world, mia] = await worldWith()
    const rename = { UserName: 'other', NewUserName: 'ghost' }
    const ghost = JSON.stringify({
      Version: '2012-10-17',
      Statement: {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::b/*',
        Condition: { StringEquals: { 'aws:username': 'ghost' } },
      },
    })
    world.bucketPolicies = () => Promise.resolve([{ policy: ghost, principals: [] }])
    expect(await world.codeOf(mia, 'UpdateUser', rename)).toBe('AccessDenied')
    const max = await world.user(world.root, 'max', allow('iam:*'), allow('s3:*'))
    expect(await world.codeOf(max, 'UpdateUser', rename)).toBeUndefined()
    world.bucketPolicies = () => Promise.resolve([])
    const back = { UserName: 'ghost', NewUserName: 'other' }
    expect(await world.codeOf(mia, 'UpdateUser', back)).toBeUndefined()
    // Only a caller with every right over it may rename it.
    const eve = await world.user(world.root, 'eve', allow('iam:UpdateUser'))
    expect(await world.codeOf(eve, 'UpdateUser', rename)).toBe('AccessDenied')
    const group = { GroupName: 'plain', NewGroupName: 'flat' }
    const tom = await world.user(world.root, 'tom', allow('iam:*'), deny('iam:DeleteGroup'))
    expect(await world.codeOf(tom, 'UpdateGroup', group)).toBe('AccessDenied')
    expect(await world.codeOf(mia, 'UpdateGroup', group)).toBeUndefined()
  })
})

describe('rights through roles', () => {
  test('roles that trust a user count, and roles that these roles may assume', async () => {
    const [world, mia] = await worldWith()
    const named = (name: string): string =>
      TRUST.replace(FIRST_ACCOUNT, `arn:aws:iam::${FIRST_ACCOUNT}:${name}`)
    const set = (RoleName: string, PolicyDocument: string) =>
      world.run(world.root, 'UpdateAssumeRolePolicy', { RoleName, PolicyDocument })
    await set('plain', named('user/other'))
    const key = { UserName: 'other' }
    expect(await world.codeOf(mia, 'CreateAccessKey', key)).toBeUndefined()
    await set('boss', named('role/plain'))
    expect(await world.codeOf(mia, 'CreateAccessKey', key)).toBe('AccessDenied')
  })
})
