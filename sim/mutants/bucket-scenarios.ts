/** Scenarios for records of buckets that are known, shared or cached (T7, T8). */

import { utf8ByteString } from '../../protocol/bytes.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import type { Environment, Network } from '../../node/env/ports.ts'
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

/** Node 0 can't reach the majority of a bucket's record, which changes: what it knew counts no longer. */
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
      // So that the majority of the record is away, and majorities of most shards are not.
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
    // Else every node of five has each record.
    { seed, adapt, systemPartitions: false },
  )
  return found
}

/** Requests ask for a bucket all the time while it is created: they get 404, those after it do not. */
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

/** What peers answer to this node arrives late. */
function withLateAnswers(environment: Environment): Environment {
  const { network, clock } = environment
  const call: Network['call'] = async (...args) => {
    const answer = await network.call(...args)
    await new Promise<void>((resolve) => void clock.after(LATE_MS, resolve))
    return answer
  }
  const late = new Proxy(network, {
    get: (target, name) => {
      if (name === 'call') return call
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  return { ...environment, network: late }
}
