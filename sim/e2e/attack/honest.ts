/** Another client, who writes and reads while a node is attacked, at a pace of its own. */

import { pauseMs } from '../../../bench/harness/process.ts'
import { s3ErrorCode, RawClient, type BenchRequest } from '../../../bench/harness/s3.ts'
import type { Credentials } from '../../../bench/harness/sign.ts'
import { seededBytes } from '../files.ts'

const PAUSE_MS = 50
const PATIENCE_MS = 30_000

export const SMALL = seededBytes(1, 4_096)
export const LARGE = seededBytes(2, 1 << 20)

export interface Honest {
  readonly put: HonestLatencies
  readonly get: HonestLatencies
}

export class HonestLatencies {
  readonly tookMs: number[] = []
  readonly failed = new Map<string, number>()

  get count(): number {
    return this.tookMs.length
  }

  get failures(): number {
    return [...this.failed.values()].reduce((sum, each) => sum + each, 0)
  }

  at(share: number): number {
    const sorted = [...this.tookMs].sort((a, b) => a - b)
    return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  }

  /** `p50/max` in milliseconds, and what was refused. */
  shown(): string {
    const refused = [...this.failed].map(([code, count]) => ` ${count}×${code}`).join('')
    return `${this.at(0.5)}/${this.at(1)}${refused}`
  }
}

/** PUT of 4 KiB and GET of 1 MiB through an endpoint, each in a lane of its own, until `isOver`. */
export async function beHonest(
  endpoint: string,
  credentials: Credentials,
  bucket: string,
  isOver: () => boolean,
): Promise<Honest> {
  const client = new RawClient(endpoint, credentials)
  const lane = async (requestOf: (time: number) => BenchRequest): Promise<HonestLatencies> => {
    const latencies = new HonestLatencies()
    for (let time = 0; !isOver(); time++) {
      const startedMs = performance.now()
      let failure: string | undefined
      try {
        const reply = await client.send({ ...requestOf(time), timeoutMs: PATIENCE_MS })
        if (reply.status !== 200) failure = s3ErrorCode(reply)
      } catch (error) {
        failure = (error as Error).name
      }
      latencies.tookMs.push(performance.now() - startedMs)
      if (failure !== undefined) {
        latencies.failed.set(failure, (latencies.failed.get(failure) ?? 0) + 1)
      }
      await pauseMs(PAUSE_MS)
    }
    return latencies
  }
  try {
    const [put, get] = await Promise.all([
      lane((time) => ({ method: 'PUT', bucket, key: `small-${time % 100}`, body: SMALL })),
      lane(() => ({ method: 'GET', bucket, key: 'large' })),
    ])
    return { put, get }
  } finally {
    client.close()
  }
}
