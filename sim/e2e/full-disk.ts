/**
 * `node sim/e2e/full-disk.ts [--size-mib 320]`
 *
 * A node whose disk is a small loop mount, filled to the last byte that it gives: writes get 507 or 503, reads
 * and deletes work, it starts again and again although others have taken the last byte, space comes back by
 * itself, and writes resume without a restart. Needs the right to mount. Without it the script says so and ends with
 * exit code 0 (the simulation's quota covers the same).
 */

import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isAlive, untilTrue } from '../../bench/harness/process.ts'
import { s3ErrorCode, RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { seededBytes } from './files.ts'
import { diskUse } from './space/disk-use.ts'
import { mountSmallDisk } from './space/small-disk.ts'
import { sameBytes } from './suite.ts'

const { values } = parseArgs({ options: { 'size-mib': { type: 'string', default: '320' } } })
const sizeMib = Number(values['size-mib'])
const bucket = 'full'
const OBJECT_BYTES = 300_000

/** To the last byte that the disk has; the result is what it says to be free then. */
function fill(path: string): number {
  const file = openSync(path, 'a')
  for (let size = 1 << 20; size >= 1; size >>= 1) {
    const bytes = Buffer.alloc(size, 1)
    try {
      for (;;) writeSync(file, bytes)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
  closeSync(file)
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/** Writes until the disk is full, and some more. The result is how many objects were stored before the first refusal. */
async function fillWithObjects(put: (i: number) => Promise<string>): Promise<number> {
  const answers = new Map<string, number>()
  let stored = 0
  let refusals = 0
  for (let i = 0; refusals < 20; i++) {
    const answer = await put(i)
    answers.set(answer, (answers.get(answer) ?? 0) + 1)
    if (answer === '200') {
      if (refusals === 0) stored = i + 1
    } else {
      refusals++
      if (!/^(507|503) /.test(answer)) throw new Error(`a full disk answers ${answer}`)
    }
  }
  console.log(`${stored} objects stored, then ${JSON.stringify([...answers])}`)
  return stored
}

/** Waits until so many writes have succeeded. The result is how many did. */
async function writeAgain(
  shoal: Shoal,
  count: number,
  put: (i: number) => Promise<string>,
): Promise<number> {
  const start = performance.now()
  let again = 0
  await untilTrue(
    'writes to go on',
    async () => {
      const answer = await put(again)
      if (answer === '200') again++
      return again >= count ? true : undefined
    },
    180_000,
    50,
  )
  const tookS = ((performance.now() - start) / 1000).toFixed(1)
  const { logBytes } = diskUse(shoal.nodeDir(0))
  console.log(
    `${again} more objects written ${tookS} s later, log ${(logBytes / (1 << 20)).toFixed(0)} MiB`,
  )
  return again
}

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-full-'))
  const disk = mountSmallDisk(scratch, 'disk', sizeMib)
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
  if (disk === undefined) {
    console.log('no right to mount a file system here: passed over')
    return
  }
  const env = {
    SHOAL_SEGMENT_SIZE: '8MiB',
    SHOAL_RECLAIM_DELAY: '1s',
    SHOAL_COMPACTION_INTERVAL: '1s',
  }
  const shoal = await Shoal.start({ nodes: 1, dataDir: join(disk, 'shoal'), env })
  try {
    const client = new RawClient(shoal.endpoints[0] ?? '', shoal.credentials)
    await client.must({ method: 'PUT', bucket })
    const bodyOf = (i: number): Buffer => seededBytes(i + 1, OBJECT_BYTES)
    const put = async (i: number): Promise<string> => {
      const reply = await client.send({ method: 'PUT', bucket, key: `k-${i}`, body: bodyOf(i) })
      return reply.status === 200 ? '200' : `${reply.status} ${s3ErrorCode(reply)}`
    }
    const stored = await fillWithObjects(put)
    const check = async (i: number): Promise<void> => {
      const reply = await client.must({ method: 'GET', bucket, key: `k-${i}` })
      sameBytes(reply.body, bodyOf(i), `k-${i}`)
    }
    for (let i = 0; i < stored; i += 7) await check(i)
    console.log('reads work on the full disk')
    const filler = join(disk, 'filler')
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
      const pid = shoal.pid(0)
      process.kill(pid, signal)
      await untilTrue('the node to stop', async () => (isAlive(pid) ? undefined : true), 40_000, 50)
      const freeBytes = fill(filler)
      await shoal.startNode(0)
      console.log(`starts after ${signal} with ${freeBytes} bytes free`)
      for (let i = 0; i < stored; i += 20) await check(i)
    }
    rmSync(filler)
    for (let i = 0; i < stored; i += 2) {
      await client.must({ method: 'DELETE', bucket, key: `k-${i}` })
    }
    console.log('deletes work on the full disk')
    const again = await writeAgain(shoal, stored / 4, (i) => put(1_000_000 + i))
    for (let i = 1; i < stored; i += 2) await check(i)
    for (let i = 0; i < again; i++) await check(1_000_000 + i)
    console.log('every live byte right')
    client.close()
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-40).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
}

await main()
