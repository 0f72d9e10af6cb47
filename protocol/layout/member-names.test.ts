/** Members by their names and ids. */

import { describe, expect, test } from 'vitest'
import type { Member } from './entry.ts'
import { findMember } from './member-names.ts'
import { fiveMembers } from './testing/five-members.ts'

const [a, b] = fiveMembers as [Member, Member]

describe('a node by its name, or by the end of its id', () => {
  const found = (text: string, from = fiveMembers): unknown => {
    const member = findMember(from, text)
    return 'fault' in member ? member.fault : member.name
  }
  test('finds one', () => {
    expect(found('b')).toBe('b')
    expect(found(b.nodeId)).toBe('b')
    expect(found(b.nodeId.slice(-6))).toBe('b')
    expect(found(`…${b.nodeId.slice(-8)}`)).toBe('b')
    // A name comes before the end of another one's id.
    const odd = [a, { ...b, name: a.nodeId.slice(-4) }]
    expect(found(a.nodeId.slice(-4), odd)).toBe(a.nodeId.slice(-4))
    expect(findMember(odd, a.nodeId.slice(-4))).toEqual(odd[1])
  })

  test('says when there is none, or several', () => {
    expect(found('nobody')).toMatch(/no member is called nobody: the members are a, b, c, d, e/)
    expect(found('')).toMatch(/no member/)
    expect(found('…')).toMatch(/no member/)
    const twins = [a, { ...b, name: 'a' }]
    expect(found('a', twins)).toMatch(/a may be any of .*, .*say more of the id/)
  })
})
