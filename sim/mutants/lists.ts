/** Breaks of lists: pages that end early (T1), lists that name too little (T2), and lists that disagree with GET
 * (T3). */

import { utf8ByteString } from '../../protocol/bytes.ts'
import { shardOf } from '../../protocol/keyspace/key.ts'
import { bucketIdOf } from '../../protocol/keyspace/register-key.ts'
import { AccountBuckets } from '../../node/objects/account-buckets.ts'
import { shardsFor } from '../../node/objects/bucket-creation.ts'
import { BucketDeletion } from '../../node/objects/bucket-deletion.ts'
import { ListService } from '../../node/replica/list-service.ts'
import {
  backendOf,
  BUCKET,
  bytesLike,
  calmSleep,
  codeOf,
  context,
  get,
  keysOf,
  put,
  request,
} from '../testing/calm-cluster.ts'
import type { NodeMutant } from './mutant.ts'
import { scene } from './scene.ts'
import { storedRegister } from '../testing/stored-registers.ts'

/** How many shards a bucket has in a cluster of three. */
const SHARDS = shardsFor(3)

/** All keys are in one shard: an answer of its replicas ends before the shard does, so the list has to ask again. */
const crowdedShard = scene(3, async ({ cluster, found }) => {
  const backend = backendOf(cluster, 0)
  await put(backend, 'first', bytesLike(10))
  const bucket = bucketIdOf(storedRegister(cluster, 0, 'first').key)!
  const shardOfName = (name: string): number => shardOf(bucket, utf8ByteString(name), SHARDS)
  const names = Array.from({ length: 2_000 }, (_, i) => `key ${i}`)
    .filter((name) => shardOfName(name) === 0)
    .slice(0, 40)
  for (const name of names) await put(backend, name, bytesLike(1))
  const listed = new Set(await keysOf(backend, 60))
  const missing = names.filter((name) => !listed.has(name))
  if (missing.length > 0) found.push(`${missing.length} keys are not listed (T1)`)
})

/** The deletion of a bucket that is not empty is refused. The bucket must still be listed. */
const refusedDeletion = scene(3, async ({ cluster, found }) => {
  const backend = backendOf(cluster, 0)
  await put(backend, 'key', bytesLike(10))
  const code = await codeOf(backend.deleteBucket(context(), BUCKET))
  if (code !== 'BucketNotEmpty') throw new Error(`DeleteBucket was answered ${code}`)
  const asked = { ownerAccount: request(BUCKET).ownerAccount, prefix: '', limit: 10 }
  const { buckets } = await backend.listBuckets(context(), asked)
  if (!buckets.some(({ name }) => name === BUCKET)) {
    found.push('a bucket that lives is not listed (T2)')
  }
})

/** A replica has missed an acknowledged write. Its node is asked for a list, then for the object. */
const listAtTheBehind = scene(3, async ({ cluster, found, wires }) => {
  await put(backendOf(cluster, 0), 'other', bytesLike(10))
  const behind = cluster.idOf(2)
  wires.filter = (_, to, { type }) => (to === behind && type === 'accept' ? 'drop' : 'pass')
  await put(backendOf(cluster, 0), 'key', bytesLike(10))
  await calmSleep(cluster, 100)
  const backend = backendOf(cluster, 2)
  const isListed = (await keysOf(backend)).includes('key')
  await get(backend, 'key')
  if (!isListed) found.push('GET finds a key that a list before it did not have (T3)')
  wires.filter = () => 'pass'
})

export const LIST_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'page-hides-what-follows',
    rule: 'T1',
    breaks: 'a page that ends early says that it covers all of what was asked for',
    by: 'a list of keys that are all in one shard',
    scenario: crowdedShard,
    caughtAs: /keys are not listed/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        ListService.prototype,
        'list',
        (original) =>
          async function (this: ListService, request) {
            const reply = await original.call(this, request)
            const intervals = reply.intervals.map((interval, i) => ({
              ...interval,
              coveredEnd: request.intervals[i]!.end,
            }))
            return { ...reply, intervals }
          },
      )
    },
  },
  {
    name: 'list-cleaned-first',
    rule: 'T2',
    breaks: "a deletion takes the bucket out of its account's list before anything else",
    by: 'the deletion of a bucket that is not empty',
    scenario: refusedDeletion,
    caughtAs: /is not listed/,
    seedsMax: 1,
    patch: (patches) => {
      // The list as the bucket's creator has it. Any node's would do: they change the same register.
      const lists = new Set<AccountBuckets>()
      patches.method(
        AccountBuckets.prototype,
        'intend',
        (original) =>
          function (this: AccountBuckets, context, bucket) {
            lists.add(this)
            return original.call(this, context, bucket)
          },
      )
      patches.method(
        BucketDeletion.prototype,
        'run',
        (original) =>
          async function (this: BucketDeletion, context, found) {
            for (const list of lists) await list.forget(context, found)
            return original.call(this, context, found)
          },
      )
    },
  },
  {
    name: 'list-of-one-replica',
    rule: 'T3',
    breaks:
      'replicas that hold different registers send equal digests, so the rows of one replica make the list',
    by: 'a list and a GET through a node that has missed a write',
    scenario: listAtTheBehind,
    caughtAs: /GET finds a key/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        ListService.prototype,
        'list',
        (original) =>
          async function (this: ListService, request) {
            const reply = await original.call(this, request)
            const digest = new Uint8Array(16)
            return { ...reply, intervals: reply.intervals.map((each) => ({ ...each, digest })) }
          },
      )
    },
  },
]
