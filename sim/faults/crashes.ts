/** Nodes that go down and come up again, with what an operator does where one does not. */

import { LogError } from '../../node/data/errors.ts'
import { LAYOUT_FILE } from '../../node/membership/layout-store.ts'
import type { SimulatedCluster } from '../cluster.ts'

const STARTS_MAX = 4

export class Crashes {
  /** Down, or about to be: others leave it alone. */
  readonly busy = new Set<number>()
  /** A node is lost for good: until its copies are made anew no disk is damaged. */
  noDamage = false
  /** Cuts are not to be mended by others. */
  wiresBusy = false
  readonly #cluster: SimulatedCluster

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  /** Starts it if it is down, and again when it goes down in its start. */
  async revive(number: number): Promise<void> {
    let acceptLostLog = false
    for (let i = 0; i < STARTS_MAX && !this.#cluster.alive(number); i++) {
      try {
        await this.#cluster.start(number, { acceptLostLog })
      } catch (error) {
        this.#cluster.kill(number, false)
        acceptLostLog = isLogMissing(error)
        if (acceptLostLog) continue
        if (!this.#repaired(number, error)) {
          this.#cluster.failures.push(`node ${number} does not start: ${String(error)}`)
          return
        }
      }
    }
  }

  /** What the documentation says to do. */
  #repaired(number: number, error: unknown): boolean {
    if (!String(error).includes(`${LAYOUT_FILE} is damaged`)) return false
    let longest: { readonly other: number; readonly layout: Uint8Array } | undefined
    for (const other of this.#cluster.numbers) {
      if (other === number) continue
      const layout = this.#cluster.diskOf(other).image().get(LAYOUT_FILE)
      if (layout === undefined || layout.length <= (longest?.layout.length ?? 0)) continue
      longest = { other, layout }
    }
    if (longest === undefined) return false
    this.#cluster.trace(`copy layout ${longest.other} to ${number}`)
    this.#cluster.diskOf(number).put(LAYOUT_FILE, longest.layout)
    return true
  }
}

export function isLogMissing(error: unknown): boolean {
  return error instanceof LogError && error.code === 'LOG_MISSING'
}
