import { expect, it } from 'vitest'
import { chartOf, detailsOf, missesOf, overviewOf } from './report.ts'
import { rows } from './rows.ts'

const row = { ...rows[0]!, title: 'PUT', name: 'put', reach: 0.3, aim: 0.5 }
const target = (name: string, ratio: number, spread: number) => ({
  name,
  perSecond: { median: 1000 * ratio, spread: 0.05 },
  ratio: { median: ratio, spread },
  p50Ms: 1,
  p99Ms: 2.5,
  rounds: [],
})
const measured = {
  row,
  targets: [target('floor', 1, 0), target('shoal', 0.25, 0.1), target('other', 0.4, 0.2)],
  failures: [],
}

it('shows ratios with their spread, and marks what did not reach', () => {
  expect(overviewOf([measured]).split('\n')).toEqual([
    'work  floor/s   shoal     ±  other     ±  reach   aim',
    '----  -------  ------  ----  -----  ----  -----  ----',
    'PUT      1000  0.25 !  10 %   0.40  20 %   0.30  0.50',
  ])
  expect(missesOf(measured)).toEqual(['put: 0.25, below its reach of 0.3'])
  expect(missesOf({ ...measured, targets: [target('shoal', 0.3, 0)] })).toEqual([])
})

it('leaves blank what is not known', () => {
  const line = detailsOf(measured).split('\n')[2]!
  expect(line.trim().split(/\s{2,}/)).toEqual([
    'floor',
    '1000',
    '5 %',
    '1.00',
    '0 %',
    '1.00',
    '2.50',
  ])
  expect(overviewOf([{ ...measured, targets: [] }])).toContain('PUT')
})

it('has no bar for the floor', () => {
  expect(chartOf([measured], 'Ratios')).not.toContain('>floor<')
})
