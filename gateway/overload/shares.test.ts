import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { SharedBudget, type Lease } from './shares.ts'

test('no caller gets more than its share, and the rest stays for others', () => {
  const budget = new SharedBudget(100)
  const ann = [
    { name: 'ann', share: 0.5 },
    { name: 'account', share: 0.75 },
  ]
  const bob = [
    { name: 'bob', share: 0.5 },
    { name: 'account', share: 0.75 },
  ]
  const first = budget.take(ann, 50)
  expect(first?.held).toBe(50)
  expect(budget.take(ann, 1)).toBeUndefined()
  expect(budget.take(bob, 26)).toBeUndefined()
  const second = budget.take(bob, 25)
  expect(second?.grow(1)).toBe(false)
  expect(second?.held).toBe(25)
  expect(budget.take([{ name: 'eve', share: 1 }], 26)).toBeUndefined()
  expect(budget.take([{ name: 'eve', share: 1 }], 25)?.held).toBe(25)
  first?.giveBack()
  first?.giveBack()
  expect(budget.used).toBe(50)
  expect(budget.heldBy('ann')).toBe(0)
})

test('the amount in use is what was taken and not given back', () => {
  const step = fc.record({ who: fc.nat(3), amount: fc.nat(30), give: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const budget = new SharedBudget(100)
      const leases: Lease[] = []
      for (const { who, amount, give } of steps) {
        if (give) leases.pop()?.giveBack()
        else {
          const lease = budget.take([{ name: `${who}`, share: 0.4 }], amount)
          if (lease !== undefined) leases.push(lease)
        }
        expect(budget.used).toBe(leases.reduce((sum, { held }) => sum + held, 0))
        expect(budget.used).toBeLessThanOrEqual(100)
        for (let each = 0; each < 4; each++)
          expect(budget.heldBy(`${each}`)).toBeLessThanOrEqual(40)
      }
    }),
  )
})
