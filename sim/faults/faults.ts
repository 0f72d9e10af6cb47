/**
 * What goes wrong in a simulation, drawn from its seed, then calm. Two things at once: what passes (crashes,
 * cuts, full disks) and, beside it, damage to the disk of one node, restarted in every order.
 */

import type { SimulatedCluster } from '../world/cluster.ts'
import { CALM } from '../world/wires.ts'
import { Crashes } from './crashes.ts'
import { DamageDoer } from './damage-doer.ts'
import { drawKind, FAULT_NAMES, PASSING, type FaultName, type PassingKind } from './kinds.ts'

const PAUSE_MS_MAX = 3_000
const DAMAGE_PAUSE_MS_MAX = 5_000
/** What a disk that fills up still takes, at most. */
const ROOM_BYTES_MAX = 512 << 10
const HANG_MS_MAX = 8_000
const CLOCK_JUMP_MS_MAX = 600_000
/** How long a link may stay silent after the network is healed. */
const LINGER_MS_MAX = 3_000

/** `all`: every kind. `power`: nothing but power cuts of all machines at once. `none`: nothing at all. */
export type FaultKind = 'all' | 'power' | 'none' | readonly FaultName[]

export class Faults {
  readonly byKind = new Map<FaultName, number>()
  readonly #cluster: SimulatedCluster
  readonly #enabled: ReadonlySet<FaultName>
  readonly crashes: Crashes
  readonly #damage: DamageDoer

  constructor(cluster: SimulatedCluster, kind: FaultKind = 'all') {
    this.#cluster = cluster
    this.#enabled = new Set(namesOf(kind))
    this.crashes = new Crashes(cluster)
    this.#damage = new DamageDoer(cluster, this.crashes, this.#enabled, (one) => this.#count(one))
  }

  get injected(): number {
    return [...this.byKind.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Runs until the time is over; then everything is mended and every node is up again. */
  async run(isOver: () => boolean): Promise<void> {
    const { wires } = this.#cluster
    if (this.#enabled.size === 0) return
    wires.faults = { loss: 0.02, doubling: 0.02, latencyMsMax: 6, lateness: 0.01, lateMsMax: 4_000 }
    await Promise.all([
      this.#loop(isOver, PAUSE_MS_MAX, () => this.#pass()),
      this.#loop(isOver, DAMAGE_PAUSE_MS_MAX, () => this.#damage.one()),
    ])
    await this.calm()
  }

  async calm(): Promise<void> {
    const { wires } = this.#cluster
    wires.faults = { ...CALM }
    wires.mend()
    for (const number of this.#cluster.numbers) {
      this.#cluster.jumpClock(number, 0)
      await this.crashes.revive(number)
    }
  }

  /** No fault begins while something waits for quiet. */
  async #loop(isOver: () => boolean, pauseMsMax: number, one: () => Promise<void>): Promise<void> {
    const { random } = this.#cluster
    while (!isOver()) {
      await this.#sleep(random() * pauseMsMax)
      if (isOver()) break
      if (!this.crashes.isHeld) await this.crashes.underWay(one)
    }
  }

  async #pass(): Promise<void> {
    const { random } = this.#cluster
    const kind = drawKind(PASSING, this.#enabled, random)
    if (kind === undefined) return
    const { numbers } = this.#cluster
    const number = numbers[Math.floor(random() * numbers.length)]!
    if (await this.#apply(kind, number)) this.#count(kind)
  }

  /** False when nothing was done. */
  async #apply(kind: PassingKind, number: number): Promise<boolean> {
    const { random } = this.#cluster
    switch (kind) {
      case 'kill':
      case 'power':
        return this.#killOne(number, kind === 'power')
      case 'kill-all':
      case 'power-all':
        return this.#killAll(kind === 'power-all')
      case 'partition':
      case 'one-way':
        return this.#partition(number, kind === 'one-way')
      case 'silence':
        return this.#silence(number)
      case 'storm':
        return this.#storm()
      case 'deaf':
        return this.#deaf(number)
      case 'stop':
        return this.#stop(number)
      case 'full-disk':
        return this.#fillDisk(number)
      case 'hung-disk':
        return this.#hangDisk(number)
      case 'bad-disk':
        return this.#failDisk(number)
      case 'clock-jump':
        this.#cluster.jumpClock(number, (random() * 2 - 1) * CLOCK_JUMP_MS_MAX)
        return true
    }
  }

  async #killOne(number: number, power: boolean): Promise<boolean> {
    return this.#alone(number, async () => {
      this.#cluster.kill(number, power)
      await this.#sleep(this.#cluster.random() * 4_000)
      await this.crashes.revive(number)
    })
  }

  /** All at once: what was acknowledged survives even that. */
  async #killAll(power: boolean): Promise<boolean> {
    if (this.crashes.busy.size > 0 || this.crashes.wiresBusy) return false
    const all = this.#cluster.numbers
    for (const number of all) {
      this.crashes.busy.add(number)
      this.#cluster.kill(number, power)
    }
    await this.#sleep(this.#cluster.random() * 1_000)
    await Promise.all(all.map((number) => this.crashes.revive(number)))
    this.crashes.busy.clear()
    return true
  }

  /** One node alone, or only one direction between it and the others. */
  async #partition(lone: number, oneWay: boolean): Promise<boolean> {
    const { wires, random } = this.#cluster
    if (this.crashes.wiresBusy) return false
    this.crashes.wiresBusy = true
    for (const other of this.#others(lone)) {
      wires.cut(this.#cluster.idOf(lone), other)
      if (!oneWay) wires.cut(other, this.#cluster.idOf(lone))
    }
    this.#cluster.trace(`partition ${lone} ${oneWay ? 'one way' : 'both ways'}`)
    await this.#sleep(random() * 6_000)
    wires.mend()
    this.crashes.wiresBusy = false
    return true
  }

  async #silence(lone: number): Promise<boolean> {
    const { wires, random } = this.#cluster
    if (this.crashes.wiresBusy) return false
    this.crashes.wiresBusy = true
    this.#cluster.trace(`silence ${lone}`)
    const id = this.#cluster.idOf(lone)
    for (const other of this.#others(lone)) {
      wires.silence(id, other)
      if (random() < 0.7) wires.silence(other, id)
    }
    await this.#sleep(random() * 6_000)
    // Link by link.
    for (const other of this.#others(lone)) {
      await this.#sleep(random() * LINGER_MS_MAX)
      wires.unsilence(id, other)
      wires.unsilence(other, id)
    }
    this.crashes.wiresBusy = false
    return true
  }

  /** Heavy loss for a while. */
  async #storm(): Promise<boolean> {
    const { faults } = this.#cluster.wires
    const { loss } = faults
    faults.loss = 0.25
    await this.#sleep(this.#cluster.random() * 2_000)
    faults.loss = loss
    return true
  }

  async #deaf(number: number): Promise<boolean> {
    const { wires, random } = this.#cluster
    this.#cluster.trace(`deaf ${number}`)
    wires.deafen(this.#cluster.idOf(number))
    await this.#sleep(random() * 8_000)
    wires.undeafen(this.#cluster.idOf(number))
    return true
  }

  async #stop(number: number): Promise<boolean> {
    return this.#alone(number, async () => {
      this.#cluster.stop(number)
      await this.#sleep(this.#cluster.random() * 8_000)
      this.#cluster.resume(number)
    })
  }

  /** One node's disk has hardly any room left, for a while (F6). */
  async #fillDisk(number: number): Promise<boolean> {
    const { random } = this.#cluster
    const disk = this.#cluster.diskOf(number)
    const { capacityBytes } = disk
    disk.capacityBytes = disk.usedBytes() + Math.floor(random() * ROOM_BYTES_MAX)
    this.#cluster.trace(`full disk ${number}`)
    await this.#sleep(random() * 8_000)
    disk.capacityBytes = capacityBytes
    return true
  }

  /** A disk that answers nothing for a while (D11). By chance the node is killed meanwhile. */
  async #hangDisk(number: number): Promise<boolean> {
    const { random } = this.#cluster
    return this.#alone(number, async () => {
      const disk = this.#cluster.diskOf(number)
      this.#cluster.trace(`hang disk ${number}`)
      this.#cluster.mayFail.add(number)
      disk.hang(random() < 0.5 ? undefined : ['write', 'flush', 'sync-directory'])
      await this.#sleep(random() * HANG_MS_MAX)
      if (random() < 0.2) this.#cluster.kill(number, random() < 0.5)
      disk.release()
      await this.#sleep(random() * 1_000)
      await this.crashes.revive(number)
      this.#cluster.mayFail.delete(number)
    })
  }

  /** Flushes fail: what they should have made durable is gone at the next power cut (D5). */
  async #failDisk(number: number): Promise<boolean> {
    const { random } = this.#cluster
    return this.#alone(number, async () => {
      const disk = this.#cluster.diskOf(number)
      this.#cluster.trace(`bad disk ${number}`)
      this.#cluster.mayFail.add(number)
      disk.fail(random() < 0.5 ? ['flush'] : ['write', 'flush', 'truncate', 'sync-directory'])
      await this.#sleep(random() * 2_000)
      disk.fail([])
      await this.#sleep(random() * 2_000)
      // The machine is restarted: what the cache has of it is not on the disk.
      this.#cluster.kill(number, true)
      await this.crashes.revive(number)
      this.#cluster.mayFail.delete(number)
    })
  }

  /** Nothing when something else is being done to the node. */
  async #alone(number: number, work: () => Promise<void>): Promise<boolean> {
    const { busy } = this.crashes
    if (busy.has(number) || !this.#cluster.alive(number)) return false
    busy.add(number)
    await work()
    busy.delete(number)
    return true
  }

  #others(lone: number): ReturnType<SimulatedCluster['idOf']>[] {
    return this.#cluster.numbers
      .filter((number) => number !== lone)
      .map((number) => this.#cluster.idOf(number))
  }

  #count(kind: FaultName): void {
    this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1)
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#cluster.clock.after(delayMs, resolve))
  }
}

function namesOf(kind: FaultKind): readonly FaultName[] {
  if (kind === 'all') return FAULT_NAMES
  if (kind === 'power') return ['power-all']
  return kind === 'none' ? [] : kind
}
