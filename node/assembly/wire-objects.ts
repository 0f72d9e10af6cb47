/** Wires what S3 is made of: buckets, objects and uploads as changes of registers. */

import { BUCKETS_PER_ACCOUNT } from '../../protocol/limits.ts'
import { Buckets } from '../objects/buckets.ts'
import { Objects } from '../objects/objects.ts'
import { Uploads } from '../objects/uploads.ts'
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
}

export function wireObjects(
  base: NodeBase,
  quorum: QuorumParts,
  { space, lostData }: ReclaimParts,
): ObjectParts {
  const { layout, view, placement, partitionBits, options } = base
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
  const objects: Objects = new Objects({ ...common, losses: lostData })
  const { partBytesMin } = options
  const uploads: Uploads = new Uploads({ ...common, objects, partBytesMin })
  return { buckets, objects, uploads }
}
