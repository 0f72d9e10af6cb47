/** Cached records of buckets: the replicas of the bucket's objects prove that they are current (T8, T7). */

import { expect, test } from 'vitest'
import { byteString, utf8ByteString } from '../../protocol/bytes.ts'
import { bucketId, type NodeId } from '../../protocol/ids.ts'
import { metadataPartition, partitionOfKey, shardOf } from '../../protocol/keyspace/key.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import { bucketCodec, type BucketRecord } from '../../protocol/codec/versioned.ts'
import { changedBehindTheCut, createdUnderReaders } from '../mutants/bucket-scenarios.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  bodyOf,
  bytesLike,
  codeOf,
  context,
  HEADERS,
  nodeOf,
  onCluster,
  request,
  calmSleep,
} from '../testing/calm-cluster.ts'

const NODES = 5
const BUCKETS = Array.from({ length: 12 }, (_, i) => `two-down-${i}`)
const KEYS = ['a', 'b', 'c', 'd']
const BITS = 6

function putInto(cluster: SimulatedCluster, node: number, bucket: string, key: string) {
  return backendOf(cluster, node).putObject(context(), {
    bucket,
    key,
    headers: HEADERS,
    body: bodyOf(bytesLike(10)),
  })
}

function hasMajority(cluster: SimulatedCluster, partition: number, down: readonly NodeId[]) {
  const replicas = nodeOf(cluster, 0).layout.current()!.replicas(partition)
  return replicas.filter((id) => !down.includes(id)).length > replicas.length / 2
}

/** What a cluster of five answers with two of its nodes down. Returns buckets whose record has no majority. */
async function withTwoDown(systemPartitions: boolean): Promise<number> {
  let orphaned = 0
  const scenario = async (cluster: SimulatedCluster): Promise<void> => {
    const view = nodeOf(cluster, 0).layout.current()!
    const records = new Map<string, BucketRecord>()
    for (const bucket of BUCKETS) {
      await backendOf(cluster, 0).createBucket(context(), request(bucket))
      const key = systemRegister('bucket', utf8ByteString(bucket), view.genesis)
      const { accepted } = await nodeOf(cluster, 0).registers.read(context(), { key })
      records.set(bucket, bucketCodec.decode(accepted!.value.body))
      for (const key of KEYS) {
        for (const node of [0, 1, 2]) await putInto(cluster, node, bucket, key)
      }
      for (const node of [0, 1, 2]) await backendOf(cluster, node).bucketAccess(context(), bucket)
    }
    // By now what the nodes have cached is too old for any decision (T7).
    await calmSleep(cluster, 5_000)
    const down = [cluster.idOf(3), cluster.idOf(4)]
    cluster.kill(3, false)
    cluster.kill(4, false)
    await calmSleep(cluster, 100)
    for (const bucket of BUCKETS) {
      const record = partitionOfKey(systemRegister('bucket', utf8ByteString(bucket), view.genesis))
      if (!hasMajority(cluster, record, down)) orphaned++
      const calledMs = cluster.clock.monotonicMs()
      for (const node of [0, 1, 2]) {
        const backend = backendOf(cluster, node)
        expect(await codeOf(backend.bucketAccess(context(), bucket))).toBe('ok')
        expect(await codeOf(backend.headBucket(context(), bucket))).toBe('ok')
      }
      expect(cluster.clock.monotonicMs() - calledMs).toBeLessThan(500)
      for (const key of KEYS) {
        const { incarnation, shards } = records.get(bucket)!
        const id = bucketId(byteString(incarnation))
        const partition = metadataPartition(id, shardOf(id, utf8ByteString(key), shards), BITS)
        const wanted = hasMajority(cluster, partition, down) ? 'ok' : 'Unavailable'
        expect(await codeOf(putInto(cluster, 1, bucket, key))).toBe(wanted)
        const got = backendOf(cluster, 2).getObject(context(), { bucket, key, withData: true })
        expect(await codeOf(got)).toBe(wanted)
      }
    }
  }
  await onCluster(NODES, scenario, { systemPartitions })
  return orphaned
}

test('a bucket whose own record has no majority can still be used through nodes that have it cached', async () => {
  expect(await withTwoDown(false)).toBeGreaterThan(0)
})

test('records that everything depends on have 2R - 1 replicas, so two lost nodes of five leave a majority', async () => {
  expect(await withTwoDown(true)).toBe(0)
})

test('a record that has changed since is not proven: no decision rests on it (T7, T8)', async () => {
  expect(await changedBehindTheCut({ seed: 1, adapt: undefined })).toEqual([])
})

test('asking for a bucket before it was created keeps no caller out afterwards', async () => {
  expect(await createdUnderReaders({ seed: 1, adapt: undefined })).toEqual([])
})
