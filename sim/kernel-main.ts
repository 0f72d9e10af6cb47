/**
 * The protocol kernel over many seeds: `npm run sim:kernel -- --seeds N [--seed S] [--mutant NAME] [--jobs J]`, or
 * `--mutants` to see each deliberate break caught. Prints what was played and a digest of every event;
 * on a violation the seed, and one command that replays it. Exits 1 when anything is not as it must be.
 */

import { parseArgs } from 'node:util'
import { serveTasks, spread } from './jobs.ts'
import { RULES } from './kernel/rules.ts'
import { runSeed } from './kernel/world.ts'
import { findMutant, type Mutant, MUTANTS } from './kernel/mutants.ts'

interface Totals {
  seeds: number
  events: number
  operations: number
  answered: number
  epochs: number
  digest: number
  /** How often each kind of change and fault has happened. */
  readonly counts: Record<string, number>
}

interface Failed {
  readonly seed: number
  readonly violation: string
}

/** Some seeds in a row, played by one process. */
interface Stretch {
  readonly first: number
  readonly count: number
}

interface Played {
  readonly totals: Totals
  readonly failed: readonly Failed[]
}

const VIOLATIONS_SHOWN = 5
const STRETCH_SEEDS = 500

/** Plays seeds until `count` are done or `stopAfter` of them went wrong. */
function play({ first, count }: Stretch, mutant: Mutant | undefined, stopAfter: number): Played {
  const totals = noTotals()
  const failed: Failed[] = []
  for (let seed = first; seed < first + count && failed.length < stopAfter; seed++) {
    const result = runSeed(seed, mutant?.rules ?? RULES, mutant?.focus)
    totals.seeds++
    totals.events += result.events
    totals.operations += result.operations
    totals.answered += result.answered
    totals.epochs += result.epochs
    totals.digest = (Math.imul(totals.digest, 31) + result.digest) >>> 0
    addCounts(totals, result.counts)
    const [violation] = result.violations
    if (violation !== undefined) failed.push({ seed, violation })
  }
  return { totals, failed }
}

function noTotals(): Totals {
  return { seeds: 0, events: 0, operations: 0, answered: 0, epochs: 0, digest: 0, counts: {} }
}

function addCounts({ counts }: Totals, more: Iterable<readonly [string, number]>): void {
  for (const [name, times] of more) counts[name] = (counts[name] ?? 0) + times
}

function replay(seed: number, mutant: Mutant | undefined): string {
  const broken = mutant ? ` --mutant ${mutant.name}` : ''
  return `npm run sim:kernel -- --seed ${seed}${broken}`
}

async function runSeeds(
  first: number,
  count: number,
  mutant: Mutant | undefined,
  jobs: number,
): Promise<boolean> {
  const startedAt = performance.now()
  const totals = noTotals()
  const failed: Failed[] = []
  const tasks: Stretch[] = []
  for (let at = 0; at < count; at += STRETCH_SEEDS) {
    tasks.push({ first: first + at, count: Math.min(STRETCH_SEEDS, count - at) })
  }
  const each = (played: Played): boolean => {
    totals.seeds += played.totals.seeds
    totals.events += played.totals.events
    totals.operations += played.totals.operations
    totals.answered += played.totals.answered
    totals.epochs += played.totals.epochs
    totals.digest = (Math.imul(totals.digest, 31) + played.totals.digest) >>> 0
    addCounts(totals, Object.entries(played.totals.counts))
    failed.push(...played.failed)
    return failed.length < VIOLATIONS_SHOWN
  }
  if (jobs === 1 || tasks.length === 1) {
    for (const task of tasks) if (!each(play(task, mutant, VIOLATIONS_SHOWN))) break
  } else {
    const script = process.argv[1] as string
    const args = ['--worker', ...(mutant === undefined ? [] : ['--mutant', mutant.name])]
    await spread<Stretch, Played>({ script, args, jobs, tasks, each })
  }
  const seconds = (performance.now() - startedAt) / 1000
  for (const { seed, violation } of failed) {
    console.log(`seed ${seed}: ${violation}`)
    console.log(`  replay: ${replay(seed, mutant)}`)
  }
  for (const name of Object.keys(totals.counts).sort()) {
    console.log(`${name.padEnd(44)} ${String(totals.counts[name]).padStart(12)}`)
  }
  const digest = totals.digest.toString(16).padStart(8, '0')
  console.log(
    `seeds=${totals.seeds} events=${totals.events} events/s=${Math.round(totals.events / seconds)} ` +
      `operations=${totals.operations} answered=${totals.answered} epochs=${totals.epochs} ` +
      `seconds=${seconds.toFixed(1)} digest=${digest} violations=${failed.length}`,
  )
  return failed.length === 0
}

function tryMutant(mutant: Mutant, first: number): Played {
  if (!mutant.directed) return play({ first, count: mutant.seedsMax }, mutant, 1)
  const [violation] = mutant.directed(mutant.rules)
  return { totals: noTotals(), failed: violation === undefined ? [] : [{ seed: 0, violation }] }
}

function runMutants(first: number): boolean {
  let missed = 0
  for (const mutant of MUTANTS) {
    const startedAt = performance.now()
    const { totals, failed } = tryMutant(mutant, first)
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    const [caught] = failed
    const name = `${mutant.rule} ${mutant.name}`.padEnd(34)
    if (caught) {
      console.log(`${name} caught by seed ${caught.seed} (${seconds} s): ${caught.violation}`)
    } else {
      missed++
      console.log(`${name} NOT CAUGHT in ${totals.seeds} seeds (${seconds} s)`)
    }
  }
  console.log(`mutants=${MUTANTS.length} caught=${MUTANTS.length - missed}`)
  return missed === 0
}

function wholeNumber(text: string, name: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} wants a whole number`)
  return number
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      mutant: { type: 'string' },
      mutants: { type: 'boolean', default: false },
      jobs: { type: 'string', default: '2' },
      worker: { type: 'boolean', default: false },
    },
  })
  const first = wholeNumber(values.seed ?? '1', 'seed')
  if (values.mutants) return runMutants(first)
  const mutant = values.mutant === undefined ? undefined : findMutant(values.mutant)
  if (values.mutant !== undefined && !mutant) {
    console.log(`no such mutant; there are ${MUTANTS.map(({ name }) => name).join(', ')}`)
    return false
  }
  if (values.worker) {
    serveTasks((stretch: Stretch) => Promise.resolve(play(stretch, mutant, VIOLATIONS_SHOWN)))
    return true
  }
  // A single seed is a replay; without one, a short run.
  const usual = values.seed === undefined ? '1000' : '1'
  const count = wholeNumber(values.seeds ?? usual, 'seeds')
  return runSeeds(first, count, mutant, Math.max(1, wholeNumber(values.jobs, 'jobs')))
}

process.exitCode = (await main()) ? 0 : 1
