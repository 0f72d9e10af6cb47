/**
 * A limited user makes each change of identities and policies that the table of operations has, with the right to
 * that action on everything and to no other (F31). Afterwards the user and everything that it controls may do no more
 * than before. A longer run: `npm run sim:escalation`.
 */

import { expect, test } from 'vitest'
import { escalationLine, tallyLine, tryEscalations } from './testing/escalations.ts'

test('no operation and no sequence of operations gives a limited user more rights than it had', async () => {
  const tally = await tryEscalations({ callers: ['user', 'limited'], sequences: 60, seed: 1 })
  console.log(tallyLine(tally))
  expect(tally.escalations.map(escalationLine)).toEqual([])
  expect(tally.paths).toBeGreaterThan(800)
  // Checks that the attempts were really made.
  expect(tally.refused).toBeGreaterThan(100)
  expect(tally.harmless).toBeGreaterThan(100)
})
