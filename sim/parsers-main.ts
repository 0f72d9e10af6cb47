/**
 * Every parser of what callers send, given generated inputs: `npm run sim:parsers -- [--inputs 2000000]
 * [--seed 1] [--only NAME]`. Valid ones must be taken; of all others none may crash a parser, hang it, or
 * cost more than its length allows; whole requests with such bodies change nothing when they are refused. Prints what became of them; exits with 1 at the first fault.
 *
 * The parsers run in a worker, so that one that hangs is noticed.
 */

import { parseArgs } from 'node:util'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { SUBJECTS } from './parsers/all.ts'
import { runParsers, type ParserTally } from './parsers/run.ts'
import { runRequests } from './parsers/stored.ts'

interface Order {
  readonly inputs: number
  readonly seed: number
  readonly only: string | undefined
  /** Index of the subject, and the number of its input that is being parsed. */
  readonly place: Int32Array
}

/** No input may take this long, however slow the machine is. */
const HANG_MS = 30_000
const LOOK_MS = 1_000
/** A whole request costs as much as some hundred inputs. */
const REQUESTS_EACH = 400

function subjectsOf(only: string | undefined) {
  return SUBJECTS.filter(({ name }) => only === undefined || name.includes(only))
}

function shown(tally: ParserTally): string {
  const { name, inputs, taken, damaged, damagedTaken, refusals, slowestMs } = tally
  const share = ((100 * damagedTaken) / Math.max(damaged, 1)).toFixed(0)
  const most = [...refusals].sort(([, a], [, b]) => b - a).slice(0, 3)
  return [
    name.padEnd(32),
    `${inputs} inputs`.padStart(15),
    `${taken} taken`.padStart(13),
    `of the damaged ${share} %`.padStart(20),
    `slowest ${slowestMs.toFixed(0)} ms`.padStart(15),
    `  ${most.map(([code, times]) => `${code} ${times}`).join(', ')}`,
  ].join(' ')
}

async function work({ inputs, seed, only, place }: Order): Promise<void> {
  const started = performance.now()
  const subjects = subjectsOf(only)
  const indexes = new Map(subjects.map(({ name }, index) => [name, index]))
  const begin = (name: string, input: number): void => {
    Atomics.store(place, 0, indexes.get(name) ?? 0)
    Atomics.store(place, 1, input)
  }
  const { tallies, fault } = runParsers(subjects, { inputs, seed, begin })
  for (const tally of tallies) console.log(shown(tally))
  if (fault !== undefined) {
    console.log(
      `FAULT of ${fault.subject} by ${fault.kind} input ${JSON.stringify(fault.text.slice(0, 2_000))}`,
    )
    console.log(`${fault.why}\nagain: npm run sim:parsers -- --inputs ${inputs} --seed ${seed}`)
    process.exitCode = 1
    return
  }
  const requests = await runRequests(SUBJECTS, { inputs: Math.ceil(inputs / REQUESTS_EACH), seed })
  const answers = [...requests.statuses].sort(([a], [b]) => a - b)
  console.log(
    `${requests.inputs} whole requests: ${answers.map(([status, times]) => `${status} ${times}`).join(', ')}`,
  )
  if (requests.fault !== undefined) {
    console.log(`FAULT: ${requests.fault}`)
    process.exitCode = 1
    return
  }
  const sum = tallies.reduce((total, tally) => total + tally.inputs, 0)
  const seconds = ((performance.now() - started) / 1_000).toFixed(1)
  console.log(
    `${sum} inputs to ${tallies.length} parsers, seed ${seed}: no fault, nothing stored, ${seconds} s`,
  )
}

function watch(): void {
  const { values } = parseArgs({
    options: { inputs: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string' } },
  })
  const place = new Int32Array(new SharedArrayBuffer(8))
  const order: Order = {
    inputs: Number(values.inputs ?? 2_000_000),
    seed: Number(values.seed ?? 1),
    only: values.only,
    place,
  }
  const worker = new Worker(new URL(import.meta.url), { workerData: order })
  let before = ''
  let stuckMs = 0
  const timer = setInterval(() => {
    const now = place.join(' ')
    stuckMs = now === before ? stuckMs + LOOK_MS : 0
    before = now
    if (stuckMs < HANG_MS) return
    const name = subjectsOf(values.only)[place[0] ?? 0]?.name
    console.log(`FAULT: ${name} hangs at input ${place[1]} of seed ${order.seed}`)
    process.exit(1)
  }, LOOK_MS)
  worker.on('error', (error) => {
    console.log(error)
    process.exitCode = 1
  })
  worker.on('exit', (code) => {
    clearInterval(timer)
    if (code !== 0) process.exitCode = 1
  })
}

if (isMainThread) watch()
else await work(workerData as Order)
