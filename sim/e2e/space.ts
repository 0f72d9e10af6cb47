/**
 * `node sim/e2e/space.ts [--objects 100000] [--uploads 1000] [--kills 20] [--share 1.3]`
 *
 * Space that nothing refers to comes back. 90 % of many objects are overwritten or deleted, and a thousand uploads are
 * abandoned and aborted. Without a restart, and while clients read and write, the disk use of every node must come
 * down to 1.3 times the live bytes. Then nodes are killed with -9 again and again in the middle of compaction. Every
 * live byte must be right afterwards.
 */

import { parseArgs } from 'node:util'
import { sumOf } from '../../bench/harness/metrics.ts'
import { pauseMs, untilTrue } from '../../bench/harness/process.ts'
import { eachLimited, RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { diskUse } from './space/disk-use.ts'
import { spaceBucket, SpaceObjects } from './space/objects.ts'

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '100000' },
    uploads: { type: 'string', default: '1000' },
    kills: { type: 'string', default: '20' },
    clients: { type: 'string', default: '16' },
    'within-seconds': { type: 'string', default: '900' },
    'segment-size': { type: 'string', default: '16MiB' },
    share: { type: 'string', default: '1.3' },
  },
})
const wanted = Number(values.objects)
const uploads = Number(values.uploads)
const kills = Number(values.kills)
const clientCount = Number(values.clients)
const withinMs = 1_000 * Number(values['within-seconds'])
/** When there is little data, the open segment and the index are a large part of it. */
const shareMax = Number(values.share)

/**
 * Each client writes once in this time, however fast the machine is. What was overwritten in the last seconds waits
 * to be freed and compacted: with writes as fast as they go, this test would measure the speed of the machine.
 */
const PUT_EVERY_MS = 1_000

const mib = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(0)} MiB`
const seconds = (sinceMs: number): string =>
  `${((performance.now() - sinceMs) / 1000).toFixed(0)} s`

async function abandonUploads(clients: readonly RawClient[]): Promise<void> {
  await eachLimited(uploads, 16, async (i) => {
    const client = clients[i % clients.length] as RawClient
    const key = `uploads/${i}`
    const begun = await client.must({
      method: 'POST',
      bucket: spaceBucket,
      key,
      query: { uploads: '' },
    })
    const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())?.[1] ?? ''
    const body = Buffer.alloc(100_000 + (i % 10) * 30_000, i)
    await client.must({
      method: 'PUT',
      bucket: spaceBucket,
      key,
      query: { partNumber: '1', uploadId },
      body,
    })
    await client.must({
      method: 'PUT',
      bucket: spaceBucket,
      key,
      query: { partNumber: '2', uploadId },
      body,
    })
  })
}

/** All that are listed, as a clean-up job would. */
async function abortUploads(client: RawClient): Promise<number> {
  let aborted = 0
  for (;;) {
    const page = await client.must({ method: 'GET', bucket: spaceBucket, query: { uploads: '' } })
    const found = [
      ...page.body
        .toString()
        .matchAll(/<Upload>.*?<Key>([^<]+)<\/Key>.*?<UploadId>([^<]+)<\/UploadId>/gs),
    ]
    if (found.length === 0) return aborted
    await eachLimited(found.length, 16, async (i) => {
      const [, key = '', uploadId = ''] = found[i] ?? []
      await client.must({ method: 'DELETE', bucket: spaceBucket, key, query: { uploadId } })
      aborted++
    })
  }
}

/** Disk use of each node as a share of the live bytes. */
function shares(shoal: Shoal, liveBytes: number): { share: number; text: string }[] {
  return Array.from({ length: shoal.size }, (_, index) => {
    const { logBytes, indexBytes } = diskUse(shoal.nodeDir(index))
    const share = (logBytes + indexBytes) / liveBytes
    return { share, text: `${share.toFixed(2)} (log ${mib(logBytes)}, index ${mib(indexBytes)})` }
  })
}

/** Writes all objects, overwrites or deletes 90 % of them, and abandons and aborts uploads. */
async function writeAndReplace(
  clients: readonly RawClient[],
  objects: SpaceObjects,
): Promise<void> {
  let start = performance.now()
  await eachLimited(wanted, 48, async (i) => objects.put(i))
  console.log(`${wanted} objects written, ${mib(objects.liveBytes)}, ${seconds(start)}`)
  await abandonUploads(clients)
  start = performance.now()
  const changed = Math.floor(wanted * 0.9)
  await eachLimited(changed, 48, async (i) => (i % 2 === 0 ? objects.put(i) : objects.delete(i)))
  console.log(`${changed} overwritten or deleted, ${seconds(start)}`)
  console.log(`${await abortUploads(clients[1] as RawClient)} abandoned uploads aborted`)
}

/** Kills one node after the other in the middle of its compaction, and starts it again. */
async function killInCompaction(shoal: Shoal, objects: SpaceObjects): Promise<void> {
  for (let kill = 1; kill <= kills; kill++) {
    const node = kill % shoal.size
    const numbers = objects.numbers().filter((number) => number < wanted)
    const some = numbers.slice((kill * 997) % Math.max(1, numbers.length - 3_000)).slice(0, 3_000)
    await eachLimited(some.length, 32, async (i) => objects.put(some[i] as number))
    await untilTrue(
      `node ${node} compacting`,
      async () => sumOf(await shoal.metrics(node), 'shoal_compaction_working') > 0 || undefined,
      120_000,
      20,
    )
    await shoal.killNode(node)
    await shoal.startNode(node)
    process.stdout.write(`${kill} `)
  }
}

async function main(): Promise<void> {
  const env = {
    SHOAL_SEGMENT_SIZE: values['segment-size'],
    SHOAL_RECLAIM_DELAY: '2s',
    SHOAL_SCAN_PAUSE: '10s',
    SHOAL_COMPACTION_INTERVAL: '2s',
    // Without this setting the log may take more while the disk has room.
    SHOAL_COMPACTION_DEAD_SHARE: '0.07',
  }
  const shoal = await Shoal.start({ nodes: 3, env })
  try {
    const clients = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
    await clients[0]?.must({ method: 'PUT', bucket: spaceBucket })
    const objects = new SpaceObjects(clients)
    await writeAndReplace(clients, objects)

    const state = { stopped: false }
    let requests = 0
    let writtenBytes = 0
    const lane = async (index: number): Promise<void> => {
      let nextPutMs = 0
      for (let turn = 0; !state.stopped; turn++) {
        const number = wanted + index * 10 + (turn % 10)
        if (performance.now() >= nextPutMs) {
          nextPutMs = performance.now() + PUT_EVERY_MS
          writtenBytes += await objects.put(number)
        }
        await objects.check(number)
        await objects.check(
          ((index * 7_919 + turn * 104_729) % Math.max(1, Math.floor(wanted / 2))) * 2,
        )
        requests += 2
        await pauseMs(50)
      }
    }
    const lanes = Array.from({ length: clientCount }, async (_, index) => lane(index))
    let start = performance.now()
    const ends = await untilTrue(
      `disk use of at most ${shareMax} of the live bytes`,
      async () => {
        const now = shares(shoal, objects.liveBytes)
        if (now.every(({ share }) => share <= shareMax)) return now
        throw new Error(now.map(({ text }) => text).join('; '))
      },
      withinMs,
      1_000,
    )
    console.log(
      `disk use / ${mib(objects.liveBytes)} live: ${ends.map(({ text }) => text).join('; ')} ` +
        `after ${seconds(start)}, ${requests} requests of ${clientCount} clients meanwhile, ` +
        `which wrote ${mib(writtenBytes)}`,
    )

    await killInCompaction(shoal, objects)
    state.stopped = true
    await Promise.all(lanes)
    if (kills > 0) console.log('times killed during compaction')
    start = performance.now()
    await objects.checkAll()
    console.log(`${objects.count} live objects read: every byte right, ${seconds(start)}`)
    for (const client of clients) client.close()
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-40).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
}

await main()
