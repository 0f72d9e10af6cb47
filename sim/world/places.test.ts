import { expect, test } from 'vitest'
import { CheckerA } from '../checkers/checker-a.ts'
import { SimulatedCluster } from './cluster.ts'
import { flipFirst, placesOf, segmentPaths } from './places.ts'
import {
  backendOf,
  bytesLike,
  BUCKET,
  context,
  get,
  nodeOf,
  onCluster,
  put,
  calmSleep,
  untilLevel,
} from '../testing/calm-cluster.ts'

test('every place of a log is found, and a flipped byte of each is seen by a rebuild', async () => {
  await onCluster(1, async (cluster) => {
    const backend = backendOf(cluster, 0)
    await put(backend, 'small', bytesLike(500))
    await put(backend, 'large', bytesLike(200_000))
    await backend.deleteObject(context(), { bucket: BUCKET, key: 'small' })
    cluster.kill(0, false)
    const disk = cluster.diskOf(0)
    const places = placesOf(disk)
    const kinds = new Set(places.map(({ kind }) => kind))
    expect([...kinds]).toEqual(
      expect.arrayContaining([
        'segment-header',
        'batch-header',
        'record-header',
        'record-body',
        'file',
      ]),
    )
    expect(places.some((place) => place.type === 'mark')).toBe(true)
    expect(places.some((place) => place.inLastBatch)).toBe(true)
    expect(segmentPaths(disk)).toHaveLength(1)
    flipFirst(disk, ({ kind, type }) => kind === 'record-body' && type === 'register')
    expect((await cluster.rebuildIndex(0)).damaged).toBe(1)
  })
})

test('an image that is put back is the machine as it was, its boot number included', async () => {
  await onCluster(1, async (cluster) => {
    await put(backendOf(cluster, 0), 'first', bytesLike(10))
    const image = cluster.imageOf(0)
    await put(backendOf(cluster, 0), 'second', bytesLike(10))
    cluster.kill(0, false)
    cluster.restore(0, image)
    expect(cluster.imageOf(0)).toEqual(image)
  })
})

test('a node that is stopped does nothing, and goes on where it was', async () => {
  await onCluster(3, async (cluster) => {
    cluster.stop(2)
    const before = cluster.wires.messages
    await put(backendOf(cluster, 0), 'key', bytesLike(100))
    expect(cluster.wires.messages).toBeGreaterThan(before)
    expect(cluster.wires.connected(cluster.idOf(0), cluster.idOf(2))).toBe(true)
    cluster.resume(2)
    await untilLevel(cluster)
    expect((await get(backendOf(cluster, 2), 'key')).length).toBe(100)
  })
})

test('a hung disk reports nothing until it is released', async () => {
  await onCluster(1, async (cluster) => {
    cluster.diskOf(0).hang()
    let done = false
    const writing = put(backendOf(cluster, 0), 'key', bytesLike(100)).then(() => {
      done = true
    })
    await calmSleep(cluster, 1_000)
    expect(done).toBe(false)
    cluster.diskOf(0).release()
    await writing.catch(() => {})
    await put(backendOf(cluster, 0), 'other', bytesLike(100))
    expect(nodeOf(cluster, 0)).toBeDefined()
  })
})

test('a deaf node keeps its links, and nothing reaches it', async () => {
  const cluster = new SimulatedCluster({ seed: 5, nodes: 3, observer: () => new CheckerA() })
  const run = async (): Promise<void> => {
    await cluster.form()
    const [a, b] = [cluster.idOf(0), cluster.idOf(1)]
    cluster.wires.deafen(b)
    await calmSleep(cluster, 100)
    expect(cluster.wires.connected(a, b)).toBe(true)
    let heard = false
    cluster.wires.carry(a, b, 'test', new Uint8Array(1), () => {
      heard = true
    })
    await calmSleep(cluster, 100)
    expect(heard).toBe(false)
    cluster.wires.undeafen(b)
    cluster.wires.silence(a, b)
    cluster.wires.carry(a, b, 'test', new Uint8Array(1), () => {
      heard = true
    })
    await calmSleep(cluster, 100)
    expect(heard).toBe(false)
  }
  await cluster.clock.settle(run())
})
