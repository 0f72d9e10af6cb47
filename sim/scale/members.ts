/** Members and genesis of the clusters that the report looks at. */

import { hex, utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import { clusterId, nodeId, storageId } from '../../protocol/ids.ts'
import { PARTITION_BITS, systemBitsFor } from '../../protocol/keyspace/key.ts'
import { PLACEMENT } from '../../protocol/keyspace/placement.ts'
import type { Genesis, LayoutEntry, Member } from '../../protocol/layout/entry.ts'
import { NO_HASH, orderedMembers } from '../../protocol/layout/entry.ts'

const TIB = 1024 ** 4

export interface Kind {
  readonly name: string
  readonly zones: number
  /** TiB, drawn for each node. */
  readonly capacities: readonly number[]
}

export const KINDS: readonly Kind[] = [
  { name: 'equal', zones: 1, capacities: [4] },
  { name: 'equal, 3 zones', zones: 3, capacities: [4] },
  { name: '1 : 2 : 4', zones: 1, capacities: [2, 4, 8] },
  { name: '1 : 2 : 4, 3 zones', zones: 3, capacities: [2, 4, 8] },
  { name: 'equal, 4 zones', zones: 4, capacities: [4] },
  { name: '1 : 2 : 4, 5 zones', zones: 5, capacities: [2, 4, 8] },
]

export const GENESIS: Genesis = {
  clusterId: clusterId('5c'.repeat(16)),
  partitionBits: PARTITION_BITS,
  systemPartitionBits: systemBitsFor(PARTITION_BITS),
  placement: PLACEMENT,
  replication: 3,
  rootAccount: {
    accountId: '0'.repeat(12),
    accessKeyId: 'A'.repeat(20),
    sealedSecret: 'x'.repeat(96),
  },
  createdMs: 1_700_000_000_000,
}

/** As long as real ones: ids of 52 letters, one address each. */
export function scaleMember(number: number, seed: number, kind: Kind): Member {
  const bytes = blake3(utf8(`scale ${seed} ${number}`))
  const id = hex(bytes).replaceAll('0', 'z').slice(0, 44)
  const { zones, capacities } = kind
  return {
    nodeId: nodeId(`12D3KooW${id}`),
    storageId: storageId(hex(bytes).slice(0, 24)),
    zone: `zone-${1 + (number % zones)}`,
    capacityBytes: capacities[bytes[31]! % capacities.length]! * TIB,
    addresses: [`/ip4/10.${number >> 16}.${(number >> 8) & 255}.${number & 255}/tcp/9002`],
    name: `node-${number}`,
  }
}

export function members(count: number, seed: number, kind: Kind): Member[] {
  return Array.from({ length: count }, (_, number) => scaleMember(number, seed, kind))
}

export function entry(of: readonly Member[], changes: Partial<LayoutEntry> = {}): LayoutEntry {
  return {
    epoch: 7,
    previousHash: NO_HASH,
    state: 'STABLE',
    cause: 'moved',
    genesis: GENESIS,
    members: orderedMembers(of),
    ...changes,
  }
}
