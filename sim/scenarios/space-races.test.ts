/** Freed blocks and forgotten registers against messages that come late, or never (G2, G3, G5). */

import { expect, test } from 'vitest'
import { decodeRegisterAnswer, RPC } from '../../protocol/rpc/message.ts'
import { WireCollectRequest } from '../../protocol/rpc/messages.js'
import { byteString, utf8 } from '../../protocol/bytes.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import { SPACES, type KeySpace, type SystemKind } from '../../protocol/keyspace/space.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import type { Network, NetworkMessage } from '../../node/env/ports.ts'
import { tombstoneOf } from '../../node/objects/tombstone.ts'
import type { SimulatedDisk } from '../world/disk.ts'
import { freedButReferenced, tombstonesOf, unreferencedBlocks } from '../checkers/space-checker.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  get,
  nodeOf,
  onCluster,
  put,
  request,
  calmSleep,
  untilLevel,
  SPACE_SOON,
  calmUntil,
} from '../testing/calm-cluster.ts'
import { withNetwork } from '../testing/changed-ports.ts'
import { Wiretap } from '../testing/wiretap.ts'

function isForget({ type, body }: NetworkMessage): boolean {
  return type === RPC.collect && WireCollectRequest.decode(body).forget
}

async function flip(disk: SimulatedDisk, text: string): Promise<void> {
  for (const name of await disk.list('log')) {
    const file = await disk.open(`log/${name}`, 'read')
    const bytes = new Uint8Array(await file.sizeBytes())
    await file.read(bytes, 0)
    const at = Buffer.from(bytes).lastIndexOf(Buffer.from(text, 'latin1'))
    if (at >= 0) return disk.corrupt(`log/${name}`, at, 1)
  }
  throw new Error('not in the log')
}

test('an acceptance that only one replica has can’t come back after its blocks were freed', async () => {
  const wires = new Wiretap()
  await onCluster(
    3,
    async (cluster) => {
      // A first key, so that all nodes are connected.
      await put(backendOf(cluster, 0), 'other', bytesLike(10))
      // Accepts of node 0 are lost, and it gets no requests of others, but it still says which attempts are under way.
      const zero = cluster.idOf(0)
      wires.filter = (from, to, { type }) =>
        (from === 0 && type !== 'prepare') || (from !== 0 && to === zero) ? 'drop' : 'pass'
      expect(await codeOf(put(backendOf(cluster, 0), 'key', bytesLike(3 * BLOCK_BYTES)))).toBe(
        'Unavailable',
      )
      wires.filter = (from, to) => (from === 0 || to === zero ? 'drop' : 'pass')
      expect(unreferencedBlocks(cluster)).toEqual([])
      await calmUntil(
        cluster,
        'a block is freed',
        () => nodeOf(cluster, 1).space.counters().freedBlocks > 0,
        100,
      )
      await calmSleep(cluster, 10_000)
      // Only a replica that was asked before the blocks were freed can contradict node 0.
      wires.filter = () => 'pass'
      cluster.kill(2, false)
      await calmSleep(cluster, 100)
      expect(await codeOf(get(backendOf(cluster, 0), 'key'))).toBe('NoSuchKey')
      expect(await codeOf(get(backendOf(cluster, 1), 'key'))).toBe('NoSuchKey')
      await cluster.start(2)
      await untilLevel(cluster)
      expect(freedButReferenced(cluster)).toEqual([])
      await calmUntil(
        cluster,
        'blocks are freed',
        () => unreferencedBlocks(cluster).length === 0,
        100,
      )
      await calmUntil(
        cluster,
        'tombstones are forgotten',
        () => tombstonesOf(cluster).length === 0,
        100,
      )
    },
    { space: SPACE_SOON, adapt: wires.adapt },
  )
})

test('an accept from before the collection is refused after it, and after restarts', async () => {
  const wires = new Wiretap()
  await onCluster(
    3,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'key', bytesLike(10), { body: bodyOf(bytesLike(10), 'old') })
      wires.filter = (from, _, { type }) => (from === 0 && type === 'accept' ? 'drop' : 'pass')
      put(backendOf(cluster, 0), 'key', bytesLike(10), {
        body: bodyOf(bytesLike(10), 'new'),
      }).catch(() => {})
      await calmSleep(cluster, 200)
      cluster.kill(0, false)
      const late = [...wires.taken]
      expect(late.length).toBeGreaterThan(0)
      wires.filter = () => 'pass'
      await calmSleep(cluster, 100)
      await backendOf(cluster, 1).deleteObject(context(), { bucket: BUCKET, key: 'key' })
      await cluster.start(0)
      await calmUntil(
        cluster,
        'tombstones are forgotten',
        () => tombstonesOf(cluster).length === 0,
        100,
      )
      const deliver = async (): Promise<void> => {
        for (const message of late) {
          for (const to of [0, 1, 2]) {
            const from = (to + 1) % 3
            const options = { timeoutMs: 1_000 }
            const answer = await wires.networks[from]!.call(
              cluster.idOf(to),
              'control',
              message,
              options,
            )
            expect(decodeRegisterAnswer(answer.body).reply).toMatchObject({ type: 'conflict' })
          }
        }
        for (const node of [0, 1, 2]) {
          expect(await codeOf(get(backendOf(cluster, node), 'key'))).toBe('NoSuchKey')
        }
      }
      await deliver()
      for (const node of [0, 1, 2]) {
        cluster.kill(node, true)
        if (node === 2) cluster.wipeIndex(node)
        await cluster.start(node)
      }
      await untilLevel(cluster)
      await deliver()
      expect(tombstonesOf(cluster)).toEqual([])
      await calmUntil(
        cluster,
        'blocks are freed',
        () => unreferencedBlocks(cluster).length === 0,
        100,
      )
    },
    { space: SPACE_SOON, adapt: wires.adapt },
  )
})

test('a replica that misses the command to forget a tombstone is told again', async () => {
  let deaf = true
  await onCluster(
    3,
    async (cluster) => {
      for (let i = 0; i < 8; i++) await put(backendOf(cluster, i % 3), `key ${i}`, bytesLike(10, i))
      for (let i = 0; i < 8; i++) {
        await backendOf(cluster, i % 3).deleteObject(context(), { bucket: BUCKET, key: `key ${i}` })
      }
      const collected = (node: number): number =>
        nodeOf(cluster, node).space.counters().registersCollected
      await calmUntil(
        cluster,
        'tombstones are collected',
        () => collected(0) === 8 && collected(1) === 8,
        100,
      )
      // It does not hear the commands of its own collection either.
      expect(collected(2)).toBeLessThan(8)
      deaf = false
      await calmUntil(
        cluster,
        'tombstones are forgotten',
        () => tombstonesOf(cluster).length === 0,
        100,
        120_000,
      )
      await untilLevel(cluster)
      for (let i = 0; i < 8; i++) await put(backendOf(cluster, i % 3), `key ${i}`, bytesLike(11, i))
      await untilLevel(cluster)
      for (let i = 0; i < 8; i++) {
        for (const node of [0, 1, 2])
          expect(await get(backendOf(cluster, node), `key ${i}`)).toHaveLength(11)
      }
    },
    {
      space: SPACE_SOON,
      // Node 2 hears the question, not the command behind it.
      adapt: (environment, node) => {
        if (node !== 2) return environment
        const { network } = environment
        const serve: Network['serve'] = (handler) =>
          network.serve((from, message) => {
            if (deaf && isForget(message)) return new Promise(() => {})
            return handler(from, message)
          })
        return withNetwork(environment, { serve })
      },
    },
  )
})

test('a tombstone is forgotten in the end, though it is damaged on the one replica that still has it (D3)', async () => {
  let deaf = true
  await onCluster(
    3,
    async (cluster) => {
      for (let i = 0; i < 8; i++) await put(backendOf(cluster, 0), `key ${i}`, bytesLike(10))
      await untilLevel(cluster)
      for (let i = 0; i < 8; i++) {
        await backendOf(cluster, 1).deleteObject(context(), { bucket: BUCKET, key: `key ${i}` })
      }
      await calmSleep(cluster, 100)
      // A tombstone that another node collects.
      const { layout } = nodeOf(cluster, 0)
      const tombstone = tombstonesOf(cluster).find(
        (key) => layout.current()!.replicas(partitionOfKey(key))[0] !== cluster.idOf(2),
      )
      const { operation } = nodeOf(cluster, 2).host.peek(tombstone!)!.value
      const forgotten = (node: number): boolean =>
        nodeOf(cluster, node).host.peek(tombstone!) === undefined
      await calmUntil(cluster, 'the key is forgotten', () => forgotten(0) && forgotten(1), 100)
      expect(forgotten(2)).toBe(false)
      cluster.kill(2, false)
      await flip(cluster.diskOf(2), operation)
      cluster.wipeIndex(2)
      await cluster.start(2)
      expect(nodeOf(cluster, 2).host.isFaulty(tombstone!)).toBe(true)
      deaf = false
      await calmUntil(
        cluster,
        'the register is mended',
        () => !nodeOf(cluster, 2).host.isFaulty(tombstone!),
        100,
      )
      await calmUntil(
        cluster,
        'tombstones are forgotten',
        () => tombstonesOf(cluster).length === 0,
        100,
      )
      await untilLevel(cluster)
      for (const node of [0, 1, 2]) {
        for (let i = 0; i < 8; i++) {
          expect(await codeOf(get(backendOf(cluster, node), `key ${i}`))).toBe('NoSuchKey')
        }
      }
    },
    {
      space: { ...SPACE_SOON, tombstoneDelayMs: 4_000 },
      adapt: (environment, node) => {
        const { network } = environment
        const serve: Network['serve'] = (handler) =>
          network.serve((from, message) => {
            if (node === 2 && deaf && isForget(message)) return new Promise(() => {})
            return handler(from, message)
          })
        // Nor does it collect by itself.
        const call: Network['call'] = (peer, traffic, message, options) =>
          node === 2 && deaf && message.type === RPC.collect
            ? new Promise(() => {})
            : network.call(peer, traffic, message, options)
        return withNetwork(environment, { serve, call })
      },
    },
  )
})

test('in every key space a forgotten register votes again after its old record was damaged (D3)', async () => {
  await onCluster(
    3,
    async (cluster) => {
      const { registers, layout } = nodeOf(cluster, 0)
      const spaces = Object.keys(SPACES).filter(
        (space) => SPACES[space as KeySpace] >= SPACES.bucket,
      )
      const keys = spaces.map((space) =>
        systemRegister(space as SystemKind, byteString(utf8('gone')), layout.current()!.genesis),
      )
      for (const key of keys) {
        const write = tombstoneOf(key)!
        await registers.change(context(), { key, change: () => ({ write }) })
      }
      await untilLevel(cluster)
      const operations = keys.map((key) => nodeOf(cluster, 2).host.peek(key)!.value.operation)
      await calmUntil(
        cluster,
        'tombstones are forgotten',
        () => tombstonesOf(cluster).length === 0,
        100,
      )
      await nodeOf(cluster, 2).store.commitIndex()
      cluster.kill(2, false)
      for (const operation of operations) await flip(cluster.diskOf(2), operation)
      cluster.wipeIndex(2)
      await cluster.start(2)
      const faulty = (): string[] =>
        spaces.filter((_, i) => nodeOf(cluster, 2).host.isFaulty(keys[i]!))
      // A removal behind it may be an old one that compaction copied (A4).
      expect(faulty()).toEqual(spaces)
      await calmSleep(cluster, 60_000)
      expect(faulty()).toEqual([])
      expect(tombstonesOf(cluster)).toEqual([])
      for (const node of [0, 1, 2]) {
        const backend = backendOf(cluster, node)
        expect(await codeOf(backend.headBucket(context(), 'gone'))).toBe('NoSuchBucket')
      }
      await backendOf(cluster, 2).createBucket(context(), request('gone'))
    },
    { space: SPACE_SOON },
  )
})
