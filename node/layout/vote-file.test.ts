/** A vote that can't be read is not "no vote" (D8, A4). */

import { describe, expect, test } from 'vitest'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { LAYOUT_RPC, prepareMessage, voteAnswer, type VoteAnswer } from './messages.ts'
import { earlierLayout, storedEntries } from './testing/stored-layout.ts'
import { LayoutWorld, type FakeNode } from './testing/world.ts'

const HOUR_MS = 3_600_000
const LAYOUT = 'layout.json'
const CHECKED = 'layout-checked.json'
const VOTE = 'layout-vote.json'

async function cluster(world: LayoutWorld, ...names: string[]): Promise<FakeNode[]> {
  const founder = await world.found(names[0]!)
  const joiners = await Promise.all(names.slice(1).map((name) => world.node(name)))
  if (joiners.length > 0) {
    const token = await tokenOf(founder, joiners.length)
    await world.run(Promise.all(joiners.map((joiner) => joiner.manager.join(token))))
  }
  const nodes = [founder, ...joiners]
  const epoch = (): number => founder.manager.status().epoch
  await world.until(() => nodes.every(({ manager }) => manager.status().epoch === epoch()))
  return nodes
}

/** Issues a join token, for one node unless told otherwise. */
function tokenOf(member: FakeNode, uses = 1): Promise<string> {
  return member.world.run(member.manager.tokens.issue({ ttlMs: HOUR_MS, uses }))
}

/** A prepare for the next epoch, as another member sends it. */
async function prepare(
  world: LayoutWorld,
  node: FakeNode,
  from: FakeNode,
  counter: number,
): Promise<VoteAnswer> {
  const epoch = node.manager.status().epoch + 1
  const body = prepareMessage.encode(epoch, { counter, nodeId: from.nodeId })
  return voteAnswer.decode(
    await world.run(node.manager.handle(from.nodeId, LAYOUT_RPC.prepare, body)!),
  )
}

function edit(node: FakeNode, path: string, change: (text: string) => string): void {
  const text = utf8Text(node.files.get(path)!)
  const changed = change(text)
  expect(changed).not.toBe(text)
  node.files.set(path, utf8(changed))
}

async function damaged(damage: (node: FakeNode) => void): Promise<{
  world: LayoutWorld
  nodes: FakeNode[]
}> {
  const world = new LayoutWorld()
  const nodes = await cluster(world, 'a', 'b', 'c')
  const [a, b] = nodes
  expect((await prepare(world, b!, a!, 17)).type).toBe('promised')
  b!.crash()
  damage(b!)
  await world.run(b!.restart())
  return { world, nodes }
}

const DAMAGES: readonly [string, (node: FakeNode) => void][] = [
  ['one digit', (node) => edit(node, VOTE, (text) => text.replace('"counter":17', '"counter":16'))],
  ['its end', (node) => edit(node, VOTE, (text) => text.slice(0, 40))],
  ['all of it', (node) => void node.files.delete(VOTE)],
]

describe.each(DAMAGES)('a vote file that lost %s', (_, damage) => {
  test('gives no vote on the epoch of the lost vote, even after another restart', async () => {
    const { world, nodes } = await damaged(damage)
    const [a, b] = nodes
    expect((await prepare(world, b!, a!, 17)).type).toBe('no-vote')
    expect(b!.manager.status().abstainsFrom).toBe(b!.manager.status().epoch + 1)
    b!.crash()
    await world.run(b!.restart())
    expect((await prepare(world, b!, a!, 18)).type).toBe('no-vote')
  })

  test('votes again once the others have decided that epoch', async () => {
    const { world, nodes } = await damaged(damage)
    const [a, b] = nodes
    const before = b!.manager.status().epoch
    const d = await world.node('d')
    await world.run(d.manager.join(await tokenOf(a!)))
    await world.until(() => b!.manager.status().epoch > before)
    expect(b!.manager.status().abstainsFrom).toBeUndefined()
    expect((await prepare(world, b!, a!, 50)).type).toBe('promised')
  })
})

test('the only member of a cluster still votes: no other node can have proposed', async () => {
  const world = new LayoutWorld()
  const a = await world.found('a')
  a.crash()
  a.files.set(VOTE, utf8('{'))
  await world.run(a.restart())
  const b = await world.node('b')
  await world.run(b.manager.join(await tokenOf(a)))
  expect(b.manager.isMember()).toBe(true)
})

test('the only voter still votes while others learn', async () => {
  const world = new LayoutWorld()
  const a = await world.found('a')
  a.holds = true
  const b = await world.node('b')
  b.moves.isCaughtUp = false
  const token = await tokenOf(a)
  const joining = b.manager.join(token)
  joining.catch(() => undefined)
  await world.until(() => a.manager.status().state === 'PLANNED')
  a.crash()
  a.files.delete(VOTE)
  await world.run(a.restart())
  expect(a.manager.status().abstainsFrom).toBeUndefined()
  b.moves.isCaughtUp = true
  await world.run(joining)
  expect(b.manager.isMember()).toBe(true)
})

test('files of an earlier program are accepted once, and then written with a checksum', async () => {
  const world = new LayoutWorld()
  const [a, b] = await cluster(world, 'a', 'b', 'c')
  await prepare(world, b!, a!, 17)
  b!.crash()
  edit(b!, VOTE, (text) => text.replace(/,"checksum":"[0-9a-f]{32}"/, ''))
  const layout = b!.files.get(LAYOUT)!
  b!.files.set(LAYOUT, earlierLayout(storedEntries(layout), false))
  b!.files.delete(CHECKED)
  await world.run(b!.restart())
  expect((await prepare(world, b!, a!, 16)).type).toBe('conflict')
  for (const path of [CHECKED, VOTE]) {
    expect(utf8Text(b!.files.get(path)!)).toMatch(/"checksum":"[0-9a-f]{32}"\}$/)
  }
  expect(b!.files.get(LAYOUT)).toEqual(layout)
})

test('a vote of a later epoch than the layout means an old copy of the layout: no vote', async () => {
  const world = new LayoutWorld()
  const [a, b] = await cluster(world, 'a', 'b', 'c')
  const old = b!.files.get(LAYOUT)!
  const d = await world.node('d')
  await world.run(d.manager.join(await tokenOf(a!)))
  await world.until(() => b!.manager.status().epoch === a!.manager.status().epoch)
  await prepare(world, b!, a!, 99)
  b!.crash()
  b!.filter = () => false
  b!.files.set(LAYOUT, old)
  // With the note of what this node has obeyed, it would not start at all (sim/scenarios/layout-log.test.ts).
  b!.files.delete(CHECKED)
  await world.run(b!.restart())
  expect((await prepare(world, b!, a!, 100)).type).toBe('no-vote')
})
