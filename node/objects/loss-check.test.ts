/** Is a block lost, or on its way from a source that drops its copy (L8)? */

import { expect, test } from 'vitest'
import { bucketId, dataId, type NodeId } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByObject } from '../../protocol/keyspace/owner.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import { LossCheck } from './loss-check.ts'

const OBJECT = objectRegister(bucketId('b'.repeat(16)), 2, 'key', 6)
const KEY = packedBlockKey(OBJECT, dataId('d'.repeat(24)))
const BLOCK: OwnedBlock = { key: KEY, bytes: new Uint8Array(3), owner: ownedByObject(OBJECT) }
const [SOURCE, STAYS, HOLDER] = ['a', 'b', 'c'] as NodeId[] as [NodeId, NodeId, NodeId]

/** `answered`: called when a node has answered. */
function lossOf(
  holders: Set<NodeId>,
  answered: (node: NodeId) => void = () => {},
  silent?: NodeId,
): { loss: LossCheck; asked: NodeId[] } {
  const asked: NodeId[] = []
  const loss = new LossCheck({
    peers: {
      getOwnedBlock: (to) => {
        asked.push(to)
        if (to === silent) return Promise.reject(new Error('down'))
        const block = holders.has(to) ? BLOCK : undefined
        answered(to)
        return Promise.resolve(block)
      },
    },
    placement: {
      epoch: () => 7,
      sets: () => [[STAYS, HOLDER]],
      sources: () => [SOURCE, STAYS],
      observe: () => Promise.resolve(),
    },
  })
  return { loss, asked }
}

test('a block that moves during the search is not lost', async () => {
  for (const first of [SOURCE, STAYS, HOLDER]) {
    const holders = new Set([SOURCE])
    const { loss } = lossOf(holders, (node) => {
      if (node !== first) return
      // The holders fetched it, and then the source dropped it.
      for (const holder of [STAYS, HOLDER]) holders.add(holder)
      holders.delete(SOURCE)
    })
    expect(await loss.isLost(KEY)).toBe(false)
  }
})

test('a block that neither sources nor holders have is lost', async () => {
  const { loss, asked } = lossOf(new Set())
  expect(await loss.isLost(KEY)).toBe(true)
  expect(asked).toEqual([SOURCE, STAYS, HOLDER])
})

test.each([SOURCE, STAYS, HOLDER])('nothing is known while %s does not answer', async (silent) => {
  expect(await lossOf(new Set(), undefined, silent).loss.isLost(KEY)).toBe(false)
})
