/** Faults of single nodes in one kernel world: crashes, lost disks, old images of disks, and long absences. */

import type { Driver } from './driver.ts'
import type { Host } from './host.ts'
import type { KernelWorld } from './parts.ts'
import type { Replica } from './replica.ts'

export class KernelFaults {
  readonly #world: KernelWorld
  readonly #replicas: readonly Replica[]
  readonly #hosts: readonly Host[]
  readonly #driver: Driver
  /** Earlier states of disks, by node. */
  readonly #images: (ReturnType<Replica['image']> | undefined)[] = []

  constructor(
    world: KernelWorld,
    nodes: { replicas: readonly Replica[]; hosts: readonly Host[]; driver: Driver },
  ) {
    this.#world = world
    this.#replicas = nodes.replicas
    this.#hosts = nodes.hosts
    this.#driver = nodes.driver
  }

  /** Some node crashes and starts again a little later. */
  crash(): void {
    const { random } = this.#world
    const replica = random.pick(this.#replicas)
    if (!replica.up) return
    this.#note('crash', replica)
    replica.crash()
    this.#world.after(10 + random.int(100), () => this.restart(replica))
  }

  restart(replica: Replica): void {
    const { layout } = this.#world
    if (replica.up || replica.lost) return
    if (!layout.inCluster(layout.latest, replica.index)) {
      this.#world.count('comes back after it was removed')
    }
    replica.restart()
    this.#hosts[replica.index]?.restarted()
    this.#world.adopted(replica)
  }

  /** A disk is lost, or an old image of it comes back, or a node is away until others have long gone on. */
  loseNode(): void {
    const { random, rules, layout } = this.#world
    const saved = random.pick(this.#replicas)
    if (saved.up) this.#images[saved.index] = saved.image()
    const replica = random.pick(this.#replicas)
    const { index } = replica
    if (replica.lost || !replica.up) return
    const kind = random.int(3)
    const image = this.#images[index]
    if (kind === 0 || (kind === 1 && !image)) {
      this.#note('away for long', replica)
      replica.crash()
      return this.#world.after(200 + random.int(600), () => this.restart(replica))
    }
    if (!this.#driver.mayLose(index)) return
    this.#note(kind === 1 ? 'old image' : 'disk lost', replica)
    replica.crash()
    const votes = kind === 1 ? !rules.refuseOldImage : !rules.newStorageId
    if (votes) {
      replica.exchangeDisk(kind === 1 ? image : undefined, layout.latest)
      return this.#world.after(10 + random.int(100), () => this.restart(replica))
    }
    replica.lost = true
    this.#world.data.checkAll()
  }

  #note(kind: string, replica: Replica): void {
    const { layout } = this.#world
    const { state, sources } = layout.last
    const moving = state === 'STABLE' && sources.length > 0 ? ' with sources' : ''
    const left = layout.inCluster(layout.latest, replica.index) ? '' : ' of one that left'
    this.#world.count(`${kind}${left} in ${state}${moving}`)
  }
}
