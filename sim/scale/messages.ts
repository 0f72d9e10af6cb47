/** Messages of requests and of a join, and sizes of what each node holds or is sent, by the real code. */

import type { Environment } from '../../node/env/ports.ts'
import type { Bucket } from '../../node/objects/bucket.ts'
import { shardsFor } from '../../node/objects/bucket-creation.ts'
import { askShards } from '../../node/quorum/list-round.ts'
import { ListRows } from '../../protocol/rpc/list-reply.ts'
import { LIST_RESULT } from '../../node/replica/list-service.ts'
import { HEARTBEAT_MS } from '../../node/net/limits.ts'
import { FRAME_HEADER_BYTES } from '../../node/net/framing.ts'
import { toSync } from '../../node/rebalance/syncer.ts'
import { SUMMARIES_MAX } from '../../node/rebalance/witness.ts'
import type { Peers } from '../../node/quorum/peers.ts'
import { bytesOf, u16 } from '../../protocol/bytes.ts'
import { bucketId, type ByteString, type NodeId } from '../../protocol/ids.ts'
import { metaKeyHash, partitionCount, partitionOf } from '../../protocol/keyspace/key.ts'
import { encodeEntry } from '../../protocol/layout/entry.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import { majority } from '../../protocol/register/quorum.ts'
import { RPC } from '../../protocol/rpc/message.ts'
import { WireStatusReply } from '../../protocol/rpc/messages.js'
import {
  backendOf,
  BUCKET,
  bytesLike,
  context,
  get,
  onCluster,
  put,
} from '../testing/calm-cluster.ts'
import { VirtualClock } from '../world/virtual-clock.ts'
import { SIZES } from './balance.ts'
import { entry, GENESIS, KINDS, members } from './members.ts'
import { plot } from './plot.ts'
import { bytesText, grouped, mean, markdownTable, type Scope, type Section } from './report.ts'

/** What a client's request causes; the rest is upkeep. */
const OF_REQUESTS = new Map<number, string>([
  [RPC.register, 'register'],
  [RPC.putBlock, 'block out'],
  [RPC.getBlock, 'block in'],
  [RPC.list, 'list'],
])
const LIST_MAX_PER_NODE = 1
const LAYOUT_BYTES_PER_MEMBER_MAX = 400

interface Counted {
  readonly nodes: number
  /** By request, mean messages. */
  readonly requests: ReadonlyMap<string, number>
}

export async function messages({ quick }: Scope): Promise<Section> {
  const counted: Counted[] = []
  for (const nodes of quick ? [3] : [3, 5, 8]) counted.push(await countRequests(nodes))
  const lists: { nodes: number; shards: number; sent: number; perNode: number }[] = []
  for (const nodes of quick ? [3, 100, 1_000] : SIZES) lists.push(await countList(nodes))
  const faults: string[] = []
  for (const { nodes, perNode } of lists) {
    if (perNode > LIST_MAX_PER_NODE)
      faults.push(`${nodes} nodes: LIST asks a node ${perNode} times`)
  }
  const sizes = (quick ? [3, 1_000] : [...SIZES, 10_000]).map(sizesAt)
  for (const { nodes, stable } of sizes) {
    if (nodes >= 100 && stable / nodes > LAYOUT_BYTES_PER_MEMBER_MAX) {
      faults.push(`${nodes} members: ${stable} bytes of layout`)
    }
  }
  const joins = (quick ? [3, 100] : SIZES).map(joinAt)
  for (const { nodes, joiner } of joins) {
    // Each node that holds something of the joiner's is asked once in PLANNED.
    if (joiner > Math.ceil(nodes * (1 + partitionCount(GENESIS) / SUMMARIES_MAX))) {
      faults.push(`${nodes} nodes: a joiner asks ${joiner} times`)
    }
  }
  return { text: textOf(counted, lists, sizes, joins), plots: quick ? [] : plotsOf(lists), faults }
}

/** Requests that leave the node that the client speaks with, counted in a simulated cluster of the whole node. */
async function countRequests(nodes: number): Promise<Counted> {
  const sent = new Map<string, number>()
  const requests = new Map<string, number>()
  const adapt = (environment: Environment): Environment => {
    const { network } = environment
    const counting: typeof network = new Proxy(network, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name !== 'call') return value.bind(target) as unknown
        return (...args: Parameters<typeof network.call>) => {
          const kind = OF_REQUESTS.get(args[2].type)
          if (kind !== undefined) sent.set(kind, (sent.get(kind) ?? 0) + 1)
          return target.call(...args)
        }
      },
    })
    return { ...environment, network: counting }
  }
  await onCluster(
    nodes,
    async (cluster) => {
      const count = async (
        name: string,
        times: number,
        work: (time: number) => Promise<unknown>,
      ): Promise<void> => {
        sent.clear()
        for (let time = 0; time < times; time++) await work(time)
        requests.set(name, [...sent.values()].reduce((sum, each) => sum + each, 0) / times)
      }
      const backend = (time: number) => backendOf(cluster, time % nodes)
      const small = bytesLike(4_096)
      const large = bytesLike(4 << 20)
      for (let node = 0; node < nodes; node++) await put(backend(node), `warm ${node}`, small)
      await count('PUT 4 KiB', 48, (time) => put(backend(time), `small ${time}`, small))
      await count('GET 4 KiB', 48, (time) => get(backend(time + 1), `small ${time}`))
      await count('PUT 4 MiB', 8, (time) => put(backend(time), `large ${time}`, large))
      await count('GET 4 MiB', 8, (time) => get(backend(time + 1), `large ${time}`))
      await count('LIST 1,000 keys', 8, (time) =>
        backend(time).listObjects(context(), { bucket: BUCKET, prefix: '', limit: 1_000 }),
      )
    },
    { adapt },
  )
  return { nodes, requests }
}

/** One round of LIST with the real coordinator; the peers are answers that all agree. */
async function countList(nodes: number) {
  const view = new LayoutView(entry(members(nodes, 1, KINDS[0]!)))
  const shards = shardsFor(nodes)
  const bucket = bucketId('b'.repeat(16) as ByteString)
  const self = view.members[0]!.nodeId
  const asked = new Map<NodeId, number>()
  const peers = {
    self,
    health: { hedgeAfterMs: () => 1_000, mayHedge: () => false },
    preferred: (of: Iterable<NodeId>) => {
      const rest = [...new Set(of)]
      return rest.includes(self) ? [self, ...rest.filter((node) => node !== self)] : rest
    },
    list: (node: NodeId, request: { intervals: readonly unknown[] }) => {
      if (node !== self) asked.set(node, (asked.get(node) ?? 0) + 1)
      const nothing = {
        rows: ListRows.none,
        digest: new Uint8Array(32),
        coveredEnd: new Uint8Array(0),
      }
      const intervals = request.intervals.map(() => nothing)
      return Promise.resolve({ kind: LIST_RESULT.ok, epoch: 7, generation: 1, intervals })
    },
  }
  const questions = Array.from({ length: shards }, (_, shard) => {
    const partition = partitionOf(metaKeyHash(bucket, shard), view.partitionBits)
    return { start: bytesOf(u16(partition)), end: bytesOf(u16(partition + 1)) }
  })
  const clock = new VirtualClock()
  const answers = askShards(
    {
      peers: peers as unknown as Peers,
      placement: {
        epoch: () => view.epoch,
        sets: (partition) => view.replicaSets(partition),
        observe: () => Promise.resolve(),
      },
      clock,
      bucket: {
        current: () => ({ bucket, generation: 1 }),
        isUsable: () => true,
        refresh: () => Promise.resolve(),
      } as unknown as Bucket,
      limit: 100,
      rowsOfAll: false,
    },
    questions,
  )
  const found = await answers
  const sent = [...asked.values()].reduce((sum, times) => sum + times, 0)
  if (found.some((answer) => answer === undefined)) throw new Error('a shard has no answer')
  return { nodes, shards, sent, perNode: Math.max(0, ...asked.values()) }
}

function sizesAt(nodes: number) {
  const kind = KINDS[1]!
  const [before, after] = [members(nodes, 1, kind), members(nodes + 1, 1, kind)]
  const planned = { state: 'PLANNED', cause: 'plan', next: after } as const
  const sources = [{ epoch: 5, members: before, replication: 3 }]
  const bitmap = new Uint8Array(Math.ceil(partitionCount(GENESIS) / 8))
  const reply = WireStatusReply.encode({
    epoch: 7,
    behind: bitmap,
    freeBytes: 3 * 1024 ** 4,
    totalBytes: 4 * 1024 ** 4,
    logBytes: 1024 ** 4,
    resyncPending: 0,
    resyncDone: 123_456,
    movePendingBytes: 1024 ** 4,
    moveDoneBytes: 1024 ** 3,
    moveBytesPerSecond: 64 << 20,
    lacking: [{ epoch: 5, partitions: bitmap }],
  })
  return {
    nodes,
    stable: encodeEntry(entry(before)).length,
    planned: encodeEntry(entry(before, planned)).length,
    moving: encodeEntry(entry(after, { sources })).length,
    status: reply.length,
    heartbeats: ((nodes - 1) * 1_000) / HEARTBEAT_MS,
  }
}

/** Questions and not their answers: each has one. */
function joinAt(nodes: number) {
  const kind = KINDS[0]!
  const [before, after] = [members(nodes, 1, kind), members(nodes + 1, 1, kind)]
  const joiner = after[nodes]!.nodeId
  const planned = new LayoutView(entry(before, { state: 'PLANNED', cause: 'plan', next: after }))
  const joint = new LayoutView(
    entry(before, { state: 'JOINT', cause: 'joint', next: after }),
    planned,
  )
  const learning = planned.learning(joiner)
  const synced = after.map(({ nodeId }) => summaries(joint, nodeId, toSync(joint, nodeId)))
  return {
    nodes,
    partitions: learning.length,
    joiner: summaries(planned, joiner, learning),
    pairs: pairStreams(planned, joiner, learning),
    all: synced.reduce((sum, count) => sum + count, 0),
    moved: joint.moved().length,
  }
}

/** A node asks each replica in P of its partitions for all of them together, in pages. */
function summaries(view: LayoutView, self: NodeId, partitions: readonly number[]): number {
  const asked = new Map<NodeId, number>()
  for (const partition of partitions) {
    for (const node of view.placement.replicas(partition)) {
      if (node !== self) asked.set(node, (asked.get(node) ?? 0) + 1)
    }
  }
  return [...asked.values()].reduce((sum, wanted) => sum + Math.ceil(wanted / SUMMARIES_MAX), 0)
}

/** Partitions with the same majority are copied together: so many streams of keys and ballots. */
function pairStreams(view: LayoutView, self: NodeId, partitions: readonly number[]): number {
  const groups = new Set<string>()
  let streams = 0
  for (const partition of partitions) {
    const others = view.placement.replicas(partition).filter((node) => node !== self)
    const witnesses = others.slice(0, majority(others.length)).toSorted()
    const name = witnesses.join(' ')
    if (!groups.has(name)) streams += witnesses.length
    groups.add(name)
  }
  return streams
}

function textOf(
  counted: readonly Counted[],
  lists: readonly Awaited<ReturnType<typeof countList>>[],
  sizes: readonly ReturnType<typeof sizesAt>[],
  joins: readonly ReturnType<typeof joinAt>[],
): string {
  const names = [...(counted[0]?.requests.keys() ?? [])]
  const at = (name: string) => counted.map(({ requests }) => (requests.get(name) ?? 0).toFixed(1))
  const listMean = mean(lists.map(({ perNode }) => perNode))
  return `## Messages of a request

Real code: whole nodes in the simulation. Counted are requests from node to node, without background work and without their answers: the
mean of many requests through all nodes in turn. A node asks itself without a message. The number does not
grow with the cluster beyond the size of a replica set: with more nodes than replicas the node that the client speaks
with is less often a replica itself. Objects above 64 KiB are blocks of 1 MiB, each sent to its own three replicas.

${markdownTable(
  ['request', ...counted.map(({ nodes }) => `${nodes} nodes`)],
  names.map((name) => [name, ...at(name)]),
)}

LIST asks each node once for all shards of the bucket that it holds (mean of the maxima here:
${listMean.toFixed(0)}). This table is of the real coordinator, with peers that agree at once, and
a bucket that was created in a cluster of that size:

${markdownTable(
  ['nodes', 'shards', 'messages of one LIST round', 'most to one node'],
  lists.map(({ nodes, shards, sent, perNode }) => [
    grouped(nodes),
    String(shards),
    String(sent),
    String(perNode),
  ]),
)}

![Messages of one LIST](scale-list.svg)

${sizesText(sizes)}${joinsText(joins)}`
}

function sizesText(sizes: readonly ReturnType<typeof sizesAt>[]): string {
  return `## What each node holds and is sent

Sizes of the real encodings, with names, zones and one address a member. The layout entry is sent once an epoch, to each
node. \`shoal status\` asks every node for a status answer, here one that is sent while blocks move. *All of them* is
what the asking node receives. A link carries a heartbeat (a frame of
${FRAME_HEADER_BYTES} bytes) each ${HEARTBEAT_MS} ms while it is silent, so the column is the most that an idle node sends.

${markdownTable(
  [
    'nodes',
    'layout, STABLE',
    'PLANNED',
    'STABLE with a source',
    'status answer',
    'all of them',
    'heartbeats/s a node',
  ],
  sizes.map(({ nodes, stable, planned, moving, status, heartbeats }) => [
    grouped(nodes),
    bytesText(stable),
    bytesText(planned),
    bytesText(moving),
    bytesText(status),
    bytesText((nodes - 1) * status),
    grouped(heartbeats),
  ]),
)}

`
}

function joinsText(joins: readonly ReturnType<typeof joinAt>[]): string {
  return `## Sync of one join

Real layout and real page sizes (${grouped(SUMMARIES_MAX)} partitions in one summary message); counted are
questions. The joiner (learner) asks for summaries of all its partitions, then opens streams of keys and ballots, one to each node of each
distinct majority. In JOINT each member of the new sets of the moved partitions compares once more.

${markdownTable(
  [
    'nodes',
    'partitions of the joiner',
    'its summary questions',
    'its key streams',
    'moved partitions',
    'summary questions of all in JOINT',
  ],
  joins.map(({ nodes, partitions, joiner, pairs, moved, all }) => [
    grouped(nodes),
    grouped(partitions),
    grouped(joiner),
    grouped(pairs),
    grouped(moved),
    grouped(all),
  ]),
)}
`
}

function plotsOf(lists: readonly Awaited<ReturnType<typeof countList>>[]): Section['plots'] {
  return [
    {
      name: 'scale-list.svg',
      svg: plot({
        title: 'Messages of one LIST round',
        x: 'nodes',
        y: 'messages',
        logarithmicY: true,
        series: [
          { name: 'messages', points: lists.map(({ nodes, sent }) => [nodes, sent] as const) },
          { name: 'shards', points: lists.map(({ nodes, shards }) => [nodes, shards] as const) },
        ],
      }),
    },
  ]
}
