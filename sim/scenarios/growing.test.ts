/** A cluster grows and shrinks under its data and its clients, by tokens and by a drain: nothing of it by hand. */

import { expect, test } from 'vitest'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  bytesLike,
  codeOf,
  get,
  keysOf,
  nodeOf,
  onCluster,
  put,
  calmSleep,
  calmUntil,
} from '../testing/calm-cluster.ts'

const KEYS = 40

/** One writer for each key, so that what it read last is known. */
class Clients {
  readonly #cluster: SimulatedCluster
  readonly #values = new Map<string, number>()
  /** Not known to have happened, newer than what is. */
  readonly #tried = new Map<string, number[]>()
  #turn = 0
  #stopped = false
  written = 0
  failed = 0

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  async run(client: number): Promise<void> {
    while (!this.#stopped) {
      const key = `key ${client} ${this.#turn++ % KEYS}`
      const seed = this.#turn
      const backend = backendOf(this.#cluster, client % 2 === 0 || !this.#isMember(1) ? 0 : 1)
      this.#tried.set(key, [...(this.#tried.get(key) ?? []), seed])
      const code = await codeOf(put(backend, key, bytesLike(40, seed)))
      if (code === 'ok') {
        this.#values.set(key, seed)
        this.#tried.set(key, [])
        this.written++
      } else {
        // It may have happened: written again until it is known.
        this.failed++
        this.#values.delete(key)
      }
      const known = this.#values.get(key)
      if (known !== undefined) {
        const found = await get(backend, key).catch(() => undefined)
        if (found !== undefined) expect(found).toEqual(bytesLike(40, known))
      }
      await calmSleep(this.#cluster, 40)
    }
  }

  #isMember(number: number): boolean {
    const node = this.#cluster.node(number)
    return node?.layout.isMember() === true && node.layout.current()?.state === 'STABLE'
  }

  stop(): void {
    this.#stopped = true
  }

  /** Each acknowledged value is there, through this node. */
  async check(number: number): Promise<void> {
    const keys = Array.from(this.#values.keys())
    for (const key of keys) {
      const before = this.#values.get(key)
      const found = await get(backendOf(this.#cluster, number), key)
      // Written meanwhile, or about to be.
      const allowed = [before, this.#values.get(key), ...(this.#tried.get(key) ?? [])]
      const seeds = allowed.filter((seed) => seed !== undefined)
      if (seeds.length === 0) continue
      const texts = seeds.map((seed) => Buffer.from(bytesLike(40, seed)).toString('hex'))
      expect(texts).toContain(Buffer.from(found).toString('hex'))
    }
  }
}

function isSettled(cluster: SimulatedCluster, members: number): boolean {
  const { entry } = nodeOf(cluster, 0).layout.current()!
  return entry.state === 'STABLE' && entry.members.length === members && !entry.sources?.length
}

test.each([1])('from one to four nodes and back to three, seed %i', async (seed) => {
  await onCluster(
    4,
    async (cluster) => {
      const clients = new Clients(cluster)
      await put(backendOf(cluster, 0), 'large', bytesLike(3_000_000))
      const running = [0, 1, 2].map((client) => clients.run(client))
      for (const joiner of [1, 2, 3]) {
        await calmSleep(cluster, 500)
        await cluster.start(joiner)
        await calmUntil(
          cluster,
          'the layout is at rest',
          () => isSettled(cluster, joiner + 1),
          100,
          120_000,
        )
        await clients.check(joiner)
      }
      const { nodeId } = nodeOf(cluster, 2)
      await nodeOf(cluster, 0).layout.changes.apply({ kind: 'drain', nodeId })
      await calmUntil(cluster, 'the layout is at rest', () => isSettled(cluster, 3), 100, 120_000)
      clients.stop()
      await Promise.all(running)
      cluster.kill(2, false)
      for (const number of [0, 1, 3]) await clients.check(number)
      expect(await get(backendOf(cluster, 3), 'large')).toEqual(Buffer.from(bytesLike(3_000_000)))
      expect((await keysOf(backendOf(cluster, 1))).length).toBeGreaterThanOrEqual(3 * KEYS)
      // Any one of the three may be away.
      cluster.kill(0, false)
      await clients.check(3)
      expect(clients.written).toBeGreaterThan(400)
      expect(clients.failed).toBeLessThan(clients.written / 20)
    },
    { seed, members: 1 },
  )
})
