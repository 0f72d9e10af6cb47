/** What one client among the others waits, PUT and GET of 4 KiB one after the other: p50 and p99 since the last line. */

import type { RawClient } from '../../../bench/harness/s3.ts'

const BUCKET = 'probe'

/** In milliseconds. */
export interface Quantiles {
  readonly count: number
  readonly p50: number
  readonly p99: number
}

export interface Waits {
  readonly put: Quantiles
  readonly get: Quantiles
  readonly refused: number
}

export class Latencies {
  #put: number[] = []
  #get: number[] = []
  #failed = 0

  async run(clients: () => readonly RawClient[], isDone: () => boolean): Promise<void> {
    const body = Buffer.alloc(4_096, 'probe')
    // Another probe may be making it.
    await clients()[0]!.send({ method: 'PUT', bucket: BUCKET })
    for (let i = 0; !isDone(); i++) {
      const client = clients()[i % clients().length]!
      const target = { bucket: BUCKET, key: `key-${i % 50}` }
      await this.#time(this.#put, () => client.must({ method: 'PUT', ...target, body }))
      await this.#time(this.#get, () => client.must({ method: 'GET', ...target }))
      await new Promise((resolve) => void setTimeout(resolve, 20))
    }
  }

  /** Summarises what was measured since the last call. */
  line(): string {
    const { put, get, refused } = this.take()
    return (
      `PUT p50 ${ms(put.p50)} p99 ${ms(put.p99)} ms, ` +
      `GET p50 ${ms(get.p50)} p99 ${ms(get.p99)} ms, ${refused} refused`
    )
  }

  /** Returns what was measured since the last call. */
  take(): Waits {
    const waits = { put: quantiles(this.#put), get: quantiles(this.#get), refused: this.#failed }
    this.#put = []
    this.#get = []
    this.#failed = 0
    return waits
  }

  async #time(into: number[], send: () => Promise<unknown>): Promise<void> {
    const startedMs = performance.now()
    try {
      await send()
      into.push(performance.now() - startedMs)
    } catch {
      this.#failed++
    }
  }
}

function quantiles(samples: readonly number[]): Quantiles {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (q: number): number => sorted[Math.floor(q * sorted.length)] ?? Number.NaN
  return { count: sorted.length, p50: at(0.5), p99: at(0.99) }
}

export function ms(value: number): string {
  return value.toFixed(0)
}
