/** Breaks of T6, T7 and T8: settings and deletions of buckets that some nodes do not obey in time. */

import { BUCKET_DELETING } from '../../node/objects/bucket-record.ts'
import { Bucket } from '../../node/objects/bucket.ts'
import { FenceRaiser } from '../../node/objects/bucket-fence.ts'
import { ObjectChanges } from '../../node/objects/object-changes.ts'
import { MinimumGenerations } from '../../node/replica/minimum-generations.ts'
import { FreshCache } from '../../node/tools/fresh.ts'
import { simulated, type NodeMutant } from './mutant.ts'

const SETTINGS = simulated({ workloads: ['settings'] })

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
    by: 'workload settings',
    scenario: SETTINGS,
    caughtAs: /\(T7\)/,
    seedsMax: 24,
    slow: true,
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
    by: 'workload buckets',
    scenario: simulated({ workloads: ['buckets'] }),
    caughtAs: /history of bucket|never freed/,
    seedsMax: 30,
    isOpen: true,
    slow: true,
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
