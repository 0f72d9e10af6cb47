import { expect, test } from 'vitest'
import { bytesOf } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { dataId, bucketId } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { testMember, stable } from '../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import type { Clock } from '../env/ports.ts'
import { BlockMover, type BlockMoverOptions } from './block-mover.ts'
import type { Stuck } from './stuck.ts'

const [c, d, e] = ['c', 'd', 'e'].map((name) => testMember(name, { name }).nodeId) as [
  NodeId,
  NodeId,
  NodeId,
]
const KEY = packedBlockKey(
  objectRegister(bucketId('b'.repeat(16)), 0, 'key', 6),
  dataId('d'.repeat(24)),
)

/** Where node c is stuck after one pass over all partitions, in a change from a, d and e to a, b and c. */
async function stuckOf(
  gives: (node: NodeId) => Promise<undefined>,
  named: readonly NodeId[],
  options: Partial<BlockMoverOptions> = {},
): Promise<Stuck[]> {
  const members = (nodes: readonly string[]) => nodes.map((name) => testMember(name, { name }))
  const sources = [{ epoch: 3, members: members(['a', 'd', 'e']), replication: 3 }]
  const view = new LayoutView(stable(members(['a', 'b', 'c']), { epoch: 5, sources }))
  const enumerate = (node: NodeId) =>
    Promise.resolve({ epoch: 5, keys: named.includes(node) ? [bytesOf(KEY)] : [], more: false })
  let onPass = (): void => {}
  const passed = new Promise<void>((resolve) => (onPass = resolve))
  const clock = {
    monotonicMs: () => 0,
    after: (ms: number, run: () => void) => {
      // Between two passes it waits for seconds.
      if (ms < 1_000) setImmediate(run)
      else onPass()
      return () => {}
    },
  } as unknown as Clock
  const mover = new BlockMover({
    self: c,
    view: () => view,
    isLatest: () => false,
    file: { isWhole: () => false, addWhole: () => Promise.resolve() },
    forgotten: {
      has: () => false,
      lacksBlocks: () => false,
      lackingBlocks: () => [],
      clear: () => Promise.resolve(true),
      clearBlocks: () => Promise.resolve(true),
      serial: 0,
    },
    blocks: { has: () => false },
    peers: {
      connected: () => true,
      digests: () => Promise.reject(new Error('it does not say')),
      status: () => Promise.reject(new Error('it does not say')),
      enumerate,
      getOwnedBlock: (node: NodeId) => gives(node),
      preferred: (nodes: readonly NodeId[]) => nodes,
    },
    digestOf: () => new Uint8Array(80),
    // A node did not answer: it may have the block.
    lost: { noteIfLost: () => Promise.resolve(false) },
    dead: { has: () => false },
    isBusy: () => false,
    bytesPerSecond: 0,
    clock,
    logger: { debug: () => {}, info: () => {} },
    ...options,
  } as unknown as BlockMoverOptions)
  mover.start()
  await passed
  mover.stop()
  return [...mover.stuck().values()]
}

test('a node that names a block and never gives it is reported as failing', async () => {
  const gives = (node: NodeId): Promise<undefined> =>
    node === d ? Promise.reject(new Error('its disk takes too long')) : Promise.resolve(undefined)
  const stuck = await stuckOf(gives, [d, e])
  expect(stuck).toHaveLength(64)
  expect(stuck[0]).toEqual({ unheard: [], unreadable: 1, failing: [d] })
})

test('a node that cannot vouch for what it has names itself', async () => {
  const forgotten = {
    has: () => true,
    lacksBlocks: () => true,
    lackingBlocks: () => [],
    clear: () => Promise.resolve(true),
    clearBlocks: () => Promise.resolve(true),
    serial: 0,
  }
  const stuck = await stuckOf(() => Promise.resolve(undefined), [], { forgotten })
  expect(stuck).toHaveLength(64)
  expect(stuck[0]).toEqual({ unheard: [c], unreadable: 0, failing: [] })
})

test('a change of the layout during a pass is followed by another pass at once', async () => {
  let passes = 0
  const mover: BlockMover = new BlockMover({
    view: () => {
      if (++passes === 1) mover.kick()
      return undefined
    },
    // The pause between two passes does not end.
    clock: { monotonicMs: () => 0, after: () => () => {} },
    logger: { debug: () => {} },
  } as unknown as BlockMoverOptions)
  mover.start()
  await new Promise((resolve) => void setImmediate(resolve))
  expect(passes).toBe(2)
  mover.stop()
})
