import { beforeEach, describe, expect, it } from 'vitest'
import type { Identity } from '../../gateway/port/identity.ts'
import { FIRST_ACCOUNT, IamWorld, iamRandom, slow } from './testing/world.ts'

let world: IamWorld

beforeEach(() => {
  world = new IamWorld()
})

const aliasOf = async (of: Identity, at: IamWorld = world): Promise<string | undefined> => {
  const { AccountAliases, IsTruncated } = await at.run(of, 'ListAccountAliases')
  expect(IsTruncated).toBe(false)
  expect((AccountAliases as string[]).length).toBeLessThan(2)
  return (AccountAliases as string[])[0]
}
const create = (by: Identity, alias: string, at: IamWorld = world): Promise<string | undefined> =>
  at.codeOf(by, 'CreateAccountAlias', { AccountAlias: alias })
const remove = (by: Identity, alias: string, at: IamWorld = world): Promise<string | undefined> =>
  at.codeOf(by, 'DeleteAccountAlias', { AccountAlias: alias })

/** The registers of aliases that name an account. */
function aliasRegisters({ registers }: IamWorld): string[] {
  return [...registers.values]
    .filter(([key, { tombstone }]) => !tombstone && /\/[a-z0-9-]{3,}$/.test(key))
    .map(([key]) => key.slice(key.lastIndexOf('/') + 1))
}

describe('the alias of an account', () => {
  it('is created, created once more, listed and deleted', async () => {
    expect(await aliasOf(world.root)).toBeUndefined()
    expect(await create(world.root, 'blue')).toBeUndefined()
    expect(await create(world.root, 'blue')).toBeUndefined()
    expect(await aliasOf(world.root)).toBe('blue')
    expect(await world.run(world.root, 'ListAccountAliases', { MaxItems: '1' })).toEqual({
      AccountAliases: ['blue'],
      IsTruncated: false,
    })
    expect(await remove(world.root, 'green')).toBe('NoSuchEntity')
    expect(await remove(world.root, 'blue')).toBeUndefined()
    expect(await remove(world.root, 'blue')).toBe('NoSuchEntity')
    expect(await aliasOf(world.root)).toBeUndefined()
    expect(aliasRegisters(world)).toEqual([])
  })

  it('is replaced by a new one, and free for others then', async () => {
    const other = await world.account('other')
    await create(world.root, 'blue')
    expect(await create(other, 'blue')).toBe('EntityAlreadyExists')
    expect(await aliasOf(other)).toBeUndefined()
    expect(await remove(other, 'blue')).toBe('NoSuchEntity')
    expect(await create(world.root, 'green')).toBeUndefined()
    expect(await aliasOf(world.root)).toBe('green')
    expect(aliasRegisters(world)).toEqual(['green'])
    expect(await create(other, 'blue')).toBeUndefined()
    expect([await aliasOf(world.root), await aliasOf(other)]).toEqual(['green', 'blue'])
  })

  it('has the form that AWS asks for', async () => {
    for (const alias of ['abc', 'a-b', '0-9-z', 'a'.repeat(63)]) {
      expect([alias, await create(world.root, alias)]).toEqual([alias, undefined])
    }
    for (const alias of ['ab', '-ab', 'ab-', 'a--b', 'aBc', 'a_b', 'a/b', 'a'.repeat(64), '']) {
      expect([alias, await create(world.root, alias)]).toEqual([alias, 'ValidationError'])
    }
  })

  it('does not change what else the account has, and is no part of its summary', async () => {
    const id = { AccountId: FIRST_ACCOUNT }
    const before = await world.run(world.root, 'GetAccount', id)
    const summary = await world.run(world.root, 'GetAccountSummary')
    await create(world.root, 'blue')
    expect(await world.run(world.root, 'GetAccount', id)).toEqual(before)
    expect(await world.run(world.root, 'GetAccountSummary')).toEqual(summary)
    await world.run(world.root, 'UpdateAccount', { ...id, Name: 'Blue' })
    await world.key(world.root)
    expect(await aliasOf(world.root)).toBe('blue')
  })

  it('is free when the account is deleted, and stays when it is not', async () => {
    const other = await world.account('other')
    const id = { AccountId: other.accountId }
    await create(other, 'blue')
    await world.run(other, 'CreateUser', { UserName: 'ann' })
    expect(await world.codeOf(world.root, 'DeleteAccount', id)).toBe('DeleteConflict')
    expect(await create(world.root, 'blue')).toBe('EntityAlreadyExists')
    await world.run(other, 'DeleteUser', { UserName: 'ann' })
    await world.run(world.root, 'DeleteAccount', id)
    expect(aliasRegisters(world)).toEqual([])
    expect(await create(other, 'green')).toBe('AccessDenied')
    expect(await create(world.root, 'blue')).toBeUndefined()
    expect(await aliasOf(other)).toBeUndefined()
  })
})

describe('aliases', () => {
  const KNOWN = [undefined, 'EntityAlreadyExists', 'NoSuchEntity', 'ConcurrentModification']
  const NAMES = ['abc', 'xyz', 'n-1']

  it('belong to one account at most, in every order of events', async () => {
    const outcomes = new Set<string | undefined>()
    for (let seed = 1; seed <= 60; seed++) {
      const draw = iamRandom(seed)
      const inner = new IamWorld(seed)
      const accounts = [inner.root, await inner.account('b'), await inner.account('c')]
      slow(inner.registers, draw)
      const pick = <T>(of: readonly T[]): T => of[Math.floor(draw() * of.length)] as T
      for (let round = 0; round < 4; round++) {
        const clients = Array.from({ length: 4 }, async () => {
          for (let i = 0; i < 2; i++) {
            const [account, alias] = [pick(accounts), pick(NAMES)]
            const code = await (draw() < 0.7 ? create : remove)(account, alias, inner)
            expect(KNOWN).toContain(code)
            outcomes.add(code)
          }
        })
        await Promise.all(clients)
        const aliases: string[] = []
        for (const account of accounts) aliases.push((await aliasOf(account, inner)) ?? '')
        const held = aliases.filter((alias) => alias !== '')
        expect({ seed, held }).toEqual({ seed, held: [...new Set(held)] })
        // Each register of an alias that an account has says so: others are refused by it.
        for (const [at, alias] of aliases.entries()) {
          if (alias === '') continue
          const stranger = accounts[(at + 1) % accounts.length] as Identity
          expect(await create(stranger, alias, inner)).toBe('EntityAlreadyExists')
        }
      }
      // What nobody has can be had.
      for (const account of accounts) {
        const alias = await aliasOf(account, inner)
        if (alias !== undefined) await remove(account, alias, inner)
      }
      for (const [at, account] of accounts.entries()) {
        expect(await create(account, NAMES[at] as string, inner)).toBeUndefined()
      }
    }
    expect(outcomes).toEqual(new Set(KNOWN))
  })

  it('are created for no account that is closed at the same time', async () => {
    const outcomes = new Set<string>()
    for (let seed = 1; seed <= 60; seed++) {
      const draw = iamRandom(seed)
      const inner = new IamWorld(seed)
      const other = await inner.account('other')
      slow(inner.registers, draw)
      const later = async (): Promise<void> => {
        for (let ticks = draw() * 60; ticks > 0; ticks--) await Promise.resolve()
      }
      const [made, closed] = await Promise.all([
        create(other, 'blue', inner),
        later().then(() =>
          inner.codeOf(inner.root, 'DeleteAccount', { AccountId: other.accountId }),
        ),
      ])
      expect(closed).toBeUndefined()
      outcomes.add(made ?? 'made')
      expect(await aliasOf(other, inner)).toBeUndefined()
      expect(await create(inner.root, 'blue', inner)).toBeUndefined()
    }
    expect(outcomes).toEqual(new Set(['AccessDenied', 'made']))
  })
})
