import { expect, it } from 'vitest'
import { figure, printTable } from './table.ts'

it('aligns columns', () => {
  expect(
    printTable(
      ['work', 'n'],
      [
        ['a', '10'],
        ['long', '7'],
      ],
    ),
  ).toBe('work   n\n----  --\na     10\nlong   7')
})

it('keeps about three digits', () => {
  expect([1234.5, 99.94, 2.5049, 0.05].map(figure)).toEqual(['1235', '99.9', '2.50', '0.05'])
})
