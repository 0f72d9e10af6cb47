/** Clients that write while the layout changes, and what they may find afterwards. */

import { expect } from 'vitest'
import type { SimulatedCluster } from '../world/cluster.ts'
import { backendOf, bytesLike, get, put, calmSleep } from './calm-cluster.ts'

export const KEYS = 12

/** Every fourth object is large enough to have blocks of its own. */
export function contentOf(i: number): Uint8Array {
  return bytesLike(i % 4 === 0 ? 70_000 : 40, i)
}

/** Clients that overwrite a few keys, through whichever members are up. */
export class Writers {
  readonly #cluster: SimulatedCluster
  readonly #acknowledged = new Map<string, number>()
  /** Writes begun after the last acknowledged one: each may or may not have happened. */
  readonly #doubtful = new Map<string, Set<number>>()
  readonly #running: Promise<void>
  #isOver = false
  count = 0

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
    this.#running = this.#run()
  }

  async #run(): Promise<void> {
    for (let i = 1; !this.#isOver; i++) {
      const node = i % this.#cluster.size
      const key = `key ${i % KEYS}`
      const isUp = this.#cluster.node(node)?.layout.isMember() === true
      if (isUp) await this.#write(node, key, i)
      await calmSleep(this.#cluster, 100)
    }
  }

  async #write(node: number, key: string, i: number): Promise<void> {
    const doubtful = this.#doubtful.get(key) ?? new Set()
    this.#doubtful.set(key, doubtful.add(i))
    const written = put(backendOf(this.#cluster, node), key, contentOf(i)).then(
      () => true,
      () => false,
    )
    const late = calmSleep(this.#cluster, 20_000).then(() => false)
    if (!(await Promise.race([written, late]))) return
    this.count++
    this.#acknowledged.set(key, i)
    for (const each of doubtful) if (each <= i) doubtful.delete(each)
  }

  /** Stops, and reads everything back through the node. */
  async check(node: number): Promise<void> {
    this.#isOver = true
    await this.#running
    for (const [key, i] of this.#acknowledged) {
      const found = await get(backendOf(this.#cluster, node), key)
      const possible = [i, ...this.#doubtful.get(key)!]
      const isOne = possible.some((each) => Buffer.compare(contentOf(each), found) === 0)
      expect(isOne, `${key} holds what one of the writes ${possible.join()} wrote`).toBe(true)
    }
  }
}
