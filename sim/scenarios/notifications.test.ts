/** Notifications through whole clusters: what was acknowledged is told, whatever dies in between. */

import { expect, test } from 'vitest'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  BUCKET,
  bytesLike,
  calmSleep,
  calmUntil,
  context,
  onCluster,
  put,
} from '../testing/calm-cluster.ts'
import { configureHook, ToldEvents } from '../testing/told.ts'

/** Puts a key through a node; undefined when the node has died meanwhile. */
async function tryPut(cluster: SimulatedCluster, number: number, key: string): Promise<boolean> {
  const backend = cluster.node(number)?.backend
  if (backend === undefined) return false
  try {
    await put(backend, key, bytesLike(10))
    return true
  } catch {
    return false
  }
}

test('every acknowledged write is told, while nodes are killed and the webhook is down for a while', async () => {
  await onCluster(3, async (cluster) => {
    const told = new ToldEvents(cluster)
    await configureHook(cluster)
    const acknowledged: string[] = []
    let isOver = false
    const writers = [0, 1, 2].map(async (number) => {
      for (let i = 0; !isOver; i++) {
        const key = `key-${number}-${i}`
        // A put through a node that is killed never ends.
        const done = await Promise.race([tryPut(cluster, number, key), calmSleep(cluster, 3_000)])
        if (done === true) acknowledged.push(key)
        await calmSleep(cluster, 100)
      }
    })
    for (let round = 0; round < 3; round++) {
      told.answer = ([204, 503, 'silent'] as const)[round % 3]!
      await calmSleep(cluster, 1_500)
      // Half of them as by kill -9, half as at a power cut.
      cluster.kill(round % 3, round % 2 === 0)
      await calmSleep(cluster, 1_000)
      await cluster.start(round % 3)
    }
    isOver = true
    await Promise.all(writers)
    told.answer = 204
    const missing = (): string[] => {
      const keys = new Set(told.keys)
      return acknowledged.filter((key) => !keys.has(key))
    }
    await calmUntil(cluster, 'all events are told', () => missing().length === 0, 1_000, 300_000)
    expect(acknowledged.length).toBeGreaterThan(30)
  })
})

test('the events of a key are in the order of their sequencers, also across a delete', async () => {
  await onCluster(3, async (cluster) => {
    const told = new ToldEvents(cluster)
    await configureHook(cluster)
    for (let i = 0; i < 8; i++) {
      await put(backendOf(cluster, i % 3), 'key', bytesLike(20 + i))
      if (i % 4 === 3) {
        await backendOf(cluster, i % 3).deleteObject(context(), { bucket: BUCKET, key: 'key' })
        await calmSleep(cluster, 20_000)
      }
    }
    await calmUntil(cluster, 'all events are told', () => told.events.length >= 10)
    const ordered = told.events.toSorted((a, b) =>
      a.s3.object.sequencer < b.s3.object.sequencer ? -1 : 1,
    )
    expect(ordered.map(({ s3, eventName }) => s3.object.size ?? eventName)).toEqual([
      20,
      21,
      22,
      23,
      'ObjectRemoved:Delete',
      24,
      25,
      26,
      27,
      'ObjectRemoved:Delete',
    ])
  })
})

test('rules that are removed tell nothing any more, through any node', async () => {
  await onCluster(3, async (cluster) => {
    const told = new ToldEvents(cluster)
    await configureHook(cluster)
    for (const number of [0, 1, 2])
      await put(backendOf(cluster, number), `a${number}`, bytesLike(9))
    await backendOf(cluster, 1).changeBucket(context(), {
      bucket: BUCKET,
      change: { notification: null },
    })
    for (const number of [0, 1, 2])
      await put(backendOf(cluster, number), `b${number}`, bytesLike(9))
    await calmSleep(cluster, 30_000)
    expect(told.keys.toSorted()).toEqual(['a0', 'a1', 'a2'])
  })
})
