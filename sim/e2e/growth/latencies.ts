/** What one client among the others waits, PUT and GET of 4 KiB one after the other: p50 and p99 since the last line. */

import type { RawClient } from '../../../bench/harness/s3.ts'

const BUCKET = 'probe'

export class Latencies {
  #put: number[] = []
  #get: number[] = []
  #failed = 0

  async run(clients: () => readonly RawClient[], isDone: () => boolean): Promise<void> {
    const body = Buffer.alloc(4_096, 'probe')
    await clients()[0]!.must({ method: 'PUT', bucket: BUCKET })
    for (let i = 0; !isDone(); i++) {
      const client = clients()[i % clients().length]!
      const target = { bucket: BUCKET, key: `key-${i % 50}` }
      await this.#time(this.#put, () => client.must({ method: 'PUT', ...target, body }))
      await this.#time(this.#get, () => client.must({ method: 'GET', ...target }))
      await new Promise((resolve) => void setTimeout(resolve, 20))
    }
  }

  /** Of what was measured since the last call. */
  line(): string {
    const text =
      `PUT p50 ${quantile(this.#put, 0.5)} p99 ${quantile(this.#put, 0.99)} ms, ` +
      `GET p50 ${quantile(this.#get, 0.5)} p99 ${quantile(this.#get, 0.99)} ms, ${this.#failed} refused`
    this.#put = []
    this.#get = []
    this.#failed = 0
    return text
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

function quantile(samples: readonly number[], q: number): string {
  const sorted = [...samples].sort((a, b) => a - b)
  return (sorted[Math.floor(q * sorted.length)] ?? Number.NaN).toFixed(0)
}
