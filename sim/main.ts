/**
 * `npm run sim -- [--seed S] [--seeds N] [--nodes N] [--minutes M] [--workloads all|NAME,…] [--verbose]`, or
 * `--mutants [--mutant NAME]` to see each deliberate break of a whole node caught. Exits 1 when anything is
 * not as it must be.
 */

import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { NODE_MUTANTS } from './mutants/all.ts'
import { controlled, hunt } from './mutants/mutant.ts'
import { simulate, WORKLOAD_NAMES, type Counts, type WorkloadName } from './simulation.ts'

const VIOLATIONS_SHOWN = 20

interface Totals {
  operations: number
  unknown: number
  faults: number
  messages: number
  readonly byWorkload: Map<WorkloadName, Counts>
}

Error.stackTraceLimit = 0

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '3' },
    minutes: { type: 'string', default: '1' },
    workloads: { type: 'string', default: 'all' },
    verbose: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    mutant: { type: 'string' },
  },
})

const good = values.mutants || values.mutant !== undefined ? await runMutants() : await runSeeds()
process.exitCode = good ? 0 : 1

async function runSeeds(): Promise<boolean> {
  const first = numberOf('seed', values.seed, 0)
  const count = numberOf('seeds', values.seeds, 1)
  const nodes = numberOf('nodes', values.nodes, 1)
  const minutes = Number(values.minutes)
  if (!(minutes > 0)) usage('--minutes is not a number in range')
  const workloads = namesOf(values.workloads)
  const { verbose } = values
  const startedMs = performance.now()
  const totals: Totals = {
    operations: 0,
    unknown: 0,
    faults: 0,
    messages: 0,
    byWorkload: new Map(),
  }
  let bad = 0
  for (let seed = first; seed < first + count; seed++) {
    const result = await simulate({ seed, nodes, minutes, workloads, verbose })
    const { operations, unknown, faults, messages, digest, violations } = result
    add(totals, result)
    console.log(
      `seed ${seed} digest ${digest} operations ${operations} unknown ${unknown} faults ${faults} ` +
        `messages ${messages} violations ${violations.length}`,
    )
    if (violations.length === 0) continue
    bad++
    for (const violation of violations.slice(0, VIOLATIONS_SHOWN)) console.log(`  ${violation}`)
    const which = values.workloads === 'all' ? '' : ` --workloads ${values.workloads}`
    console.log(
      `  replay at commit ${commit()}: ` +
        `npm run sim -- --seed ${seed} --nodes ${nodes} --minutes ${minutes}${which}`,
    )
  }
  const { operations, unknown, faults, messages } = totals
  for (const [name, { done, unknown: doubtful }] of totals.byWorkload) {
    console.log(`${name}: ${done} operations, ${doubtful} unknown`)
  }
  console.log(
    `${count} seeds, ${operations} operations, ${unknown} unknown, ${faults} faults, ` +
      `${messages} messages, ${bad} seeds with violations, ${secondsSince(startedMs)} s`,
  )
  return bad === 0
}

function add(totals: Totals, result: Awaited<ReturnType<typeof simulate>>): void {
  totals.operations += result.operations
  totals.unknown += result.unknown
  totals.faults += result.faults
  totals.messages += result.messages
  for (const [name, { done, unknown }] of Object.entries(result.byWorkload)) {
    const before = totals.byWorkload.get(name as WorkloadName) ?? { done: 0, unknown: 0 }
    totals.byWorkload.set(name as WorkloadName, {
      done: before.done + done,
      unknown: before.unknown + unknown,
    })
  }
}

/** Each must be caught, and what catches it must have nothing to say against the real thing. */
async function runMutants(): Promise<boolean> {
  const { mutant: wanted } = values
  const mutants = NODE_MUTANTS.filter(({ name }) => wanted === undefined || name === wanted)
  if (mutants.length === 0) {
    usage(`there is no mutant ${wanted}, only ${NODE_MUTANTS.map(({ name }) => name).join(', ')}`)
  }
  const first = numberOf('seed', values.seed, 0)
  let missed = 0
  for (const mutant of mutants) {
    const startedMs = performance.now()
    const caught = await hunt(mutant, first)
    const seconds = secondsSince(startedMs)
    const title = `${mutant.rule} ${mutant.name}`.padEnd(40)
    const blamed = caught === undefined ? [] : await controlled(mutant, caught.seed)
    if (caught === undefined || blamed.length > 0) missed++
    if (caught === undefined) {
      console.log(`${title} NOT CAUGHT in ${mutant.seedsMax} seeds (${seconds} s)`)
    } else if (blamed.length > 0) {
      console.log(`${title} proves nothing: unbroken, seed ${caught.seed} says ${blamed[0]}`)
    } else {
      const { seed, violation } = caught
      console.log(`${title} caught by seed ${seed} (${seconds} s), ${mutant.by}:`)
      console.log(`  ${mutant.breaks}: ${violation.slice(0, 160)}`)
    }
  }
  console.log(`mutants=${mutants.length} caught=${mutants.length - missed}`)
  return missed === 0
}

function namesOf(text: string): readonly WorkloadName[] {
  if (text === 'all') return WORKLOAD_NAMES
  const names = text.split(',')
  for (const name of names) {
    if (!(WORKLOAD_NAMES as readonly string[]).includes(name)) {
      usage(`there is no workload ${name}, only all, ${WORKLOAD_NAMES.join(', ')}`)
    }
  }
  return WORKLOAD_NAMES.filter((name) => names.includes(name))
}

function secondsSince(startedMs: number): string {
  return ((performance.now() - startedMs) / 1000).toFixed(1)
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

function numberOf(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least) usage(`--${name} is not a number in range`)
  return value
}

function usage(complaint: string): never {
  console.error(complaint)
  process.exit(2)
}
