/** `npm run sim -- --seed S [--seeds N] [--nodes N] [--minutes M] [--verbose]` */

import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { simulate } from './simulation.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '3' },
    minutes: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
  },
})

const first = numberOf('seed', values.seed, 0)
const count = numberOf('seeds', values.seeds, 1)
const nodes = numberOf('nodes', values.nodes, 1)
const minutes = Number(values.minutes)
if (!(minutes > 0)) usage('minutes')

let bad = 0
const totals = { operations: 0, unknown: 0, faults: 0, messages: 0 }
for (let seed = first; seed < first + count; seed++) {
  const result = await simulate({ seed, nodes, minutes, verbose: values.verbose })
  totals.operations += result.operations
  totals.unknown += result.unknown
  totals.faults += result.faults
  totals.messages += result.messages
  const { operations, unknown, faults, messages, digest } = result
  console.log(
    `seed ${seed} digest ${digest} operations ${operations} unknown ${unknown} faults ${faults} ` +
      `messages ${messages} violations ${result.violations.length}`,
  )
  if (result.violations.length === 0) continue
  bad++
  for (const violation of result.violations.slice(0, 20)) console.log(`  ${violation}`)
  console.log(
    `  replay at commit ${commit()}: npm run sim -- --seed ${seed} --nodes ${nodes} --minutes ${minutes}`,
  )
}
if (count > 1) {
  const { operations, unknown, faults, messages } = totals
  console.log(
    `${count} seeds, ${operations} operations, ${unknown} unknown, ${faults} faults, ` +
      `${messages} messages, ${bad} seeds with violations`,
  )
}
process.exitCode = bad === 0 ? 0 : 1

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

function numberOf(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least) usage(name)
  return value
}

function usage(name: string): never {
  console.error(`--${name} is not a number in range`)
  process.exit(2)
}
