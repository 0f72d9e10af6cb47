/** Breaks of T6, T7 and T8: settings and deletions of buckets that some nodes do not obey in time. */

import { BUCKET_DELETING } from '../../node/objects/bucket-record.ts'
import { Bucket } from '../../node/objects/bucket.ts'
import { FenceRaiser } from '../../node/objects/bucket-fence.ts'
import { ObjectChanges } from '../../node/objects/object-changes.ts'
import { MinimumGenerations } from '../../node/replica/minimum-generations.ts'
import { FreshCache } from '../../node/tools/fresh.ts'
import {
  BUCKET,
  backendOf,
  bodyOf,
  bytesLike,
  calmSleep,
  codeOf,
  context,
  HEADERS,
  request,
} from '../testing/calm-cluster.ts'
import { simulated, type NodeMutant } from './mutant.ts'
import { scene } from './scene.ts'

const SETTINGS = simulated({ workloads: ['settings'] })

/** Buckets are deleted through one node while another one, which has their records, puts an object into each. */
const deletedUnderPuts = scene(3, async ({ cluster, found }) => {
  for (let round = 0; round < 60; round++) {
    const bucket = `deleted-${round}`
    const named = { bucket, key: 'key' }
    await backendOf(cluster, 0).createBucket(context(), request(bucket))
    // The node that puts keeps the bucket's record.
    await codeOf(backendOf(cluster, 1).getObject(context(), { ...named, withData: false }))
    const deleted = codeOf(backendOf(cluster, 0).deleteBucket(context(), bucket))
    await calmSleep(cluster, 30 * cluster.random())
    const object = { ...named, headers: HEADERS, body: bodyOf(bytesLike(10)) }
    const put = await codeOf(backendOf(cluster, 1).putObject(context(), object))
    if (put === 'ok' && (await deleted) === 'ok') found.push('an object is in no bucket (T6)')
  }
})

/** A node that has just read a bucket's policy asks for it again more than a second after another node has replaced it. */
const changedPolicies = scene(3, async ({ cluster, found }) => {
  for (let turn = 0; turn < 5; turn++) {
    const policy = JSON.stringify({ turn })
    await backendOf(cluster, 1).bucketAccess(context(), BUCKET)
    await backendOf(cluster, 0).changeBucket(context(), { bucket: BUCKET, change: { policy } })
    await calmSleep(cluster, 1_100)
    const { settings } = await backendOf(cluster, 1).bucketAccess(context(), BUCKET)
    if (settings.policy !== policy) found.push(`a decision by ${settings.policy} (T7)`)
  }
})

export const FENCE_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'stale-generation-accepted',
    rule: 'T8',
    breaks: 'acceptors and lists obey generations below their minimum',
    by: 'workload settings',
    scenario: SETTINGS,
    caughtAs: /\(T8\)/,
    seedsMax: 6,
    slow: true,
    patch: (patches) => {
      patches.method(MinimumGenerations.prototype, 'current', () => () => 0)
    },
  },
  {
    name: 'answered-before-the-fence',
    rule: 'T8',
    breaks: 'a change of a bucket is answered before anyone has flushed the new minimum',
    by: 'workload settings',
    scenario: SETTINGS,
    caughtAs: /\(T8\)/,
    seedsMax: 6,
    slow: true,
    patch: (patches) => {
      patches.method(FenceRaiser.prototype, 'raise', () => () => Promise.resolve())
    },
  },
  {
    name: 'setting-of-another-generation',
    rule: 'T8',
    breaks: 'a retry carries the new generation with the setting that was read before it',
    by: 'workload settings',
    scenario: SETTINGS,
    caughtAs: /\(T8\)/,
    seedsMax: 6,
    patch: (patches) => {
      patches.method(
        ObjectChanges.prototype,
        'run',
        (original) =>
          function (this: ObjectChanges, context, bucket, key, edit, block) {
            const { versioning } = bucket.record
            const stale: typeof edit = (input) => edit({ ...input, versioning })
            return original.call(this, context, bucket, key, stale, block)
          },
      )
    },
  },
  {
    name: 'access-older-than-a-second',
    rule: 'T7',
    breaks: 'decisions rest on settings that were read up to four seconds ago',
    by: 'policies that one node stores and another one asks for a second later',
    scenario: changedPolicies,
    caughtAs: /\(T7\)/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        FreshCache.prototype,
        'get',
        (original) =>
          function (this: FreshCache<unknown>, name, ageMs, read) {
            return original.call(this, name, ageMs + 3_000, read)
          },
      )
    },
  },
  {
    name: 'deletion-without-a-fence',
    rule: 'T6',
    breaks: 'a bucket is found empty, and goes, at the generation that its writers have',
    by: 'puts through one node while another one deletes their buckets',
    scenario: deletedUnderPuts,
    caughtAs: /\(T6\)/,
    seedsMax: 3,
    patch: (patches) => {
      patches.method(
        Bucket.prototype,
        'current',
        (original) =>
          function (this: Bucket) {
            const { bucket, generation } = original.call(this)
            const lower = this.record.state === BUCKET_DELETING ? 1 : 0
            return { bucket, generation: generation - lower }
          },
      )
    },
  },
]
