import { describe, expect, it } from 'vitest'
import {
  drainPlan,
  layoutAtRest,
  layoutGrowing,
  layoutMoving,
  layoutNode,
} from '../testing/layout-tables.ts'
import { layoutLines, planLines, progressLines } from './layout-text.ts'

describe('the layout as a table', () => {
  it('shows a cluster at rest', () => {
    expect(layoutLines(layoutAtRest)).toEqual([
      'cluster c1  epoch 7 STABLE  replication 3',
      '',
      'NODE  ID        ZONE  CAPACITY   SHARE   USED  STATE         MOVES',
      'a *   AAAAAAAA  z1       1 TiB  50.0 %  1 GiB  member',
      'b     BBBBBBBB  z1       1 TiB  50.0 %      ?  member, away',
      '',
      'nothing is under way',
    ])
    expect(progressLines(layoutAtRest, 80)).toEqual([])
  })

  it('shows what is and what will be while a node learns', () => {
    const lines = layoutLines(layoutGrowing)
    expect(lines[0]).toBe('cluster c1  epoch 7 PLANNED  replication 3, then 2')
    expect(lines[3]).toMatch(/^a {5}AAAAAAAA {2}z1 → z2 .* 50\.0 % → 33\.0 % /)
    expect(lines[4]).toMatch(/ 1 TiB → 2 TiB /)
    expect(lines[5]).toMatch(/ 0\.0 % → 34\.0 % .* learner 63 %$/)
    expect(lines.at(-1)).toBe('PLANNED: c joins; learners 63 % caught up')
    expect(progressLines(layoutGrowing, 80)).toEqual([
      expect.stringMatching(/^\[#+-+\] {2}63 % caught up$/),
    ])
  })

  it('shows what is left while blocks move', () => {
    const lines = layoutLines(layoutMoving)
    expect(lines[3]).toMatch(/ member {8}1 GiB to come, 16 MiB\/s, 1m 4s left$/)
    expect(lines[4]).toMatch(/ source, away$/)
    expect(progressLines(layoutMoving, 100)[0]).toMatch(
      / 50 % 1 GiB to come, 16 MiB\/s, 1m 4s left$/,
    )
  })

  it('says which nodes do not vote on the next entry', () => {
    const abstains = 'this node lost its vote file'
    expect(layoutLines({ ...layoutAtRest, abstains }).slice(-2)).toEqual([
      layoutAtRest.underWay,
      abstains,
    ])
  })

  it('shows control characters of other nodes as text', () => {
    const bad = {
      ...layoutAtRest,
      nodes: [layoutNode('a', { name: 'x\u001B[2J', zone: '\u001B' })],
    }
    expect(layoutLines(bad).join('')).not.toContain('\u001B')
  })
})

describe('a plan', () => {
  it('says what moves, how much, and whether it fits', () => {
    expect(planLines(drainPlan)).toEqual([
      'b leaves',
      '40 of 100 partitions move to other nodes, with about 2 GiB: 2.00 times the least possible (1 GiB)',
      '',
      'NODE  ID        ZONE  CAPACITY  PARTITIONS  GETS  GIVES           USED  AT MOST',
      'a     AAAAAAAA  z        1 TiB   100 → 200   110     10  1 GiB → 2 GiB    3 GiB  stays',
      '',
      'it fits',
    ])
    const refused = planLines({
      ...drainPlan,
      ratio: undefined,
      fits: false,
      warnings: ['little is left'],
      faults: ['a is too small: add a node'],
    })
    expect(refused[1]).toMatch(/with about 2 GiB$/)
    expect(refused.slice(-2)).toEqual([
      'warning: little is left',
      'refused: a is too small: add a node',
    ])
  })
})
