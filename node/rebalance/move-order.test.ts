import { expect, test } from 'vitest'
import { inMoveOrder } from './move-order.ts'

test('partitions with the fewest copies left come first, and among these those of the fullest nodes', () => {
  const order = inMoveOrder([
    { partition: 1, copies: 3, full: 0.99 },
    { partition: 2, copies: 1, full: 0.1 },
    { partition: 3, copies: 2, full: 0.5 },
    { partition: 4, copies: 2, full: 0.97 },
    { partition: 5, copies: 1, full: 0.9 },
    { partition: 0, copies: 2, full: 0.5 },
  ])
  expect(order).toEqual([5, 2, 4, 0, 3, 1])
})
