/** What the bench prints and writes of its rows. */

import { barChart } from './chart.ts'
import type { Measured, MeasuredRow } from './measure.ts'
import type { Rounds } from './statistics.ts'
import { figure, printTable } from './table.ts'

/** One line for each target of a row. */
export function detailsOf({ row, targets }: MeasuredRow): string {
  const mebi = (bytes: number | undefined): string =>
    bytes === undefined ? '' : String(Math.round(bytes / (1 << 20)))
  const heads = ['req/s', '±', 'ratio', '±', 'p50 ms', 'p99 ms', 'CPU ms/req', 'RSS MiB']
  const lines = targets.map((target) => [
    target.name,
    figure(target.perSecond.median),
    percentOf(target.perSecond),
    target.ratio.median.toFixed(2),
    percentOf(target.ratio),
    figure(target.p50Ms),
    figure(target.p99Ms),
    target.cpuMsPerRequest === undefined ? '' : figure(target.cpuMsPerRequest),
    mebi(target.rssBytesMax),
    target.writeAmplification?.toFixed(2) ?? '',
  ])
  return printTable([row.title, ...heads, 'write amp.'], lines)
}

/** One line for each row: ratios to the floor as medians of the rounds, each with its spread. */
export function overviewOf(measured: readonly MeasuredRow[]): string {
  const others = namesOf(measured)
  const heads = ['work', 'floor/s', ...others.flatMap((name) => [name, '±']), 'reach', 'aim']
  const lines = measured.map(({ row, targets }) => {
    const named = (name: string): Measured | undefined => targets.find((each) => each.name === name)
    const floor = named('floor')
    const ratios = others.flatMap((name) => {
      const ratio = named(name)?.ratio
      if (ratio === undefined) return ['', '']
      const isMissed = name === 'shoal' && ratio.median < (row.reach ?? 0)
      return [`${ratio.median.toFixed(2)}${isMissed ? ' !' : ''}`, percentOf(ratio)]
    })
    const bound = (value: number | undefined): string => (value === undefined ? '' : figure(value))
    const perSecond = floor === undefined ? '' : figure(floor.perSecond.median)
    return [row.title, perSecond, ...ratios, bound(row.reach), bound(row.aim)]
  })
  return printTable(heads, lines)
}

export function chartOf(measured: readonly MeasuredRow[], title: string): string {
  const groups = measured.map(({ row, targets }) => ({
    label: row.title,
    bars: targets
      .filter(({ name }) => name !== 'floor')
      .map(({ name, ratio }) => ({ name, value: ratio.median })),
    ...(row.reach === undefined ? {} : { reach: row.reach }),
  }))
  return barChart(title, 'requests a second, the floor being 1; black: reach', groups)
}

/** What did not reach, one line each. */
export function missesOf({ row, targets }: MeasuredRow): string[] {
  const ratio = targets.find(({ name }) => name === 'shoal')?.ratio.median
  if (ratio === undefined || row.reach === undefined || ratio >= row.reach) return []
  return [`${row.name}: ${ratio.toFixed(2)}, below its reach of ${row.reach}`]
}

/** Shoal and the peers, in the order in which they were given. */
function namesOf(measured: readonly MeasuredRow[]): string[] {
  const names = measured.flatMap(({ targets }) => targets.map(({ name }) => name))
  return [...new Set(names)].filter((name) => name !== 'floor')
}

function percentOf({ spread }: Rounds): string {
  return `${Math.round(100 * spread)} %`
}
