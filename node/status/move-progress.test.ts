import { describe, expect, it } from 'vitest'
import { testMember, stable } from '../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import { movesOf } from './move-progress.ts'
import { addBit, partitionsIn } from '../../protocol/keyspace/bitmap.ts'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => testMember(name))
const learning = { total: 4, done: 1, isCaughtUp: false }
const move = { pendingBytes: 5, doneBytes: 3, bytesPerSecond: 2 }

describe('what a node still lacks', () => {
  it('is nothing without sources', () => {
    const view = new LayoutView(stable([a!, b!, c!], { epoch: 5 }))
    expect(movesOf(view, c!.nodeId, { learning, whole: [], move })).toEqual({
      learning,
      lacking: [],
      move,
    })
  })

  it('is what it holds now, what others held before, and what it has not finished', () => {
    const members = [a!, b!, d!, testMember('e')]
    const sources = [
      { epoch: 2, members, replication: 3 },
      { epoch: 4, members: [a!, b!, c!], replication: 3 },
    ]
    const view = new LayoutView(stable([a!, b!, c!, d!], { epoch: 5, sources }))
    const held = view.placement.partitionsOf(c!.nodeId)
    const moved = view.sources.map((source) => source.movedTo().filter((p) => held.includes(p)))
    expect(moved[0]!.length).toBeGreaterThan(3)
    const done = new Uint8Array(8)
    for (const partition of moved[0]!.slice(1)) addBit(done, partition)
    const { lacking } = movesOf(view, c!.nodeId, {
      learning,
      whole: [{ source: 2, bits: done }],
      move,
    })
    expect(lacking.map(({ epoch }) => epoch)).toEqual([2, 4])
    expect(lacking.map(({ partitions }) => partitionsIn(partitions))).toEqual([
      moved[0]!.slice(0, 1),
      moved[1],
    ])
  })
})
