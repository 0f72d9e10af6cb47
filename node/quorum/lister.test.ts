/** Lists of a bucket's registers: what a walk returns when replicas differ, answer in parts, or are away (T1). */

import { beforeEach, describe, expect, test } from 'vitest'
import type { ByteString } from '../../protocol/ids.ts'
import { LISTED_NODES, ListedReplicas } from './testing/listed-replicas.ts'

const SET = LISTED_NODES.slice(0, 3)
const [A, B, C] = SET as [(typeof SET)[0], (typeof SET)[0], (typeof SET)[0]]

let replicas: ListedReplicas

beforeEach(() => {
  replicas = new ListedReplicas()
})

describe('replicas that agree', () => {
  test('one round gives the entries in order, without a read of any of them', async () => {
    for (const name of ['b', 'a', 'c']) replicas.accept(name, SET, 1)
    expect(await replicas.names()).toEqual(['a', 'b', 'c'])
    expect(replicas.context.rounds).toBe(1)
    expect(replicas.reads).toEqual([])
  })

  test('deleted entries are left out', async () => {
    replicas.accept('a', SET, 1)
    replicas.remove('b', SET, 2)
    expect(await replicas.names()).toEqual(['a'])
  })

  test('an empty bucket has no entries', async () => {
    expect(await replicas.names()).toEqual([])
  })

  test('shards are merged by name', async () => {
    replicas.shards = 3
    for (const [i, name] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) {
      replicas.accept(name, SET, 1, (2 * i + 1) % 3)
    }
    expect(await replicas.names()).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })
})

describe('answers in parts', () => {
  test('entries behind the covered end are asked for in further rounds', async () => {
    replicas.rowsMax = 2
    for (const name of ['a', 'b', 'c', 'd', 'e']) replicas.accept(name, SET, 1)
    expect(await replicas.names()).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(replicas.context.rounds).toBe(3)
  })

  test('of different covered ends the least one counts', async () => {
    replicas.rowsMax = 2
    // A covers up to behind 'b' only, C up to behind 'd': what B and C say of 'c' comes from a further round.
    for (const name of ['a', 'b']) replicas.accept(name, [A], 1)
    for (const name of ['c', 'd', 'e']) replicas.accept(name, SET, 1)
    expect(await replicas.names()).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(replicas.reads).not.toContain('c')
  })

  test('a shard of which an answer covers nothing is asked again before a row of others is taken', async () => {
    replicas.shards = 3
    replicas.intervalsMax = 1
    for (const [i, name] of ['a', 'b', 'c', 'd'].entries()) {
      replicas.accept(name, SET, 1, 2 - (i % 3))
    }
    expect(await replicas.names()).toEqual(['a', 'b', 'c', 'd'])
    expect(replicas.context.rounds).toBe(3)
  })

  test('a walk whose replicas never cover a shard is Unavailable', async () => {
    replicas.accept('a', SET, 1)
    replicas.intervalsMax = 0
    await expect(replicas.names()).rejects.toMatchObject({ code: 'Unavailable' })
  })

  test('skipTo passes over what is below a name, in every shard', async () => {
    replicas.shards = 2
    for (const [i, name] of ['a', 'b', 'c', 'd'].entries()) replicas.accept(name, SET, 1, i % 2)
    const walk = replicas.walk()
    expect((await walk.next())?.name).toBe('a')
    walk.skipTo('c' as ByteString)
    expect((await walk.next())?.name).toBe('c')
    expect((await walk.next())?.name).toBe('d')
    expect(await walk.next()).toBeUndefined()
  })
})

describe('replicas that differ', () => {
  test('entries that differ are read one by one, and only these (R2)', async () => {
    replicas.accept('same', SET, 1)
    replicas.accept('newer', SET, 1)
    replicas.accept('newer', [A], 5)
    replicas.accept('lonely', [B], 3)
    expect(await replicas.names()).toEqual(['lonely', 'newer', 'same'])
    expect(replicas.reads.toSorted()).toEqual(['lonely', 'newer'])
  })

  test('an entry that its read finds deleted is left out', async () => {
    replicas.accept('gone', SET, 1)
    replicas.remove('gone', [A], 5)
    expect(await replicas.names()).toEqual([])
    expect(replicas.reads).toEqual(['gone'])
  })

  test('a second round asks the replica sets of the epoch in which it begins', async () => {
    replicas.accept('old', SET, 1)
    // One replica lags behind, so that there is a second round.
    replicas.accept('late', [A], 2)
    replicas.afterRound = () => {
      // Five replicas from now on. The joiners have all that was chosen, and a majority accepts something new.
      replicas.epoch = 2
      replicas.replication = 5
      replicas.accept('old', LISTED_NODES.slice(3), 1)
      replicas.accept('new', LISTED_NODES.slice(2), 3)
    }
    expect(await replicas.names()).toEqual(['late', 'new', 'old'])
  })
})

describe('replicas that do not answer', () => {
  test('one that is down is replaced by the next one in the same round', async () => {
    replicas.accept('a', SET, 1)
    replicas.down.add(A)
    expect(await replicas.names()).toEqual(['a'])
    expect(replicas.context.rounds).toBe(1)
  })

  test('without a majority the list is Unavailable', async () => {
    replicas.accept('a', SET, 1)
    replicas.down.add(A).add(C)
    await expect(replicas.names()).rejects.toMatchObject({ code: 'Unavailable' })
  })

  test('a stale fence is read again, and the round is repeated (T8)', async () => {
    replicas.accept('a', SET, 1)
    replicas.generation = 2
    expect(await replicas.names()).toEqual(['a'])
    expect(replicas.refreshed).toBe(1)
    expect(replicas.context.rounds).toBe(2)
  })
})
