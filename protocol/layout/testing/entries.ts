/** Entries and signers for the tests of this folder. */

import { equalBytes, hex, utf8 } from '../../bytes.ts'
import { blake3 } from '../../hash.ts'
import type { NodeId } from '../../ids.ts'
import { clusterId, nodeId, storageId } from '../../ids.ts'
import type { LayoutBallot } from '../ballot.ts'
import { voteBytes } from '../certificate.ts'
import type { DecidedEntry, LayoutEntry, Member } from '../entry.ts'
import { entryHash, NO_HASH, orderedMembers } from '../entry.ts'

export function testMember(name: string, changes: Partial<Member> = {}): Member {
  const hash = hex(blake3(utf8(name)))
  return {
    nodeId: nodeId(`Node${hash.slice(0, 20).replaceAll('0', 'z')}`),
    storageId: storageId(hash.slice(20, 44)),
    zone: 'default',
    capacityBytes: 1e12,
    addresses: [`/ip4/127.0.0.1/tcp/1/${name}`],
    ...changes,
  }
}

/** STABLE, epoch 1 unless told otherwise. */
export function stable(
  members: readonly Member[],
  changes: Partial<LayoutEntry> = {},
): LayoutEntry {
  return {
    epoch: 1,
    previousHash: NO_HASH,
    state: 'STABLE',
    cause: 'founded',
    genesis: {
      clusterId: clusterId('ab'.repeat(16)),
      partitionBits: 6,
      replication: 3,
      rootAccount: { accountId: 'root', accessKeyId: 'AK', sealedSecret: 'sealed ü "\\' },
      createdMs: 1_700_000_000_000,
    },
    members: orderedMembers(members),
    ...changes,
  }
}

/** No signature scheme: it only tells one signer and one text from another. */
export function sign(node: NodeId, bytes: Uint8Array): Uint8Array {
  return blake3(utf8(node), bytes)
}

export function verify(node: NodeId, bytes: Uint8Array, signature: Uint8Array): boolean {
  return equalBytes(sign(node, bytes), signature)
}

export function decidedEntry(
  entry: LayoutEntry,
  signers: readonly Member[],
  ballot: LayoutBallot = { counter: 1, nodeId: signers[0]!.nodeId },
): DecidedEntry {
  const bytes = voteBytes(entry.genesis.clusterId, entry.epoch, ballot, entryHash(entry))
  const signatures = signers.map(({ nodeId }) => ({ nodeId, signature: sign(nodeId, bytes) }))
  return { entry, certificate: { ballot, signatures } }
}
