import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NodeId } from '../ids.ts'
import { isQuorum, majority, membersOf, Quorum } from './quorum.ts'

const ids = (text: string): NodeId[] => text.split('') as NodeId[]

describe('L3: a majority of each set, never of the union', () => {
  test.each([
    ['abc', '', 'ab', true],
    ['abc', '', 'a', false],
    ['abcde', '', 'abc', true],
    ['ab', '', 'a', false],
    ['abc', 'ade', 'ab', false],
    ['abc', 'ade', 'bcd', false],
    ['abc', 'ade', 'abd', true],
    ['abc', 'bcd', 'bc', true],
    ['abc', 'def', 'abcd', false],
  ])('of %s and %s, %s: %s', (old, next, nodes, expected) => {
    const sets = next === '' ? [ids(old)] : [ids(old), ids(next)]
    const quorum = new Quorum(sets)
    for (const node of ids(nodes)) quorum.add(node)
    expect(quorum.reached).toBe(expected)
    expect(isQuorum(sets, ids(nodes))).toBe(expected)
  })

  test('a node counts once, as it voted first', () => {
    const quorum = new Quorum([ids('abc')])
    quorum.add(ids('a')[0] as NodeId)
    quorum.add(ids('a')[0] as NodeId)
    quorum.fail(ids('a')[0] as NodeId)
    expect(quorum.reached).toBe(false)
    expect(quorum.impossible).toBe(false)
  })

  test('majorities of 1 to 7', () => {
    expect([1, 2, 3, 4, 5, 6, 7].map(majority)).toEqual([1, 2, 2, 3, 3, 4, 4])
  })
})

test('impossible exactly when all that are left would not be enough', () => {
  const set = fc.uniqueArray(fc.constantFrom(...ids('abcdefg')), { minLength: 1, maxLength: 5 })
  const votes = fc.array(fc.tuple(fc.constantFrom(...ids('abcdefg')), fc.boolean()))
  fc.assert(
    fc.property(fc.array(set, { minLength: 1, maxLength: 2 }), votes, (sets, cast) => {
      const quorum = new Quorum(sets)
      const refused = new Set<NodeId>()
      const voted = new Set<NodeId>()
      for (const [node, yes] of cast) {
        if (yes) quorum.add(node)
        else quorum.fail(node)
        if (!yes && !voted.has(node)) refused.add(node)
        voted.add(node)
      }
      const left = membersOf(sets).filter((node) => !refused.has(node))
      expect(quorum.impossible).toBe(!isQuorum(sets, left))
      expect(quorum.reached && quorum.impossible).toBe(false)
    }),
  )
})
