/** The time that a change is given is one that a majority of the replicas has passed (T10). */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { NodeId, ProposerId } from '../ids.ts'
import { ZERO_BALLOT } from './ballot.ts'
import { majorityClockMs } from './promises.ts'
import type { Change } from './proposer-options.ts'
import { majority } from './quorum.ts'
import { labNodes, RegisterLab, writing } from './testing/register-lab.ts'

const YEAR = 31_536_000_000

test('a minority that is ahead does not raise it, in no set', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 9 }), { minLength: 6, maxLength: 6 }),
      fc.shuffledSubarray(labNodes('abcdef'), { minLength: 1 }),
      fc.shuffledSubarray(labNodes('abcdef'), { minLength: 1 }),
      (clocks, one, two) => {
        const at = (node: NodeId): number => clocks['abcdef'.indexOf(node)]!
        const promises = labNodes('abcdef').map((from) => {
          return { from, accepted: undefined, floor: ZERO_BALLOT, clockMs: at(from) }
        })
        const told = majorityClockMs([one, two], promises)
        for (const set of [one, two]) {
          const passed = set.filter((node) => at(node) >= told).length
          expect(passed).toBeGreaterThanOrEqual(majority(set.length))
        }
      },
    ),
  )
})

/** Delivers the prepare to two replicas with these clocks; what the change was told. */
function toldWith(first: number, second: number): (number | undefined)[] {
  const told: (number | undefined)[] = []
  const change: Change = (...args) => {
    told.push(args[2])
    return writing()(...args)
  }
  const lab = new RegisterLab()
  lab.propose('p', { change, proposer: 'p' as ProposerId })
  lab.env.clockMs = first
  lab.deliver('p', 'a')
  lab.env.clockMs = second
  lab.deliver('p', 'b')
  return told
}

test('a proposer counts the clocks of those that promised, not its own', () => {
  expect(toldWith(1_000 + YEAR, 1_000)).toEqual([1_000])
  expect(toldWith(1_000, 1_000 + YEAR)).toEqual([1_000])
  // A replica of an older program does not say what its clock shows.
  expect(toldWith(1_000, 0)).toEqual([0])
})

test('without a prepare no clock is known, and a change that needs one is called again', () => {
  const told: (number | undefined)[] = []
  const lab = new RegisterLab()
  lab.propose('p')
  lab.env.clockMs = 700
  lab.deliver('p', 'abc')
  lab.deliver('p', 'ab')
  const outcome = lab.outcomes.get('p')
  if (outcome?.type !== 'written' || outcome.prior === undefined) throw new Error('no prior')
  const change: Change = (current, chosen, clockMs) => {
    told.push(clockMs)
    return (clockMs ?? 0) < 700 ? { keep: true } : writing(2)(current, chosen, clockMs)
  }
  lab.propose('q', { change, prior: outcome.prior, proposer: 'p' as ProposerId })
  lab.deliver('q', 'ab')
  expect(told).toEqual([undefined, 700])
})
