/** The first entry of a new cluster: one node, epoch 1, signed by that node alone. */

import { hex } from '../../protocol/bytes.ts'
import { clusterId } from '../../protocol/ids.ts'
import { PARTITION_BITS, systemBitsFor } from '../../protocol/keyspace/key.ts'
import { PLACEMENT } from '../../protocol/keyspace/placement.ts'
import { voteBytes } from '../../protocol/layout/certificate.ts'
import type { DecidedEntry, LayoutEntry, Member, RootAccount } from '../../protocol/layout/entry.ts'
import { entryHash, NO_HASH } from '../../protocol/layout/entry.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Clock, Random, Signer } from '../env/ports.ts'
import { MembershipError } from './errors.ts'

export interface FoundOptions {
  /** Its secret access key is encrypted with the cluster secret that this node has. */
  readonly rootAccount: RootAccount
  /** Default 3. */
  readonly replication?: number | undefined
  /** Default: PARTITION_BITS. */
  readonly partitionBits?: number | undefined
  /** False founds a cluster as earlier programs did: system registers share the partitions of all others. */
  readonly systemPartitions?: boolean | undefined
}

export interface FoundingParts {
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
}

/** Throws MembershipError when the node is in a cluster already: it would end its membership there. */
export function refuseSecondCluster(view: LayoutView | undefined): void {
  if (view === undefined) return
  throw new MembershipError('other-cluster', 'a node that is in a cluster cannot found another one')
}

/**
 * The first entry with its certificate, which is the founder's signature alone. Draws the cluster id. Nothing is
 * written: LayoutManager adopts the entry as it adopts any other.
 *
 * @param member the founder, with its present addresses
 */
export function foundingEntry(
  {
    rootAccount,
    replication,
    partitionBits = PARTITION_BITS,
    systemPartitions = true,
  }: FoundOptions,
  member: Member,
  { clock, random, signer }: FoundingParts,
): DecidedEntry {
  const entry: LayoutEntry = {
    epoch: 1,
    previousHash: NO_HASH,
    state: 'STABLE',
    cause: 'founded',
    genesis: {
      clusterId: clusterId(hex(random.bytes(16))),
      partitionBits,
      ...(systemPartitions && {
        systemPartitionBits: systemBitsFor(partitionBits),
      }),
      placement: PLACEMENT,
      replication: replication ?? 3,
      rootAccount,
      createdMs: Math.floor(clock.nowMs()),
    },
    members: [member],
    tokens: [],
  }
  const ballot = { counter: 1, nodeId: signer.nodeId }
  const bytes = voteBytes(entry.genesis.clusterId, 1, ballot, entryHash(entry))
  const signatures = [{ nodeId: signer.nodeId, signature: signer.sign(bytes) }]
  return { entry, certificate: { ballot, signatures } }
}
