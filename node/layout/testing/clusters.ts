/** Clusters of a World, and what tests ask of their layouts. */

import { expect } from 'vitest'
import type { NodeId } from '../../../protocol/ids.ts'
import type { LayoutView } from '../../../protocol/layout/view.ts'
import { MembershipError } from '../errors.ts'
import { LAYOUT_RPC } from '../messages.ts'
import { storedEntries } from './stored-layout.ts'
import { LayoutWorld, type FakeNode } from './world.ts'

const HOUR_MS = 3_600_000

/** Epoch of a new cluster of several nodes: founded, token, JOINT, STABLE. */
export const FORMED = 4
/** Epochs that one more joiner takes: token, JOINT, STABLE. */
export const JOINED = 3

type Three = [FakeNode, FakeNode, FakeNode]
type Four = [FakeNode, FakeNode, FakeNode, FakeNode]

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

/** Three members that hold no data, in epoch FORMED. */
export async function three(seed = 1): Promise<{ world: LayoutWorld; nodes: Three }> {
  const world = new LayoutWorld(seed)
  const nodes = await cluster(world, 'a', 'b', 'c')
  return { world, nodes: nodes as Three }
}

/** Four members that hold data. */
export async function four(): Promise<{ world: LayoutWorld; nodes: Four }> {
  const world = new LayoutWorld()
  const nodes = await cluster(world, 'a', 'b', 'c', 'd')
  for (const node of nodes) node.holds = true
  return { world, nodes: nodes as Four }
}

/** The first three of these members, in the order of their node ids, and the last one. */
export function sorted(nodes: Four): Four {
  return nodes.toSorted((x, y) => (x.nodeId < y.nodeId ? -1 : 1)) as Four
}

/** The token with some of its parts changed, as a joiner could make it. */
export function tokenWith(token: string, changes: object): string {
  const parts = JSON.parse(Buffer.from(token, 'base64url').toString()) as object
  return Buffer.from(JSON.stringify({ ...parts, ...changes })).toString('base64url')
}

/** The address of a node as a token names it. */
export function addressOf({ address, nodeId }: FakeNode): string {
  return `${address}/p2p/${nodeId}`
}

/** From the next vote on the layout, the node holds data: after the look beforehand, before the change is decided. */
export function fillAtNextVote(node: FakeNode): void {
  node.filter = (_from, _to, type) => {
    if (type === LAYOUT_RPC.prepare || type === LAYOUT_RPC.accept) node.holds = true
    return true
  }
}

/** Waits until no change is under way, no blocks move, and all of these nodes have the same layout. */
export async function atRest(world: LayoutWorld, nodes: FakeNode[]): Promise<void> {
  await world.until(() => {
    const views = nodes.map(viewOf)
    const isAtRest = views.every(({ state, sources }) => state === 'STABLE' && sources.length === 0)
    return isAtRest && new Set(views.map(({ epoch }) => epoch)).size === 1
  })
}
