/**
 * What a lifecycle rule costs while nothing is due, in a bucket of 1,000,000 objects on one node: the time in which the
 * objects that are there already are indexed, once, and then CPU time and rows looked at while the node idles, beside
 * those of the same node before it had the rule. Asked for by name only: `npm run bench -- --only idle-rule`;
 * SHOAL_BENCH_KEYS sets the number of objects.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { scrape, sumOf } from './harness/metrics.ts'
import { cpuMs } from './harness/proc.ts'
import { untilTrue } from './harness/process.ts'
import { eachLimited, RawClient } from './harness/s3.ts'
import { Shoal } from './harness/shoal.ts'
import type { MeasureOptions } from './measure.ts'
import { figure, printTable } from './table.ts'

const bucket = 'ruled'
const idleMs = Number(process.env['SHOAL_BENCH_IDLE_MS'] ?? 60_000)
/** Of one core, that a rule may add to an idle node. */
const shareMax = 0.01
const rule =
  '<LifecycleConfiguration><Rule><ID>later</ID><Filter/><Status>Enabled</Status><Expiration><Days>3650</Days></Expiration></Rule></LifecycleConfiguration>'

interface Idle {
  /** Of one core. */
  readonly share: number
  readonly looked: number
}

/** Prints the table; returns what was above its bound. */
export async function measureIdleRule(options: MeasureOptions): Promise<string[]> {
  const count = Number(process.env['SHOAL_BENCH_KEYS'] ?? 1_000_000)
  const dataDir = mkdtempSync(join(options.directory, 'shoal-'))
  const shoal = await Shoal.start({ nodes: 1, dataDir })
  try {
    const admin = shoal.ready[0]?.admin ?? ''
    const metric = async (name: string): Promise<number> =>
      sumOf(await scrape(admin), `shoal_lifecycle_${name}`)
    const client = new RawClient(shoal.endpoints[0] ?? '', shoal.credentials)
    await client.must({ method: 'PUT', bucket })
    await eachLimited(count, 64, async (i) => {
      await client.must({ method: 'PUT', bucket, key: `key-${i}`, body: Buffer.from('x') })
    })
    const idle = async (): Promise<Idle> => {
      const [beforeMs, before] = [cpuMs(shoal.pid(0)), await metric('looked_total')]
      await sleep(idleMs)
      const looked = (await metric('looked_total')) - before
      return { share: (cpuMs(shoal.pid(0)) - beforeMs) / idleMs, looked }
    }
    // What the writes have left to do is not the rule's.
    await sleep(idleMs)
    const without = await idle()
    const [beganMs, beganCpuMs] = [performance.now(), cpuMs(shoal.pid(0))]
    const query = { lifecycle: '' }
    await client.must({ method: 'PUT', bucket, query, body: Buffer.from(rule) })
    client.close()
    await untilTrue(
      'all objects are indexed',
      async () => {
        const isWhole = (await metric('shards_behind')) === 0
        return isWhole && (await metric('indexed_total')) >= count ? true : undefined
      },
      1_800_000,
    )
    const indexedMs = performance.now() - beganMs
    const indexedCpuMs = cpuMs(shoal.pid(0)) - beganCpuMs
    await sleep(idleMs)
    const ruled = await idle()
    console.log(
      `\n${count} objects indexed after ${figure(indexedMs / 1_000)} s, for ${figure(indexedCpuMs / 1_000)} s of CPU`,
    )
    console.log(
      printTable(
        ['idle node', '% of a core', 'rows looked at'],
        [
          ['without a rule', figure(without.share * 100), String(without.looked)],
          ['with one', figure(ruled.share * 100), String(ruled.looked)],
        ],
      ),
    )
    const failures: string[] = []
    if (ruled.looked > 0) failures.push(`idle-rule: ${ruled.looked} rows looked at, none was due`)
    if (ruled.share - without.share > shareMax) {
      failures.push('idle-rule: CPU of an idle rule, below its reach')
    }
    return failures
  } finally {
    await shoal.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}
