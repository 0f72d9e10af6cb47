/**
 * A connection storm: 1,000 clients connect at once while 64 others keep a server busy with GETs of 4 KiB. Measured for
 * each of them: the time from its call to connect to the first byte of its answer.
 *
 * Also alone: `npm run bench -- --only storm`.
 */

import { connect } from 'node:net'
import { pauseMs, reason } from './harness/process.ts'
import { objectPath, presignUrl } from './harness/sign.ts'
import { LoadedTarget } from './load.ts'
import { openPeer } from './peers.ts'
import type { MeasureOptions } from './measure.ts'
import { rows } from './rows.ts'
import { median } from './statistics.ts'
import { figure, printTable } from './table.ts'
import { startFloor, startShoal, type Target } from './target.ts'

const clients = 1_000
/** In milliseconds. */
const firstAnswerMsMax = 2_000
const patienceMs = 30_000
/** How long the 64 are busy before the others come. */
const busyBeforeMs = 2_000
const busySeconds = 8

/** Times to the first answers, milliseconds; clients without an answer are not among them. */
export interface StormRound {
  readonly answeredMs: readonly number[]
  readonly failed: number
}

export interface StormFigures {
  readonly name: string
  /** Medians of the rounds. */
  readonly p50Ms: number
  readonly maxMs: number
  /** In all rounds. */
  readonly failed: number
}

export interface StormResult {
  readonly targets: readonly StormFigures[]
  readonly failures: readonly string[]
}

/** Prints the table. */
export async function measureStorm(options: MeasureOptions): Promise<StormResult> {
  const row = rows.find(({ name }) => name === 'get-4k')!
  const { directory } = options
  const starts: (readonly [string, () => Promise<Target>])[] = [
    ['floor', async () => startFloor(row, directory)],
    ['shoal', async () => startShoal(row, directory)],
    ...options.peers.map((peer) => [peer.name, async () => openPeer(peer)] as const),
  ]
  const targets: StormFigures[] = []
  const failures: string[] = []
  for (const [name, start] of starts) {
    try {
      targets.push(await stormsOn(await start(), options))
    } catch (error) {
      failures.push(`storm: ${name}: ${reason(error)}`)
    }
  }
  const heads = [`${clients} clients at once, ms to the first answer`, 'p50', 'max', 'no answer']
  const lines = targets.map(({ name, p50Ms, maxMs, failed }) => [
    name,
    figure(p50Ms),
    figure(maxMs),
    String(failed),
  ])
  console.log(`\n${printTable(heads, lines)}`)
  const shoal = targets.find(({ name }) => name === 'shoal')
  if (shoal !== undefined && (shoal.maxMs > firstAnswerMsMax || shoal.failed > 0)) {
    const late = `${figure(shoal.maxMs)} ms, ${shoal.failed} without an answer`
    failures.push(`storm: ${late}, below its reach of ${firstAnswerMsMax} ms`)
  }
  return { targets, failures }
}

/** One after the other, because an idle server beside it would answer nobody but cost memory. */
async function stormsOn(target: Target, options: MeasureOptions): Promise<StormFigures> {
  const row = rows.find(({ name }) => name === 'get-4k')!
  try {
    const loaded = await LoadedTarget.prepare(row, target, options.directory)
    await loaded.round('warm', options.warmUpSeconds)
    const rounds: StormRound[] = []
    for (let round = 0; round < options.rounds; round++) {
      const busy = loaded.round(`storm-${round}`, busySeconds)
      // It is awaited below. Until then a failure must not end the process.
      busy.catch(() => {})
      await pauseMs(busyBeforeMs)
      rounds.push(await storm(target))
      await busy
    }
    loaded.close()
    return stormFigures(target.name, rounds)
  } finally {
    await target.close()
  }
}

export function stormFigures(name: string, rounds: readonly StormRound[]): StormFigures {
  const answered = rounds.filter(({ answeredMs }) => answeredMs.length > 0)
  if (answered.length === 0) throw new Error('not one client was answered')
  return {
    name,
    p50Ms: median(answered.map(({ answeredMs }) => median(answeredMs))),
    maxMs: median(answered.map(({ answeredMs }) => Math.max(...answeredMs))),
    failed: rounds.reduce((sum, { failed }) => sum + failed, 0),
  }
}

async function storm(target: Target): Promise<StormRound> {
  const { endpoint, credentials, bucket } = target
  const { host, hostname, port } = new URL(endpoint)
  const path = objectPath(bucket, 'key-00000000')
  const signed = presignUrl(credentials, { method: 'GET', endpoint, path, now: new Date() })
  const request = `GET ${signed.path}?${signed.query} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) }
  const all = await Promise.all(
    Array.from({ length: clients }, async () => firstAnswerMs(address, request)),
  )
  const answeredMs = all.filter((ms) => ms !== undefined)
  return { answeredMs, failed: clients - answeredMs.length }
}

/** Undefined when the connection fails or the answer is not 200. */
async function firstAnswerMs(
  address: { readonly host: string; readonly port: number },
  request: string,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const startMs = performance.now()
    const socket = connect(address, () => socket.write(request))
    socket.setTimeout(patienceMs, () => socket.destroy())
    socket.once('data', (bytes: Buffer) => {
      const isGood = bytes.toString('latin1', 0, 12) === 'HTTP/1.1 200'
      resolve(isGood ? performance.now() - startMs : undefined)
      socket.destroy()
    })
    socket.on('error', () => {})
    socket.once('close', () => resolve(undefined))
  })
}
