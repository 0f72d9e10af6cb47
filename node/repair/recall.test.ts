/** With which replicas a node that has forgotten something must be compared (D8). */

import { expect, test } from 'vitest'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { isAlone, Recall, type RecallOptions } from './recall.ts'

const SELF = 'a' as NodeId

function viewOf(...sets: string[]): LayoutView {
  const replicaSets = () => sets.map((set) => set.split('') as NodeId[])
  return { replicaSets } as unknown as LayoutView
}

function isEnough(view: LayoutView, peers: string): boolean {
  const forgotten = { onLoss: () => {} }
  const recall = new Recall({ self: SELF, forgotten } as unknown as RecallOptions)
  return recall.isEnough(view, 0, new Set(peers.split('') as NodeId[]))
}

test('no other replica is in any active set', () => {
  expect(isAlone(viewOf('a'), 0, SELF)).toBe(true)
  expect(isAlone(viewOf('a', 'a'), 0, SELF)).toBe(true)
  expect(isAlone(viewOf('abc'), 0, SELF)).toBe(false)
})

test('in JOINT the set with other replicas is compared, because they know what was chosen since', () => {
  expect(isAlone(viewOf('a', 'abc'), 0, SELF)).toBe(false)
  expect(isAlone(viewOf('abc', 'a'), 0, SELF)).toBe(false)
  expect(isEnough(viewOf('a', 'abc'), 'b')).toBe(false)
  expect(isEnough(viewOf('a', 'abc'), 'bc')).toBe(true)
  expect(isEnough(viewOf('abc', 'a'), 'c')).toBe(false)
})
