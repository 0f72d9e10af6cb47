/** Makes the faults of the schedule and mends them, all at once when the test wants calm. */

import type { Fleet } from './fleet.ts'
import type { FaultNetwork } from './network.ts'
import { faultLine, plannedFaults, type ScheduledFaultKind, type PlannedFault } from './schedule.ts'

/** One way, so 100 ms there and back. */
const DELAY_MS = 50

export interface InjectorOptions {
  readonly seed: number
  readonly kinds: readonly ScheduledFaultKind[]
  /** Number of faults at the same time. */
  readonly lanes: number
  /** Prints a line of what happens. */
  readonly say: (line: string) => void
}

interface Cut {
  readonly node: number
  readonly ways: readonly ('out' | 'in')[]
}

export class Injector {
  readonly #fleet: Fleet
  readonly #network: FaultNetwork
  readonly #options: InjectorOptions
  readonly counts = new Map<ScheduledFaultKind, number>()
  /** Nodes with a fault. */
  readonly #busy = new Set<number>()
  readonly #cuts = new Set<Cut>()
  #delays = 0
  readonly #lanes: Promise<void>[] = []
  /** Aborted while no fault may be. */
  #weather = new AbortController()
  #idle = 0
  #isOver = false
  #wake: () => void = () => {}
  #rough: Promise<void>

  constructor(fleet: Fleet, network: FaultNetwork, options: InjectorOptions) {
    this.#fleet = fleet
    this.#network = network
    this.#options = options
    this.#rough = new Promise((resolve) => (this.#wake = resolve))
    this.#weather.abort()
    if (options.kinds.length === 0) return
    for (let lane = 0; lane < options.lanes; lane++) this.#lanes.push(this.#run(lane))
  }

  get isCalm(): boolean {
    return this.#weather.signal.aborted
  }

  /** Lets faults begin, or go on. */
  go(): void {
    if (!this.isCalm || this.#isOver) return
    this.#weather = new AbortController()
    this.#wake()
  }

  /** Mends every fault; none begins before `go`. */
  async calm(): Promise<void> {
    if (!this.isCalm) {
      this.#rough = new Promise((resolve) => (this.#wake = resolve))
      this.#weather.abort()
    }
    while (!this.#isOver && this.#idle < this.#lanes.length) await pause(20)
  }

  async close(): Promise<void> {
    await this.calm()
    this.#isOver = true
    this.#wake()
    await Promise.all(this.#lanes)
  }

  async #run(lane: number): Promise<void> {
    for (const fault of plannedFaults(this.#options.seed, lane, this.#options.kinds)) {
      await this.#untilRough()
      if (this.#isOver) return
      await this.#sleep(fault.afterMs)
      if (this.isCalm) continue
      const free = this.#fleet.numbers.filter((number) => !this.#busy.has(number))
      const node = free[Math.floor(fault.pick * free.length)]
      if (node === undefined) continue
      this.#busy.add(node)
      try {
        await this.#one(fault, node)
      } catch (error) {
        this.#options.say(`a fault can't be made: ${String(error).slice(0, 400)}`)
      }
      this.#busy.delete(node)
    }
  }

  async #untilRough(): Promise<void> {
    while (this.isCalm && !this.#isOver) {
      this.#idle++
      await this.#rough
      this.#idle--
    }
  }

  async #one(fault: PlannedFault, node: number): Promise<void> {
    const { kind } = fault
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
    this.#options.say(`n${node}: ${faultLine(fault)}`)
    const mend = await this.#begin(fault, node)
    await this.#sleep(fault.lastsMs)
    await mend()
  }

  /** Makes the fault. The returned function mends it. */
  async #begin(fault: PlannedFault, node: number): Promise<() => Promise<void> | void> {
    const fleet = this.#fleet
    const ifThere = (mend: () => Promise<void> | void) => () =>
      fleet.numbers.includes(node) ? mend() : undefined
    switch (fault.kind) {
      case 'kill':
        await fleet.kill(node)
        return ifThere(() => fleet.start(node))
      case 'pause':
        fleet.pause(node)
        return ifThere(() => fleet.resume(node))
      case 'cut':
        return this.#cut({ node, ways: ['out', 'in'] })
      case 'one-way':
        return this.#cut({ node, ways: [fault.isOutward ? 'out' : 'in'] })
      case 'delay':
        if (this.#delays++ === 0) await this.#network.delay(DELAY_MS)
        return async () => {
          if (--this.#delays === 0) await this.#network.delay(0)
        }
      case 'clock':
        fleet.setClock(node, fault.offsetMs)
        return ifThere(() => fleet.setClock(node, 0))
      case 'disk-full':
        await fleet.fill(node)
        return ifThere(() => fleet.empty(node))
    }
  }

  async #cut(cut: Cut): Promise<() => Promise<void>> {
    this.#cuts.add(cut)
    await this.#apply(cut)
    return async () => {
      this.#cuts.delete(cut)
      await this.#network.heal()
      for (const other of this.#cuts) await this.#apply(other)
    }
  }

  async #apply({ node, ways }: Cut): Promise<void> {
    const { numbers } = this.#fleet
    if (!numbers.includes(node)) return
    const at = this.#fleet.place(node)
    for (const other of numbers) {
      if (other === node) continue
      const there = this.#fleet.place(other)
      if (ways.includes('out')) await this.#network.cut(at, there)
      if (ways.includes('in')) await this.#network.cut(there, at)
    }
  }

  /** Sleeps; ends early when the test wants calm. */
  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#weather
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      signal.addEventListener('abort', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms))
}
