/** What goes wrong in a simulation, drawn from its seed: one thing after the other, then calm. */

import type { SimulatedCluster } from './cluster.ts'
import { CALM } from './network.ts'

const PAUSE_MS_MAX = 3_000

/** `power`: nothing but power cuts of all machines at once. `none`: nothing at all. */
export type FaultKind = 'any' | 'power' | 'none'

export class Faults {
  injected = 0
  readonly #cluster: SimulatedCluster
  readonly #kind: FaultKind

  constructor(cluster: SimulatedCluster, kind: FaultKind = 'any') {
    this.#cluster = cluster
    this.#kind = kind
  }

  /** Until `untilMs`; then everything is mended and every node is up again. */
  async run(untilMs: number): Promise<void> {
    const { clock, wires } = this.#cluster
    if (this.#kind === 'none') return
    wires.faults = { loss: 0.02, doubling: 0.02, latencyMsMax: 6, lateness: 0.01, lateMsMax: 4_000 }
    while (clock.monotonicMs() < untilMs) {
      await this.#sleep(this.#cluster.random() * PAUSE_MS_MAX)
      if (clock.monotonicMs() >= untilMs) break
      await this.#one()
    }
    await this.calm()
  }

  async calm(): Promise<void> {
    const { wires } = this.#cluster
    wires.faults = { ...CALM }
    wires.mend()
    for (let number = 0; number < this.#cluster.size; number++) {
      if (!this.#cluster.alive(number)) await this.#cluster.start(number)
    }
  }

  async #one(): Promise<void> {
    const { random } = this.#cluster
    this.injected++
    if (this.#kind === 'power') return this.#killAll(true)
    const dice = random()
    if (dice < 0.45) await this.#killOne(random() < 0.5)
    else if (dice < 0.55) await this.#killAll(random() < 0.5)
    else if (dice < 0.8) await this.#partition()
    else await this.#storm()
  }

  async #killOne(power: boolean): Promise<void> {
    const number = Math.floor(this.#cluster.random() * this.#cluster.size)
    if (!this.#cluster.alive(number)) return
    this.#cluster.kill(number, power)
    await this.#sleep(this.#cluster.random() * 4_000)
    await this.#revive(number)
  }

  /** All at once: what was acknowledged survives even that. */
  async #killAll(power: boolean): Promise<void> {
    for (let number = 0; number < this.#cluster.size; number++) this.#cluster.kill(number, power)
    await this.#sleep(this.#cluster.random() * 1_000)
    await Promise.all(
      Array.from({ length: this.#cluster.size }, (_, number) => this.#revive(number)),
    )
  }

  async #revive(number: number): Promise<void> {
    if (!this.#cluster.alive(number)) await this.#cluster.start(number)
  }

  /** One node alone, or only one direction between two. */
  async #partition(): Promise<void> {
    const { wires, random } = this.#cluster
    const lone = Math.floor(random() * this.#cluster.size)
    const oneWay = random() < 0.4
    for (let other = 0; other < this.#cluster.size; other++) {
      if (other === lone) continue
      wires.cut(this.#cluster.idOf(lone), this.#cluster.idOf(other))
      if (!oneWay) wires.cut(this.#cluster.idOf(other), this.#cluster.idOf(lone))
    }
    this.#cluster.trace(`partition ${lone} ${oneWay ? 'one way' : 'both ways'}`)
    await this.#sleep(random() * 6_000)
    wires.mend()
  }

  /** Heavy loss for a while. */
  async #storm(): Promise<void> {
    const { wires } = this.#cluster
    const { loss } = wires.faults
    wires.faults.loss = 0.25
    await this.#sleep(this.#cluster.random() * 2_000)
    wires.faults.loss = loss
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#cluster.clock.after(delayMs, resolve))
  }
}
