/** How much a page of a list reads: as much as it shows, whatever else the bucket holds. */

import { beforeAll, beforeEach, expect, test } from 'vitest'
import { byteString, bytesOf, EMPTY_BYTES } from '../../protocol/bytes.ts'
import { encodeState } from '../../protocol/codec/state.ts'
import { objectCodec } from '../../protocol/codec/versioned.ts'
import { operationId, proposerId, type BucketId, type NodeId } from '../../protocol/ids.ts'
import { shardOf } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { objectOf } from '../../protocol/object/object.ts'
import type { Store } from '../log/store.ts'
import { Lister } from '../quorum/lister.ts'
import type { Peers } from '../quorum/peers.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import { ListService } from '../replica/list-service.ts'
import { encodeRegisterRow } from '../replica/row-format.ts'
import type { Bucket } from './bucket.ts'
import { ObjectLists } from './object-lists.ts'
import type { Pages } from './pages.ts'

const ID = 'b'.repeat(16) as BucketId
const SHARDS = 16
const BITS = 14
const SELF = 'a' as NodeId
const KEYS = 100_000
const PREFIXES = 10

/** The rows of a node, ascending. Counts those that are read. */
class CountedRows {
  readonly #keys: readonly string[]
  readonly #row: Uint8Array
  read = 0
  seeks = 0

  constructor(keys: readonly string[], row: Uint8Array) {
    this.#keys = keys
    this.#row = row
  }

  readonly scan: Store['scan'] = (start, end, limit, visit) => {
    const [from, behind] = [byteString(start), byteString(end)]
    let [low, high] = [0, this.#keys.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#keys[middle]! < from) low = middle + 1
      else high = middle
    }
    this.seeks++
    for (let i = low; i < Math.min(low + limit, this.#keys.length); i++) {
      const key = bytesOf(this.#keys[i]!)
      if (this.#keys[i]! >= behind) return
      this.read++
      if (visit(key, key.length, this.#row, this.#row.length) === false) return
    }
  }
}

let rowKeys: readonly string[]
let row: Uint8Array
let rows: CountedRows
let lists: ObjectLists
const context = { operation: 'List', signal: new AbortController().signal, rounds: 0 }
const bucket = {
  id: ID,
  shards: SHARDS,
  current: () => ({ bucket: ID, generation: 1 }),
  refresh: () => Promise.resolve(),
} as unknown as Bucket

beforeAll(() => {
  const version = {
    versionId: '',
    deleteMarker: false,
    sizeBytes: 1,
    etag: 'e',
    lastModifiedMs: 1,
    storageClass: '',
    system: [],
    user: [],
    tags: [],
    checksums: [],
    checksumType: 0,
    sequence: 1,
    storage: [],
    manifest: EMPTY_BYTES,
    uploadId: EMPTY_BYTES,
  }
  const state = encodeState({
    ballot: { counter: 1, proposer: proposerId('p'.repeat(16)) },
    value: {
      operation: operationId('o'.repeat(16)),
      tombstone: false,
      body: objectCodec.encode({ ...objectOf(undefined), sequence: 1, versions: [version] }),
      blocks: [],
    },
  })
  row = encodeRegisterRow({ segment: 1, offset: 0, lengthBytes: 1 }, state)
  rowKeys = Array.from({ length: KEYS }, (_, i) => {
    const name = nameOf(i)
    return `r${objectRegister(ID, shardOf(ID, name, SHARDS), name, BITS)}`
  }).sort()
})

beforeEach(() => {
  rows = new CountedRows(rowKeys, row)
  const generations = { current: () => 0, flushed: () => 1, raise: () => Promise.resolve() }
  const service = new ListService({
    store: rows as unknown as Store,
    host: { generations } as unknown as AcceptorHost,
    epoch: () => 1,
    isReplica: () => true,
  })
  const peers = {
    self: SELF,
    health: { hedgeAfterMs: () => 1_000, mayHedge: () => false },
    preferred: (of: Iterable<NodeId>) => [...of],
    list: (_: NodeId, request: Parameters<ListService['list']>[0]) => service.list(request),
  }
  const registers = {} as RegisterClient
  const lister = new Lister({
    peers: peers as unknown as Peers,
    placement: { epoch: () => 1, sets: () => [[SELF]], observe: () => Promise.resolve() },
    registers,
    clock: { monotonicMs: () => 0, nowMs: () => 0, after: () => () => {} },
  })
  lists = new ObjectLists({
    registers,
    lister,
    pages: {} as Pages,
    losses: { isLost: () => Promise.resolve(false) },
    partitionBits: () => BITS,
  })
})

function nameOf(i: number): string {
  return `p${i % PREFIXES}/${String(i).padStart(8, '0')}`
}

const page = (request: { prefix?: string; delimiter?: string; after?: string }) =>
  lists.objects(context, bucket, { bucket: 'b', prefix: '', limit: 1_000, ...request })

test('a common prefix costs a seek in each shard, however many keys it has', async () => {
  const { prefixes, objects, next } = await page({ delimiter: '/' })
  expect(prefixes).toEqual(Array.from({ length: PREFIXES }, (_, i) => `p${i}/`))
  expect([[...objects], next]).toEqual([[], undefined])
  // The first round can't know that the keys will be folded.
  expect(rows.read).toBeLessThan(2_400)
  expect(rows.seeks).toBeLessThanOrEqual((PREFIXES + 1) * SHARDS)
})

test('versions are folded at the same cost', async () => {
  const request = { bucket: 'b', prefix: '', delimiter: '/', limit: 1_000 }
  const { prefixes } = await lists.versions(context, bucket, request)
  expect(prefixes).toHaveLength(PREFIXES)
  expect(rows.read).toBeLessThan(2_400)
})

test.each(['', nameOf(50_000), nameOf(99_000)])(
  'a page after %j of a large bucket reads what a page shows, and chance',
  async (after) => {
    const { objects, next } = await page({ after })
    const following = Array.from({ length: KEYS }, (_, i) => nameOf(i))
      .sort()
      .filter((name) => name > after)
    expect([...objects].map(({ key }) => key)).toEqual(following.slice(0, 1_000))
    expect(next).toBe(following[999])
    expect(rows.read).toBeLessThan(1_700)
    expect(rows.seeks).toBeLessThanOrEqual(2 * SHARDS)
  },
)

test('keys behind a folded prefix are read in few rounds again', async () => {
  const { objects, prefixes } = await page({ prefix: 'p', delimiter: '0/' })
  expect(prefixes).toEqual(['p0/'])
  expect(objects).toHaveLength(999)
  expect(rows.seeks).toBeLessThanOrEqual(7 * SHARDS)
})
