/** Which partitions stay held when entries of the layout are adopted, and when some of them are left out (L9). */

import { expect, test } from 'vitest'
import { decidedEntry, testMember, stable } from '../../protocol/layout/testing/entries.ts'
import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import { emptyBitmap, hasBit } from '../../protocol/keyspace/bitmap.ts'
import { Entering, type EnteringOptions } from './entering.ts'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => testMember(name)) as [
  ReturnType<typeof testMember>,
  ReturnType<typeof testMember>,
  ReturnType<typeof testMember>,
  ReturnType<typeof testMember>,
]
const PLANNED: LayoutEntry = {
  ...stable([a, b, c], { epoch: 10, cause: 'plan' }),
  state: 'PLANNED',
  next: [a, b, d],
}
const ABANDONED = stable([a, b, c], { epoch: 11, cause: 'abandoned' })
const SYNCED = stable([a, b, d], { epoch: 14, cause: 'synced' })

/** Whether what d has learnt by epoch 10 counts as held in the end. */
function isHeldAfter(...entries: LayoutEntry[]): boolean {
  const chain = entries.map((entry) => decidedEntry(entry, [a, b]))
  const held = emptyBitmap().fill(0xff)
  const file = {
    epoch: 10,
    follow(epoch: number, kept: Uint8Array) {
      for (let at = 0; at < held.length; at++) held[at]! &= kept[at] ?? 0
      this.epoch = epoch
    },
    isHeld: (partition: number) => hasBit(held, partition),
  }
  const options = {
    self: d.nodeId,
    storageId: d.storageId,
    file,
    chain: {
      current: () => new LayoutView(entries.at(-1)!),
      entriesAfter: (epoch: number) => chain.filter(({ entry }) => entry.epoch > epoch),
    },
  }
  return new Entering(options as unknown as EnteringOptions).serves(0)
}

test('what was learnt in a plan is not held after the plan was abandoned', () => {
  expect(isHeldAfter(PLANNED, ABANDONED, { ...SYNCED, epoch: 12 })).toBe(false)
})

test('nor when the node was never told of the plan’s end', () => {
  expect(isHeldAfter(PLANNED, SYNCED)).toBe(false)
})

test('it stays held when the node sees every entry', () => {
  const joint: LayoutEntry = { ...PLANNED, epoch: 11, state: 'JOINT', cause: 'joint' }
  expect(isHeldAfter(PLANNED, joint, { ...SYNCED, epoch: 12 })).toBe(true)
})
