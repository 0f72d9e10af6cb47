/** The number of buckets of an account through whole clusters: exact, however creators race and die (T6). */

import { expect, test } from 'vitest'
import { changeAccount } from '../../node/objects/account-record.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  codeOf,
  context,
  nodeOf,
  onCluster,
  calmSleep,
} from '../testing/calm-cluster.ts'

const ACCOUNT = '7'
const LIMIT = 3
const SEEDS = 12

async function limit(cluster: SimulatedCluster, bucketsMax: number): Promise<void> {
  const { registers, layout } = nodeOf(cluster, 0)
  const place = { registers, keyspace: () => layout.current()!.genesis, accountId: ACCOUNT }
  await changeAccount(context(), place, (account) => ({ ...account, bucketsMax }))
}

function create(cluster: SimulatedCluster, node: number, bucket: string): Promise<string> {
  const request = { bucket, ownerAccount: ACCOUNT, region: 'sim' }
  return codeOf(backendOf(cluster, node).createBucket(context(), request))
}

async function namesOf(cluster: SimulatedCluster, node: number): Promise<string[]> {
  const request = { ownerAccount: ACCOUNT, prefix: '', limit: 1000 }
  const { buckets } = await backendOf(cluster, node).listBuckets(context(), request)
  return buckets.map(({ name }) => name)
}

function countOf(codes: readonly string[], wanted: string): number {
  return codes.filter((code) => code === wanted).length
}

test('of 20 creators that race for the last free place exactly one gets it', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await onCluster(
      3,
      async (cluster) => {
        await limit(cluster, LIMIT)
        for (const name of ['a', 'b']) expect(await create(cluster, 0, name)).toBe('ok')
        for (let round = 0; round < 3; round++) {
          const codes = await Promise.all(
            Array.from({ length: 20 }, (_, i) => create(cluster, i % 3, `race-${round}-${i}`)),
          )
          expect(countOf(codes, 'ok')).toBe(1)
          expect(countOf(codes, 'TooManyBuckets')).toBe(19)
          const won = `race-${round}-${codes.indexOf('ok')}`
          for (const node of [0, 1, 2]) expect(await namesOf(cluster, node)).toContain(won)
          expect(await namesOf(cluster, round)).toHaveLength(LIMIT)
          await backendOf(cluster, (round + 1) % 3).deleteBucket(context(), won)
        }
      },
      { seed },
    )
  }
})

test('raising the limit by one makes room for one bucket; a refused name takes no place', async () => {
  await onCluster(3, async (cluster) => {
    await limit(cluster, 1)
    expect(await create(cluster, 0, 'bucket')).toBe('BucketAlreadyExists')
    expect(await create(cluster, 0, 'first')).toBe('ok')
    expect(await create(cluster, 1, 'second')).toBe('TooManyBuckets')
    await limit(cluster, 2)
    // Only one of them has the name; the others leave no place behind.
    const same = await Promise.all([0, 1, 2, 0, 1, 2].map((node) => create(cluster, node, 'same')))
    expect(countOf(same, 'ok')).toBe(1)
    for (const code of same) {
      expect(['ok', 'BucketAlreadyOwnedByYou', 'TooManyBuckets']).toContain(code)
    }
    await limit(cluster, 3)
    expect(await create(cluster, 2, 'third')).toBe('ok')
    expect(await create(cluster, 2, 'fourth')).toBe('TooManyBuckets')
  })
})

test('creators that die midway: the limit is never exceeded, and no place is lost for good', async () => {
  const afterwards = new Set<string>()
  for (let seed = 1; seed <= SEEDS; seed++) {
    await onCluster(
      3,
      async (cluster) => {
        await limit(cluster, LIMIT)
        for (const name of ['a', 'b']) expect(await create(cluster, 0, name)).toBe('ok')
        const answered: string[] = []
        const racing = Array.from({ length: 20 }, async (_, i) => {
          const code = await create(cluster, i % 3, `race-${i}`)
          if (i % 3 !== 2 || cluster.alive(2)) answered.push(code)
        })
        await calmSleep(cluster, 6 + cluster.random() * 10)
        cluster.kill(2, seed % 2 === 0)
        await Promise.all(racing.filter((_, i) => i % 3 !== 2))
        expect(countOf(answered, 'ok')).toBeLessThanOrEqual(1)
        await cluster.start(2)
        const before = await namesOf(cluster, 2)
        expect(before.length).toBeLessThanOrEqual(LIMIT)
        afterwards.add(`${before.length}`)
        if (answered.includes('ok')) expect(before).toHaveLength(LIMIT)
        // By now no node waits for the one that died.
        await calmSleep(cluster, 61_000)
        for (let i = 0; i < LIMIT; i++) {
          const code = await create(cluster, i % 3, `later-${i}`)
          expect(['ok', 'TooManyBuckets']).toContain(code)
        }
        for (const node of [0, 1, 2]) expect(await namesOf(cluster, node)).toHaveLength(LIMIT)
        // Exactly the listed names exist.
        const listed = await namesOf(cluster, 0)
        for (let i = 0; i < 20; i++) {
          const code = await codeOf(backendOf(cluster, i % 3).headBucket(context(), `race-${i}`))
          expect(code).toBe(listed.includes(`race-${i}`) ? 'ok' : 'NoSuchBucket')
        }
      },
      { seed: 200 + seed },
    )
  }
  expect([...afterwards].sort()).toEqual(['2', '3'])
})
