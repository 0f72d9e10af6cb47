/**
 * Rounds and flushes of each operation, counted by the nodes' own metrics: a
 * cluster of five, every request through a node that holds none of the key's replicas, caches warm.
 *
 * Also alone: `npm run bench -- --only rounds`.
 */

import { randomBytes } from 'node:crypto'
import { sumOf } from './harness/metrics.ts'
import type { Sample } from './harness/metrics.ts'
import { RawClient } from './harness/s3.ts'
import { Shoal } from './harness/shoal.ts'
import { table } from './table.ts'

const nodes = 5
const keysOfCase = 6
const bucket = 'rounds'

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

/** Prints the table; returns what was above its bound. */
export async function measureRounds(): Promise<string[]> {
  const shoal = await Shoal.start({ nodes })
  try {
    const ids = shoal.ready.map((ready) => ready.node)
    const clients = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
    await clients[0]?.must({ method: 'PUT', bucket })
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

    const lines: string[][] = []
    const failures: string[] = []
    for (const one of cases) {
      const { rounds, flushes } = await measureCase(shoal, clients, places, one)
      const flushed = one.flushesMax === undefined ? '' : flushes.toFixed(2)
      const bound = one.flushesMax === undefined ? '' : String(one.flushesMax)
      lines.push([one.title, rounds.toFixed(2), String(one.roundsMax), flushed, bound])
      if (!(rounds > 0)) failures.push(`${one.title}: no rounds were counted`)
      if (rounds > one.roundsMax) failures.push(`${one.title}: ${rounds.toFixed(2)} rounds`)
      // Background work flushes too, now and then.
      if (one.flushesMax !== undefined && flushes > one.flushesMax * 1.2) {
        failures.push(`${one.title}: ${flushes.toFixed(2)} flushes a replica`)
      }
    }
    console.log(`\n${table(['operation', 'rounds', 'reach', 'flushes/replica', 'reach'], lines)}`)
    for (const client of clients) client.close()
    return failures
  } finally {
    await shoal.close()
  }
}

/** Identities, the bucket's record and the connections to all peers are in place afterwards. */
async function warm(client: RawClient, index: number): Promise<void> {
  for (let i = 0; i < 8; i++) {
    const key = `warm-${index}-${i}`
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
): Promise<{ rounds: number; flushes: number }> {
  const before = await all(shoal)
  for (const { key, gateway } of places) {
    const client = clients[gateway]
    if (client === undefined) throw new Error(`no gateway ${gateway}`)
    await one.send(client, key, randomBytes(one.sizeBytes))
  }
  const after = await all(shoal)
  const rounds =
    sumOf(after, 'shoal_rounds_total', { operation: one.operation }) -
    sumOf(before, 'shoal_rounds_total', { operation: one.operation })
  const flushes = sumOf(after, 'shoal_log_flushes_total') - sumOf(before, 'shoal_log_flushes_total')
  return { rounds: rounds / places.length, flushes: flushes / places.length / 3 }
}

async function all(shoal: Shoal): Promise<Sample[]> {
  const samples: Sample[] = []
  for (let index = 0; index < nodes; index++) samples.push(...(await shoal.metrics(index)))
  return samples
}
