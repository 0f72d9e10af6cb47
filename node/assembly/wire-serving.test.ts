import { expect, test } from 'vitest'
import { stable, testMember } from '../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import { MessageError } from '../../protocol/rpc/message.ts'
import { replicasForWalk } from './wire-serving.ts'

const view = new LayoutView(stable(['a', 'b', 'c'].map((name) => testMember(name))))

test('a walk is answered with the replicas of the partition', () => {
  expect(replicasForWalk(view, view.partitions - 1)).toEqual(view.replicas(view.partitions - 1))
})

test('a walk for a partition that does not exist is refused, and fails no assertion', () => {
  for (const partition of [view.partitions, 0xffff]) {
    expect(() => replicasForWalk(view, partition)).toThrow(MessageError)
    expect(() => replicasForWalk(view, partition)).toThrow(
      `there is no partition ${partition}: the layout has ${view.partitions}`,
    )
  }
})
