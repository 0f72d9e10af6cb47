/**
 * Every action with several steps is broken off before and after each of its changes. No partial rights are left,
 * nothing is blocked, and the action can be repeated.
 */

import { describe, expect, it } from 'vitest'
import type { Identity } from '../../gateway/port/identity.ts'
import { StoreError } from '../../protocol/errors.ts'
import { allow, IamWorld } from './testing/world.ts'

interface Scenario {
  readonly name: string
  readonly prepare: (world: IamWorld) => Promise<void>
  readonly action: readonly [string, Record<string, string>]
  /** What a second try may answer besides success: that something was done already. */
  readonly again: readonly string[]
  /** What must hold wherever the action was broken off, and after the second try. */
  readonly check: (world: IamWorld, done: boolean) => Promise<void>
}

const ann = { UserName: 'ann' }
const keyIds = async (world: IamWorld, user: string): Promise<string[]> => {
  const listed = await world.run(world.root, 'ListAccessKeys', { UserName: user })
  return (listed['AccessKeyMetadata'] as { AccessKeyId: string }[]).map((key) => key.AccessKeyId)
}
const userNames = async (world: IamWorld): Promise<string[]> => {
  const listed = await world.run(world.root, 'ListUsers')
  return (listed['Users'] as { UserName: string }[]).map((user) => user.UserName)
}
const groupNames = async (world: IamWorld): Promise<string[]> => {
  const listed = await world.run(world.root, 'ListGroupsForUser', ann)
  return (listed['Groups'] as { GroupName: string }[]).map((group) => group.GroupName)
}

const aliases = async (world: IamWorld, of: Identity): Promise<string[]> =>
  (await world.run(of, 'ListAccountAliases'))['AccountAliases'] as string[]

const scenarios: readonly Scenario[] = [
  {
    name: 'CreateUser',
    prepare: async () => {},
    action: ['CreateUser', ann],
    again: ['EntityAlreadyExists'],
    check: async (world, done) => {
      const here = (await world.codeOf(world.root, 'GetUser', ann)) === undefined
      expect(await userNames(world)).toEqual(here ? ['ann'] : [])
      if (done) expect(here).toBe(true)
    },
  },
  {
    name: 'DeleteUser',
    prepare: (world) => world.run(world.root, 'CreateUser', ann).then(() => {}),
    action: ['DeleteUser', ann],
    again: ['NoSuchEntity'],
    check: async (world, done) => {
      const here = (await world.codeOf(world.root, 'GetUser', ann)) === undefined
      expect(await userNames(world)).toEqual(here ? ['ann'] : [])
      if (done) {
        expect(here).toBe(false)
        await world.run(world.root, 'CreateUser', ann)
      }
    },
  },
  {
    name: 'UpdateUser',
    prepare: async (world) => {
      await world.user(world.root, 'ann', allow('s3:*'))
    },
    action: ['UpdateUser', { ...ann, NewUserName: 'eve' }],
    again: ['NoSuchEntity'],
    check: async (world, done) => {
      const all = await userNames(world)
      expect(all).toHaveLength(1)
      const [key] = await keyIds(world, all[0] as string)
      const identity = await world.identity(key as string)
      expect(identity.userName).toBe(all[0])
      expect(identity.policies).toHaveLength(1)
      if (!done) return
      expect(all).toEqual(['eve'])
      await world.run(world.root, 'CreateUser', ann)
    },
  },
  {
    name: 'CreateAccessKey',
    prepare: (world) => world.run(world.root, 'CreateUser', ann).then(() => {}),
    action: ['CreateAccessKey', ann],
    again: [],
    check: async (world, done) => {
      const ids = await keyIds(world, 'ann')
      for (const id of ids) expect(await world.credential(id)).toBeDefined()
      if (done) expect(ids.length).toBeGreaterThan(0)
    },
  },
  {
    name: 'AddUserToGroup',
    prepare: async (world) => {
      await world.run(world.root, 'CreateUser', ann)
      await world.run(world.root, 'CreateGroup', { GroupName: 'g' })
    },
    action: ['AddUserToGroup', { ...ann, GroupName: 'g' }],
    again: [],
    check: async (world, done) => {
      const groups = await groupNames(world)
      const remove = await world.codeOf(world.root, 'DeleteGroup', { GroupName: 'g' })
      expect(remove).toBe(groups.length === 0 ? undefined : 'DeleteConflict')
      if (remove === undefined) await world.run(world.root, 'CreateGroup', { GroupName: 'g' })
      if (done) expect(groups).toEqual(['g'])
    },
  },
  {
    name: 'RemoveUserFromGroup',
    prepare: async (world) => {
      await world.run(world.root, 'CreateUser', ann)
      await world.run(world.root, 'CreateGroup', { GroupName: 'g' })
      await world.run(world.root, 'AddUserToGroup', { ...ann, GroupName: 'g' })
    },
    action: ['RemoveUserFromGroup', { ...ann, GroupName: 'g' }],
    again: ['NoSuchEntity'],
    check: async (world, done) => {
      const groups = await groupNames(world)
      if (!done) return
      expect(groups).toEqual([])
      await world.run(world.root, 'DeleteGroup', { GroupName: 'g' })
    },
  },
  {
    name: 'AttachUserPolicy',
    prepare: async (world) => {
      await world.run(world.root, 'CreateUser', ann)
      await world.run(world.root, 'CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('*') })
    },
    action: ['AttachUserPolicy', { ...ann, PolicyArn: `arn:aws:iam::100000000001:policy/p` }],
    again: [],
    check: async (world, done) => {
      const arn = { PolicyArn: 'arn:aws:iam::100000000001:policy/p' }
      const { AttachedPolicies } = await world.run(world.root, 'ListAttachedUserPolicies', ann)
      const attached = (AttachedPolicies as unknown[]).length > 0
      const remove = await world.codeOf(world.root, 'DeletePolicy', arn)
      expect(remove).toBe(attached ? 'DeleteConflict' : undefined)
      if (remove === undefined) {
        await world.run(world.root, 'CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('*') })
      }
      if (done) expect(attached).toBe(true)
    },
  },
  {
    name: 'CreateAccount',
    prepare: async () => {},
    action: ['CreateAccount', { Name: 'other' }],
    again: [],
    check: async (world) => {
      const { Accounts } = await world.run(world.root, 'ListAccounts')
      for (const { AccountId } of Accounts as { AccountId: string }[]) {
        if (AccountId === world.root.accountId) continue
        await world.run(world.root, 'DeleteAccount', { AccountId })
      }
      const left = await world.run(world.root, 'ListAccounts')
      expect(left['Accounts']).toHaveLength(1)
    },
  },
  {
    name: 'CreateAccountAlias',
    prepare: async () => {},
    action: ['CreateAccountAlias', { AccountAlias: 'blue' }],
    again: [],
    check: async (world, done) => {
      const here = await aliases(world, world.root)
      expect([[], ['blue']]).toContainEqual(here)
      if (done) expect(here).toEqual(['blue'])
      // Nothing is blocked: another account gets it unless it is taken.
      const other = await world.account('other')
      const taken = await world.codeOf(other, 'CreateAccountAlias', { AccountAlias: 'blue' })
      expect(taken).toBe(here.length === 0 ? undefined : 'EntityAlreadyExists')
      if (taken === undefined)
        await world.run(other, 'DeleteAccountAlias', { AccountAlias: 'blue' })
    },
  },
  {
    name: 'CreateAccountAlias in the place of another one',
    prepare: async (world) => {
      await world.run(world.root, 'CreateAccountAlias', { AccountAlias: 'red' })
    },
    action: ['CreateAccountAlias', { AccountAlias: 'blue' }],
    again: [],
    check: async (world, done) => {
      const [alias] = await aliases(world, world.root)
      if (done) expect(alias).toBe('blue')
      const other = await world.account('other')
      for (const AccountAlias of ['red', 'blue']) {
        const code = await world.codeOf(other, 'CreateAccountAlias', { AccountAlias })
        expect(code).toBe(alias === AccountAlias ? 'EntityAlreadyExists' : undefined)
        if (code === undefined) await world.run(other, 'DeleteAccountAlias', { AccountAlias })
      }
    },
  },
  {
    name: 'DeleteAccountAlias',
    prepare: async (world) => {
      await world.run(world.root, 'CreateAccountAlias', { AccountAlias: 'blue' })
    },
    action: ['DeleteAccountAlias', { AccountAlias: 'blue' }],
    again: ['NoSuchEntity'],
    check: async (world, done) => {
      const here = await aliases(world, world.root)
      if (done) expect(here).toEqual([])
      const other = await world.account('other')
      const taken = await world.codeOf(other, 'CreateAccountAlias', { AccountAlias: 'blue' })
      expect(taken).toBe(here.length === 0 ? undefined : 'EntityAlreadyExists')
      if (taken === undefined)
        await world.run(other, 'DeleteAccountAlias', { AccountAlias: 'blue' })
    },
  },
]

describe('DeleteAccount of an account with an alias', () => {
  it('broken off before each of its changes can be repeated, and frees the alias', async () => {
    let broken = 0
    for (let step = 0, done = false; !done; step++) {
      const world = new IamWorld()
      const other = await world.account('other')
      const id = { AccountId: other.accountId }
      await world.run(other, 'CreateAccountAlias', { AccountAlias: 'blue' })
      let count = 0
      world.registers.before = () =>
        count++ >= step ? Promise.reject(new StoreError('Unavailable')) : undefined
      const code = await world.codeOf(world.root, 'DeleteAccount', id).catch(() => 'Unavailable')
      world.registers.before = () => undefined
      done = code === undefined
      if (!done) {
        broken++
        expect(code).toBe('Unavailable')
        await world.run(world.root, 'DeleteAccount', id)
      }
      await world.run(world.root, 'CreateAccountAlias', { AccountAlias: 'blue' })
      expect(await aliases(world, world.root)).toEqual(['blue'])
      expect(await aliases(world, other)).toEqual([])
    }
    expect(broken).toBeGreaterThan(4)
  })
})

describe.each(scenarios)('$name', ({ prepare, action, again, check }) => {
  it.each(['before', 'after'] as const)('broken off %s each of its changes', async (when) => {
    let steps = Infinity
    for (let step = 0; step < steps; step++) {
      const world = new IamWorld()
      await prepare(world)
      const [name, parameters] = action
      let count = 0
      const stop = (): Promise<void> => Promise.reject(new StoreError('Unavailable'))
      const change = world.registers.change.bind(world.registers)
      world.registers.before = () => {
        const at = count++
        return when === 'before' && at >= step ? stop() : undefined
      }
      if (when === 'after') {
        world.registers.change = async (context, request) => {
          if (count > step) await stop()
          const outcome = await change(context, request)
          if (count > step) await stop()
          return outcome
        }
      }
      const failed = await world.codeOf(world.root, name, parameters).catch(() => 'Unavailable')
      world.registers.before = () => undefined
      world.registers.change = change
      if (failed === undefined) steps = step
      else expect(failed).toBe('Unavailable')
      await check(world, failed === undefined)
      if (failed === undefined) break
      const code = await world.codeOf(world.root, name, parameters)
      if (code !== undefined) expect(again).toContain(code)
      await check(world, true)
    }
    expect(steps).toBeGreaterThan(0)
    expect(steps).toBeLessThan(20)
  })
})
