/** The clients of one kernel world: each runs one operation after the other until the faults are over. */

import type { KernelReplica, KernelWorld, WriteKind } from './parts.ts'

export class KernelClients {
  /** Operations that got a definite result. */
  answered = 0
  readonly #world: KernelWorld
  readonly #replicas: readonly KernelReplica[]
  /** By key: the operation that a client saw there last. */
  readonly #known: (string | undefined)[] = []
  #stopped = false

  constructor(world: KernelWorld, replicas: readonly KernelReplica[]) {
    this.#world = world
    this.#replicas = replicas
  }

  start(): void {
    const { scenario, random } = this.#world
    for (let client = 0; client < scenario.clients; client++) {
      this.#world.after(random.int(20), () => this.#nextOperation())
    }
  }

  /** No operation begins after this. */
  stop(): void {
    this.#stopped = true
  }

  #nextOperation(): void {
    if (this.#stopped) return
    const world = this.#world
    const { random, data } = world
    const { keys, thinkMax, puts, conditional, deletes } = world.scenario
    const again = (): void => world.after(1 + random.int(thinkMax), () => this.#nextOperation())
    const replica = random.pick(this.#replicas)
    const key = random.int(keys)
    const host = world.host(replica)
    if (!replica.up || !world.layout.inCluster(replica.epoch, replica.index)) return again()
    const done = (known: string | undefined): void => {
      if (known !== undefined) {
        this.#known[key] = known
        this.answered++
      }
      again()
    }
    const draw = random.int(100)
    if (draw >= puts + conditional + deletes) {
      world.newOperation()
      return host.read(key, (known) => {
        if (known !== undefined && random.chance(300)) data.fetch(replica, key, known)
        done(known)
      })
    }
    if (host.busy(key)) return again()
    let kind: WriteKind = 'put'
    if (draw >= puts + conditional) kind = 'delete'
    else if (draw >= puts) kind = random.chance(500) ? 'swap' : 'create'
    host.write(key, kind, this.#known[key], done)
  }
}
