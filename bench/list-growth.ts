/**
 * LIST in a bucket of 10,000 and of 1,000,000 keys under ten prefixes: a page of 1,000 keys, and the page of the ten
 * prefixes with delimiter `/`. The cost of a page must follow the page, not the bucket (within 1.3). Asked for by name
 * only: `npm run bench -- --only list-growth`; SHOAL_BENCH_KEYS sets the larger number.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { eachLimited, RawClient } from './harness/s3.ts'
import { Shoal } from './harness/shoal.ts'
import type { MeasureOptions } from './measure.ts'
import { writeReplay } from './presign.ts'
import { figure, printTable } from './table.ts'
import { wrk } from './wrk.ts'
import type { WrkResult } from './wrk.ts'

const ratioMax = 1.3
const prefixes = 10
const firstPage = { 'list-type': '2', 'max-keys': '1000' }
const pages = [
  // From the middle of the smaller bucket.
  ['1,000 keys', { ...firstPage, 'start-after': keyOf(5_000) }],
  ['10 prefixes', { ...firstPage, delimiter: '/' }],
] as const

/** Prints the table; returns what was above its bound. */
export async function listGrowth(options: MeasureOptions): Promise<string[]> {
  const counts = [10_000, Number(process.env['SHOAL_BENCH_KEYS'] ?? 1_000_000)]
  const dataDir = mkdtempSync(join(options.directory, 'shoal-'))
  const shoal = await Shoal.start({ nodes: 1, dataDir })
  try {
    const endpoint = shoal.endpoints[0] ?? ''
    const client = new RawClient(endpoint, shoal.credentials)
    const lines: string[][] = []
    const perSecond = new Map<string, number[]>()
    for (const count of counts) {
      const bucket = `keys-${count}`
      await client.must({ method: 'PUT', bucket })
      await eachLimited(count, 64, async (i) => {
        await client.must({ method: 'PUT', bucket, key: keyOf(i) })
      })
      for (const [title, query] of pages) {
        const result = await listed(shoal, bucket, query, options)
        perSecond.set(title, [...(perSecond.get(title) ?? []), result.perSecond])
        lines.push([title, String(count), figure(result.perSecond), figure(result.p50Ms)])
      }
    }
    client.close()
    console.log(`\n${printTable(['LIST', 'keys of the bucket', 'pages/s', 'p50 ms'], lines)}`)
    return [...perSecond].flatMap(([title, [small = 0, large = 1]]) => {
      const ratio = small / large
      console.log(`${title}: ratio ${ratio.toFixed(2)}, reach ${ratioMax}`)
      if (ratio <= ratioMax) return []
      return [`list-growth: ${title}: ratio ${ratio.toFixed(2)}, below its reach`]
    })
  } finally {
    await shoal.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function listed(
  shoal: Shoal,
  bucket: string,
  query: Readonly<Record<string, string>>,
  { directory, warmUpSeconds, seconds }: MeasureOptions,
): Promise<WrkResult> {
  const endpoint = shoal.endpoints[0] ?? ''
  const replayFile = join(directory, `${bucket}.replay`)
  const page = { method: 'GET', endpoint, bucket, keys: [''], query } as const
  writeReplay(replayFile, shoal.credentials, page)
  const streams = [{ method: 'GET', replayFile }] as const
  const input = { directory, name: bucket, endpoint, streams, pattern: [0], connections: 4 }
  await wrk({ ...input, seconds: warmUpSeconds })
  return wrk({ ...input, seconds })
}

function keyOf(index: number): string {
  return `${index % prefixes}/key-${String(index).padStart(8, '0')}`
}
