import { describe, expect, it } from 'vitest'
import { internalContext } from '../tools/internal-context.ts'
import { MemoryRegisters } from '../objects/testing/memory-registers.ts'
import { Directory } from './directory.ts'
import { limitExceeded } from './errors.ts'
import { Records } from './records.ts'

const ACCOUNT = '123456789012'
const context = internalContext()

function world() {
  const time = { nowMs: 1_000_000 }
  const standing = new Set<string>()
  const directory = new Directory({
    records: new Records(new MemoryRegisters().registers, () => ({ partitionBits: 4 })),
    clock: { nowMs: () => time.nowMs, monotonicMs: () => time.nowMs, after: () => () => {} },
    space: 'user',
    entriesMax: 3,
    full: () => limitExceeded('full'),
    exists: (_context, _account, { id }) => Promise.resolve(standing.has(id)),
  })
  const enter = async (id: string, name = `n-${id}`): Promise<void> => {
    await directory.enter(context, ACCOUNT, { id, name })
    standing.add(id)
  }
  const names = async (): Promise<string[]> =>
    (await directory.entries(context, ACCOUNT)).map(({ name }) => name)
  return { time, standing, directory, enter, names }
}

describe('a list of entities', () => {
  it('holds each entry once, ordered by name, whichever register holds it', async () => {
    const { enter, names, directory } = world()
    for (const id of ['AIDA3', 'AIDA1', 'AIDA2']) await enter(id)
    await enter('AIDA1')
    expect(await names()).toEqual(['n-AIDA1', 'n-AIDA2', 'n-AIDA3'])
    await directory.drop(context, ACCOUNT, { id: 'AIDA2', name: 'n-AIDA2' })
    // A late removal of an entry does not remove the entry of its successor under the same name.
    await enter('AIDA4', 'n-AIDA2')
    await directory.drop(context, ACCOUNT, { id: 'AIDA2', name: 'n-AIDA2' })
    expect(await names()).toEqual(['n-AIDA1', 'n-AIDA2', 'n-AIDA3'])
  })

  it('is full at its limit, and a rename counts once', async () => {
    const { enter, names } = world()
    for (const id of ['AIDA1', 'AIDA2', 'AIDA3']) await enter(id)
    await expect(enter('AIDA4')).rejects.toMatchObject({ code: 'LimitExceeded' })
    await enter('AIDA3', 'other')
    expect(await names()).toEqual(['n-AIDA1', 'n-AIDA2', 'n-AIDA3', 'other'])
  })

  it('when it is full, drops old entries whose entity was never created', async () => {
    const { enter, names, standing, time } = world()
    for (const id of ['AIDA1', 'AIDA2', 'AIDA3']) await enter(id)
    standing.delete('AIDA2')
    await expect(enter('AIDA4')).rejects.toMatchObject({ code: 'LimitExceeded' })
    time.nowMs += 61_000
    await enter('AIDA4')
    expect(await names()).toEqual(['n-AIDA1', 'n-AIDA3', 'n-AIDA4'])
  })

  it('counts as occupied by entities that exist and by those that may be under way', async () => {
    const { enter, standing, directory, time } = world()
    const occupied = () => directory.isOccupied(context, ACCOUNT)
    expect(await occupied()).toBe(false)
    await enter('AIDA1')
    standing.delete('AIDA1')
    expect(await occupied()).toBe(true)
    time.nowMs += 61_000
    expect(await occupied()).toBe(false)
    standing.add('AIDA1')
    expect(await occupied()).toBe(true)
  })
})
