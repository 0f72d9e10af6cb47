/**
 * `npm run bench [-- --only ROW,ROW] [--rounds N] [--seconds N] [--warm-up N] [--peer NAME=URL,KEY,SECRET]…
 *   [--peer3 …]… [--json FILE] [--svg FILE] [--check] [--floor-only] [--directory DIR]`
 * `npm run bench -- --profile ROW [--seconds N]`
 *
 * Measures every row of rows.ts as a ratio to the floor of the same run. Besides its rows there are `storm` (many
 * connections at once), `rounds` (round trips and flushes an operation), `memory`, `steady` and `3-steady` (a mixed load
 * for ten minutes), `list-growth` and `idle-rule` (a million keys). The last four take long and are asked for by name only. A peer of
 * `--peer` is measured in the rows for one node, a cluster of `--peer3` in the rows for three. docs/performance.md says
 * how to measure.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { reason, which } from './harness/process.ts'
import { measureIdleRule } from './idle-rule.ts'
import { listGrowth } from './list-growth.ts'
import { measureRow, type MeasuredRow, type MeasureOptions } from './measure.ts'
import { measureMemory } from './memory.ts'
import { parsePeer } from './peers.ts'
import { profileRow } from './profile/profile.ts'
import { chartOf, detailsOf, missesOf, overviewOf } from './report.ts'
import { measureRounds } from './rounds.ts'
import { rows } from './rows.ts'
import { measureSteady } from './steady.ts'
import { measureStorm, type StormFigures } from './storm.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    'warm-up': { type: 'string', default: '4' },
    peer: { type: 'string', multiple: true, default: [] },
    peer3: { type: 'string', multiple: true, default: [] },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
    svg: { type: 'string' },
    profile: { type: 'string' },
    check: { type: 'boolean', default: false },
    'floor-only': { type: 'boolean', default: false },
  },
})

const extras = ['storm', 'rounds', 'memory', 'steady', '3-steady', 'list-growth', 'idle-rule']
const byNameOnly = new Set(['steady', '3-steady', 'list-growth', 'idle-rule'])

function numberOf(name: 'rounds' | 'seconds' | 'warm-up'): number {
  const value = Number(values[name])
  // wrk takes whole seconds only.
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name} ${values[name]}: not a whole number above 0`)
  return value
}

/** Rows that `--only` names; all when it is not given. */
function chosen(): (name: string) => boolean {
  const only = values.only?.split(',')
  const known = [...rows.map(({ name }) => name), ...extras]
  const unknown = only?.filter((name) => !known.includes(name)) ?? []
  if (unknown.length > 0) {
    throw new Error(`no such row: ${unknown.join(', ')}; there are ${known.join(', ')}`)
  }
  return (name) => only?.includes(name) ?? !byNameOnly.has(name)
}

async function main(): Promise<number> {
  if ((await which('wrk')) === undefined) throw new Error('wrk is not installed')
  const wanted = chosen()
  const directory = mkdtempSync(join(values.directory, 'shoal-bench-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const options = {
    directory,
    rounds: numberOf('rounds'),
    seconds: numberOf('seconds'),
    warmUpSeconds: numberOf('warm-up'),
    floorOnly: values['floor-only'],
    peers: values.peer.map(parsePeer),
  }
  if (values.profile !== undefined) {
    const row = rows.find(({ name }) => name === values.profile)
    if (row === undefined) throw new Error(`no such row: ${values.profile}`)
    await profileRow(row, { ...options, seconds: options.seconds * options.rounds })
    return 0
  }

  const failures: string[] = []
  const peersOfThree = values.peer3.map(parsePeer)
  const measured = await measureRows(wanted, options, peersOfThree, failures)
  const storms: StormFigures[] = []
  const runExtra = async (name: string, extra: () => Promise<readonly string[]>): Promise<void> => {
    if (!wanted(name) || values['floor-only']) return
    try {
      failures.push(...(await extra()))
    } catch (error) {
      failures.push(`${name}: ${reason(error)}`)
    }
  }
  await runExtra('storm', async () => {
    const storm = await measureStorm(options)
    storms.push(...storm.targets)
    return storm.failures
  })
  await runExtra('rounds', async () => measureRounds())
  await runExtra('memory', async () => measureMemory())
  await runExtra('steady', async () => measureSteady('mixed', options))
  await runExtra('3-steady', async () => measureSteady('3-mixed', options))
  await runExtra('list-growth', async () => listGrowth(options))
  await runExtra('idle-rule', async () => measureIdleRule(options))

  writeResults(measured, storms, options)
  for (const failure of failures) console.log(`! ${failure}`)
  const broken = failures.some((failure) => !failure.includes('below its reach'))
  return broken || (values.check && failures.length > 0) ? 1 : 0
}

async function measureRows(
  wanted: (name: string) => boolean,
  options: MeasureOptions,
  peersOfThree: MeasureOptions['peers'],
  failures: string[],
): Promise<MeasuredRow[]> {
  const measured: MeasuredRow[] = []
  for (const row of rows.filter(({ name }) => wanted(name))) {
    try {
      const peers = row.nodes === 1 ? options.peers : peersOfThree
      const result = await measureRow(row, { ...options, peers })
      measured.push(result)
      failures.push(...result.failures, ...missesOf(result))
      console.log(`\n${detailsOf(result)}`)
      for (const failure of result.failures) console.log(failure)
    } catch (error) {
      failures.push(`${row.name}: ${reason(error)}`)
      console.log(`\n${row.title}: FAILED\n${reason(error)}`)
    }
  }
  if (measured.length > 1) console.log(`\n${overviewOf(measured)}`)
  return measured
}

function writeResults(
  measured: readonly MeasuredRow[],
  storm: readonly StormFigures[],
  { rounds, seconds }: MeasureOptions,
): void {
  const date = new Date().toISOString()
  const cores = availableParallelism()
  if (values.json !== undefined) {
    const run = { date, node: process.version, cores, load: loadavg(), rounds, seconds }
    writeFileSync(values.json, `${JSON.stringify({ ...run, rows: measured, storm }, null, 2)}\n`)
  }
  if (values.svg !== undefined) {
    const title = `Shoal as a ratio to the floor, ${cores} cores, ${date.slice(0, 10)}`
    writeFileSync(values.svg, chartOf(measured, title))
  }
}

process.exitCode = await main()
