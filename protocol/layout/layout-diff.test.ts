/** Differences between layouts, for people. */

import type { Member } from './entry.ts'
import { expect, test } from 'vitest'
import { diffOf } from './layout-diff.ts'
import { extraMember, fiveMembers, layoutAfter } from './testing/five-members.ts'

const [a, b] = fiveMembers as [Member, Member]

test('what is different, for people', () => {
  const after = layoutAfter([
    { kind: 'join', member: { ...extraMember, name: undefined } },
    { kind: 'drain', nodeId: a.nodeId },
    { kind: 'replication', replication: 5 },
    { kind: 'set', nodeId: b.nodeId, zone: 'z', capacityBytes: 2 ** 40 },
  ])
  const lines = diffOf({ members: fiveMembers, replication: 3 }, after)
  expect([...lines].sort()).toEqual(
    [
      `${extraMember.nodeId.slice(-8)} joins: zone default, 931 GiB`,
      'a leaves',
      'b: zone default → z, capacity 931 GiB → 1 TiB',
      'replication 3 → 5',
    ].sort(),
  )
  expect(
    diffOf({ members: fiveMembers, replication: 3 }, { members: fiveMembers, replication: 3 }),
  ).toEqual([])
})
