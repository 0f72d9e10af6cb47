import { beforeEach, describe, expect, it } from 'vitest'
import { allow, FIRST_ACCOUNT, IamWorld, iamRandom, slow } from './testing/world.ts'

let world: IamWorld
const names = (result: unknown, list: string, field: string): unknown[] =>
  (result as Record<string, Record<string, unknown>[]>)[list]!.map((item) => item[field])

beforeEach(async () => {
  world = new IamWorld()
  await world.run(world.root, 'CreateGroup', { GroupName: 'g', Path: '/x/' })
  await world.run(world.root, 'CreateUser', { UserName: 'ann' })
})

const both = { GroupName: 'g', UserName: 'ann' }

describe('groups', () => {
  it('are created, read, renamed, listed and deleted', async () => {
    const { root } = world
    expect(await world.run(root, 'GetGroup', { GroupName: 'g' })).toMatchObject({
      Group: {
        GroupName: 'g',
        Path: '/x/',
        GroupId: expect.stringMatching(/^AGPA/) as string,
        Arn: `arn:aws:iam::${FIRST_ACCOUNT}:group/x/g`,
      },
      Users: [],
      IsTruncated: false,
    })
    await world.run(root, 'AddUserToGroup', both)
    await world.run(root, 'UpdateGroup', { GroupName: 'g', NewGroupName: 'h', NewPath: '/' })
    expect(await world.codeOf(root, 'GetGroup', { GroupName: 'g' })).toBe('NoSuchEntity')
    const got = await world.run(root, 'GetGroup', { GroupName: 'h' })
    expect(names(got, 'Users', 'UserName')).toEqual(['ann'])
    expect(names(await world.run(root, 'ListGroups'), 'Groups', 'Arn')).toEqual([
      `arn:aws:iam::${FIRST_ACCOUNT}:group/h`,
    ])
    expect(await world.codeOf(root, 'DeleteGroup', { GroupName: 'h' })).toBe('DeleteConflict')
    await world.run(root, 'RemoveUserFromGroup', { GroupName: 'h', UserName: 'ann' })
    expect(await world.codeOf(root, 'RemoveUserFromGroup', { ...both, GroupName: 'h' })).toBe(
      'NoSuchEntity',
    )
    const policy = { GroupName: 'h', PolicyName: 'p' }
    await world.run(root, 'PutGroupPolicy', { ...policy, PolicyDocument: allow('s3:*') })
    expect(await world.codeOf(root, 'DeleteGroup', { GroupName: 'h' })).toBe('DeleteConflict')
    await world.run(root, 'DeleteGroupPolicy', policy)
    await world.run(root, 'DeleteGroup', { GroupName: 'h' })
    expect(names(await world.run(root, 'ListGroups'), 'Groups', 'GroupName')).toEqual([])
  })

  it('give their policies to their members while they are in the group', async () => {
    const { root } = world
    const key = await world.key(root, 'ann')
    await world.run(root, 'PutGroupPolicy', {
      GroupName: 'g',
      PolicyName: 'p',
      PolicyDocument: allow('s3:*'),
    })
    const held = async () => (await world.identity(key)).policies.map(({ name }) => name)
    await world.run(root, 'AddUserToGroup', both)
    await world.run(root, 'AddUserToGroup', both)
    expect(await held()).toEqual(['group/g/p'])
    await world.run(root, 'RemoveUserFromGroup', both)
    expect(await held()).toEqual([])
  })
})

describe('members of groups', () => {
  it('a user is in ten groups at most', async () => {
    const { root } = world
    for (let i = 0; i < 10; i++) {
      await world.run(root, 'CreateGroup', { GroupName: `g${i}` })
      await world.run(root, 'AddUserToGroup', { UserName: 'ann', GroupName: `g${i}` })
    }
    expect(await world.codeOf(root, 'AddUserToGroup', both)).toBe('LimitExceeded')
    // A refused addition leaves nothing that would keep the group from being deleted.
    await world.run(root, 'DeleteGroup', { GroupName: 'g' })
  })

  it('when a group is deleted and joined at once, one of the two fails', async () => {
    const { root } = world
    for (let seed = 1; seed <= 50; seed++) {
      const draw = iamRandom(seed)
      slow(world.registers, draw)
      const [added, removed] = await Promise.all([
        world.codeOf(root, 'AddUserToGroup', both),
        world.codeOf(root, 'DeleteGroup', { GroupName: 'g' }),
      ])
      if (added === undefined && removed === undefined) {
        throw new Error('a group was deleted that somebody was in')
      }
      const groups = await world.run(root, 'ListGroupsForUser', { UserName: 'ann' })
      expect(names(groups, 'Groups', 'GroupName')).toEqual(removed === undefined ? [] : ['g'])
      if (removed === undefined) await world.run(root, 'CreateGroup', { GroupName: 'g' })
      else await world.run(root, 'RemoveUserFromGroup', both)
    }
  })
})
