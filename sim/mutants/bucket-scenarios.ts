/** Scenarios for records of buckets that are known, shared or cached (T7, T8). */

import { utf8ByteString } from '../../protocol/bytes.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import type { Environment } from '../../node/env/ports.ts'
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
import type { MutantScenario } from './mutant.ts'
import { withNetwork } from '../testing/changed-ports.ts'

const LATE_MS = 300

/** Nodes that hold a bucket's record. */
export function recordHolders(cluster: SimulatedCluster, bucket: string): number[] {
  const view = nodeOf(cluster, 0).layout.current()!
  const key = systemRegister('bucket', utf8ByteString(bucket), view.genesis)
  const replicas = view.replicas(partitionOfKey(key))
  return Array.from({ length: cluster.size }, (_, node) => node).filter((node) =>
    replicas.includes(cluster.idOf(node)),
  )
}

/** A bucket's record changes while node 0 can't reach a majority of its replicas. Node 0 must not use the record that
 * it has. */
export const changedBehindTheCut: MutantScenario = async ({ seed, adapt }) => {
  const found: string[] = []
  await onCluster(
    5,
    async (cluster) => {
      const bucket = Array.from({ length: 40 }, (_, i) => `changed-${i}`).find(
        (name) => !recordHolders(cluster, name).includes(0),
      )!
      const holders = recordHolders(cluster, bucket)
      const access = () => backendOf(cluster, 0).bucketAccess(context(), bucket)
      await backendOf(cluster, 0).createBucket(context(), request(bucket))
      await access()
      // Node 0 keeps majorities of most shards, but not one of the record.
      for (const one of holders.slice(1)) cluster.wires.cut(cluster.idOf(0), cluster.idOf(one))
      await calmSleep(cluster, 2_000)
      const unchanged = await codeOf(access())
      if (unchanged !== 'ok') found.push(`a bucket that did not change answers ${unchanged}`)
      const policy = '{"Version":"2012-10-17"}'
      const change = { bucket, change: { policy } }
      await backendOf(cluster, holders[1]!).changeBucket(context(), change)
      await calmSleep(cluster, 1_100)
      const stale = await codeOf(access())
      if (stale !== 'Unavailable') found.push(`a decision by a policy of before: ${stale} (T7)`)
      cluster.wires.mend()
      await calmSleep(cluster, 1_100)
      if ((await access()).settings.policy !== policy) found.push('the policy is not the last one')
    },
    // With system partitions every one of five nodes would have each record.
    { seed, adapt, systemPartitions: false },
  )
  return found
}

/** Requests ask for a bucket all the time while it is created. Only those that began before the answer may get 404. */
export const createdUnderReaders: MutantScenario = async ({ seed, adapt }) => {
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
      for (let round = 0; round < 6; round++) {
        const bucket = `created-${round}`
        let over = false
        const ask = async (): Promise<void> => {
          while (!over) {
            await codeOf(backendOf(cluster, 1).bucketAccess(context(), bucket))
            await calmSleep(cluster, 5)
          }
        }
        const readers = [ask(), ask()]
        await calmSleep(cluster, 150)
        await backendOf(cluster, 0).createBucket(context(), request(bucket))
        const backend = backendOf(cluster, 1)
        const putting = backend.bucketAccess(context(), bucket).then(() =>
          backend.putObject(context(), {
            bucket,
            key: 'key',
            headers: HEADERS,
            body: bodyOf(bytesLike(10)),
          }),
        )
        const code = await codeOf(putting)
        if (code === 'NoSuchBucket') found.push('NoSuchBucket of a PUT after CreateBucket')
        over = true
        await Promise.all(readers)
      }
    },
    {
      seed,
      adapt: (environment, node) => {
        const adapted = adapt?.(environment, node) ?? environment
        return node === 1 ? withLateAnswers(adapted) : adapted
      },
    },
  )
  return found
}

/** Answers of peers to this node arrive late. */
function withLateAnswers(environment: Environment): Environment {
  const { network, clock } = environment
  return withNetwork(environment, {
    call: async (...args) => {
      const answer = await network.call(...args)
      await new Promise<void>((resolve) => void clock.after(LATE_MS, resolve))
      return answer
    },
  })
}
