/** Every mutant is caught, and what catches it finds nothing wrong with the real code. */

import { describe, expect, test } from 'vitest'
import { NODE_MUTANTS } from './all.ts'
import { controlled, hunt } from './mutant.ts'
import { Patches } from './patches.ts'

describe('mutants of a whole node', () => {
  test('have names of their own', () => {
    const names = NODE_MUTANTS.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names.length).toBeGreaterThanOrEqual(20)
  })

  test.each(NODE_MUTANTS.filter(({ slow }) => slow !== true))(
    '$rule $name: caught by $by',
    async (mutant) => {
      const caught = await hunt(mutant)
      expect(caught).toBeDefined()
      expect(await controlled(mutant, caught!.seed)).toEqual([])
    },
    120_000,
  )

  test('leave nothing behind', () => {
    class Real {
      answer(): number {
        return 1
      }
    }
    const patches = new Patches()
    patches.method(
      Real.prototype,
      'answer',
      (original) =>
        function (this: Real) {
          return original.call(this) + 1
        },
    )
    patches.method(Real.prototype, 'answer', () => () => 7)
    expect(new Real().answer()).toBe(7)
    patches.undo()
    expect(new Real().answer()).toBe(1)
  })
})
