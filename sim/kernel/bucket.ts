/**
 * The record of one bucket (T8): each change of it raises the generation, and answers once a majority of each
 * set has flushed the new minimum. What begins after that answer with an older generation must not succeed.
 */

import { bits } from './masks.ts'
import type { KernelReplica, KernelWorld } from './parts.ts'

export class KernelBucket {
  readonly #world: KernelWorld
  #drawn = 0
  /** By generation: when its change was answered. */
  readonly #answeredAt: { readonly generation: number; readonly at: number }[] = []

  constructor(world: KernelWorld) {
    this.#world = world
  }

  change(replica: KernelReplica): void {
    const { now, random } = this.#world
    this.#drawn++
    this.#raise(replica, this.#drawn, now + 100 + random.int(300))
  }

  /** A read or a write with this generation succeeds. */
  answered(startedAt: number, generation: number): void {
    const newer = this.#answeredAt.find(
      (each) => each.generation > generation && each.at < startedAt,
    )
    if (!newer) return
    this.#world.checker.violation(
      `a call of ${startedAt} succeeded with generation ${generation}, ` +
        `when ${newer.generation} was answered at ${newer.at} (T8)`,
    )
  }

  #raise(replica: KernelReplica, generation: number, deadline: number): void {
    const world = this.#world
    const { epoch, life } = replica
    const { sets, masks } = world.layout.epoch(epoch)
    let raised = 0
    let open = true
    for (const node of new Set(sets.flat())) {
      world.links.ask<boolean>(
        replica,
        node,
        (respond) => {
          const other = world.replica(node)
          if (other.epoch < epoch) other.adopt(epoch)
          other.raiseMinimum(epoch, generation, respond)
        },
        (ok) => {
          if (!open || ok !== true) return
          raised |= 1 << node
          if (!masks.every(({ mask, need }) => bits(mask & raised) >= need)) return
          open = false
          this.#answeredAt.push({ generation, at: world.now })
          world.count('bucket changes')
          world.host(replica).generation = Math.max(world.host(replica).generation, generation)
        },
      )
    }
    world.after(70, () => {
      if (!open || replica.life !== life || world.now >= deadline) return
      open = false
      this.#raise(replica, generation, deadline)
    })
  }
}
