/** A node that does not vote on the next entry gets the others to decide one (D8). */

import { expect, test } from 'vitest'
import { LAYOUT_RPC } from './messages.ts'
import { LayoutWorld, type FakeNode } from './testing/world.ts'

const VOTE = 'layout-vote.json'
const MINUTE_MS = 60_000
const NAMES = ['a', 'b', 'c', 'd', 'e']

async function cluster(world: LayoutWorld, count: number): Promise<FakeNode[]> {
  const founder = await world.found('a')
  const joiners = await Promise.all(NAMES.slice(1, count).map((name) => world.node(name)))
  const token = await world.run(
    founder.manager.tokens.issue({ ttlMs: 10 * 60 * MINUTE_MS, uses: count }),
  )
  await world.run(Promise.all(joiners.map((joiner) => joiner.manager.join(token))))
  const nodes = [founder, ...joiners]
  await world.until(() => nodes.every((node) => epochOf(node) === epochOf(founder)))
  return nodes
}

/** The longest time that a world lets pass at once. */
async function minutes(world: LayoutWorld, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await world.pass(MINUTE_MS)
}

const epochOf = (node: FakeNode): number => node.manager.status().epoch
const abstains = (node: FakeNode): boolean => node.manager.status().abstainsFrom !== undefined

async function loseVote(world: LayoutWorld, node: FakeNode): Promise<void> {
  node.crash()
  node.files.delete(VOTE)
  await world.run(node.restart())
  expect(abstains(node)).toBe(true)
}

test('the node votes again soon, and the entry changes nothing', async () => {
  const world = new LayoutWorld()
  const [a, b] = await cluster(world, 3)
  await loseVote(world, b!)
  const before = a!.manager.current()!.entry
  await world.pass(20_000)
  expect(abstains(b!)).toBe(false)
  const { entry } = a!.manager.current()!
  expect(entry.cause).toBe('token')
  for (const field of ['members', 'tokens', 'sources', 'secret', 'replication', 'state'] as const) {
    expect(entry[field]).toEqual(before[field])
  }
  await minutes(world, 10)
  expect(epochOf(a!)).toBe(before.epoch + 1)
})

test('a member of an earlier program, or one that is cut off, is passed over', async () => {
  const world = new LayoutWorld()
  const [a, b, c] = await cluster(world, 3)
  for (const deaf of [a, c]) {
    await loseVote(world, b!)
    const manager = deaf!.manager
    const handle = manager.handle.bind(manager)
    manager.handle = (from, type, body) =>
      type === LAYOUT_RPC.abstains
        ? Promise.reject(new Error('unknown type'))
        : handle(from, type, body)
    await world.pass(20_000)
    manager.handle = handle
    expect(abstains(b!)).toBe(false)
  }
})

test('lost messages only delay it', async () => {
  const world = new LayoutWorld(5)
  const [, b] = await cluster(world, 3)
  await loseVote(world, b!)
  let sent = 0
  b!.filter = (_from, _to, type) => type !== LAYOUT_RPC.abstains || ++sent > 5
  await minutes(world, 10)
  expect(sent).toBeGreaterThan(5)
  expect(abstains(b!)).toBe(false)
})

test('nothing is proposed while a change is under way, whose next step ends it', async () => {
  const world = new LayoutWorld()
  const [a, b, c] = await cluster(world, 3)
  for (const node of [a, b, c]) node!.holds = true
  const d = await world.node('d')
  d.moves.isCaughtUp = false
  const token = await world.run(a!.manager.tokens.issue({ ttlMs: 60 * MINUTE_MS }))
  const joining = d.manager.join(token, 60 * MINUTE_MS)
  joining.catch(() => undefined)
  await world.until(() => b!.manager.status().state === 'PLANNED')
  await loseVote(world, b!)
  const epoch = epochOf(a!)
  await minutes(world, 2)
  expect([epochOf(a!), abstains(b!)]).toEqual([epoch, true])
  d.moves.isCaughtUp = true
  await world.run(joining)
  await world.until(() => !abstains(b!))
})

test('a file that is lost again and again makes only a limited number of entries', async () => {
  const world = new LayoutWorld()
  const [a, b] = await cluster(world, 3)
  const before = epochOf(a!)
  for (let round = 0; round < 24; round++) {
    await loseVote(world, b!)
    await world.pass(MINUTE_MS)
  }
  // Each of the two others has proposed as many entries as it may in an hour.
  expect(epochOf(a!) - before).toBe(16)
  expect(abstains(b!)).toBe(true)
  await minutes(world, 70)
  expect(abstains(b!)).toBe(false)
})

test.each([2, 3])(
  'of %i members too few are left to decide: all of them say so, once',
  async (count) => {
    const world = new LayoutWorld()
    const nodes = await cluster(world, count)
    for (const node of nodes.slice(1)) await loseVote(world, node)
    const epoch = epochOf(nodes[0]!)
    await minutes(world, 30)
    for (const node of nodes) {
      expect(epochOf(node)).toBe(epoch)
      expect(node.manager.abstaining()).toMatchObject({
        epoch: epoch + 1,
        voters: count,
        isDecidable: false,
      })
      expect(node.warnings.filter((line) => line.includes('too many members'))).toHaveLength(1)
    }
  },
)

test('a node that has its file back is a member like any other, and the others forget its abstention', async () => {
  const world = new LayoutWorld()
  const [a, b] = await cluster(world, 2)
  const file = b!.files.get(VOTE)!
  await loseVote(world, b!)
  await minutes(world, 5)
  expect(a!.manager.abstaining()).toBeDefined()
  b!.crash()
  b!.files.set(VOTE, file)
  await world.run(b!.restart())
  expect(b!.manager.abstaining()).toBeUndefined()
  await minutes(world, 15)
  expect(a!.manager.abstaining()).toBeUndefined()
  await world.run(a!.manager.tokens.issue({ ttlMs: MINUTE_MS }))
})
