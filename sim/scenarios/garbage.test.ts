/** A member that sends garbage gets errors; the node stays up and keeps its promises (F20, F21). */

import { expect, test } from 'vitest'
import { LAYOUT_RPC_MAX, RPC } from '../../protocol/rpc/message.ts'
import * as wire from '../../protocol/rpc/messages.js'
import type { NetworkMessage } from '../../node/env/ports.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  bytesLike,
  get,
  keysOf,
  onCluster,
  put,
  calmSleep,
} from '../testing/calm-cluster.ts'
import { seededRandom } from '../world/seeded-random.ts'

/** As if node 1 had sent it to node 0. */
function send(cluster: SimulatedCluster, message: NetworkMessage): Promise<string> {
  return new Promise((resolve) => {
    cluster.wires.end(cluster.idOf(0))!.receive(cluster.idOf(1), 'bulk', message, (answer) => {
      resolve(answer instanceof Error ? 'refused' : 'answered')
    })
  })
}

test('random bytes under every type number', async () => {
  await onCluster(3, async (cluster) => {
    await put(backendOf(cluster, 0), 'key', bytesLike(100))
    const random = seededRandom(5)
    const counts = new Map<string, number>()
    const answers: Promise<void>[] = []
    for (let i = 0; i < 3_000; i++) {
      const type = i % (LAYOUT_RPC_MAX + 5)
      const bytes = (most: number): Uint8Array =>
        Uint8Array.from({ length: Math.floor(random() * most) }, () => Math.floor(random() * 256))
      const message = { type, body: bytes(80), ...(random() < 0.3 && { payload: bytes(50) }) }
      const count = (answer: string): void => {
        counts.set(answer, (counts.get(answer) ?? 0) + 1)
      }
      answers.push(send(cluster, message).then(count))
    }
    await Promise.race([Promise.all(answers), calmSleep(cluster, 60_000)])
    expect(counts.get('refused')).toBeGreaterThan(2_000)
    expect(cluster.failures).toEqual([])
    expect(await get(backendOf(cluster, 0), 'key')).toEqual(bytesLike(100))
    await put(backendOf(cluster, 0), 'other', bytesLike(100))
    expect(await keysOf(backendOf(cluster, 2))).toEqual(['key', 'other'])
  })
})

test('well-formed messages whose fields make no sense', async () => {
  await onCluster(3, async (cluster) => {
    const bucket = new Uint8Array(16)
    const epoch = 1
    const bodies: [number, Uint8Array][] = [
      [
        RPC.raise,
        wire.WireRaiseRequest.encode({ epoch, bucket, generation: 1, partitions: [70_000] }),
      ],
      [RPC.raise, wire.WireRaiseRequest.encode({ epoch, generation: 1, partitions: [1] })],
      [RPC.bury, wire.WireBuryRequest.encode({ epoch, partition: 1, buckets: [bucket.slice(1)] })],
      [RPC.list, wire.WireListRequest.encode({ epoch, limit: 0, fenceBucket: bucket })],
      [
        RPC.list,
        wire.WireListRequest.encode({
          epoch,
          limit: 9,
          intervals: [{ start: bucket, end: bucket, digestOnly: false }],
        }),
      ],
      [RPC.digests, wire.WireDigestRequest.encode({ epoch, level: 1, groups: [9_999] })],
      [
        RPC.digests,
        wire.WireDigestRequest.encode({
          epoch,
          level: 1,
          groups: Array.from({ length: 9_000 }, () => 0),
        }),
      ],
      [RPC.putBlock, wire.WireBlockRequest.encode({ epoch, key: new Uint8Array(29) })],
      [RPC.getBlock, wire.WireBlockRequest.encode({ epoch })],
      [RPC.register, wire.WireRegisterRequest.encode({ kind: 9, key: new Uint8Array(30), epoch })],
      [99, new Uint8Array(0)],
    ]
    for (const [type, body] of bodies) {
      // The node's own epoch, since any other one would be refused at once.
      expect([type, await send(cluster, { type, body: atEpoch(cluster, type, body) })]).toEqual([
        type,
        'refused',
      ])
    }
    expect(cluster.failures).toEqual([])
    await put(backendOf(cluster, 0), 'key', bytesLike(100))
  })
})

function atEpoch(cluster: SimulatedCluster, type: number, body: Uint8Array): Uint8Array {
  const { epoch } = cluster.node(0)!.layout.current()!
  if (type === RPC.raise)
    return wire.WireRaiseRequest.encode({ ...wire.WireRaiseRequest.decode(body), epoch })
  if (type === RPC.list)
    return wire.WireListRequest.encode({ ...wire.WireListRequest.decode(body), epoch })
  return body
}
