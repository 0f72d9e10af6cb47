/**
 * The evaluation of policies against its slow oracle: `npm run sim:policies -- [--cases 200000] [--seed 1]`.
 * Prints how often each answer was reached; exits with 1 at the first pair on which the two differ.
 */

import { parseArgs } from 'node:util'
import { compareCases } from '../protocol/iam/testing/compare.ts'

const { values } = parseArgs({
  options: { cases: { type: 'string' }, seed: { type: 'string' } },
})
const cases = Number(values.cases ?? 200_000)
const seed = Number(values.seed ?? 1)
const started = performance.now()
const { differing, counts } = compareCases(cases, seed)
if (differing !== undefined) {
  console.log(
    JSON.stringify(differing, (_, value) => (value instanceof Map ? [...value] : value), 2),
  )
  console.log(`differs: node sim/policies-main.ts --cases ${cases} --seed ${seed}`)
  process.exit(1)
}
const seconds = ((performance.now() - started) / 1000).toFixed(1)
for (const answer of [...counts.keys()].sort((a, b) => (a < b ? -1 : 1))) {
  console.log(`${answer.padEnd(24)} ${counts.get(answer)}`)
}
console.log(`${cases} pairs of policies and request agree, seed ${seed}, ${seconds} s`)
