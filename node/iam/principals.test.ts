/** A trust or bucket policy means the user or role that had the name when the policy was stored (F31). */

import { describe, expect, test } from 'vitest'
import { internalContext } from '../tools/internal-context.ts'
import { FIRST_ACCOUNT, IamWorld, allow } from './testing/world.ts'

const arn = (rest: string): string => `arn:aws:iam::${FIRST_ACCOUNT}:${rest}`
const BOSS = arn('role/boss')

function trust(...principals: string[]): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: { Effect: 'Allow', Principal: { AWS: principals }, Action: 'sts:AssumeRole' },
  })
}

function createBoss(world: IamWorld, ...principals: string[]): Promise<string | undefined> {
  return world.codeOf(world.root, 'CreateRole', {
    RoleName: 'boss',
    AssumeRolePolicyDocument: trust(...principals),
  })
}

async function shownTrust(world: IamWorld): Promise<unknown> {
  const { Role } = await world.run(world.root, 'GetRole', { RoleName: 'boss' })
  const text = (Role as { AssumeRolePolicyDocument: string }).AssumeRolePolicyDocument
  return JSON.parse(decodeURIComponent(text)).Statement.Principal.AWS
}

/** Whether the principal with this key may assume the role. */
async function assumes(world: IamWorld, key: string): Promise<boolean> {
  const parameters = { RoleArn: BOSS, RoleSessionName: 'one' }
  return (await world.codeOf(await world.identity(key), 'AssumeRole', parameters)) === undefined
}

describe('a principal in a trust policy', () => {
  test('keeps its trust when it is renamed, and a new user under its old name gets none', async () => {
    const world = new IamWorld()
    await world.run(world.root, 'CreateUser', { UserName: 'ann' })
    const ann = await world.key(world.root, 'ann')
    await createBoss(world, arn('user/ann'))
    await world.run(world.root, 'UpdateUser', { UserName: 'ann', NewUserName: 'anna' })
    await world.run(world.root, 'CreateUser', { UserName: 'ann' })
    const successor = await world.key(world.root, 'ann')
    expect(await assumes(world, ann)).toBe(true)
    expect(await assumes(world, successor)).toBe(false)
    expect(await shownTrust(world)).toEqual([arn('user/anna')])
  })

  test('is shown as its id once it is deleted, and a new one of the same name is another', async () => {
    const world = new IamWorld()
    const { User } = await world.run(world.root, 'CreateUser', { UserName: 'ann' })
    await createBoss(world, arn('user/ann'), FIRST_ACCOUNT)
    const { UserId } = User as { UserId: string }
    await world.run(world.root, 'DeleteUser', { UserName: 'ann' })
    await world.run(world.root, 'CreateUser', { UserName: 'ann' })
    expect(await shownTrust(world)).toEqual([UserId, FIRST_ACCOUNT])
    expect(await assumes(world, await world.key(world.root, 'ann'))).toBe(false)
    // As in AWS, an id that is shown is not accepted back.
    const PolicyDocument = trust(UserId)
    const again = { RoleName: 'boss', PolicyDocument }
    expect(await world.codeOf(world.root, 'UpdateAssumeRolePolicy', again)).toBe(
      'MalformedPolicyDocument',
    )
  })
})

describe('principals that can be named', () => {
  test('must exist: user, role, path, and the role of a session', async () => {
    const world = new IamWorld()
    await world.run(world.root, 'CreateUser', { UserName: 'ann', Path: '/team/' })
    const refused = [
      arn('user/eve'),
      arn('user/ann'),
      arn('role/team/ann'),
      arn('role/boss'),
      `arn:aws:sts::${FIRST_ACCOUNT}:assumed-role/nobody/s`,
      'arn:aws:iam::999999999999:user/ann',
    ]
    for (const principal of refused) {
      expect([principal, await createBoss(world, principal)]).toEqual([
        principal,
        'MalformedPolicyDocument',
      ])
    }
    expect(await createBoss(world, arn('user/team/ann'))).toBeUndefined()
    const other = await world.account('other')
    await world.run(other, 'CreateUser', { UserName: 'carl' })
    const trusted = trust(
      arn('role/boss'),
      `arn:aws:sts::${FIRST_ACCOUNT}:assumed-role/boss/s`,
      `arn:aws:iam::${other.accountId}:user/carl`,
    )
    const more = { RoleName: 'boss', PolicyDocument: trusted }
    expect(await world.codeOf(world.root, 'UpdateAssumeRolePolicy', more)).toBeUndefined()
    const { AssumeRolePolicyDocument } = (
      await world.run(world.root, 'GetRole', { RoleName: 'boss' })
    )['Role'] as Record<string, string>
    expect(decodeURIComponent(AssumeRolePolicyDocument as string)).toBe(trusted)
  })

  test('a session is named by its role and its name', async () => {
    const world = new IamWorld()
    await createBoss(world, FIRST_ACCOUNT)
    const session = `arn:aws:sts::${FIRST_ACCOUNT}:assumed-role/boss/one`
    const ids = await world.identities.principals.principalIds(internalContext(), [session, BOSS])
    expect(ids.get(session)).toBe(`${ids.get(BOSS)}:one`)
    await world.user(world.root, 'ann', allow('sts:*'))
    const resolved = [{ arn: session, id: ids.get(session) as string }]
    const present = await world.identities.principals.principalArns(internalContext(), resolved)
    expect([...present.values()]).toEqual([session])
  })
})
