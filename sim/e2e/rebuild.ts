/**
 * `node sim/e2e/rebuild.ts [--objects 200000]`
 *
 * The index of a stopped node with many objects is deleted; `shoal index rebuild` makes it again from the
 * segments, and every listing and every byte is as before. Prints the rate.
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { eachLimited, RawClient } from '../../bench/harness/s3.ts'
import { shoal as cli, Shoal } from '../../bench/harness/shoal.ts'
import { seededBytes } from './files.ts'
import { listAll } from './list-all.ts'
import { diskUse } from './space/disk-use.ts'
import { equal, sameBytes } from './suite.ts'

const { values } = parseArgs({ options: { objects: { type: 'string', default: '200000' } } })
const wanted = Number(values.objects)
const bucket = 'rebuild'

async function main(): Promise<void> {
  const shoal = await Shoal.start({ nodes: 1, env: { SHOAL_SEGMENT_SIZE: '64MiB' } })
  try {
    const client = new RawClient(shoal.endpoints[0] ?? '', shoal.credentials)
    await client.must({ method: 'PUT', bucket })
    const bodyOf = (i: number): Buffer => seededBytes(i + 1, 200 + (i % 1_000))
    await eachLimited(wanted, 64, async (i) => {
      await client.must({ method: 'PUT', bucket, key: `key-${i}`, body: bodyOf(i) })
    })
    // Tombstones and overwritten states must not come back.
    await eachLimited(Math.floor(wanted / 10), 64, async (i) => {
      await client.must({ method: 'DELETE', bucket, key: `key-${i * 10}` })
    })
    const before = await listAll(client, bucket)
    client.close()
    await shoal.stop()
    const nodeDir = shoal.nodeDir(0)
    const { logBytes } = diskUse(nodeDir)
    rmSync(join(nodeDir, 'index'), { recursive: true })
    const start = performance.now()
    const { stdout, stderr } = await cli(['index', 'rebuild', '--data', nodeDir], {
      timeoutMs: 600_000,
    })
    const tookMs = performance.now() - start
    console.log(`${stdout}${stderr}`.trim())
    const perSecond = Math.round((before.size / tookMs) * 1000)
    const mibPerSecond = (logBytes / (1 << 20) / (tookMs / 1000)).toFixed(0)
    console.log(
      `${before.size} objects, rebuilt in ${(tookMs / 1000).toFixed(1)} s with the start of the ` +
        `process: ${perSecond} objects/s, ${mibPerSecond} MiB/s of log`,
    )
    await shoal.up()
    const again = new RawClient(shoal.endpoints[0] ?? '', shoal.credentials)
    const after = await listAll(again, bucket)
    equal(after.size, before.size, 'keys listed')
    for (const [key, sizeBytes] of before) equal(after.get(key), sizeBytes, key)
    await eachLimited(2_000, 32, async (n) => {
      const i = (n * 7_919) % wanted
      if (i % 10 === 0) return
      const reply = await again.must({ method: 'GET', bucket, key: `key-${i}` })
      sameBytes(reply.body, bodyOf(i), `key-${i}`)
    })
    console.log('the same listings, the same bytes')
    again.close()
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-40).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
}

await main()
