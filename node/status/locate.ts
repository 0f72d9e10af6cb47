/** Where an object is kept, by the layout and by a walk through the DHT: what `shoal locate` compares. */

import type { LocateResult } from '../../gateway/port/locate-result.ts'
import { hex, utf8ByteString } from '../../protocol/bytes.ts'
import { xorDistances } from '../../protocol/keyspace/distance.ts'
import { metaKeyHash, partitionOf, shardOf } from '../../protocol/keyspace/key.ts'
import { sliceOf } from '../../protocol/keyspace/slice.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { isSameSet } from '../../protocol/register/quorum.ts'
import type { Network } from '../env/ports.ts'
import type { Buckets } from '../objects/buckets.ts'
import { namesOf } from '../process/node-name.ts'
import { internalContext } from '../tools/internal-context.ts'

/**
 * The walk asks one node after another, so it may take long. When it takes longer, only the layout's
 * answer is given.
 */
const WALK_TIMEOUT_MS = 8_000

/** The parts of the node that are asked. */
export interface LocateOptions {
  readonly buckets: Pick<Buckets, 'read'>
  /** Walks through the DHT as a node without the layout would. */
  readonly network: Pick<Network, 'walk'>
  readonly view: () => LayoutView
}

/** Throws StoreError NoSuchBucket. The object itself need not exist. */
export async function locateObject(
  options: LocateOptions,
  bucketName: string,
  key: string,
): Promise<LocateResult> {
  const { buckets, network } = options
  const bucket = await buckets.read(internalContext(), bucketName)
  const view = options.view()
  const shard = shardOf(bucket.id, utf8ByteString(key), bucket.shards)
  const hash = metaKeyHash(bucket.id, shard)
  const partition = partitionOf(hash, view.partitionBits)
  const replicas = view.replicas(partition)
  const distances = xorDistances(view, partition)
  const walked = await network
    .walk(partition, {
      slice: sliceOf(partition, view.partitionBits),
      timeoutMs: WALK_TIMEOUT_MS,
    })
    .catch(() => undefined)
  return {
    bucket: bucketName,
    key,
    hash: hex(hash),
    partition,
    epoch: view.epoch,
    byLayout: replicas.map((node) => ({ node, distance: distances.get(node) ?? '' })),
    byWalk:
      walked === undefined
        ? undefined
        : { replicas: walked.replicas, provider: walked.provider, hops: walked.hops },
    names: namesOf(view, [
      ...replicas,
      ...(walked === undefined ? [] : [...walked.replicas, walked.provider]),
    ]),
    agree: walked !== undefined && isSameSet(walked.replicas, replicas),
  }
}
