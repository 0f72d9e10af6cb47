/**
 * `npm run sim -- [--seed S] [--seeds N] [--nodes N,…] [--minutes M] [--workloads all|NAME,…] [--faults all|none|NAME,…]
 * [--changes none|all|NAME,…] [--jobs J] [--seconds S] [--verbose]` plays seeds of whole clusters. With several
 * numbers of nodes, each seed takes the next one. `npm run sim -- --mutants`, or `--mutant NAME`, checks that each
 * mutant, or this one, is caught. Exits 1 when anything is wrong.
 */

import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { CHANGE_NAMES } from './faults/changes.ts'
import { FAULT_NAMES } from './faults/kinds.ts'
import { serveTasks, spread } from './jobs.ts'
import { NODE_MUTANTS } from './mutants/all.ts'
import { controlled, hunt } from './mutants/mutant.ts'
import {
  simulate,
  WORKLOAD_NAMES,
  type SimulationOptions,
  type SimulationResult,
  type WorkloadName,
} from './simulation.ts'

const VIOLATIONS_SHOWN = 20

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    /** Unless given: 3, or 3 and 5 in turn with changes of the layout. */
    nodes: { type: 'string' },
    minutes: { type: 'string', default: '1' },
    workloads: { type: 'string', default: 'all' },
    faults: { type: 'string', default: 'all' },
    changes: { type: 'string', default: 'none' },
    jobs: { type: 'string', default: '2' },
    /** No seed begins later than this. */
    seconds: { type: 'string', default: '86400' },
    verbose: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    mutant: { type: 'string' },
    worker: { type: 'boolean', default: false },
  },
})
const jobs = numberOf('jobs', values.jobs, 1)
// Errors are part of the game here, and their stacks cost a lot.
if (!values.verbose) Error.stackTraceLimit = 0

if (values.mutants || values.mutant !== undefined) await mutants()
else await seeds()

async function seeds(): Promise<void> {
  const first = numberOf('seed', values.seed, 0)
  const count = numberOf('seeds', values.seeds, 1)
  const minutes = Number(values.minutes)
  if (!(minutes > 0)) usage('--minutes is not a number in range')
  const options: Omit<SimulationOptions, 'seed' | 'nodes'> = {
    minutes,
    workloads: workloadsOf(values.workloads),
    faults: namesOf('fault', values.faults, FAULT_NAMES),
    changes: namesOf('change', values.changes, CHANGE_NAMES),
    verbose: values.verbose,
  }
  const play = (seed: number): Promise<SimulationResult> =>
    simulate({ ...options, seed, nodes: nodesOf(seed) })
  if (values.worker) return serveTasks(play)
  const startedMs = performance.now()
  const untilMs = startedMs + numberOf('seconds', values.seconds, 1) * 1_000
  const results: SimulationResult[] = []
  const each = (result: SimulationResult): boolean => {
    results.push(result)
    show(result)
    return performance.now() < untilMs
  }
  const tasks = Array.from({ length: count }, (_, i) => first + i)
  if (jobs === 1 || count === 1) {
    for (const seed of tasks) if (!each(await play(seed))) break
  } else await spread({ ...worker(), jobs, tasks, each })
  conclude(results, secondsSince(startedMs))
}

function show(result: SimulationResult): void {
  const { seed, operations, unknown, faults, messages, digest, violations, members, epoch } = result
  console.log(
    `seed ${seed} digest ${digest} operations ${operations} unknown ${unknown} faults ${faults} ` +
      `messages ${messages} members ${members} epoch ${epoch} violations ${violations.length}`,
  )
  if (violations.length === 0) return
  for (const violation of violations.slice(0, VIOLATIONS_SHOWN)) console.log(`  ${violation}`)
  const { minutes, workloads, faults: kinds, changes } = values
  const which =
    (workloads === 'all' ? '' : ` --workloads ${workloads}`) +
    (kinds === 'all' ? '' : ` --faults ${kinds}`) +
    (changes === 'none' ? '' : ` --changes ${changes}`)
  console.log(
    `  replay at commit ${commit()}: ` +
      `npm run sim -- --seed ${seed} --nodes ${nodesOf(seed)} --minutes ${minutes}${which}`,
  )
}

function conclude(results: readonly SimulationResult[], seconds: string): void {
  const total = (what: 'operations' | 'unknown' | 'faults' | 'messages'): number =>
    results.reduce((sum, result) => sum + result[what], 0)
  for (const name of WORKLOAD_NAMES) {
    const counts = results.flatMap(({ byWorkload }) => byWorkload[name] ?? [])
    if (counts.length === 0) continue
    const sum = (what: 'done' | 'unknown'): number =>
      counts.reduce((all, one) => all + one[what], 0)
    console.log(`${name}: ${sum('done')} operations, ${sum('unknown')} unknown`)
  }
  const kinds = FAULT_NAMES.map((name) => ({
    name,
    count: results.reduce((sum, { faultsByKind }) => sum + (faultsByKind[name] ?? 0), 0),
  })).filter(({ count }) => count > 0)
  console.log(`faults by kind: ${kinds.map(({ name, count }) => `${name} ${count}`).join(', ')}`)
  showChanges(results)
  const bad = results.filter(({ violations }) => violations.length > 0).length
  console.log(
    `${results.length} seeds, ${total('operations')} operations, ${total('unknown')} unknown, ` +
      `${total('faults')} faults, ${total('messages')} messages, ${bad} seeds with violations, ` +
      `${seconds} s`,
  )
  process.exitCode = bad === 0 ? 0 : 1
}

/** Prints for each kind of change how many were asked for, refused at once, and completed. */
function showChanges(results: readonly SimulationResult[]): void {
  for (const name of CHANGE_NAMES) {
    const counts = results.flatMap(({ changesByKind }) => changesByKind[name] ?? [])
    const sum = (what: 'tried' | 'refused' | 'completed'): number =>
      counts.reduce((all, one) => all + one[what], 0)
    if (counts.length === 0) continue
    console.log(
      `change ${name}: tried ${sum('tried')}, refused ${sum('refused')}, completed ${sum('completed')}`,
    )
  }
  const deaths = new Map<string, number>()
  for (const { deathsByStep } of results) {
    for (const [step, count] of Object.entries(deathsByStep)) {
      deaths.set(step, (deaths.get(step) ?? 0) + count)
    }
  }
  if (deaths.size === 0) return
  const list = [...deaths].map(([step, count]) => `${step} ${count}`).join(', ')
  console.log(`nodes that died for good, by step: ${list}`)
}

interface Hunted {
  readonly caught: boolean
  readonly lines: readonly string[]
}

/** Each must be caught, and what catches it must have nothing to say against the real thing. */
async function mutants(): Promise<void> {
  const { mutant: wanted } = values
  const names = NODE_MUTANTS.map(({ name }) => name)
  const tasks = names.filter((name) => wanted === undefined || name === wanted)
  if (tasks.length === 0) usage(`there is no mutant ${wanted}, only ${names.join(', ')}`)
  if (values.worker) return serveTasks(hunted)
  let caught = 0
  const each = (result: Hunted): boolean => {
    if (result.caught) caught++
    console.log(result.lines.join('\n'))
    return true
  }
  if (jobs === 1 || tasks.length === 1) for (const name of tasks) each(await hunted(name))
  else await spread({ ...worker(), jobs, tasks, each })
  console.log(`mutants=${tasks.length} caught=${caught}`)
  process.exitCode = caught === tasks.length ? 0 : 1
}

async function hunted(name: string): Promise<Hunted> {
  const mutant = NODE_MUTANTS.find((one) => one.name === name)!
  const startedMs = performance.now()
  const caught = await hunt(mutant, numberOf('seed', values.seed, 0))
  const seconds = secondsSince(startedMs)
  const title = `${mutant.rule} ${mutant.name}`.padEnd(40)
  if (caught === undefined) {
    const line = `${title} NOT CAUGHT in ${mutant.seedsMax} seeds (${seconds} s)`
    return { caught: false, lines: [line] }
  }
  const { seed, violation } = caught
  const [blamed] = await controlled(mutant, seed)
  if (blamed !== undefined) {
    const line = `${title} proves nothing: unbroken, seed ${seed} says ${blamed}`
    return { caught: false, lines: [line] }
  }
  const found = `  ${mutant.breaks}: ${violation.slice(0, 160)}`
  const lines = [`${title} caught by seed ${seed} (${seconds} s), ${mutant.by}:`, found]
  return { caught: true, lines }
}

/** This script again, with the same arguments, as a worker. */
function worker(): { script: string; args: readonly string[] } {
  return { script: process.argv[1] as string, args: [...process.argv.slice(2), '--worker'] }
}

function nodesOf(seed: number): number {
  const { nodes = values.changes === 'none' ? '3' : '3,5' } = values
  const numbers = nodes.split(',').map((text) => numberOf('nodes', text, 1))
  return numbers[seed % numbers.length] as number
}

function workloadsOf(text: string): readonly WorkloadName[] {
  if (text === 'all') return WORKLOAD_NAMES
  const names = text.split(',')
  for (const name of names) {
    if (!(WORKLOAD_NAMES as readonly string[]).includes(name)) {
      usage(`there is no workload ${name}, only all, ${WORKLOAD_NAMES.join(', ')}`)
    }
  }
  return WORKLOAD_NAMES.filter((name) => names.includes(name))
}

/** What is named by commas, of `known`; `all` and `none` as well. */
function namesOf<Name extends string>(
  what: string,
  text: string,
  known: readonly Name[],
): readonly Name[] {
  const names = text.split(',').flatMap((name): readonly Name[] => {
    if (name === 'all') return known
    if (name === 'none') return []
    if ((known as readonly string[]).includes(name)) return [name as Name]
    return usage(`there is no ${what} ${name}, only all, none, ${known.join(', ')}`)
  })
  return [...new Set(names)]
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
