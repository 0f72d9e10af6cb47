/**
 * LIST of the same page in a bucket of 10,000 and of 1,000,000 keys: the cost must follow the page, not the
 * bucket (within 1.3). Asked for by name only: `npm run bench -- --only list-growth`; SHOAL_BENCH_KEYS
 * sets the larger number.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { eachLimited, RawClient } from './harness/s3.ts'
import { Shoal } from './harness/shoal.ts'
import type { MeasureOptions } from './measure.ts'
import { writeReplay } from './presign.ts'
import { figure, printTable } from './table.ts'
import { wrk } from './wrk.ts'

const ratioMax = 1.3

/** Prints the table; returns what was above its bound. */
export async function listGrowth(options: MeasureOptions): Promise<string[]> {
  const counts = [10_000, Number(process.env['SHOAL_BENCH_KEYS'] ?? 1_000_000)]
  const dataDir = mkdtempSync(join(options.directory, 'shoal-'))
  const shoal = await Shoal.start({ nodes: 1, dataDir })
  try {
    const endpoint = shoal.endpoints[0] ?? ''
    const client = new RawClient(endpoint, shoal.credentials)
    const lines: string[][] = []
    const perSecond: number[] = []
    for (const count of counts) {
      const bucket = `keys-${count}`
      await client.must({ method: 'PUT', bucket })
      await eachLimited(count, 64, async (i) => {
        await client.must({ method: 'PUT', bucket, key: keyOf(i) })
      })
      const replayFile = join(options.directory, `${bucket}.replay`)
      // A page from the middle, the same in both.
      const query = { 'list-type': '2', 'max-keys': '1000', 'start-after': keyOf(5_000) }
      writeReplay(replayFile, shoal.credentials, {
        method: 'GET',
        endpoint,
        bucket,
        keys: [''],
        query,
      })
      const input = {
        directory: options.directory,
        name: bucket,
        endpoint,
        method: 'GET',
        replayFile,
        bodyBytes: 0,
        connections: 4,
      } as const
      await wrk({ ...input, seconds: options.warmUpSeconds })
      const result = await wrk({ ...input, seconds: options.seconds })
      perSecond.push(result.perSecond)
      lines.push([String(count), figure(result.perSecond), figure(result.p50Ms)])
    }
    client.close()
    console.log(`\n${printTable(['LIST in a bucket of keys', 'pages/s', 'p50 ms'], lines)}`)
    const ratio = (perSecond[0] ?? 0) / (perSecond[1] ?? 1)
    console.log(`ratio ${ratio.toFixed(2)}, reach ${ratioMax}`)
    return ratio > ratioMax ? [`list-growth: ratio ${ratio.toFixed(2)}, below its reach`] : []
  } finally {
    await shoal.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

function keyOf(index: number): string {
  return `key-${String(index).padStart(8, '0')}`
}
