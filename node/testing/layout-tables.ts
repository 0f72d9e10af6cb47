/** Layouts and a plan as the admin port shows them, for tests of what the command line makes of them. */

import type { LayoutNode, LayoutPlan, LayoutTable } from '../../gateway/port/layout.ts'

const STILL = { pendingBytes: 0, doneBytes: 0, bytesPerSecond: 0 }

export function layoutNode(name: string, changes: Partial<LayoutNode> = {}): LayoutNode {
  return {
    node: `12D3KooW${name.toUpperCase().repeat(8).slice(0, 8)}`,
    name,
    zone: 'z1',
    capacityBytes: 2 ** 40,
    addresses: [],
    state: 'member',
    up: true,
    self: false,
    partitions: 100,
    share: 0.5,
    usedBytes: 2 ** 30,
    freeBytes: 2 ** 39,
    move: STILL,
    ...changes,
  }
}

export const layoutAtRest: LayoutTable = {
  cluster: 'c1',
  epoch: 7,
  state: 'STABLE',
  cause: 'synced',
  replication: 3,
  partitions: 100,
  sources: 0,
  changes: [],
  underWay: 'nothing is under way',
  move: STILL,
  nodes: [layoutNode('a', { self: true }), layoutNode('b', { up: false, usedBytes: undefined })],
}

export const layoutGrowing: LayoutTable = {
  ...layoutAtRest,
  state: 'PLANNED',
  nextReplication: 2,
  changes: ['c joins'],
  underWay: 'PLANNED: c joins; learners 63 % caught up',
  nodes: [
    layoutNode('a', { nextPartitions: 66, nextZone: 'z2' }),
    layoutNode('b', { nextPartitions: 66, nextCapacityBytes: 2 ** 41 }),
    layoutNode('c', {
      state: 'learner',
      partitions: 0,
      share: 0,
      nextPartitions: 68,
      learning: { total: 68, done: 43 },
    }),
  ],
}

export const layoutMoving: LayoutTable = {
  ...layoutAtRest,
  sources: 1,
  underWay: 'STABLE: blocks move',
  move: { pendingBytes: 2 ** 30, doneBytes: 2 ** 30, bytesPerSecond: 2 ** 24, secondsLeft: 64 },
  nodes: [
    layoutNode('a', {
      move: { pendingBytes: 2 ** 30, doneBytes: 2 ** 30, bytesPerSecond: 2 ** 24, secondsLeft: 64 },
    }),
    layoutNode('b', { state: 'source', up: false, partitions: 0, share: 0, move: undefined }),
  ],
}

export const drainPlan: LayoutPlan = {
  changes: ['b leaves'],
  partitions: 100,
  partitionsMoved: 40,
  movedBytes: 2 ** 31,
  leastBytes: 2 ** 30,
  ratio: 2,
  fits: true,
  faults: [],
  warnings: [],
  nodes: [
    {
      node: '12D3KooWAAAAAAAA',
      name: 'a',
      zone: 'z',
      change: 'stays',
      capacityBytes: 2 ** 40,
      usedBytes: 2 ** 30,
      usedBytesAfter: 2 ** 31,
      usedBytesMost: 3 * 2 ** 30,
      partitions: 100,
      partitionsAfter: 200,
      gained: 110,
      lost: 10,
    },
  ],
}
