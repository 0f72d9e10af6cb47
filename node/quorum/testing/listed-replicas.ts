/** Replicas in memory for tests of lists: each has registers at some ballot, and a test says how it answers. */

import { byteString, bytesOf } from '../../../protocol/bytes.ts'
import { encodeState } from '../../../protocol/codec/state.ts'
import {
  bucketId,
  operationId,
  proposerId,
  type ByteString,
  type NodeId,
  type RegisterKey,
} from '../../../protocol/ids.ts'
import { objectRange, objectRegister } from '../../../protocol/keyspace/register-key.ts'
import type { Accepted, ReplicaSets } from '../../../protocol/register/types.ts'
import { ListRows } from '../../../protocol/rpc/list-reply.ts'
import { LIST_RESULT } from '../../replica/list-service.ts'
import type { FenceSource } from '../fence-source.ts'
import { Lister, type ListWalk } from '../lister.ts'
import type { Peers } from '../peers.ts'
import type { RegisterClient } from '../register-client.ts'

export const LISTED_NODES = ['a', 'b', 'c', 'd', 'e'] as NodeId[]

const BUCKET = bucketId('b'.repeat(16))
const BITS = 14

type ListRequest = Parameters<Peers['list']>[1]
type ListReply = Awaited<ReturnType<Peers['list']>>

/** A register of one replica. */
interface Held {
  readonly counter: number
  readonly tombstone: boolean
}

export class ListedReplicas {
  epoch = 1
  generation = 1
  /** The first nodes of the list are the replica set of every shard. */
  replication = 3
  shards = 1
  expected = 10
  /** For each node, its registers by shard and name: '0/name'. */
  readonly held = new Map<NodeId, Map<string, Held>>(LISTED_NODES.map((node) => [node, new Map()]))
  /** Most rows of one answer; its covered end is behind the last one. */
  rowsMax = Infinity
  /** How many intervals of a request an answer has room for. It covers nothing of the others. */
  intervalsMax = Infinity
  /** Runs once, when the answers of the first round have come. */
  afterRound: (() => void) | undefined
  readonly down = new Set<NodeId>()
  refreshed = 0
  /** Names that were read one by one. */
  readonly reads: string[] = []
  readonly context = { operation: 'List', signal: new AbortController().signal, rounds: 0 }
  #answers = 0

  accept(name: string, nodes: readonly NodeId[], counter: number, shard = 0): void {
    for (const node of nodes) {
      this.held.get(node)!.set(`${shard}/${name}`, { counter, tombstone: false })
    }
  }

  remove(name: string, nodes: readonly NodeId[], counter: number, shard = 0): void {
    for (const node of nodes) {
      this.held.get(node)!.set(`${shard}/${name}`, { counter, tombstone: true })
    }
  }

  sets(): ReplicaSets {
    return [LISTED_NODES.slice(0, this.replication)]
  }

  async names(): Promise<string[]> {
    const walk = this.walk()
    const names: string[] = []
    for (;;) {
      const entry = await walk.next()
      if (entry === undefined) return names
      names.push(entry.name)
    }
  }

  walk(): ListWalk {
    const peers = {
      self: LISTED_NODES[0],
      health: { hedgeAfterMs: () => 1_000, mayHedge: () => false },
      preferred: (of: Iterable<NodeId>) => [...new Set(of)],
      list: async (node: NodeId, request: ListRequest) => {
        await Promise.resolve()
        if (this.down.has(node)) throw new Error('unreachable')
        const reply = this.#list(node, request)
        await Promise.resolve()
        if (++this.#answers === 2) this.afterRound?.()
        return reply
      },
    }
    let nowMs = 0
    const lister = new Lister({
      peers: peers as unknown as Peers,
      placement: {
        epoch: () => this.epoch,
        sets: () => this.sets(),
        observe: () => Promise.resolve(),
      },
      registers: {
        read: (_: unknown, { key }: { key: RegisterKey }) =>
          Promise.resolve({ accepted: this.#read(key) }),
      } as unknown as RegisterClient,
      clock: { monotonicMs: () => ++nowMs, nowMs: () => 0, after: () => () => {} },
    })
    let known = 1
    const bucket: FenceSource = {
      current: () => ({ bucket: BUCKET, generation: known }),
      refresh: () => {
        this.refreshed++
        known = this.generation
        return Promise.resolve()
      },
    }
    return lister.walk(this.context, {
      bucket,
      shards: Array.from({ length: this.shards }, (_, shard) => shard),
      range: (shard, after) => objectRange(BUCKET, shard, '' as ByteString, after, BITS),
      expected: this.expected,
    })
  }

  #list(node: NodeId, request: ListRequest): ListReply {
    const nothing = { epoch: this.epoch, generation: this.generation, intervals: [] }
    if (request.epoch !== this.epoch) return { ...nothing, kind: LIST_RESULT.staleEpoch }
    if (request.fenceGeneration < this.generation) {
      return { ...nothing, kind: LIST_RESULT.staleFence }
    }
    const intervals = request.intervals.map(({ start, end, digestOnly }, at) => {
      if (at >= this.intervalsMax) {
        return { rows: ListRows.none, digest: new Uint8Array(0), coveredEnd: start }
      }
      const inside = this.#entries(node).filter(
        ({ key }) => key >= byteString(start) && key < byteString(end),
      )
      const shown = inside.slice(0, this.rowsMax)
      const rows = shown.map(({ key, state }) => ({ key: bytesOf(key), state: encodeState(state) }))
      const digest = shown.map(({ key, state }) => [key, state.ballot.counter])
      const behind = inside[this.rowsMax]?.key
      return {
        rows: digestOnly ? ListRows.none : ListRows.of(rows),
        digest: bytesOf(JSON.stringify(digest)),
        coveredEnd: behind === undefined ? end : bytesOf(behind),
      }
    })
    return { ...nothing, kind: LIST_RESULT.ok, intervals }
  }

  #entries(node: NodeId): { key: RegisterKey; state: Accepted }[] {
    return [...this.held.get(node)!]
      .map(([place, { counter, tombstone }]) => {
        const [shard, name] = place.split('/') as [string, ByteString]
        const key = objectRegister(BUCKET, Number(shard), name, BITS)
        return { key, state: acceptedAt(counter, tombstone) }
      })
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** The highest ballot in the present set: the right one wherever a majority has accepted it. */
  #read(key: RegisterKey): Accepted | undefined {
    this.reads.push(key.slice(objectRegister(BUCKET, 0, '' as ByteString, BITS).length))
    const states = this.sets()
      .flat()
      .flatMap((node) => this.#entries(node).filter((each) => each.key === key))
      .map(({ state }) => state)
    return states.sort((a, b) => b.ballot.counter - a.ballot.counter)[0]
  }
}

function acceptedAt(counter: number, tombstone: boolean): Accepted {
  const value = {
    operation: operationId('o'.repeat(16)),
    tombstone,
    body: new Uint8Array(3),
    blocks: [],
  }
  return { ballot: { counter, proposer: proposerId('p'.repeat(16)) }, value }
}
