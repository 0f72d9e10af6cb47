/** Two gateway threads in this process, with a store of the test: what they count together, and what a scrape waits for. */

import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sendRaw, sendUnsigned, type ConformanceTarget } from '../../gateway/conformance/world.ts'
import type { GatewayLimits } from '../../gateway/limits.ts'
import { MemoryBackend } from '../../gateway/memory/memory-backend.ts'
import { ManualClock } from '../../gateway/testing/manual-clock.ts'
import {
  DELETION,
  MEBI,
  OTHER_CALLER,
  signedRequestHead,
  type RequestHead,
} from '../../gateway/testing/overload-world.ts'
import { EXAMPLE_CREDENTIAL } from '../../gateway/testing/requests.ts'
import { openSocket, type RawSocket } from '../../gateway/testing/socket.ts'
import { rightsOf } from '../../gateway/threads/testing/rights.ts'
import { GatewayThreads } from './gateway-threads.ts'

const ALL = { address: 1, caller: 1 }

let clock: ManualClock
let threads: GatewayThreads
let target: ConformanceTarget
let sockets: RawSocket[]
let warnings: unknown[]

beforeEach(() => {
  clock = new ManualClock()
  sockets = []
  warnings = []
})
afterEach(async () => {
  for (const { socket } of sockets) socket.destroy()
  await threads.end()
})

/** Two threads with these limits, and an empty bucket named `bucket`. */
async function start(limits: Partial<GatewayLimits>): Promise<void> {
  const credentials = [EXAMPLE_CREDENTIAL, OTHER_CALLER]
  const backend = new MemoryBackend({ credentials, nowMs: () => Date.now() })
  const fail = (reason: unknown): never => {
    throw new Error(String(reason))
  }
  const ignore = (): void => {}
  const warn = (fields: object, message: string): void => void warnings.push({ ...fields, message })
  threads = new GatewayThreads({
    config: { gatewayThreads: 2, logLevel: 'error' },
    settings: { region: 'us-east-1', hostSuffixes: [], limits },
    hooks: { logger: { debug: ignore, info: ignore, warn, error: fail }, failed: fail },
    clock,
    random: { bytes: (length) => new Uint8Array(randomBytes(length)) },
  }).connect({ backend, iam: { run: fail, entityOf: fail }, rights: rightsOf(backend).rights })
  const { url } = await threads.listen({ host: '127.0.0.1', port: 0 })
  const { accessKeyId, secretAccessKey } = EXAMPLE_CREDENTIAL
  target = { endpoint: url, region: 'us-east-1', accessKeyId, secretAccessKey }
  await sendRaw(target, { method: 'PUT', path: '/bucket' })
}

async function open(): Promise<RawSocket> {
  const socket = await openSocket(target.endpoint)
  sockets.push(socket)
  return socket
}

const head = (request: RequestHead, caller = EXAMPLE_CREDENTIAL): string =>
  signedRequestHead({ target }, request, caller)

/** So many open connections to each of the two threads. An answer says by its x-amz-id-2 who has sent it. */
async function toBoth(count: number): Promise<[RawSocket[], RawSocket[]]> {
  const byThread = new Map<string, RawSocket[]>()
  for (let tries = 0; tries < 200; tries++) {
    const socket = await open()
    socket.send(head({ method: 'GET', path: '/bucket' }))
    const text = await socket.until('</ListBucketResult>')
    const thread = /^x-amz-id-2: (.*)$/im.exec(text)?.[1] ?? text
    byThread.set(thread, [...(byThread.get(thread) ?? []), socket])
    const found = [...byThread.values()]
    if (found.length === 2 && found.every(({ length }) => length >= count)) {
      const [one = [], two = []] = found.map((each) => each.slice(0, count))
      return [one, two]
    }
  }
  throw new Error('the connections do not reach both threads')
}

/** What each thread says. */
const perThread = async (key: 'inFlight' | 'bodyBytes'): Promise<number[]> =>
  (await threads.counts()).map((counts) => counts[key])

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0)

const PUT = { method: 'PUT', path: '/bucket/k', length: 100_000 }

/** Begins an upload that lasts until it gets its body. Returns the status when it was refused. */
async function beginPut(socket: RawSocket, caller = EXAMPLE_CREDENTIAL): Promise<string> {
  const already = socket.received().length
  const before = sum(await perThread('inFlight'))
  const headers = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
  socket.send(head({ ...PUT, headers }, caller))
  for (;;) {
    const answer = socket.received().slice(already)
    if (answer !== '') return answer.split(' ')[1] ?? ''
    if (sum(await perThread('inFlight')) > before) return 'in flight'
  }
}

async function endPut(socket: RawSocket): Promise<void> {
  socket.send(Buffer.alloc(PUT.length))
  await socket.until('ETag: ')
}

describe('limits of two gateway threads count over both', () => {
  const cases: readonly [limit: string, limits: Partial<GatewayLimits>][] = [
    ['all requests', { requestsMax: 6, shares: ALL }],
    ['the share of one caller', { requestsMax: 24, shares: { address: 1, caller: 0.25 } }],
  ]
  test.each(cases)('places in flight: %s', async (_, limits) => {
    // The account may have three quarters, so its share does not matter here.
    await start(limits)
    const [one, two] = await toBoth(5)
    const begun = [one[0]!, two[0]!, one[1]!, two[1]!, one[2]!, two[2]!]
    for (const socket of begun) expect(await beginPut(socket)).toBe('in flight')
    expect(await perThread('inFlight')).toEqual([3, 3])
    expect(await beginPut(one[3]!)).toBe('503')
    expect(await beginPut(two[3]!)).toBe('503')
    // What one thread gives back, the other one has.
    await endPut(one[0]!)
    expect(await beginPut(two[4]!)).toBe('in flight')
    expect(await beginPut(one[4]!)).toBe('503')
    expect(await perThread('inFlight')).toEqual(expect.arrayContaining([2, 4]))
    const others = limits.requestsMax === 6 ? '503' : 'in flight'
    expect(await beginPut(one[0]!, OTHER_CALLER)).toBe(others)
  })

  test('memory for bodies', async () => {
    await start({ bodyBytesMax: 4 * MEBI, shares: ALL })
    const [one, two] = await toBoth(2)
    const gathered = { ...DELETION, length: 8 * MEBI }
    const [first, second, third] = [one[0]!, two[0]!, two[1]!]
    // 3 MiB are for large bodies, in both threads together.
    first.send(head(gathered))
    first.send(Buffer.alloc(2 * MEBI, ' '))
    await expect.poll(async () => sum(await perThread('bodyBytes'))).toBe(2 * MEBI)
    second.send(head(gathered))
    second.send(Buffer.alloc(1.25 * MEBI, ' '))
    expect(await second.until('</Error>')).toMatch(/HTTP\/1.1 503[^]*SlowDown/)
    first.socket.destroy()
    await expect.poll(async () => sum(await perThread('bodyBytes'))).toBe(0)
    third.send(head(gathered))
    third.send(Buffer.alloc(2.75 * MEBI, ' '))
    await expect.poll(async () => sum(await perThread('bodyBytes'))).toBe(2.75 * MEBI)
  })

  test('connections', async () => {
    await start({ connectionsMax: 12, shares: { address: 0.5, caller: 1 } })
    let closed = 0
    for (let count = 0; count < 24; count++) {
      const { socket } = await open()
      socket.on('close', () => closed++)
    }
    await expect.poll(() => closed, { timeout: 5_000 }).toBe(18)
    // Those that are open can be used.
    const alive = sockets.filter(({ socket }) => !socket.closed)
    for (const each of alive) {
      each.send(head({ method: 'GET', path: '/bucket' }))
      expect(await each.until('</ListBucketResult>')).toContain('HTTP/1.1 200')
    }
  })
})

test('a scrape waits one second for a thread, and then has what the thread said last', async () => {
  await start({})
  const lists = async (): Promise<number> => {
    const counts = (await threads.counts()).flatMap(({ operations }) => operations)
    const found = counts.filter(({ operation }) => operation === 'ListObjects')
    return sum(found.map(({ byStatus }) => byStatus.get(200) ?? 0))
  }
  const get = (): Promise<unknown> => sendRaw(target, { method: 'GET', path: '/bucket' })
  await get()
  await expect.poll(lists).toBe(1)
  await get()
  expect(clock.waiting).toBe(0)
  // The threads have no turn before the second is over.
  const [late, later] = [lists(), lists()]
  clock.advance(1_000)
  expect([await late, await later]).toEqual([1, 1])
  const message = 'a gateway thread does not answer: the metrics lack its latest counters'
  const warned = [1, 2].map((thread) => ({ thread, message }))
  expect(warnings).toEqual(warned)
  // The answers that were late come now, and nothing waits any more.
  await expect.poll(lists).toBe(2)
  expect(clock.waiting).toBe(0)
  expect(warnings).toEqual(warned)
})

test('websites are served by all threads', async () => {
  await start({})
  const statement = {
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: 'arn:aws:s3:::bucket/*',
  }
  const settings: readonly (readonly [string, string])[] = [
    ['policy', JSON.stringify({ Version: '2012-10-17', Statement: [statement] })],
    [
      'website',
      '<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>',
    ],
  ]
  for (const [name, text] of settings) {
    const query: [string, string][] = [[name, '']]
    const body = [Buffer.from(text)]
    await sendRaw(target, { method: 'PUT', path: '/bucket', query, body })
  }
  await sendRaw(target, { method: 'PUT', path: '/bucket/i', body: [Buffer.from('the start')] })
  const { url } = await threads.listenForWebsites({ host: '127.0.0.1', port: 0 })
  const served = new Set<string | undefined>()
  for (let visits = 0; served.size < 2 && visits < 200; visits++) {
    const page = await sendUnsigned(url, { url: '/', headers: { host: 'bucket' } })
    expect(page.text).toBe('the start')
    served.add(page.headers['x-amz-id-2'])
  }
  expect(served.size).toBe(2)
})
