/** One target with what a row needs stored, loaded again and again with the row's requests. */

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cpuMs, memory } from './harness/proc.ts'
import { pauseMs, reason, tail } from './harness/process.ts'
import { eachLimited, RawClient } from './harness/s3.ts'
import { writeReplay } from './presign.ts'
import type { BenchRow } from './rows.ts'
import { isLarge, type Target } from './target.ts'
import { wrk } from './wrk.ts'
import type { WrkResult, WrkStream } from './wrk.ts'

export interface RoundFigures extends WrkResult {
  /** User and system time of all server processes for each request; absent when they are not on this machine. */
  readonly cpuMsPerRequest?: number
  /** VmHWM of the server process that uses the most memory. */
  readonly rssBytesMax?: number
}

/** Of ten requests of a mixed load seven are GETs. The others store new objects. */
const mixedPattern = [0, 0, 1, 0, 0, 1, 0, 0, 1, 0]

export class LoadedTarget {
  readonly target: Target
  readonly #row: BenchRow
  readonly #files: string
  readonly #body: Uint8Array
  /** Keys to read; one empty key for a listing. */
  readonly #stored: readonly string[]
  /** The most requests a second of any round so far; 0 before the first one. */
  #perSecondMax = 0

  private constructor(row: BenchRow, target: Target, files: string, stored: readonly string[]) {
    this.target = target
    this.#row = row
    this.#files = files
    this.#body = randomBytes(row.sizeBytes)
    this.#stored = stored
  }

  /** Stores what a GET or a LIST needs beforehand. */
  static async prepare(row: BenchRow, target: Target, directory: string): Promise<LoadedTarget> {
    try {
      const stored = await store(row, target)
      return new LoadedTarget(row, target, mkdtempSync(join(directory, 'wrk-')), stored)
    } catch (error) {
      throw withOutput(error, target)
    }
  }

  /** Loads it for some seconds. @param name Keys of new objects begin with it, so that each PUT makes a new object. */
  async round(name: string, seconds: number): Promise<RoundFigures> {
    const { pids, endpoint } = this.target
    const { connections, sizeBytes, work } = this.#row
    let streams: readonly WrkStream[] = []
    try {
      streams = this.#streams(name, seconds)
      const pattern = work === 'mixed' ? mixedPattern : [0]
      const before = cpuOf(pids)
      const directory = this.#files
      const result = await wrk({
        directory,
        name,
        endpoint,
        streams,
        pattern,
        connections,
        seconds,
      })
      const cpu = cpuOf(pids) - before
      this.#perSecondMax = Math.max(this.#perSecondMax, result.perSecond)
      if (work === 'get' && result.bytesRead < result.requests * sizeBytes) {
        throw new Error(`${this.#row.name}: answers were shorter than the objects`)
      }
      if (pids.length === 0) return result
      return {
        ...result,
        cpuMsPerRequest: cpu / result.requests,
        rssBytesMax: Math.max(...pids.map((pid) => memory(pid).rssBytesMax)),
      }
    } catch (error) {
      throw withOutput(error, this.target)
    } finally {
      // Signed for this round only. A long load would fill the disk with them.
      for (const { replayFile } of streams) rmSync(replayFile, { force: true })
    }
  }

  close(): void {
    rmSync(this.#files, { recursive: true, force: true })
  }

  #streams(name: string, seconds: number): WrkStream[] {
    const { work, query } = this.#row
    const streams: WrkStream[] = []
    const add = (method: 'GET' | 'PUT', keys: readonly string[]): void => {
      const replayFile = join(this.#files, `${name}-${method}.replay`)
      const { credentials, endpoint, bucket } = this.target
      writeReplay(replayFile, credentials, {
        method,
        endpoint,
        bucket,
        keys,
        ...(query === undefined ? {} : { query }),
      })
      streams.push({ method, replayFile, ...(method === 'PUT' ? { body: this.#body } : {}) })
    }
    if (work !== 'put') add('GET', this.#stored)
    if (work === 'put' || work === 'mixed')
      add('PUT', keysOf(name, newKeys(this.#perSecondMax, seconds)))
    return streams
  }
}

function withOutput(error: unknown, target: Target): Error {
  const said = tail(target.output(), 15)
  return new Error(`${target.name}: ${reason(error)}\nserver: ${said}`, { cause: error })
}

function cpuOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuMs(pid), 0)
}

function keysOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(8, '0')}`)
}

/**
 * As many keys as are signed for a round: more than the target will use, so that each PUT makes a new object. Before the
 * first round, a warm-up, nothing is known; then keys may come again, which does not matter.
 */
export function newKeys(perSecondMax: number, seconds: number): number {
  return perSecondMax === 0 ? 20_000 : Math.ceil(perSecondMax * seconds * 2) + 1_000
}

/** Keys of a listing with a delimiter are under so many prefixes. */
const prefixes = 10

/** What a row reads; returns the keys to ask for. */
async function store(row: BenchRow, target: Target): Promise<string[]> {
  if (row.work === 'put') return []
  const isList = row.work === 'list'
  const count = isList ? 10_000 : row.sizeBytes > 1 << 20 ? 32 : isLarge(row) ? 200 : 2_000
  const withPrefixes = row.query?.['delimiter'] !== undefined
  const keys = keysOf('key', count).map((key, i) => (withPrefixes ? `${i % prefixes}/${key}` : key))
  if (!isList || !target.hasListing) {
    const client = new RawClient(target.endpoint, target.credentials)
    const body = randomBytes(row.sizeBytes)
    await eachLimited(count, isLarge(row) ? 4 : 32, async (i) => {
      await putPatiently(client, { bucket: target.bucket, key: keys[i] ?? '', body })
    })
    client.close()
  }
  return isList ? [''] : keys
}

/** As S3's clients do: what was answered 503 is sent again. Only the measured requests must succeed at once. */
async function putPatiently(
  client: RawClient,
  object: { readonly bucket: string; readonly key: string; readonly body: Uint8Array },
): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    const { status } = await client.send({ method: 'PUT', ...object })
    if (status === 200) return
    if (status !== 503) break
    await pauseMs(200)
  }
  await client.must({ method: 'PUT', ...object })
}
