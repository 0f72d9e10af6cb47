import { expect, test } from 'vitest'
import { dropOldest } from './drop-oldest.ts'

test('what was added first is dropped first, down to the bound', () => {
  const map = new Map([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ])
  map.delete('a')
  map.set('a', 1)
  dropOldest(map, 2)
  expect([...map.keys()]).toEqual(['c', 'a'])
  const set = new Set([1, 2, 3, 4])
  dropOldest(set, 1)
  expect([...set]).toEqual([4])
  dropOldest(set, 0)
  expect(set.size).toBe(0)
})
