/** Settings of buckets through whole clusters: obeyed by every node once they are answered (T7, T8). */

import { expect, test } from 'vitest'
import type { Backend } from '../../gateway/port/backend.ts'
import type { PutResult } from '../../gateway/port/objects.ts'
import type { BucketChange, BucketSettings } from '../../gateway/port/buckets.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  HEADERS,
  onCluster,
  request,
  calmSleep,
} from '../testing/calm-cluster.ts'
import { cutBetween } from '../testing/cuts.ts'

const RULE = { id: 'tidy', prefix: 'tmp/', enabled: true, abortDays: 7 }
const TAGS = [{ key: 'team', value: 'storage' }]
const CORS = [
  {
    allowedOrigins: ['*'],
    allowedMethods: ['GET'],
    allowedHeaders: [],
    exposeHeaders: ['ETag'],
    maxAgeSeconds: 60,
  },
]
const ACL: BucketSettings['acl'] = [
  { account: '1', permission: 'FULL_CONTROL' },
  { group: 'AllUsers', permission: 'READ' },
]
const BLOCK = {
  blockPublicAcls: true,
  ignorePublicAcls: false,
  blockPublicPolicy: true,
  restrictPublicBuckets: false,
}

function change(cluster: SimulatedCluster, node: number, what: BucketChange): Promise<void> {
  return backendOf(cluster, node).changeBucket(context(), { bucket: BUCKET, change: what })
}

function putKey(backend: Backend, key: string): Promise<PutResult> {
  const body = bodyOf(bytesLike(9))
  return backend.putObject(context(), { bucket: BUCKET, key, headers: HEADERS, body })
}

test('a setting is kept, null removes it, and a change leaves other settings alone', async () => {
  await onCluster(3, async (cluster) => {
    const settings = (): Promise<object> =>
      backendOf(cluster, 1).getBucketSettings(context(), BUCKET)
    expect(await settings()).toEqual({})
    await change(cluster, 0, { policy: '{"a":1}' })
    await change(cluster, 1, { versioning: 'Enabled', publicAccessBlock: BLOCK })
    await change(cluster, 2, { lifecycle: [RULE], tags: TAGS })
    await change(cluster, 1, { cors: CORS })
    await change(cluster, 2, { acl: ACL, ownership: 'ObjectWriter' })
    const all = {
      versioning: 'Enabled',
      policy: '{"a":1}',
      publicAccessBlock: BLOCK,
      lifecycle: [RULE],
      tags: TAGS,
      cors: CORS,
      acl: ACL,
      ownership: 'ObjectWriter',
    }
    expect(await settings()).toEqual(all)
    await change(cluster, 0, { versioning: 'Suspended', policy: null })
    expect(await settings()).toEqual({ ...all, versioning: 'Suspended', policy: undefined })
    await change(cluster, 0, { publicAccessBlock: null, lifecycle: null })
    await change(cluster, 2, { cors: null, acl: null, ownership: 'Removed' })
    expect(await settings()).toEqual({ versioning: 'Suspended', tags: TAGS, ownership: 'Removed' })
    await change(cluster, 1, { tags: null, ownership: null })
    expect(await settings()).toEqual({ versioning: 'Suspended' })
    await expect(
      backendOf(cluster, 0).changeBucket(context(), { bucket: 'none', change: {} }),
    ).rejects.toMatchObject({ code: 'NoSuchBucket' })
  })
})

test('changes of different settings at once all take effect', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    await onCluster(
      3,
      async (cluster) => {
        const codes = await Promise.all([
          codeOf(change(cluster, 0, { policy: '{}' })),
          codeOf(change(cluster, 1, { versioning: 'Enabled' })),
          codeOf(change(cluster, 2, { lifecycle: [RULE] })),
          codeOf(change(cluster, 1, { publicAccessBlock: BLOCK })),
          codeOf(change(cluster, 0, { tags: TAGS })),
          codeOf(change(cluster, 2, { cors: CORS })),
          codeOf(change(cluster, 1, { acl: ACL })),
        ])
        const settings = await backendOf(cluster, 2).getBucketSettings(context(), BUCKET)
        if (codes[0] === 'ok') expect(settings.policy).toBe('{}')
        if (codes[1] === 'ok') expect(settings.versioning).toBe('Enabled')
        if (codes[2] === 'ok') expect(settings.lifecycle).toEqual([RULE])
        if (codes[3] === 'ok') expect(settings.publicAccessBlock).toEqual(BLOCK)
        if (codes[4] === 'ok') expect(settings.tags).toEqual(TAGS)
        if (codes[5] === 'ok') expect(settings.cors).toEqual(CORS)
        if (codes[6] === 'ok') expect(settings.acl).toEqual(ACL)
        expect(codes.filter((code) => code === 'ok').length).toBeGreaterThanOrEqual(2)
      },
      { seed },
    )
  }
})

test('the first PUT after the answer makes a version, through any node and from a warm cache (T8)', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    await onCluster(
      3,
      async (cluster) => {
        cluster.wires.faults = { ...cluster.wires.faults, latencyMsMax: 1 + seed }
        const keys = Array.from({ length: 12 }, (_, i) => `key ${i}`)
        for (const key of keys) {
          expect(await putKey(backendOf(cluster, 2), key)).toMatchObject({ versionId: 'null' })
        }
        // Node 1 hears nothing of the change. A majority is enough for the change and for the PUTs after it.
        if (seed % 2 === 0) cluster.wires.cut(cluster.idOf(0), cluster.idOf(1))
        await change(cluster, 0, { versioning: 'Enabled' })
        cluster.wires.mend()
        const put = keys.map((key) => putKey(backendOf(cluster, 2), key))
        for (const { versionId, versioned } of await Promise.all(put)) {
          expect(versionId).not.toBe('null')
          expect(versioned).toBe(true)
        }
        await change(cluster, 1, { versioning: 'Suspended' })
        for (const key of keys) {
          expect(await putKey(backendOf(cluster, 2), key)).toMatchObject({ versionId: 'null' })
        }
        const page = await backendOf(cluster, 0).listVersions(context(), {
          bucket: BUCKET,
          prefix: '',
          limit: 1000,
        })
        expect(page.versions).toHaveLength(2 * keys.length)
      },
      { seed },
    )
  }
})

test('a change that no majority obeys is not answered', async () => {
  await onCluster(3, async (cluster) => {
    await putKey(backendOf(cluster, 2), 'key')
    cluster.kill(1, false)
    cluster.kill(2, false)
    expect(await codeOf(change(cluster, 0, { versioning: 'Enabled' }))).toBe('Unavailable')
  })
})

test('a decision rests on a record that is at most a second old, or is refused (T7)', async () => {
  await onCluster(3, async (cluster) => {
    const policyAt = async (node: number): Promise<string | undefined> =>
      (await backendOf(cluster, node).bucketAccess(context(), BUCKET)).settings.policy
    await change(cluster, 0, { policy: 'one' })
    for (const node of [0, 1, 2]) expect(await policyAt(node)).toBe('one')
    await calmSleep(cluster, 300)
    await change(cluster, 0, { policy: 'two' })
    // A node obeys its own change at once.
    expect(await policyAt(0)).toBe('two')
    // The others remember for a while, and do not ask again meanwhile.
    const messages = cluster.wires.messages
    expect(await policyAt(1)).toBe('one')
    expect(cluster.wires.messages).toBe(messages)
    await calmSleep(cluster, 1_000)
    for (const node of [1, 2]) expect(await policyAt(node)).toBe('two')
    // The node is cut off. What it remembers counts for a second; then it refuses all callers.
    await calmSleep(cluster, 500)
    cutBetween(cluster, [2], [0, 1])
    await change(cluster, 0, { policy: 'three' })
    await calmSleep(cluster, 1_000)
    expect(await codeOf(policyAt(2))).toBe('Unavailable')
    expect(await policyAt(1)).toBe('three')
    cluster.wires.mend()
    await calmSleep(cluster, 3_000)
    expect(await policyAt(2)).toBe('three')
  })
})

test('requests that come together share one read of the record', async () => {
  await onCluster(3, async (cluster) => {
    const backend = backendOf(cluster, 1)
    await backend.bucketAccess(context(), BUCKET)
    await calmSleep(cluster, 2_000)
    const asked = Array.from({ length: 50 }, () => {
      const own = context()
      return backend.bucketAccess(own, BUCKET).then(() => own.rounds)
    })
    const rounds = await Promise.all(asked)
    expect(rounds.filter((count) => count > 0)).toHaveLength(1)
  })
})

test('a bucket that was deleted and created again inherits nothing, and no earlier decision changes it', async () => {
  await onCluster(3, async (cluster) => {
    await change(cluster, 0, { policy: 'mine', versioning: 'Enabled', lifecycle: [RULE] })
    for (const node of [0, 1, 2]) await backendOf(cluster, node).bucketAccess(context(), BUCKET)
    await backendOf(cluster, 0).deleteBucket(context(), BUCKET)
    const other = { ...request(BUCKET), ownerAccount: '2' }
    await backendOf(cluster, 0).createBucket(context(), other)
    // Authorised by the old bucket's record, so it must be refused now.
    expect(await codeOf(change(cluster, 1, { policy: 'yours' }))).toBe('Unavailable')
    const access = await backendOf(cluster, 2).bucketAccess(context(), BUCKET)
    if (access.info.ownerAccount === '1') expect(access.settings.policy).toBe('mine')
    expect(await codeOf(backendOf(cluster, 2).deleteBucket(context(), BUCKET))).toBe('Unavailable')
    await calmSleep(cluster, 1_000)
    for (const node of [0, 1, 2]) {
      const now = await backendOf(cluster, node).bucketAccess(context(), BUCKET)
      expect(now.info.ownerAccount).toBe('2')
      expect(now.settings).toEqual({})
      const result = await putKey(backendOf(cluster, node), 'key')
      expect(result).toMatchObject({ versionId: 'null', versioned: false })
    }
  })
})
