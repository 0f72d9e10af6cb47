/** One row: the floor or Shoal is loaded with the same replayed requests, after a warm-up. */

import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sumOf } from './harness/metrics.ts'
import { cpuMs, memory } from './harness/proc.ts'
import { Child, reason, tail } from './harness/process.ts'
import { freeBasePort } from '../node/testing/free-ports.ts'
import { eachLimited, RawClient } from './harness/s3.ts'
import { Shoal } from './harness/shoal.ts'
import type { Credentials } from './harness/sign.ts'
import { writeReplay } from './presign.ts'
import type { BenchRow } from './rows.ts'
import { wrk } from './wrk.ts'
import type { WrkResult } from './wrk.ts'

export interface Measured extends WrkResult {
  /** User and system time of all server processes for each request. */
  readonly cpuMsPerRequest: number
  /** VmHWM of the server process that uses the most memory. */
  readonly rssBytesMax: number
  /** Bytes that writes appended to the logs, without what compaction copied. The floor has no log. */
  readonly writeAmplification?: number | undefined
}

interface Target {
  readonly endpoint: string
  readonly credentials: Credentials
  readonly pids: readonly number[]
  readonly output: () => string
  readonly writeAmplification?: (() => Promise<number>) | undefined
  readonly close: () => Promise<void>
}

const bucket = 'bench'

export interface MeasureOptions {
  readonly directory: string
  readonly seconds: number
  readonly warmUpSeconds: number
}

export async function measureFloor(row: BenchRow, options: MeasureOptions): Promise<Measured> {
  return measure(row, options, await startFloor(row, options.directory))
}

export async function measureShoal(row: BenchRow, options: MeasureOptions): Promise<Measured> {
  return measure(row, options, await startShoal(row, options.directory))
}

/** The floor takes any signature. */
async function startFloor(row: BenchRow, directory: string): Promise<Target> {
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
    endpoint: (row.sizeBytes > 1 << 20 ? urls[2] : urls[1]) ?? '',
    credentials: { accessKeyId: 'floor', secretAccessKey: 'floor' },
    pids: [child.pid],
    output: () => child.output,
    close: async () => {
      await child.stop()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

async function startShoal(row: BenchRow, directory: string): Promise<Target> {
  const dataDir = mkdtempSync(join(directory, 'shoal-'))
  const shoal = await Shoal.start({ nodes: row.nodes, dataDir })
  const client = new RawClient(shoal.endpoints[0] ?? '', shoal.credentials)
  await client.must({ method: 'PUT', bucket })
  client.close()
  return {
    endpoint: shoal.endpoints[0] ?? '',
    credentials: shoal.credentials,
    pids: shoal.pids(),
    output: () => shoal.output,
    writeAmplification: () => writeAmplificationOf(shoal),
    close: async () => {
      await shoal.close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** Summed over all nodes. */
export async function writeAmplificationOf(shoal: Shoal): Promise<number> {
  let appended = 0
  let moved = 0
  for (let node = 0; node < shoal.size; node++) {
    const samples = await shoal.metrics(node)
    appended += sumOf(samples, 'shoal_log_bytes_total')
    moved += sumOf(samples, 'shoal_compaction_moved_bytes_total')
  }
  return appended > moved ? appended / (appended - moved) : 1
}

function keysOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(8, '0')}`)
}

/** More keys than a server answers in the time, so that each PUT makes a new object. */
function putKeys(row: BenchRow, seconds: number): number {
  return row.sizeBytes > 1 << 20 ? 400 * seconds : 20_000 * seconds
}

async function measure(row: BenchRow, options: MeasureOptions, target: Target): Promise<Measured> {
  const files = mkdtempSync(join(options.directory, 'wrk-'))
  mkdirSync(files, { recursive: true })
  try {
    const body = randomBytes(row.sizeBytes)
    const method = row.work === 'put' ? 'PUT' : 'GET'
    const load = async (name: string, keys: readonly string[], seconds: number) => {
      const replayFile = join(files, `${name}.replay`)
      writeReplay(replayFile, target.credentials, {
        method,
        endpoint: target.endpoint,
        bucket,
        keys,
        ...(row.work === 'list' ? { query: { 'list-type': '2', 'max-keys': '1000' } } : {}),
      })
      const { connections } = row
      const input = { directory: files, name, replayFile, method, connections, seconds } as const
      const bodyBytes = method === 'PUT' ? row.sizeBytes : 0
      return wrk({ ...input, endpoint: target.endpoint, bodyBytes }, body)
    }
    const stored = await store(row, target, body)
    const keys = (prefix: string, seconds: number): readonly string[] =>
      row.work === 'put' ? keysOf(prefix, putKeys(row, seconds)) : stored
    await load('warm', keys('warm', options.warmUpSeconds), options.warmUpSeconds)
    const before = cpuOf(target)
    const result = await load('main', keys('main', options.seconds), options.seconds)
    const cpu = cpuOf(target) - before
    if (row.work === 'get' && result.bytesRead < result.requests * row.sizeBytes) {
      throw new Error(`${row.name}: answers were shorter than the objects`)
    }
    return {
      ...result,
      cpuMsPerRequest: cpu / result.requests,
      writeAmplification: await target.writeAmplification?.(),
      rssBytesMax: Math.max(...target.pids.map((pid) => memory(pid).rssBytesMax)),
    }
  } catch (error) {
    throw new Error(`${reason(error)}\nserver: ${tail(target.output(), 15)}`, { cause: error })
  } finally {
    await target.close()
    rmSync(files, { recursive: true, force: true })
  }
}

function cpuOf(target: Target): number {
  return target.pids.reduce((sum, pid) => sum + cpuMs(pid), 0)
}

/** What a GET or a LIST needs beforehand; returns the keys to ask for. */
async function store(row: BenchRow, target: Target, body: Uint8Array): Promise<string[]> {
  if (row.work === 'put') return []
  const client = new RawClient(target.endpoint, target.credentials)
  const count = row.work === 'list' ? 10_000 : row.sizeBytes > 1 << 20 ? 32 : 2_000
  const keys = keysOf('key', count)
  // The floor's listing has its rows already.
  if (row.work === 'get' || target.credentials.accessKeyId !== 'floor') {
    await eachLimited(count, row.work === 'get' && count < 100 ? 4 : 32, async (i) => {
      const key = keys[i] ?? ''
      await client.must({ method: 'PUT', bucket, key, body: row.work === 'list' ? empty : body })
    })
  }
  client.close()
  return row.work === 'list' ? [''] : keys
}

const empty = new Uint8Array(0)
