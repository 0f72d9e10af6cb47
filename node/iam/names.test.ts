import { describe, expect, it } from 'vitest'
import { FIRST_ACCOUNT, IamWorld, iamRandom, slow } from './testing/world.ts'

const NAMES = ['ann', 'bob', 'eve']
const KNOWN = [undefined, 'EntityAlreadyExists', 'NoSuchEntity', 'ConcurrentModification']

async function step(world: IamWorld, draw: () => number): Promise<void> {
  const pick = (): string => NAMES[Math.floor(draw() * NAMES.length)] as string
  const UserName = pick()
  const choice = draw()
  const code =
    choice < 0.4
      ? await world.codeOf(world.root, 'CreateUser', { UserName })
      : choice < 0.8
        ? await world.codeOf(world.root, 'UpdateUser', { UserName, NewUserName: pick() })
        : await world.codeOf(world.root, 'DeleteUser', { UserName })
  expect(KNOWN).toContain(code)
}

describe('names', () => {
  it('each belong to one entity at most, and no entity has two, in every order of events', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const draw = iamRandom(seed)
      const world = new IamWorld(seed)
      slow(world.registers, draw)
      for (let round = 0; round < 4; round++) {
        const clients = Array.from({ length: 3 }, async () => {
          for (let i = 0; i < 2; i++) await step(world, draw)
        })
        await Promise.all(clients)
        const listed = (await world.run(world.root, 'ListUsers'))['Users'] as {
          UserName: string
          UserId: string
        }[]
        const names = listed.map(({ UserName }) => UserName)
        expect(new Set(names).size).toBe(names.length)
        const found: string[] = []
        for (const UserName of NAMES) {
          if ((await world.codeOf(world.root, 'GetUser', { UserName })) === undefined) {
            found.push(UserName)
          }
        }
        expect({ seed, names }).toEqual({ seed, names: found })
        // No entity is left without a name.
        const standing = [...world.registers.values]
          .filter(([key, value]) => key.includes(`${FIRST_ACCOUNT}#`) && !value.tombstone)
          .map(([key]) => key.slice(key.indexOf('#') + 1))
        expect({ seed, standing: standing.sort() }).toEqual({
          seed,
          standing: listed.map(({ UserId }) => UserId).sort(),
        })
      }
    }
  })
})
