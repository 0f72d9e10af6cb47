/** The servers that are loaded: the floor, Shoal, and running S3 servers of other kinds. */

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freeBasePort } from '../node/testing/free-ports.ts'
import { sumOf } from './harness/metrics.ts'
import { Child, pauseMs } from './harness/process.ts'
import { RawClient } from './harness/s3.ts'
import { Shoal } from './harness/shoal.ts'
import type { Credentials } from './harness/sign.ts'
import type { BenchRow } from './rows.ts'

export interface Target {
  readonly name: string
  readonly endpoint: string
  readonly credentials: Credentials
  readonly bucket: string
  /** All its processes as far as they are on this machine. */
  readonly pids: readonly number[]
  /** Its listing has its rows already. */
  readonly hasListing: boolean
  readonly output: () => string
  readonly writeAmplification?: () => Promise<number>
  readonly close: () => Promise<void>
}

const bucket = 'bench'

/** From this size on the floor has another server, which hashes and writes bodies as they arrive. */
const largeBytes = 1 << 20

export function isLarge(row: BenchRow): boolean {
  return row.sizeBytes >= largeBytes
}

/** The floor takes any signature. */
export async function startFloor(row: BenchRow, directory: string): Promise<Target> {
  const data = mkdtempSync(join(directory, 'floor-'))
  const port = await freeBasePort(1)
  const script = fileURLToPath(new URL('./floor.ts', import.meta.url))
  const child = new Child(process.execPath, [script, '--port', String(port), '--data', data])
  const urls = await child.waitFor(
    'its ready line',
    (output) => /^floor small=(\S+) large=(\S+)$/m.exec(output) ?? undefined,
    30_000,
  )
  return {
    name: 'floor',
    endpoint: (isLarge(row) ? urls[2] : urls[1]) ?? '',
    credentials: { accessKeyId: 'floor', secretAccessKey: 'floor' },
    bucket,
    pids: [child.pid],
    hasListing: true,
    output: () => child.output,
    close: async () => {
      await child.stop()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

/** @param env added to the environment of all nodes. */
export async function startShoal(
  row: BenchRow,
  directory: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Target> {
  const dataDir = mkdtempSync(join(directory, 'shoal-'))
  const shoal = await Shoal.start({ nodes: row.nodes, dataDir, env })
  const client = new RawClient(shoal.endpoints[0] ?? '', shoal.credentials)
  await client.must({ method: 'PUT', bucket })
  if (row.encrypted === true) await encryptBucket(client)
  client.close()
  return {
    name: 'shoal',
    endpoint: shoal.endpoints[0] ?? '',
    credentials: shoal.credentials,
    bucket,
    pids: shoal.pids(),
    hasListing: false,
    output: () => shoal.output,
    writeAmplification: async () => writeAmplificationOf(shoal),
    close: async () => {
      await shoal.close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** Every node obeys within a second. */
async function encryptBucket(client: RawClient): Promise<void> {
  const rule =
    '<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>'
  const body = Buffer.from(
    `<ServerSideEncryptionConfiguration>${rule}</ServerSideEncryptionConfiguration>`,
  )
  const md5 = createHash('md5').update(body).digest('base64')
  await client.must({
    method: 'PUT',
    bucket,
    query: { encryption: '' },
    headers: { 'content-md5': md5 },
    body,
  })
  await pauseMs(1_000)
}

/** Bytes appended to the logs for each byte that was not copied by compaction, summed over all nodes. */
async function writeAmplificationOf(shoal: Shoal): Promise<number> {
  let appended = 0
  let moved = 0
  for (let node = 0; node < shoal.size; node++) {
    const samples = await shoal.metrics(node)
    appended += sumOf(samples, 'shoal_log_bytes_total')
    moved += sumOf(samples, 'shoal_compaction_moved_bytes_total')
  }
  return appended > moved ? appended / (appended - moved) : 1
}
