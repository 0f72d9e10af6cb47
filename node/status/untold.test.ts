import { expect, test } from 'vitest'
import type { NodeId } from '../../protocol/ids.ts'
import { hasBit, partitionsIn } from '../../protocol/keyspace/bitmap.ts'
import { testMember, stable } from '../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import { WireStatusReply } from '../../protocol/rpc/messages.js'
import { BODY_BYTES_MAX } from '../net/limits.ts'
import type { Stuck } from '../rebalance/stuck.ts'
import { untoldOf } from './untold.ts'

const members = ['a', 'b', 'c'].map((name) => testMember(name, { name }))
const view = new LayoutView(stable(members, { epoch: 5 }))

function stuckOf(stuck: ReadonlyMap<number, Stuck>) {
  return untoldOf(
    {
      self: members[0]!.nodeId,
      damaged: { list: () => [] },
      forgotten: { lackingBlocks: () => [] },
      serves: () => true,
      moves: { mover: { stuck: () => stuck } } as never,
    },
    view,
    [],
  ).stuck
}

test('partitions that wait for the same nodes are one group', () => {
  const d = 'd' as NodeId
  const e = 'e' as NodeId
  const stuck = new Map<number, Stuck>([
    [40, { unheard: [d], unreadable: 1, failing: [] }],
    [3, { unheard: [d], unreadable: 2, failing: [] }],
    [7, { unheard: [d], unreadable: 4, failing: [e] }],
  ])
  const told = stuckOf(stuck).map((group) => ({
    ...group,
    partitions: partitionsIn(group.partitions),
  }))
  expect(told).toEqual([
    { partitions: [3, 40], nodes: [d], unreadable: 3, failing: [] },
    { partitions: [7], nodes: [d], unreadable: 4, failing: [e] },
  ])
})

test('what it says fits into a message, however many nodes are away', () => {
  const away = Array.from({ length: 100 }, (_, i) => `${i}`.padStart(52, 'n') as NodeId)
  const stuck = new Map<number, Stuck>()
  for (let partition = 0; partition < 1 << 15; partition++) {
    const unheard = [0, 1, 2].map((i) => away[(partition * (i + 1) + i) % away.length]!)
    const failing = [away[partition % 7]!]
    stuck.set(partition, { unheard: [...new Set(unheard)].sort(), unreadable: 1, failing })
  }
  const told = stuckOf(stuck)
  const bytes = WireStatusReply.encode({ stuck: told } as unknown as WireStatusReply)
  expect(bytes.length).toBeLessThan(BODY_BYTES_MAX / 2)
  // Each partition waits for its own nodes, or for more of them.
  const isTold = ([partition, { unheard, failing }]: [number, Stuck]): boolean => {
    const groups = told.filter(({ partitions }) => hasBit(partitions, partition))
    const [group] = groups
    return (
      groups.length === 1 &&
      unheard.every((node) => group!.nodes.includes(node)) &&
      failing.every((node) => group!.failing.includes(node))
    )
  }
  expect([...stuck].filter((each) => !isTold(each))).toEqual([])
  expect(told.reduce((sum, { unreadable }) => sum + unreadable, 0)).toBe(1 << 15)
})
