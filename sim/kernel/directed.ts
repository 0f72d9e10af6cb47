/** Interleavings that random seeds meet too seldom, played step by step on the same world. */

import type { RegisterRequest } from '../../protocol/register/types.ts'
import type { Rules } from './rules.ts'
import { SeedWorld } from './world.ts'

const CALM = {
  keys: 1,
  clients: 0,
  lossPermille: 0,
  duplicatePermille: 0,
  latePermille: 0,
  crashEvery: 0,
  cutEvery: 0,
  layoutEvery: 0,
  diskEvery: 0,
  bucketEvery: 0,
  collectEvery: 0,
  repairEvery: 0,
  freeEvery: 0,
  blockPermille: 0,
  dataPermille: 0,
  toldPermille: 1000,
  flushMax: 1,
  markStep: 1,
}

/**
 * P = {0, 1, 2}, P' = {2, 3, 4}. A change at a high ballot is promised by 0, 1 and 2 and accepted by 2 alone;
 * its proposer dies. Nothing is written in JOINT. 3 and 4 sync from 0 and 1, and that is a majority of P'. Then
 * 3 and 4 choose something: it must be above what 2 has, or what 2 has replaces it (L5, the mark).
 */
export function survivorHoldsUnchosen(rules: Rules): readonly string[] {
  const world = new SeedWorld(1, rules, { ...CALM, replicas: 3, spares: 2, joiners: 0 })
  const write = (
    by: number,
    isLost: (from: number, to: number, request: RegisterRequest | undefined) => boolean,
  ): void => {
    world.links.isLost = isLost
    world.host(world.replica(by)).write(0, 'put', undefined, () => undefined)
    world.drain(world.now + 500)
  }
  write(0, () => false)
  // A proposer with a high counter.
  for (let times = 0; times < 8; times++) write(1, () => false)
  write(1, (_, to, request) => request?.type === 'accept' && to !== 2)
  const set = [0, 1, 2]
  const next = [2, 3, 4]
  const cluster = 0b11111
  world.links.isLost = (from, to) => (from === 2) !== (to === 2)
  world.decided('joint', { state: 'JOINT', set, next, cluster, nextCluster: cluster, sources: [] })
  for (const node of [...set, ...next]) world.replica(node).adopt(1)
  // The node that proposes the end may be the one that reaches no other.
  for (let times = 0; times < 20 && world.layout.latest === 1; times++) {
    world.drain(world.now + 200)
    world.driver.ready(1)
  }
  if (world.layout.latest !== 2) return ['JOINT does not end']
  for (const node of [...set, ...next]) world.replica(node).adopt(2)
  world.drain(world.now + 200)
  write(3, (from, to) => (from === 2) !== (to === 2))
  write(4, (from, to) => (from === 3) !== (to === 3) && (from === 4 || to === 4))
  return world.checker.violations
}
