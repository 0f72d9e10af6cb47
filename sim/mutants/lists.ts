/** Breaks of lists: pages that end early (T1), lists that name too little (T2), and lists that disagree with GET (T3). */

import { byteString, bytesOf, utf8ByteString } from '../../protocol/bytes.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
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
  nodeOf,
  onCluster,
  put,
  request,
} from '../testing/calm-cluster.ts'
import { Wiretap } from '../testing/wiretap.ts'
import type { NodeMutant, MutantScenario } from './mutant.ts'

/** Those of a bucket in a cluster of three. */
const SHARDS = shardsFor(3)

/** All keys of a list are in one shard, so that an answer of its replicas ends before the list does. */
const crowdedShard: MutantScenario = async ({ seed }) => {
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
      const backend = backendOf(cluster, 0)
      await put(backend, 'first', bytesLike(10))
      let first = '' as RegisterKey
      nodeOf(cluster, 0).store.range(bytesOf('r'), bytesOf('s'), 10_000, (row) => {
        const key = byteString(row.subarray(1)) as RegisterKey
        if (key.endsWith('first')) first = key
      })
      const bucket = bucketIdOf(first)!
      const shardOfName = (name: string): number => shardOf(bucket, utf8ByteString(name), SHARDS)
      const names = Array.from({ length: 2_000 }, (_, i) => `key ${i}`)
        .filter((name) => shardOfName(name) === 0)
        .slice(0, 40)
      for (const name of names) await put(backend, name, bytesLike(1))
      const listed = new Set(await keysOf(backend, 60))
      const missing = names.filter((name) => !listed.has(name))
      if (missing.length > 0) found.push(`${missing.length} keys are not listed (T1)`)
    },
    { seed },
  )
  return found
}

/** A bucket that is not empty is asked to be deleted: it lives on, and must still be listed. */
const refusedDeletion: MutantScenario = async ({ seed }) => {
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
      const backend = backendOf(cluster, 0)
      await put(backend, 'key', bytesLike(10))
      const code = await codeOf(backend.deleteBucket(context(), BUCKET))
      if (code !== 'BucketNotEmpty') throw new Error(`DeleteBucket was answered ${code}`)
      const asked = { ownerAccount: request(BUCKET).ownerAccount, prefix: '', limit: 10 }
      const { buckets } = await backend.listBuckets(context(), asked)
      if (!buckets.some(({ name }) => name === BUCKET)) {
        found.push('a bucket that lives is not listed (T2)')
      }
    },
    { seed },
  )
  return found
}

/** A replica has missed an acknowledged write. Its node is asked for a list, and for the object. */
const listAtTheBehind: MutantScenario = async ({ seed }) => {
  const wires = new Wiretap()
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
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
    },
    { seed, adapt: wires.adapt },
  )
  return found
}

export const LIST_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'page-hides-what-follows',
    rule: 'T1',
    breaks: 'a page of a shard that ends early says that it covers all that was asked for',
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
      // That of the node which created the bucket: each node's can remove it.
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
    breaks: 'digests of a shard are the same whatever is in it, so that one replica makes the list',
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
