/** Five members, one more, and the layouts that changes make of them. */

import type { Member, Source } from '../entry.ts'
import { nextOf, type MemberChange } from '../member-change.ts'
import { testMember, stable } from './entries.ts'
import type { NextLayout } from '../transition.ts'
import { LayoutView } from '../view.ts'

export const TERABYTE = 1e12

export const fiveMembers = ['a', 'b', 'c', 'd', 'e'].map((name) => testMember(name, { name }))

export const extraMember = testMember('x', { name: 'x' })

/** The layout that the changes make. */
export function layoutAfter(
  changes: readonly MemberChange[],
  from = fiveMembers,
  replication = 3,
): NextLayout {
  const after = nextOf(from, replication, changes)
  if ('fault' in after) throw new Error(after.fault)
  return after
}

export function changeFault(
  changes: readonly MemberChange[],
  from: readonly Member[] = fiveMembers,
): string | undefined {
  const after = nextOf(from, 3, changes)
  return 'fault' in after ? after.fault : undefined
}

export function fineView(members: readonly Member[], sources: readonly Source[] = []): LayoutView {
  const entry = stable(members, { epoch: 20, sources })
  return new LayoutView({ ...entry, genesis: { ...entry.genesis, partitionBits: 10 } })
}
