/** Reads of a block that moves meanwhile from a source to the replicas (R4, L8). */

import { expect, test } from 'vitest'
import { bucketId, dataId, type NodeId } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByObject } from '../../protocol/keyspace/owner.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import { BLOCK_RESULT } from './peers.ts'
import { Replicator, type ReplicatorOptions } from './replicator.ts'

const OBJECT = objectRegister(bucketId('b'.repeat(16)), 2, 'key', 6)
const KEY = packedBlockKey(OBJECT, dataId('d'.repeat(24)))
const BLOCK: OwnedBlock = { key: KEY, bytes: new Uint8Array(3), owner: ownedByObject(OBJECT) }
const [SOURCE, HOLDER] = ['a', 'b'] as NodeId[] as [NodeId, NodeId]

function replicatorOf(has: (node: NodeId) => boolean, sources: NodeId[]): Replicator {
  const clock = { monotonicMs: () => 0, after: () => () => {} }
  const peers = {
    self: 'z' as NodeId,
    health: { hedgeAfterMs: () => 1_000, mayHedge: () => false },
    preferred: (nodes: Iterable<NodeId>) => [...new Set(nodes)],
    getOwnedBlock: (to: NodeId) => Promise.resolve(has(to) ? BLOCK : undefined),
  }
  const placement = {
    epoch: () => 7,
    sets: () => [[HOLDER]],
    sources: () => sources,
    observe: () => Promise.resolve(),
  }
  const onGap = (): void => {}
  return new Replicator({ clock, peers, placement, onGap } as unknown as ReplicatorOptions)
}

test('no read fails when a source drops its copy once the holders have it', async () => {
  const holders = new Set([SOURCE])
  const replicator = replicatorOf(
    (node) => {
      const had = holders.has(node)
      // After the holder’s answer it fetches the block, and the source drops it.
      holders.clear()
      holders.add(HOLDER)
      return had
    },
    [SOURCE],
  )
  expect(await replicator.read(internalContext(), KEY)).toBe(BLOCK.bytes)
})

test('without a source the replicas are asked once', async () => {
  const asked: NodeId[] = []
  const replicator = replicatorOf((node) => asked.push(node) < 0, [])
  expect(await replicator.read(internalContext(), KEY)).toBeUndefined()
  expect(asked).toEqual([HOLDER])
})

test('a write ends when a replica names a later epoch and that layout can’t be fetched', async () => {
  const peers = {
    self: 'z' as NodeId,
    putBlock: () => Promise.resolve({ result: BLOCK_RESULT.staleEpoch, epoch: 8 }),
  }
  const placement = {
    epoch: () => 7,
    sets: () => [[HOLDER]],
    observe: () => Promise.reject(new Error('TIMEOUT')),
  }
  const gaps: NodeId[] = []
  const replicator = new Replicator({
    clock: { monotonicMs: () => 0, after: () => () => {} },
    peers,
    placement,
    onGap: (node: NodeId) => gaps.push(node),
  } as unknown as ReplicatorOptions)
  const write = replicator.write(KEY, BLOCK.bytes, BLOCK.owner)
  await expect(write.acknowledged).rejects.toThrow('no majority of the replicas')
  expect(gaps).toEqual([HOLDER])
})
