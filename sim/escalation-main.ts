/**
 * Paths from a limited identity to rights that it was not given:
 * `npm run sim:escalation -- [--sequences 5000] [--seed 1]`. Exits with 1 when one is found.
 */

import { parseArgs } from 'node:util'
import { escalationLine, tallyLine, tryEscalations } from '../node/iam/testing/escalations.ts'

const { values } = parseArgs({
  options: { sequences: { type: 'string' }, seed: { type: 'string' } },
})
const sequences = Number(values.sequences ?? 5_000)
const seed = Number(values.seed ?? 1)
const tally = await tryEscalations({ callers: ['user', 'limited'], sequences, seed })
for (const each of tally.escalations) console.log(escalationLine(each))
console.log(`${tallyLine(tally)}, seed ${seed}`)
process.exit(tally.escalations.length === 0 ? 0 : 1)
