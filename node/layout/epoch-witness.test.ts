import { expect, test } from 'vitest'
import { testMember, stable } from '../../protocol/layout/testing/entries.ts'
import { jointEntry, stableEntry } from '../../protocol/layout/transition.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import { EpochWitness } from './epoch-witness.ts'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => testMember(name)) as [
  ReturnType<typeof testMember>,
  ReturnType<typeof testMember>,
  ReturnType<typeof testMember>,
  ReturnType<typeof testMember>,
]

test('an epoch is held once a majority of every active set has said that it holds it', () => {
  let view = new LayoutView(stable([a, b, c], { epoch: 7 }))
  const witness = new EpochWitness(a.nodeId, () => view)
  expect(witness.isHeld()).toBe(false)
  // An answer of an earlier epoch.
  witness.hear(b.nodeId, 6)
  expect(witness.isHeld()).toBe(false)
  // A node that holds nothing of it does not count, whatever it says.
  witness.hear(d.nodeId, 7)
  expect(witness.isHeld()).toBe(false)
  witness.hear(b.nodeId, 7)
  expect(witness.isHeld()).toBe(true)

  // In JOINT, a majority of both sets is needed (L3).
  const joint = jointEntry(view.entry, [a, c, d], 'join')
  view = new LayoutView(joint)
  expect(witness.isHeld()).toBe(false)
  witness.hear(b.nodeId, 8)
  expect(witness.isHeld()).toBe(false)
  witness.hear(d.nodeId, 8)
  expect(witness.isHeld()).toBe(true)

  // What was said does not become less by an older message.
  witness.hear(d.nodeId, 7)
  expect(witness.epochOf(d.nodeId)).toBe(8)
  view = new LayoutView(stableEntry(joint, 'synced'))
  expect(witness.isHeld()).toBe(false)
  // A member of before is none of this one.
  witness.hear(b.nodeId, 9)
  expect(witness.isHeld()).toBe(false)
  witness.hear(c.nodeId, 10)
  expect(witness.isHeld()).toBe(true)
})

test('an epoch is the latest when so many others are at just this one that none came further but by one', () => {
  const view = new LayoutView(stable([a, b, c, d], { epoch: 7 }))
  const witness = new EpochWitness(a.nodeId, () => view)
  witness.hear(b.nodeId, 7)
  // Its own word says nothing: the directory may be an old copy.
  expect(witness.isLatest()).toBe(false)
  witness.hear(c.nodeId, 9)
  // Enough for `isHeld`, although there is a later epoch.
  expect([witness.isHeld(), witness.isLatest()]).toEqual([true, false])
  witness.hear(d.nodeId, 7)
  expect(witness.isLatest()).toBe(true)
  witness.hear(d.nodeId, 8)
  expect(witness.isLatest()).toBe(false)
})
