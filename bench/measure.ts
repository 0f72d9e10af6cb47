/**
 * One row: the floor, Shoal and the peers are started, filled and warmed up. Then each is loaded in turn, round after
 * round, so that what changes on the machine meanwhile meets all of them alike.
 */

import { reason, runCommand } from './harness/process.ts'
import { LoadedTarget, type RoundFigures } from './load.ts'
import type { Peer } from './peers.ts'
import { openPeer } from './peers.ts'
import type { BenchRow } from './rows.ts'
import { median, roundsOf, type Rounds } from './statistics.ts'
import { startFloor, startShoal, type Target } from './target.ts'

export interface Measured {
  readonly name: string
  readonly perSecond: Rounds
  /** Of each round to the floor's figure of the same round. */
  readonly ratio: Rounds
  /** These and the CPU time are medians of the rounds. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuMsPerRequest?: number
  readonly rssBytesMax?: number
  readonly writeAmplification?: number
  readonly rounds: readonly RoundFigures[]
}

export interface MeasureOptions {
  readonly directory: string
  readonly rounds: number
  /** Of each round. */
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly floorOnly?: boolean
  readonly peers: readonly Peer[]
}

export interface MeasuredRow {
  readonly row: BenchRow
  /** The floor first, then Shoal, then the peers. Those that failed are not among them. */
  readonly targets: readonly Measured[]
  readonly failures: readonly string[]
}

/** Rejects only when the floor fails, because all else is measured against it. */
export async function measureRow(row: BenchRow, options: MeasureOptions): Promise<MeasuredRow> {
  const { directory, floorOnly = false } = options
  const starts: (() => Promise<Target>)[] = [async () => startFloor(row, directory)]
  if (!floorOnly) {
    starts.push(async () => startShoal(row, directory))
    for (const peer of options.peers) starts.push(async () => openPeer(peer))
  }
  const opened: Target[] = []
  const field = new Field(row, options)
  try {
    for (const start of starts) {
      await field.attempt(async () => {
        const target = await start()
        opened.push(target)
        await field.enter(target)
      })
    }
    for (let round = 0; round < options.rounds; round++) await field.round(round)
    return await field.result()
  } finally {
    for (const target of opened) await target.close()
    field.close()
  }
}

/** All targets of a row that have not failed, with what was measured of each. */
class Field {
  readonly #row: BenchRow
  readonly #options: MeasureOptions
  readonly #figures = new Map<LoadedTarget, RoundFigures[]>()
  readonly #failures: string[] = []

  constructor(row: BenchRow, options: MeasureOptions) {
    this.#row = row
    this.#options = options
  }

  async enter(target: Target): Promise<void> {
    const loaded = await LoadedTarget.prepare(this.#row, target, this.#options.directory)
    await loaded.round('warm', this.#options.warmUpSeconds)
    this.#figures.set(loaded, [])
  }

  /** Runs the work. A failure is kept for the result; without the floor there is none, so then it is thrown. */
  async attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      if (this.#floor === undefined) throw error
      this.#failures.push(`${this.#row.name}: ${reason(error)}`)
      return false
    }
  }

  /** Loads each target once. Every other round goes the other way, so that none is always the first. */
  async round(index: number): Promise<void> {
    const entered = [...this.#figures]
    for (const [loaded, figures] of index % 2 === 0 ? entered : entered.reverse()) {
      // What one target has not flushed must not be written while the next one is measured.
      await runCommand('sync', [], { timeoutMs: 300_000 })
      const load = async (): Promise<void> => {
        figures.push(await loaded.round(`round-${index}`, this.#options.seconds))
      }
      if (loaded === this.#floor) await load()
      else if (!(await this.attempt(load))) this.#figures.delete(loaded)
    }
  }

  async result(): Promise<MeasuredRow> {
    const floor = this.#figures.get(this.#floor!)!
    const targets: Measured[] = []
    for (const [{ target }, rounds] of this.#figures) {
      const measured = measuredOf(target.name, rounds, floor)
      const writeAmplification = await target.writeAmplification?.()
      targets.push(
        writeAmplification === undefined ? measured : { ...measured, writeAmplification },
      )
    }
    return { row: this.#row, targets, failures: this.#failures }
  }

  close(): void {
    for (const loaded of this.#figures.keys()) loaded.close()
  }

  get #floor(): LoadedTarget | undefined {
    return [...this.#figures.keys()].find(({ target }) => target.name === 'floor')
  }
}

/** @param floor its figures of the same rounds. */
export function measuredOf(
  name: string,
  rounds: readonly RoundFigures[],
  floor: readonly RoundFigures[],
): Measured {
  const all = (of: (figures: RoundFigures) => number | undefined): number[] =>
    rounds.map(of).filter((value) => value !== undefined)
  const cpu = all(({ cpuMsPerRequest }) => cpuMsPerRequest)
  const rss = all(({ rssBytesMax }) => rssBytesMax)
  return {
    name,
    perSecond: roundsOf(all(({ perSecond }) => perSecond)),
    ratio: roundsOf(rounds.map(({ perSecond }, index) => perSecond / floor[index]!.perSecond)),
    p50Ms: median(all(({ p50Ms }) => p50Ms)),
    p99Ms: median(all(({ p99Ms }) => p99Ms)),
    ...(cpu.length === 0 ? {} : { cpuMsPerRequest: median(cpu) }),
    ...(rss.length === 0 ? {} : { rssBytesMax: Math.max(...rss) }),
    rounds,
  }
}
