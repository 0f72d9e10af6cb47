import { expect, test } from 'vitest'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutEntry, Member } from '../../protocol/layout/entry.ts'
import { testMember, stable } from '../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import type { Logger } from '../env/ports.ts'
import { heldUp, HeldUpLog } from './held-up.ts'

const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) => testMember(name)) as [
  Member,
  Member,
  Member,
  Member,
  Member,
]
const viewOf = (changes: Partial<LayoutEntry>): LayoutView =>
  new LayoutView(stable([a, b, c], { epoch: 5, ...changes }))
const without =
  (...away: Member[]) =>
  (node: NodeId): boolean =>
    !away.some(({ nodeId }) => nodeId === node)
const ids = (...of: Member[]): NodeId[] => of.map(({ nodeId }) => nodeId).sort()

test('PLANNED waits for a majority of P, and JOINT for one of P′ besides', () => {
  const next = [a, d, e]
  const planned = viewOf({ state: 'PLANNED', cause: 'plan', next })
  const joint = viewOf({ state: 'JOINT', cause: 'joint', next })
  for (const view of [planned, joint]) {
    const partitions = view.partitions
    expect(heldUp(view, without(b))).toBeUndefined()
    expect(heldUp(view, without(b, c))).toEqual({ partitions, nodes: ids(b, c) })
  }
  expect(heldUp(planned, without(d, e))).toBeUndefined()
  expect(heldUp(joint, without(d, e))?.nodes).toEqual(ids(d, e))
})

test('STABLE waits for a majority of a source, and of the present holders, where blocks are lacking', () => {
  const sources = [{ epoch: 3, members: [a, d, e], replication: 3 }]
  const view = viewOf({ sources })
  expect(heldUp(view, without(d))).toBeUndefined()
  expect(heldUp(view, without(d, e))?.nodes).toEqual(ids(d, e))
  expect(heldUp(view, without(b, c))?.nodes).toEqual(ids(b, c))
  const lacks = (source: number, partition: number): boolean => source === 3 && partition < 2
  expect(heldUp(view, without(d, e), lacks)?.partitions).toBe(2)
  expect(heldUp(view, without(d, e), () => false)).toBeUndefined()
  expect(heldUp(viewOf({}), without(a, b, c))).toBeUndefined()
})

test('a node that answers but can’t say what it has does not help, unless all of a source answer', () => {
  const mute = { registers: (node: NodeId) => node !== b.nodeId, blocks: () => true }
  const planned = viewOf({ state: 'PLANNED', cause: 'plan', next: [a, d, e] })
  const { partitions } = planned
  const lacks = (): boolean => true
  expect(heldUp(planned, without(), lacks, mute)).toBeUndefined()
  expect(heldUp(planned, without(c), lacks, mute)).toEqual({
    partitions,
    nodes: ids(c),
    mute: ids(b),
  })
  const alone = new LayoutView(
    stable([b], { epoch: 5, state: 'PLANNED', cause: 'plan', next: [a, b] }),
  )
  expect(heldUp(alone, without(), lacks, mute)).toEqual({ partitions, nodes: [], mute: ids(b) })
  const sources = [{ epoch: 3, members: [c, d, e], replication: 3 }]
  const thin = {
    registers: () => true,
    blocks: (node: NodeId) => node !== d.nodeId && node !== e.nodeId,
  }
  const view = viewOf({ sources })
  expect(heldUp(view, without(), lacks, thin)).toBeUndefined()
  expect(heldUp(view, without(c), lacks, thin)).toEqual({
    partitions,
    nodes: ids(c),
    mute: ids(d, e),
  })
})

test('the log says it once, not for a short absence, and again when it happens again', () => {
  const lines: string[] = []
  const logger: Logger = {
    debug() {},
    info() {},
    warn: (_, message) => void lines.push(message),
    error() {},
  }
  const log = new HeldUpLog(logger)
  const view = viewOf({ state: 'JOINT', cause: 'joint', next: [a, d, e] })
  const look = (...away: Member[]): number => {
    log.look(view, heldUp(view, without(...away)))
    return lines.splice(0).length
  }
  expect([look(b, c), look(), look(), look(b, c)]).toEqual([0, 0, 0, 0])
  expect([look(b, c), look(b, c), look(b, c)]).toEqual([1, 0, 0])
  expect([look(), look(), look(b, c), look(b, c)]).toEqual([0, 0, 0, 1])
})
