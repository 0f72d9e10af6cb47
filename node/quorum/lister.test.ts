import { expect, test } from 'vitest'
import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { encodeState } from '../../protocol/codec/state.ts'
import {
  bucketId,
  operationId,
  proposerId,
  type ByteString,
  type NodeId,
  type RegisterKey,
} from '../../protocol/ids.ts'
import { objectRange, objectRegister } from '../../protocol/keyspace/register-key.ts'
import type { Accepted, ReplicaSets } from '../../protocol/register/types.ts'
import type { Peers } from './peers.ts'
import type { Bucket } from '../objects/bucket.ts'
import { LIST_RESULT } from '../replica/list-service.ts'
import { Lister } from './lister.ts'
import type { RegisterClient } from './register-client.ts'

const BUCKET = bucketId('b'.repeat(16))
const NODES = ['a', 'b', 'c', 'd', 'e'] as NodeId[]

function keyOf(name: string): RegisterKey {
  return objectRegister(BUCKET, 0, name as ByteString, 14)
}

function accepted(counter: number): Accepted {
  const value = {
    operation: operationId('o'.repeat(16)),
    tombstone: false,
    body: new Uint8Array(3),
    blocks: [],
  }
  return { ballot: { counter, proposer: proposerId('p'.repeat(16)) }, value }
}

/** Five replicas, of which the first `replication` of the present epoch are the set. */
class Replicas {
  epoch = 1
  replication = 3
  /** For each node, the ballot counters of its registers by name. */
  readonly rows = new Map<NodeId, Map<string, number>>(NODES.map((node) => [node, new Map()]))
  /** Runs once, before the answers of the next round leave. */
  afterRound: (() => void) | undefined

  accept(name: string, nodes: readonly NodeId[], counter: number): void {
    for (const node of nodes) this.rows.get(node)!.set(name, counter)
  }

  sets(): ReplicaSets {
    return [NODES.slice(0, this.replication)]
  }

  list(node: NodeId, request: Parameters<Peers['list']>[1]): Awaited<ReturnType<Peers['list']>> {
    const nothing = { epoch: this.epoch, generation: 1, intervals: [] }
    if (request.epoch !== this.epoch) return { ...nothing, kind: LIST_RESULT.staleEpoch }
    const rows = [...this.rows.get(node)!].toSorted(([a], [b]) => (a < b ? -1 : 1))
    const intervals = request.intervals.map(({ end, digestOnly }) => ({
      rows: digestOnly
        ? []
        : rows.map(([name, counter]) => ({
            key: bytesOf(keyOf(name)),
            state: encodeState(accepted(counter)),
          })),
      digest: bytesOf(JSON.stringify(rows)),
      coveredEnd: end,
    }))
    return { ...nothing, kind: LIST_RESULT.ok, intervals }
  }

  /** The highest ballot in the present set: the right one wherever a majority has accepted it. */
  read(key: RegisterKey): Accepted | undefined {
    const name = byteString(bytesOf(key)).slice(keyOf('').length)
    const counters = this.sets()
      .flat()
      .map((node) => this.rows.get(node)!.get(name) ?? 0)
    const highest = Math.max(...counters)
    return highest === 0 ? undefined : accepted(highest)
  }

  async names(): Promise<string[]> {
    const peers = {
      self: NODES[0],
      health: { hedgeAfterMs: () => 1_000, mayHedge: () => false },
      preferred: (of: Iterable<NodeId>) => [...new Set(of)],
      list: async (node: NodeId, request: Parameters<Peers['list']>[1]) => {
        const reply = this.list(node, request)
        await Promise.resolve()
        this.#answered()
        return reply
      },
    }
    const lister = new Lister({
      peers: peers as unknown as Peers,
      placement: {
        epoch: () => this.epoch,
        sets: () => this.sets(),
        observe: () => Promise.resolve(),
      },
      registers: {
        read: (_: unknown, { key }: { key: RegisterKey }) =>
          Promise.resolve({ accepted: this.read(key) }),
      } as unknown as RegisterClient,
      clock: {
        monotonicMs: () => 0,
        nowMs: () => 0,
        after: () => () => {},
      },
    })
    const bucket = {
      current: () => ({ bucket: BUCKET, generation: 1 }),
      stands: () => true,
      refresh: () => Promise.resolve(),
    } as unknown as Bucket
    const context = { operation: 'List', signal: new AbortController().signal, rounds: 0 }
    const walk = lister.walk(context, {
      bucket,
      shards: [0],
      range: (shard, after) => objectRange(BUCKET, shard, '' as ByteString, after, 14),
      expected: 10,
    })
    const names: string[] = []
    for (;;) {
      const row = await walk.next()
      if (row === undefined) return names
      names.push(row.name)
    }
  }

  #answers = 0

  #answered(): void {
    if (++this.#answers !== 2) return
    this.afterRound?.()
  }
}

test('a second round asks the replica sets of the epoch in which it begins', async () => {
  const replicas = new Replicas()
  replicas.accept('old', NODES.slice(0, 3), 1)
  // One is behind, so that there is a second round.
  replicas.accept('late', [NODES[0]!], 2)
  replicas.afterRound = () => {
    // Five replicas from now on. The joiners have all that was chosen, and a majority accepts something new.
    replicas.epoch = 2
    replicas.replication = 5
    replicas.accept('old', NODES.slice(3), 1)
    replicas.accept('new', NODES.slice(2), 3)
  }
  expect(await replicas.names()).toEqual(['late', 'new', 'old'])
})
