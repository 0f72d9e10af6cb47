/** Joiners and nodes that were away for long get the entries that prove the layout, not all entries. */

import { expect, test } from 'vitest'
import { cluster, memberIds, joinTokenOf, viewOf } from './testing/clusters.ts'
import { storedEntries } from './testing/stored-layout.ts'
import { LayoutWorld, type FakeNode } from './testing/world.ts'

const ROUNDS = 40

/** Two entries for each. */
async function issueAndRevoke(node: FakeNode): Promise<void> {
  const { tokens } = node.manager
  for (let i = 0; i < ROUNDS; i++) {
    const { world } = node
    await world.run(tokens.issue({ ttlMs: 3_600_000, uses: 1 }))
    for (const { id } of tokens.list()) await world.run(tokens.revoke(id))
  }
}

const epochs = (node: FakeNode): number[] =>
  storedEntries(node.files.get('layout.json')!).map(({ entry }) => entry.epoch)

test('a joiner gets the entries that prove a long chain', async () => {
  const world = new LayoutWorld()
  const [a, b, c] = (await cluster(world, 'a', 'b', 'c')) as [FakeNode, FakeNode, FakeNode]
  c.crash()
  await issueAndRevoke(a)
  const { epoch } = viewOf(a)
  expect(epoch).toBeGreaterThan(2 * ROUNDS)

  await world.run(c.restart())
  await world.until(() => viewOf(c).epoch >= epoch)
  expect(epochs(c).length).toBeLessThan(20)
  expect(epochs(a).length).toBe(viewOf(a).epoch)

  const d = await world.node('d')
  await world.run(d.manager.join(await joinTokenOf(a)))
  const nodes = [a, b, c, d]
  await world.until(() => nodes.every((node) => viewOf(node).epoch === viewOf(a).epoch))
  expect(epochs(d).length).toBeLessThan(20)
  expect(viewOf(d).entry).toEqual(viewOf(a).entry)
  expect(memberIds(d)).toHaveLength(4)

  // They vote, restart from what they have, and admit others.
  for (const node of [a, b]) node.crash()
  for (const node of [a, b]) await world.run(node.restart())
  for (const node of [c, d]) {
    node.crash()
    node.files.delete('layout-checked.json')
    await world.run(node.restart())
  }
  const e = await world.node('e')
  await world.run(e.manager.join(await joinTokenOf(d)))
  await world.until(() => [...nodes, e].every((node) => memberIds(node).length === 5))
})
