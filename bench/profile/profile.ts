/**
 * `npm run bench -- --profile CELL`: where the time of the first Shoal node goes while a cell is loaded.
 *
 * Every node runs with Node's `--cpu-prof`, which writes one profile for each JavaScript thread when the process
 * ends. Only the time of the load counts. Threads without JavaScript (files, LMDB, garbage collection) have no
 * profile: the table of threads shows what they took.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadsCpuMs } from '../harness/proc.ts'
import { checkout } from '../harness/shoal.ts'
import { LoadedTarget, type RoundFigures } from '../load.ts'
import type { BenchRow } from '../rows.ts'
import { figure, printTable } from '../table.ts'
import { startShoal } from '../target.ts'
import { selfTimes } from './self-time.ts'
import type { CpuProfile, ModuleTime, ProfileWindow, SelfTimes } from './self-time.ts'

const linesMax = 40

export interface ProfileOptions {
  readonly directory: string
  readonly seconds: number
  readonly warmUpSeconds: number
}

interface ProfiledLoad {
  readonly figures: RoundFigures
  readonly window: ProfileWindow
  /** Of the first node, in the time of the window, by name of the thread. */
  readonly threadsMs: ReadonlyMap<string, number>
  readonly pid: number
}

/** Prints the tables. The profiles stay in a folder whose name is printed, for Chrome's DevTools. */
export async function profileRow(row: BenchRow, options: ProfileOptions): Promise<void> {
  const folder = join(tmpdir(), `shoal-profile-${row.name}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  const { figures, window, threadsMs, pid } = await loadProfiled(row, options, folder)
  const { requests, perSecond } = figures
  const all = figure((figures.cpuMsPerRequest ?? Number.NaN) * 1_000)
  console.log(`${row.title}: ${figure(perSecond)} requests/s; CPU ${all} µs a request, all nodes`)
  printThreads(threadsMs, requests, (window.toUs - window.fromUs) / 1_000)

  // CPU.DATE.TIME.PID.THREAD.SEQUENCE.cpuprofile; thread 0 is the main one.
  const names = readdirSync(folder).filter((name) => name.split('.')[3] === String(pid))
  if (names.length === 0) throw new Error(`${folder}: no profile of process ${pid}`)
  for (const name of names.sort(byThread)) {
    const text = readFileSync(join(folder, name), 'utf8')
    const times = selfTimes(JSON.parse(text) as CpuProfile, window, checkout)
    if (times.totalUs > 0) printSelfTimes(threadOf(name), times, requests)
  }
  console.log(`\nprofiles: ${folder}`)
}

function threadOf(name: string): number {
  return Number(name.split('.')[4])
}

function byThread(a: string, b: string): number {
  return threadOf(a) - threadOf(b)
}

async function loadProfiled(
  row: BenchRow,
  { directory, seconds, warmUpSeconds }: ProfileOptions,
  folder: string,
): Promise<ProfiledLoad> {
  const flags = `--cpu-prof --cpu-prof-dir=${folder}`
  const env = { NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} ${flags}`.trim() }
  const target = await startShoal(row, directory, env)
  const pid = target.pids[0]!
  try {
    const loaded = await LoadedTarget.prepare(row, target, directory)
    await loaded.round('warm', warmUpSeconds)
    const before = threadsCpuMs(pid)
    const startUs = monotonicUs()
    const figures = await loaded.round('main', seconds)
    // The round also signs its requests first and counts last. wrk itself took the seconds that it reports.
    const toUs = monotonicUs()
    const window = { fromUs: Math.max(startUs, toUs - figures.seconds * 1e6), toUs }
    const threadsMs = new Map<string, number>()
    for (const [name, ms] of threadsCpuMs(pid)) threadsMs.set(name, ms - (before.get(name) ?? 0))
    return { figures, window, threadsMs, pid }
  } finally {
    await target.close()
  }
}

/** The clock that V8 writes into profiles. */
function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}

function printThreads(
  threadsMs: ReadonlyMap<string, number>,
  requests: number,
  windowMs: number,
): void {
  const lines = [...threadsMs]
    .filter(([, ms]) => ms > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([name, ms]) => [name, figure((ms * 1_000) / requests), percent(ms / windowMs)])
  console.log(`\n${printTable(['threads of the first node', 'µs/req', 'of a core'], lines)}`)
}

function printSelfTimes(thread: number, times: SelfTimes, requests: number): void {
  const { totalUs, idleUs, gcUs, programUs } = times
  const busyUs = totalUs - idleUs
  const title = thread === 0 ? 'main thread' : `thread ${thread}`
  console.log(`\n== ${title}: idle ${percent(idleUs / totalUs)} of ${figure(totalUs / 1e6)} s`)
  const share = (us: number): string[] => [percent(us / busyUs), figure(us / requests)]
  const specials = [
    ['all that is not idle', ...share(busyUs)],
    ['garbage collection', ...share(gcUs)],
    ['runtime and kernel', ...share(programUs)],
  ]
  console.log(printTable(['', 'of busy', 'µs/req'], specials))
  const lineOf = ({ module, ownUs, nativeUs }: ModuleTime): string[] => [
    module,
    ...share(ownUs + nativeUs),
    percent(ownUs / busyUs),
    percent(nativeUs / busyUs),
  ]
  const heads = ['of busy', 'µs/req', 'own', 'native']
  const first = <T>(lines: readonly T[]): T[] => lines.slice(0, linesMax)
  console.log(`\n${printTable(['room', ...heads], first(times.rooms).map(lineOf))}`)
  console.log(`\n${printTable(['module', ...heads], first(times.modules).map(lineOf))}`)
  const functions = first(times.functions).map(({ name, module, line, selfUs }) => [
    `${name}  ${module}${line === 0 ? '' : `:${line}`}`,
    ...share(selfUs),
  ])
  console.log(`\n${printTable(['function', 'of busy', 'µs/req'], functions)}`)
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
