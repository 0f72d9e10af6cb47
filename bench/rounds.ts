/**
 * Rounds and flushes of each operation, counted by the nodes' own metrics: a cluster of five, every request through
 * a node that holds none of the key's replicas, with warm caches. They are counted twice: in a cluster that was formed
 * at once, and in one that held data when it grew from one node to three and to five. Growth must not add a round.
 *
 * Also alone: `npm run bench -- --only rounds`.
 */

import { randomBytes } from 'node:crypto'
import { sumOf } from './harness/metrics.ts'
import type { MetricSample } from './harness/metrics.ts'
import { pauseMs } from './harness/process.ts'
import { freeBasePort } from '../node/testing/free-ports.ts'
import { RawClient } from './harness/s3.ts'
import { Shoal } from './harness/shoal.ts'
import { printTable } from './table.ts'

const nodes = 5
const keysOfCase = 6
/** In milliseconds. Long, because only rounds are judged, not the speed of the machine. */
const patienceMs = 300_000
/** Objects that the growing cluster holds before it grows. */
const objectsBefore = 60
const bucket = 'rounds'
/** In milliseconds. After so long without a request a gateway has no cached record that it would use. */
const recordsOldMs = 1_050

interface Case {
  readonly title: string
  readonly operation: string
  readonly sizeBytes: number
  readonly roundsMax: number
  /** Flushes of each of the three replicas; absent where other writes share them. */
  readonly flushesMax?: number
  readonly send: (client: RawClient, key: string, body: Uint8Array) => Promise<unknown>
}

const put: Case['send'] = async (client, key, body) =>
  client.must({ method: 'PUT', bucket, key, body })
const get: Case['send'] = async (client, key) => client.must({ method: 'GET', bucket, key })
const list: Case['send'] = async (client) =>
  client.must({ method: 'GET', bucket, query: { 'list-type': '2', 'max-keys': '100' } })

const packed = { sizeBytes: 4 << 10 } as const
const larger = { sizeBytes: 1 << 20 } as const
const many = { sizeBytes: 8 << 20 } as const

/** In this order: each GET finds what the PUT before it stored. */
const cases: readonly Case[] = [
  {
    title: 'PUT packed',
    operation: 'PutObject',
    ...packed,
    roundsMax: 2,
    flushesMax: 1,
    send: put,
  },
  { title: 'GET packed', operation: 'GetObject', ...packed, roundsMax: 1, send: get },
  {
    title: 'PUT 1 MiB',
    operation: 'PutObject',
    ...larger,
    roundsMax: 3,
    flushesMax: 2,
    send: put,
  },
  { title: 'GET 1 MiB', operation: 'GetObject', ...larger, roundsMax: 2, send: get },
  { title: 'PUT 8 MiB', operation: 'PutObject', ...many, roundsMax: 3, send: put },
  { title: 'GET 8 MiB', operation: 'GetObject', ...many, roundsMax: 2, send: get },
  { title: 'LIST', operation: 'ListObjectsV2', sizeBytes: 0, roundsMax: 1, send: list },
]

/** The node ids of `shoal locate --json`, by the layout. */
export function replicaIds(located: unknown): string[] {
  const { byLayout } = located as { byLayout?: readonly { readonly node?: unknown }[] }
  return (byLayout ?? []).map(({ node }) => node).filter((node) => typeof node === 'string')
}

/** What one case took. */
interface Counted {
  readonly rounds: number
  readonly flushes: number
}

/** Prints the table; returns what was above its bound, and what growth changed. */
export async function measureRounds(): Promise<string[]> {
  const formed = await onCluster(formAtOnce)
  const grown = await onCluster(grow)
  const lines: string[][] = []
  const failures: string[] = []
  for (const [i, one] of cases.entries()) {
    const { title, roundsMax, flushesMax } = one
    const before = formed[i]!
    const after = grown[i]!
    const flushes = ({ flushes }: Counted): string =>
      flushesMax === undefined ? '' : flushes.toFixed(2)
    lines.push([
      title,
      before.rounds.toFixed(2),
      after.rounds.toFixed(2),
      String(roundsMax),
      flushes(before),
      flushes(after),
      flushesMax === undefined ? '' : String(flushesMax),
    ])
    failures.push(
      ...faultsOf(one, before),
      ...faultsOf({ ...one, title: `${title}, grown` }, after),
    )
    if (after.rounds > before.rounds) {
      failures.push(
        `${title}: ${after.rounds.toFixed(2)} rounds after growth, ${before.rounds.toFixed(2)} without`,
      )
    }
  }
  const heads = [
    'operation',
    'rounds',
    'grown 1, 3, 5',
    'reach',
    'flushes/replica',
    'grown',
    'reach',
  ]
  console.log(`\n${printTable(heads, lines)}`)
  return failures
}

function faultsOf({ title, roundsMax, flushesMax }: Case, { rounds, flushes }: Counted): string[] {
  const faults: string[] = []
  if (!(rounds > 0)) faults.push(`${title}: no rounds were counted`)
  if (rounds > roundsMax) faults.push(`${title}: ${rounds.toFixed(2)} rounds`)
  // Background work flushes too, now and then.
  if (flushesMax !== undefined && flushes > flushesMax * 1.2) {
    faults.push(`${title}: ${flushes.toFixed(2)} flushes a replica`)
  }
  return faults
}

async function formAtOnce(): Promise<Shoal> {
  return started(nodes, async (shoal, first) => {
    await first.must({ method: 'PUT', bucket })
    await shoal.settled(patienceMs)
  })
}

/** Starts one node, stores the bucket and small and large objects, and grows to five nodes. */
async function grow(): Promise<Shoal> {
  return started(1, async (shoal, first) => {
    await first.must({ method: 'PUT', bucket })
    for (let i = 0; i < objectsBefore; i++) {
      await put(first, `before-${i}`, randomBytes(i % 10 === 0 ? 2 << 20 : 4 << 10))
    }
    for (const size of [3, nodes]) {
      while (shoal.size < size) await shoal.grow(patienceMs)
      await shoal.settled(patienceMs)
    }
  })
}

async function started(
  size: number,
  prepare: (shoal: Shoal, first: RawClient) => Promise<void>,
): Promise<Shoal> {
  const basePort = await freeBasePort(nodes)
  const shoal = await Shoal.start({ nodes: size, basePort, timeoutMs: patienceMs })
  const first = new RawClient(shoal.endpoints[0]!, shoal.credentials)
  try {
    await prepare(shoal, first)
    return shoal
  } catch (error) {
    await shoal.close()
    throw error
  } finally {
    first.close()
  }
}

/** Runs all cases; counts in the order of the cases. */
async function onCluster(start: () => Promise<Shoal>): Promise<Counted[]> {
  const shoal = await start()
  const clients = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
  try {
    const ids = shoal.ready.map((ready) => ready.node)
    for (const [index, client] of clients.entries()) await warm(client, index)
    const places: { key: string; gateway: number }[] = []
    for (let i = 0; i < keysOfCase; i++) {
      const key = `key-${i}`
      const holders = replicaIds(await shoal.json(0, ['locate', `s3://${bucket}/${key}`]))
      const gateway = ids.findIndex((id) => !holders.includes(id))
      if (holders.length !== 3 || gateway < 0) {
        throw new Error(`shoal locate --json names ${holders.length} replicas of 3`)
      }
      places.push({ key, gateway })
    }
    const counted: Counted[] = []
    for (const one of cases) counted.push(await measureCase(shoal, clients, places, one))
    return counted
  } finally {
    for (const client of clients) client.close()
    await shoal.close()
  }
}

function warmKey(gateway: number, i: number): string {
  return `warm-${gateway}-${i}`
}

/** Identities, the bucket's record and the connections to all peers are in place afterwards. */
async function warm(client: RawClient, index: number): Promise<void> {
  for (let i = 0; i < 8; i++) {
    const key = warmKey(index, i)
    await put(client, key, randomBytes(i % 2 === 0 ? 100 : 1 << 20))
    await get(client, key, new Uint8Array(0))
  }
  await list(client, '', new Uint8Array(0))
}

async function measureCase(
  shoal: Shoal,
  clients: readonly RawClient[],
  places: readonly { key: string; gateway: number }[],
  one: Case,
): Promise<Counted> {
  let rounds = 0
  let flushes = 0
  for (const { key, gateway } of places) {
    const client = clients[gateway]
    if (client === undefined) throw new Error(`no gateway ${gateway}`)
    const body = randomBytes(one.sizeBytes)
    // A gateway reads records of identities and buckets again once they are a second old (T7): here, and not below.
    await pauseMs(recordsOldMs)
    await get(client, warmKey(gateway, 0), new Uint8Array(0))
    const before = await all(shoal)
    await one.send(client, key, body)
    const after = await all(shoal)
    const grown = (name: string, labels?: Readonly<Record<string, string>>): number =>
      sumOf(after, name, labels) - sumOf(before, name, labels)
    rounds += grown('shoal_rounds_total', { operation: one.operation })
    flushes += grown('shoal_log_flushes_total')
  }
  return { rounds: rounds / places.length, flushes: flushes / places.length / 3 }
}

async function all(shoal: Shoal): Promise<MetricSample[]> {
  const samples: MetricSample[] = []
  for (let index = 0; index < nodes; index++) samples.push(...(await shoal.metrics(index)))
  return samples
}
