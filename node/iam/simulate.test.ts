import { describe, expect, test } from 'vitest'
import type { Identity } from '../../gateway/port/identity.ts'
import { allow, deny, FIRST_ACCOUNT, IamWorld } from './testing/world.ts'

const ANN = `arn:aws:iam::${FIRST_ACCOUNT}:user/ann`

/** 'action resource decision policy' of each result. */
async function simulated(
  world: IamWorld,
  caller: Identity,
  action: 'SimulatePrincipalPolicy' | 'SimulateCustomPolicy',
  parameters: Readonly<Record<string, string>>,
): Promise<string[]> {
  const { EvaluationResults } = await world.run(caller, action, parameters)
  return (EvaluationResults as unknown as Record<string, string>[]).map((result) => {
    const [statement] = result['MatchedStatements'] as unknown as Record<string, string>[]
    const by = statement && `${statement['SourcePolicyType']}:${statement['SourcePolicyId']}`
    return [
      result['EvalActionName'],
      result['EvalResourceName'],
      result['EvalDecision'],
      by ?? '-',
    ].join(' ')
  })
}

describe('SimulatePrincipalPolicy of a user', () => {
  test('counts their groups and managed policies', async () => {
    const world = new IamWorld()
    await world.user(world.root, 'ann', allow('s3:GetObject', 'arn:aws:s3:::a/*'))
    await world.run(world.root, 'CreateGroup', { GroupName: 'team' })
    await world.run(world.root, 'PutGroupPolicy', {
      GroupName: 'team',
      PolicyName: 'no',
      PolicyDocument: deny('s3:GetObject', 'arn:aws:s3:::a/secret'),
    })
    await world.run(world.root, 'AddUserToGroup', { GroupName: 'team', UserName: 'ann' })
    await world.run(world.root, 'AttachUserPolicy', {
      UserName: 'ann',
      PolicyArn: 'arn:aws:iam::aws:policy/IAMReadOnlyAccess',
    })
    const parameters = {
      PolicySourceArn: ANN,
      'ActionNames.member.1': 's3:GetObject',
      'ActionNames.member.2': 'iam:GetUser',
      'ResourceArns.member.1': 'arn:aws:s3:::a/x',
      'ResourceArns.member.2': 'arn:aws:s3:::a/secret',
    }
    const aws = 'aws-managed:arn:aws:iam::aws:policy/IAMReadOnlyAccess'
    expect(await simulated(world, world.root, 'SimulatePrincipalPolicy', parameters)).toEqual([
      's3:GetObject arn:aws:s3:::a/x allowed user:user/ann/p0',
      's3:GetObject arn:aws:s3:::a/secret explicitDeny group:group/team/no',
      `iam:GetUser arn:aws:s3:::a/x allowed ${aws}`,
      `iam:GetUser arn:aws:s3:::a/secret allowed ${aws}`,
    ])
  })
})

describe('what SimulatePrincipalPolicy takes besides', () => {
  test('takes further policies, context entries and a resource policy', async () => {
    const world = new IamWorld()
    await world.user(world.root, 'ann')
    const conditional = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: 's3:ListBucket',
          Resource: '*',
          Condition: { StringEquals: { 's3:prefix': ['home/${aws:username}'] } },
        },
      ],
    })
    const base = {
      PolicySourceArn: ANN,
      'PolicyInputList.member.1': conditional,
      'ActionNames.member.1': 's3:ListBucket',
    }
    const entry = (prefix: string) => ({
      'ContextEntries.member.1.ContextKeyName': 'S3:Prefix',
      'ContextEntries.member.1.ContextKeyType': 'string',
      'ContextEntries.member.1.ContextKeyValues.member.1': prefix,
    })
    const ask = (more: Record<string, string>) =>
      simulated(world, world.root, 'SimulatePrincipalPolicy', { ...base, ...more })
    expect(await ask({})).toEqual(['s3:ListBucket * implicitDeny -'])
    expect(await ask(entry('home/bob'))).toEqual(['s3:ListBucket * implicitDeny -'])
    expect(await ask(entry('home/ann'))).toEqual(['s3:ListBucket * allowed none:PolicyInputList.1'])
    const shared = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Principal: { AWS: ANN }, Action: 's3:ListBucket', Resource: '*' },
      ],
    })
    expect(await ask({ ResourcePolicy: shared })).toEqual([
      's3:ListBucket * allowed resource:ResourcePolicy',
    ])
    // A bucket of another account: both must allow.
    const foreign = { ResourcePolicy: shared, ResourceOwner: 'arn:aws:iam::999999999999:root' }
    expect(await ask(foreign)).toEqual(['s3:ListBucket * implicitDeny -'])
  })
})

describe('SimulatePrincipalPolicy of others', () => {
  test('takes groups and roles; other accounts and unknown names do not exist', async () => {
    const world = new IamWorld()
    await world.run(world.root, 'CreateGroup', { GroupName: 'team', Path: '/p/' })
    await world.run(world.root, 'CreateRole', {
      RoleName: 'role',
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: '*', Action: 'sts:AssumeRole' }],
      }),
    })
    await world.run(world.root, 'PutRolePolicy', {
      RoleName: 'role',
      PolicyName: 'all',
      PolicyDocument: allow('s3:*'),
    })
    const ask = (arn: string, caller = world.root) =>
      simulated(world, caller, 'SimulatePrincipalPolicy', {
        PolicySourceArn: arn,
        'ActionNames.member.1': 's3:GetObject',
      })
    const base = `arn:aws:iam::${FIRST_ACCOUNT}`
    expect(await ask(`${base}:group/p/team`)).toEqual(['s3:GetObject * implicitDeny -'])
    expect(await ask(`${base}:role/role`)).toEqual(['s3:GetObject * allowed role:role/role/all'])
    const other = await world.account('other')
    for (const arn of [`${base}:group/team`, `${base}:user/none`, `${base}:root`, 'x'.repeat(30)]) {
      await expect(ask(arn)).rejects.toMatchObject({ code: 'NoSuchEntity' })
    }
    await expect(ask(`${base}:role/role`, other)).rejects.toMatchObject({ code: 'NoSuchEntity' })
  })
})

describe('SimulateCustomPolicy', () => {
  test('decides by the policies of the request, in pages', async () => {
    const world = new IamWorld()
    const parameters = {
      'PolicyInputList.member.1': allow('s3:*'),
      'PolicyInputList.member.2': deny('s3:Put*'),
      'ActionNames.member.1': 's3:GetObject',
      'ActionNames.member.2': 's3:PutObject',
      'ActionNames.member.3': 'iam:GetUser',
    }
    expect(await simulated(world, world.root, 'SimulateCustomPolicy', parameters)).toEqual([
      's3:GetObject * allowed none:PolicyInputList.1',
      's3:PutObject * explicitDeny none:PolicyInputList.2',
      'iam:GetUser * implicitDeny -',
    ])
    const first = await world.run(world.root, 'SimulateCustomPolicy', {
      ...parameters,
      MaxItems: '2',
    })
    expect(first['IsTruncated']).toBe(true)
    const rest = await simulated(world, world.root, 'SimulateCustomPolicy', {
      ...parameters,
      Marker: first['Marker'] as string,
    })
    expect(rest).toEqual(['iam:GetUser * implicitDeny -'])
  })

  test('names a malformed policy with its place', async () => {
    const world = new IamWorld()
    const run = world.run(world.root, 'SimulateCustomPolicy', {
      'PolicyInputList.member.1': allow('s3:*'),
      'PolicyInputList.member.2': allow('wrong'),
      'ActionNames.member.1': 's3:GetObject',
    })
    await expect(run).rejects.toMatchObject({ code: 'InvalidInput' })
    await expect(run).rejects.toThrow('PolicyInputList.2: Statement[0].Action')
  })
})
