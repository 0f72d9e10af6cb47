/**
 * `npm run bench [-- --only ROW,ROW] [--seconds N] [--check] [--json FILE] [--directory DIR]`
 *
 * Measures every row of rows.ts as a ratio to the floor of the same run. Besides its rows there are
 * `rounds` (round trips and flushes an operation), `memory` and `list-growth` (asked for by name only, it
 * stores a million keys).
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { which } from './harness/process.ts'
import { listGrowth } from './list-growth.ts'
import { measureFloor, measureShoal } from './measure.ts'
import type { Measured } from './measure.ts'
import { measureMemory } from './memory.ts'
import { measureRounds } from './rounds.ts'
import { rows } from './rows.ts'
import type { BenchRow } from './rows.ts'
import { figure, printTable } from './table.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seconds: { type: 'string', default: '8' },
    'warm-up': { type: 'string', default: '4' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
    check: { type: 'boolean', default: false },
    'floor-only': { type: 'boolean', default: false },
  },
})

interface Line {
  readonly row: BenchRow
  readonly floor: Measured
  readonly shoal?: Measured
}

const head = ['work', 'floor/s', 'shoal/s', 'ratio', 'reach', 'aim', 'p50 ms', 'p99 ms']
const heads = [...head, 'floor p99', 'CPU ms/req', 'floor CPU', 'RSS MiB', 'write amp.']

function lineOf({ row, floor, shoal }: Line): string[] {
  const ratio = shoal === undefined ? undefined : shoal.perSecond / floor.perSecond
  const missed = ratio !== undefined && ratio < row.reach ? ' !' : ''
  const mebi = (bytes: number): string => String(Math.round(bytes / (1 << 20)))
  return [
    row.title,
    figure(floor.perSecond),
    shoal === undefined ? '' : figure(shoal.perSecond),
    ratio === undefined ? '' : `${ratio.toFixed(2)}${missed}`,
    figure(row.reach),
    figure(row.aim),
    shoal === undefined ? '' : figure(shoal.p50Ms),
    shoal === undefined ? '' : figure(shoal.p99Ms),
    figure(floor.p99Ms),
    shoal === undefined ? '' : figure(shoal.cpuMsPerRequest),
    figure(floor.cpuMsPerRequest),
    shoal === undefined ? mebi(floor.rssBytesMax) : mebi(shoal.rssBytesMax),
    shoal?.writeAmplification?.toFixed(2) ?? '',
  ]
}

async function main(): Promise<number> {
  if ((await which('wrk')) === undefined) throw new Error('wrk is not installed')
  const extras = ['rounds', 'memory', 'list-growth']
  const only = values.only?.split(',')
  const unknown = only?.filter((n) => !extras.includes(n) && rows.every((row) => row.name !== n))
  if (unknown !== undefined && unknown.length > 0) {
    throw new Error(`no such row: ${unknown.join(', ')}; ${rows.map((row) => row.name).join(', ')}`)
  }
  const wanted = (name: string): boolean => only?.includes(name) ?? name !== 'list-growth'
  const directory = mkdtempSync(join(values.directory, 'shoal-bench-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const options = {
    directory,
    seconds: Number(values.seconds),
    warmUpSeconds: Number(values['warm-up']),
  }

  const lines: Line[] = []
  const failures: string[] = []
  for (const row of rows.filter((row) => wanted(row.name))) {
    try {
      const floor = await measureFloor(row, options)
      const shoal = values['floor-only'] ? undefined : await measureShoal(row, options)
      const line: Line = shoal === undefined ? { row, floor } : { row, floor, shoal }
      lines.push(line)
      console.log(printTable(heads, [lineOf(line)]))
      if (shoal !== undefined && shoal.perSecond / floor.perSecond < row.reach) {
        failures.push(`${row.name}: below its reach of ${row.reach}`)
      }
    } catch (error) {
      failures.push(`${row.name}: ${error instanceof Error ? error.message : 'failed'}`)
      console.log(`${row.title}: FAILED\n${failures.at(-1) ?? ''}`)
    }
  }
  if (lines.length > 1) console.log(`\n${printTable(heads, lines.map(lineOf))}`)

  const runExtra = async (name: string, extra: () => Promise<string[]>): Promise<void> => {
    if (!wanted(name) || values['floor-only']) return
    try {
      failures.push(...(await extra()))
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : 'failed'}`)
    }
  }
  await runExtra('rounds', async () => measureRounds())
  await runExtra('memory', async () => measureMemory())
  await runExtra('list-growth', async () => listGrowth(options))

  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(lines, null, 2))
  for (const failure of failures) console.log(`! ${failure}`)
  const broken = failures.some((failure) => !failure.includes('below its reach'))
  return broken || (values.check && failures.length > 0) ? 1 : 0
}

process.exitCode = await main()
