/** Breaks of T7 and T8 in the records of buckets that a node has cached, and in reads that several callers share. */

import { FreshCache } from '../../node/tools/fresh.ts'
import { BucketProof } from '../../node/objects/bucket-proof.ts'
import { changedBehindTheCut, createdUnderReaders } from './bucket-scenarios.ts'
import type { NodeMutant } from './mutant.ts'

export const BUCKET_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'rejection-shared-with-later',
    rule: 'T7',
    breaks: 'callers that join a read under way fail when it fails, although it began before them',
    by: 'scenario: a bucket is created while others ask for it',
    scenario: createdUnderReaders,
    caughtAs: /NoSuchBucket of a PUT after CreateBucket/,
    seedsMax: 3,
    patch: (patches) => {
      const flights = new WeakMap<object, Map<string, Promise<never>>>()
      patches.method(
        FreshCache.prototype,
        'get',
        (original) =>
          function (this: FreshCache<unknown>, name, ageMs, read) {
            const own = flights.get(this) ?? new Map<string, Promise<never>>()
            flights.set(this, own)
            const reading = original.call(this, name, ageMs, (startedMs) => {
              const begun = read(startedMs)
              const failure = begun.then(
                () => new Promise<never>(() => {}),
                (error: unknown) => Promise.reject(error as Error),
              )
              own.set(name, failure)
              const done = (): void => void own.delete(name)
              begun.then(done, done)
              return begun
            })
            const joined = own.get(name)
            return joined === undefined ? reading : Promise.race([joined, reading])
          },
      )
    },
  },
  {
    name: 'cached-bucket-without-fence',
    rule: 'T8',
    breaks:
      'a cached record is used without asking the replicas of its objects whether its generation is current',
    by: 'scenario: a policy changes behind a cut',
    scenario: changedBehindTheCut,
    caughtAs: /a decision by a policy of before/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(BucketProof.prototype, 'isCurrent', () => () => Promise.resolve(true))
    },
  },
]
