/** What goes wrong in a simulation, drawn from its seed: one thing after the other, then calm. */

import { bytesOf } from '../protocol/bytes.ts'
import { RECORD_HEADER_BYTES } from '../protocol/codec/record.ts'
import { segmentPath } from '../node/data/segment.ts'
import { decodePosition } from '../node/metadata/index-rows.ts'
import type { SimulatedCluster } from './cluster.ts'
import { CALM } from './network.ts'

const PAUSE_MS_MAX = 3_000
/** What a disk that fills up still takes, at most. */
const ROOM_BYTES_MAX = 512 << 10
const FLIPS_MAX = 3
/** Rows of blocks and of registers. */
const RECORDS = [
  ['b', 'c'],
  ['r', 's'],
] as const

/** `power`: nothing but power cuts of all machines at once. `none`: nothing at all. */
export type FaultKind = 'any' | 'power' | 'none'

export class Faults {
  injected = 0
  readonly #cluster: SimulatedCluster
  readonly #kind: FaultKind
  /** The one whose records are damaged: never the same record on two. */
  #victim: number | undefined

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
    if (dice < 0.38) await this.#killOne(random() < 0.5)
    else if (dice < 0.46) await this.#killAll(random() < 0.5)
    else if (dice < 0.66) await this.#partition()
    else if (dice < 0.78) await this.#storm()
    else if (dice < 0.88) await this.#fillDisk()
    else this.#flipBits()
  }

  async #killOne(power: boolean): Promise<void> {
    const number = Math.floor(this.#cluster.random() * this.#cluster.size)
    if (!this.#cluster.alive(number)) return
    this.#cluster.kill(number, power)
    await this.#sleep(this.#cluster.random() * 4_000)
    // The log is the authority (D6).
    if (this.#cluster.random() < 0.25) this.#cluster.wipeIndex(number)
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

  /** One node's disk has hardly any room left, for a while (fault 6). */
  async #fillDisk(): Promise<void> {
    const { random } = this.#cluster
    const number = Math.floor(random() * this.#cluster.size)
    const disk = this.#cluster.diskOf(number)
    const { capacityBytes } = disk
    disk.capacityBytes = disk.usedBytes() + Math.floor(random() * ROOM_BYTES_MAX)
    this.#cluster.trace(`full disk ${number}`)
    await this.#sleep(random() * 8_000)
    disk.capacityBytes = capacityBytes
  }

  /** In the body or the payload of live records of one node, always the same (faults 2 and 3). */
  #flipBits(): void {
    const { random } = this.#cluster
    this.#victim ??= Math.floor(random() * this.#cluster.size)
    const node = this.#cluster.node(this.#victim)
    if (node === undefined) return
    const rows: { key: number; row: Uint8Array }[] = []
    for (const [from, to] of RECORDS) {
      node.store.range(bytesOf(from), bytesOf(to), 1_000_000, (key, row) => {
        rows.push({ key: key.length - 1, row: row.slice() })
      })
    }
    for (let i = Math.floor(random() * FLIPS_MAX); i >= 0 && rows.length > 0; i--) {
      const { key, row } = rows[Math.floor(random() * rows.length)]!
      const { segment, offset, lengthBytes } = decodePosition(row)
      const before = RECORD_HEADER_BYTES + key
      const at = before + Math.floor(random() * (lengthBytes - before))
      const path = segmentPath(segment)
      this.#cluster.trace(`bit flip ${this.#victim} ${path} ${offset + at}`)
      this.#cluster.diskOf(this.#victim).corrupt(path, offset + at, 1 << Math.floor(random() * 8))
    }
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#cluster.clock.after(delayMs, resolve))
  }
}
