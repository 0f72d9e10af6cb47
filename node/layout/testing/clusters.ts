/** Clusters of a World, and what tests ask of their layouts. */

import { expect } from 'vitest'
import type { NodeId } from '../../../protocol/ids.ts'
import type { LayoutView } from '../../../protocol/layout/view.ts'
import { MembershipError } from '../errors.ts'
import { storedEntries } from './stored-layout.ts'
import { LayoutWorld, type FakeNode } from './world.ts'

const HOUR_MS = 3_600_000

export function viewOf(node: FakeNode): LayoutView {
  return node.manager.current()!
}

export function memberIds(node: FakeNode): NodeId[] {
  return viewOf(node).entry.members.map((member) => member.nodeId)
}

export function ids(...nodes: FakeNode[]): NodeId[] {
  return nodes.map((node) => node.nodeId).sort()
}

/** "STATE cause" of each entry on its disk. */
export function states(node: FakeNode): string[] {
  const entries = storedEntries(node.files.get('layout.json')!)
  return entries.map(({ entry: { state, cause } }) => `${state} ${cause}`)
}

/** A cluster of the named nodes. */
export async function cluster(world: LayoutWorld, ...names: string[]): Promise<FakeNode[]> {
  const founder = await world.found(names[0]!)
  const joiners = await Promise.all(names.slice(1).map((name) => world.node(name)))
  if (joiners.length > 0) {
    const token = await joinTokenOf(founder, joiners.length)
    await world.run(Promise.all(joiners.map((joiner) => joiner.manager.join(token))))
  }
  const nodes = [founder, ...joiners]
  await world.until(() => nodes.every((node) => viewOf(node).epoch === viewOf(founder).epoch))
  return nodes
}

/** Issues a join token, for one node unless `uses` says otherwise. */
export function joinTokenOf(member: FakeNode, uses = 1): Promise<string> {
  return member.world.run(member.manager.tokens.issue({ ttlMs: HOUR_MS, uses }))
}

export async function failure(promise: Promise<unknown>): Promise<MembershipError> {
  const error: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(MembershipError)
  return error as MembershipError
}

/** Four members that hold data. */
export async function four(): Promise<{ world: LayoutWorld; nodes: FakeNode[] }> {
  const world = new LayoutWorld()
  const nodes = await cluster(world, 'a', 'b', 'c', 'd')
  for (const node of nodes) node.holds = true
  return { world, nodes }
}

/** Waits until no change is under way, no blocks move, and all of these nodes have the same layout. */
export async function atRest(world: LayoutWorld, nodes: FakeNode[]): Promise<void> {
  await world.until(() => {
    const views = nodes.map(viewOf)
    const isAtRest = views.every(({ state, sources }) => state === 'STABLE' && sources.length === 0)
    return isAtRest && new Set(views.map(({ epoch }) => epoch)).size === 1
  })
}
