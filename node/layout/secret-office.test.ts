/** Rotating the cluster secret: one new secret for all, on the disks of a majority, even when members die. */

import { describe, expect, test } from 'vitest'
import { hex } from '../../protocol/bytes.ts'
import { secretId } from '../../protocol/layout/secret.ts'
import { MembershipError } from './errors.ts'
import { LAYOUT_RPC } from './messages.ts'
import { cluster } from './testing/clusters.ts'
import { LayoutWorld, type FakeNode } from './testing/world.ts'

const HOUR_MS = 3_600_000

const epochOf = (node: FakeNode): number => node.manager.status().epoch
const current = (node: FakeNode): string | undefined => {
  const secret = node.manager.secrets.current()
  return secret && hex(secret)
}
const generation = (node: FakeNode): number => node.manager.secrets.record?.generation ?? 1

/** Waits until all have the same secret in force, and know the one before it. */
async function agreed(world: LayoutWorld, nodes: readonly FakeNode[]): Promise<string> {
  await world.until(() => {
    const [first] = nodes
    return nodes.every(
      (node) =>
        current(node) !== undefined &&
        current(node) === current(first!) &&
        node.manager.secrets.previous() !== undefined &&
        hex(node.secret!) === current(node),
    )
  })
  return current(nodes[0]!)!
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no failure',
    (error: unknown) => (error instanceof MembershipError ? error.code : error),
  )

describe('a rotation', () => {
  test('gives all members the same new secret, once', async () => {
    const world = new LayoutWorld()
    const nodes = await cluster(world, 'a', 'b', 'c')
    const before = current(nodes[0]!)
    const record = await world.run(nodes[1]!.manager.secrets.rotate(HOUR_MS))
    expect(record).toMatchObject({ generation: 2, overlapMs: HOUR_MS })
    const after = await agreed(world, nodes)
    expect(after).not.toBe(before)
    for (const node of nodes) {
      expect(hex(node.manager.secrets.previous()!)).toBe(before)
      expect(generation(node)).toBe(2)
      // The layout names it, and holds it nowhere.
      const layout = Buffer.from(node.files.get('layout.json')!).toString()
      expect(layout).toContain(record.id)
      expect(layout).not.toContain(after)
    }
  })

  test('again and again: a node keeps the secret in force and the one before it', async () => {
    const world = new LayoutWorld()
    const nodes = await cluster(world, 'a', 'b', 'c')
    const seen = new Set([current(nodes[0]!)])
    for (let i = 0; i < 4; i++) {
      await world.run(nodes[i % 3]!.manager.secrets.rotate(0))
      seen.add(await agreed(world, nodes))
      await world.until(() => nodes.every(({ moreSecrets }) => moreSecrets.length === 1))
    }
    expect(seen.size).toBe(5)
    expect(generation(nodes[0]!)).toBe(5)
  })

  test('asked for twice at one member: happens once, because nothing is encrypted with the new secret yet', async () => {
    const world = new LayoutWorld()
    const { manager } = await world.found('a')
    const both = [manager.secrets.rotate(0), manager.secrets.rotate(0)]
    const results = await world.run(Promise.allSettled(both))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(manager.secrets.record?.generation).toBe(2)
  })

  test('asked for at several members at once: happens once', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = new LayoutWorld(seed)
      const nodes = await cluster(world, 'a', 'b', 'c')
      const results = await world.run(
        Promise.allSettled(nodes.map((node) => node.manager.secrets.rotate(0))),
      )
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      await agreed(world, nodes)
      for (const node of nodes) expect(generation(node)).toBe(2)
    }
  })

  test('ends join tokens', async () => {
    const world = new LayoutWorld()
    const [a, b] = await cluster(world, 'a', 'b', 'c')
    const token = await world.run(a!.manager.tokens.issue({ ttlMs: HOUR_MS }))
    await world.run(b!.manager.secrets.rotate(HOUR_MS))
    const d = await world.node('d')
    expect(await failure(world.run(d.manager.join(token)))).toBe('bad-token')
    expect(d.secret).toBeUndefined()
    expect(a!.manager.tokens.list()).toEqual([])
    const fresh = await world.run(a!.manager.tokens.issue({ ttlMs: HOUR_MS }))
    await world.run(d.manager.join(fresh))
    expect(current(d)).toBe(current(a!))
  })
})

describe('a rotation while members are away', () => {
  test('a member that was away learns the secret when it is back, and has none in force before', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    c!.crash()
    await world.run(a!.manager.secrets.rotate(HOUR_MS))
    await agreed(world, [a!, b!])
    await world.run(b!.manager.secrets.rotate(HOUR_MS))
    await world.run(c!.restart())
    // It has adopted the entry and is told no secret.
    c!.filter = (_from, _to, type) => type !== LAYOUT_RPC.secret
    await world.until(() => generation(c!) === 3)
    expect(current(c!)).toBeUndefined()
    expect(await failure(world.run(c!.manager.secrets.rotate(0)))).toBe('no-answer')
    c!.filter = () => true
    await agreed(world, [a!, b!, c!])
  })

  test('a rotation needs a majority, and changes nothing without one', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    const before = current(a!)
    b!.crash()
    c!.crash()
    expect(await failure(world.run(a!.manager.secrets.rotate(0)))).toBe('no-answer')
    expect([current(a!), generation(a!)]).toEqual([before, 1])
    await world.run(Promise.all([b!.restart(), c!.restart()]))
    await world.run(a!.manager.secrets.rotate(0))
    await agreed(world, [a!, b!, c!])
  })

  test('no member votes for a secret that it does not have', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    const accepted: string[] = []
    // The offer is answered and forgotten, as by a disk that loses a flushed write.
    for (const node of [b!, c!]) {
      node.filter = (_from, _to, type) => {
        if (type === LAYOUT_RPC.offer) node.moreSecrets = []
        if (type === LAYOUT_RPC.accept) accepted.push(node.nodeId)
        return true
      }
    }
    expect(await failure(world.run(a!.manager.secrets.rotate(0)))).toBe('no-answer')
    expect(accepted.length).toBeGreaterThan(0)
    expect(generation(b!)).toBe(1)
  })
})

describe('two rotations, one right after the other', () => {
  test('a member that still writes down one secret when the next comes into force asks for that, too', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    c!.crash()
    c!.up = true
    const set = async (secret: Uint8Array): Promise<void> => {
      await world.sleep(5_000)
      c!.secret = secret
    }
    const more = {
      get: () => c!.moreSecrets,
      set: (secrets: readonly Uint8Array[]) => void (c!.moreSecrets = secrets),
    }
    await c!.open({ clusterSecret: { get: () => c!.secret, set, more } })
    await world.run(a!.manager.secrets.rotate(HOUR_MS))
    await world.until(() => generation(c!) === 2)
    a!.filter = (_from, to, type) => to !== c!.nodeId || type !== LAYOUT_RPC.offer
    await world.run(a!.manager.secrets.rotate(HOUR_MS))
    await world.until(() => generation(c!) === 3)
    expect(current(c!)).toBeUndefined()
    await agreed(world, [a!, b!, c!])
  })
})

describe('a rotation in which members die', () => {
  test('all members die at every moment: afterwards all have the same secret, and can rotate again', async () => {
    const generations = new Set<number>()
    for (let step = 1; step <= 40; step++) {
      const world = new LayoutWorld(step)
      const nodes = await cluster(world, 'a', 'b', 'c')
      nodes[1]!.manager.secrets.rotate(HOUR_MS).catch(() => undefined)
      await world.pass(step * 0.5)
      for (const node of nodes) node.crash()
      for (const node of nodes) await world.run(node.restart())
      // What was begun may still be decided by those who have accepted it.
      await world.pass(10_000)
      expect(new Set(nodes.map(epochOf)).size).toBe(1)
      const found = generation(nodes[0]!)
      generations.add(found)
      if (found > 1) await agreed(world, nodes)
      expect(new Set(nodes.map(current)).size).toBe(1)
      await world.run(nodes[2]!.manager.secrets.rotate(0))
      await agreed(world, nodes)
      expect(generation(nodes[0]!)).toBe(found + 1)
    }
    expect(generations).toEqual(new Set([1, 2]))
  })

  test('the member that rotates dies at every moment: the others agree and go on', async () => {
    for (let step = 1; step <= 40; step++) {
      const world = new LayoutWorld(100 + step)
      const [a, b, c] = await cluster(world, 'a', 'b', 'c')
      b!.manager.secrets.rotate(HOUR_MS).catch(() => undefined)
      await world.pass(step * 0.5)
      b!.crash()
      // One that it had begun may still be decided by the others, who have accepted it.
      await world.pass(10_000)
      await world.run(a!.manager.secrets.rotate(0))
      await agreed(world, [a!, c!])
      await world.run(b!.restart())
      await agreed(world, [a!, b!, c!])
    }
  })
})

describe('the secret is given to', () => {
  test('members of the last STABLE layout, but not to a joiner or to a node that asks for another secret', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    const { id } = await world.run(a!.manager.secrets.rotate(HOUR_MS))
    await agreed(world, [a!, b!, c!])
    const ask = (from: FakeNode, wanted: string): Promise<unknown> =>
      a!.manager.handle(
        from.nodeId,
        LAYOUT_RPC.secret,
        Buffer.from(JSON.stringify({ id: wanted })),
      )!
    expect(await world.run(ask(b!, id))).toBeInstanceOf(Uint8Array)
    const stranger = await world.node('stranger')
    expect(await failure(ask(stranger, id))).toBe('no-answer')
    expect(await failure(ask(b!, secretId(new Uint8Array(32))))).toBe('no-answer')
    const offer = a!.manager.handle(
      stranger.nodeId,
      LAYOUT_RPC.offer,
      Buffer.from(JSON.stringify({ secret: '00'.repeat(32) })),
    )!
    expect(await failure(offer)).toBe('no-answer')
    expect(a!.moreSecrets).toHaveLength(1)
  })

  test('no joiner in JOINT', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    await world.run(a!.manager.secrets.rotate(HOUR_MS))
    await agreed(world, [a!, b!, c!])
    const d = await world.node('d')
    const token = await world.run(a!.manager.tokens.issue({ ttlMs: HOUR_MS }))
    const joining = d.manager.join(token)
    for (const node of [a!, b!, c!]) {
      node.filter = (_from, _to, type) => type !== LAYOUT_RPC.ready
    }
    await world.until(() => d.manager.status().state === 'JOINT')
    await world.pass(1_000)
    expect([d.secret, d.moreSecrets]).toEqual([undefined, []])
    for (const node of [a!, b!, c!]) node.filter = () => true
    await world.run(joining)
    expect(current(d)).toBe(current(a!))
  })
})
