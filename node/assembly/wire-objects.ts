/** Wires what S3 is made of: buckets, objects and uploads as changes of registers. */

import type { NodeId } from '../../protocol/ids.ts'
import { BUCKETS_PER_ACCOUNT } from '../../protocol/limits.ts'
import { Buckets } from '../objects/buckets.ts'
import type { Notices } from '../objects/notices.ts'
import { Objects } from '../objects/objects.ts'
import { Pages } from '../objects/pages.ts'
import { Quotas } from '../objects/quotas.ts'
import { Uploads } from '../objects/uploads.ts'
import { UsageCounter } from '../objects/usage-counter.ts'
import type { NodeBase } from './node-base.ts'
import type { QuorumParts } from './wire-quorum.ts'
import type { ReclaimParts } from './wire-reclaim.ts'

/**
 * What the gateway's port is made of. Buckets ask objects and uploads whether they are empty, so the
 * three are built together.
 */
export interface ObjectParts {
  readonly buckets: Buckets
  readonly objects: Objects
  readonly uploads: Uploads
  /** What this node has counted, and what buckets may hold. */
  readonly usage: UsageCounter
  readonly quotas: Quotas
}

export function wireObjects(
  base: NodeBase,
  quorum: QuorumParts,
  { space, lostData }: ReclaimParts,
  notices: Notices,
): ObjectParts {
  const { layout, view, placement, partitionBits, options, store } = base
  const { clock, random } = base.env
  const { peers, registers, replicator, bodies, lister } = quorum
  const buckets: Buckets = new Buckets({
    registers,
    peers,
    placement,
    clock,
    random,
    partitionBits,
    keyspace: () => view().genesis,
    memberCount: () => view().members.length,
    isMember: () => layout.isMember(),
    bucketsPerAccount: options.bucketsPerAccount ?? BUCKETS_PER_ACCOUNT,
    isEmpty: (context, bucket) => objects.isEmpty(context, bucket),
    abandonUploads: (context, bucket) => uploads.abandonAll(context, bucket),
  })
  const common = {
    registers,
    buckets,
    bodies,
    replicator,
    lister,
    clock,
    random,
    partitionBits,
    reclaim: space.collector,
  }
  const usage = new UsageCounter({ store, clock, pages: new Pages(replicator), partitionBits })
  const connected = (node: NodeId): boolean => peers.connected(node)
  const quotas = new Quotas({ peers, connected, view, usage, clock, partitionBits })
  const objects: Objects = new Objects({ ...common, quotas, losses: lostData, notices })
  const { partBytesMin } = options
  const uploads: Uploads = new Uploads({ ...common, objects, quotas, partBytesMin })
  return { buckets, objects, uploads, usage, quotas }
}
