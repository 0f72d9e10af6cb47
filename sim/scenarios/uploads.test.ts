/** Uploads through whole clusters: completed once or not at all, and nothing stays of abandoned ones. */

import { expect, test } from 'vitest'
import { decodeState } from '../../protocol/codec/state.ts'
import { bytesOf, byteString } from '../../protocol/bytes.ts'
import { uploadCodec } from '../../protocol/codec/versioned.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { spaceOf } from '../../protocol/keyspace/register-key.ts'
import { objectOf } from '../../protocol/object/object.ts'
import { stateOfRow } from '../../node/replica/row-format.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { freedButReferenced, tombstonesOf, unreferencedBlocks } from '../checkers/space-checker.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  get,
  HEADERS,
  nodeOf,
  onCluster,
  request,
  calmSleep,
} from '../testing/calm-cluster.ts'

const SPACE = { reclaimDelayMs: 1_000, scanPauseMs: 3_000, tombstoneDelayMs: 3_000 }
const DAY_MS = 24 * 3_600_000
/** Small, so each upload has one part: only the last part may be smaller than 5 MiB. */
const PART_BYTES = 70_000

interface Begun {
  readonly key: string
  readonly uploadId: string
  readonly bytes: Uint8Array
}

async function begin(cluster: SimulatedCluster, node: number, key: string): Promise<Begun> {
  const backend = backendOf(cluster, node)
  const { uploadId } = await backend.createUpload(context(), {
    bucket: BUCKET,
    key,
    headers: HEADERS,
  })
  const bytes = bytesLike(PART_BYTES, key.charCodeAt(key.length - 1))
  const named = { bucket: BUCKET, key, uploadId }
  await backend.putPart(context(), { ...named, partNumber: 1, body: bodyOf(bytes, 'one') })
  return { key, uploadId, bytes }
}

function complete(
  cluster: SimulatedCluster,
  node: number,
  { key, uploadId }: Begun,
): Promise<string> {
  return codeOf(
    backendOf(cluster, node).completeUpload(context(), {
      bucket: BUCKET,
      key,
      uploadId,
      parts: [{ partNumber: 1, etag: 'one', checksums: {} }],
      finish: () => ({ etag: 'whole-1', checksums: {} }),
    }),
  )
}

/** States of live uploads, and tickets in objects, as the nodes have them. */
function remains(cluster: SimulatedCluster): { states: number[]; tickets: number; parts: number } {
  const states = new Map<string, number>()
  const parts = new Set<string>()
  let tickets = 0
  for (let number = 0; number < cluster.size; number++) {
    nodeOf(cluster, number).store.range(bytesOf('r'), bytesOf('s'), 1e6, (rowKey, row) => {
      const key = byteString(rowKey.subarray(1)) as RegisterKey
      const { value } = decodeState(stateOfRow(row)!.slice())
      const space = spaceOf(key)
      if (space === 'object') tickets += objectOf(value).uploads.length
      if (value.tombstone) return
      if (space === 'upload') states.set(key, uploadCodec.decode(value.body).state)
      if (space === 'part') parts.add(key)
    })
  }
  return { states: [...states.values()], tickets, parts: parts.size }
}

async function until(
  cluster: SimulatedCluster,
  holds: () => boolean,
  withinMs = 120_000,
): Promise<void> {
  const end = cluster.clock.monotonicMs() + withinMs
  while (!holds()) {
    expect(freedButReferenced(cluster)).toEqual([])
    if (cluster.clock.monotonicMs() > end)
      throw new Error(`not within ${withinMs} ms: ${holds.toString()}`)
    await calmSleep(cluster, 500)
  }
}

test('gateways that die in a completion leave the whole object or an open upload', async () => {
  const outcomes = new Set<string>()
  for (let seed = 1; seed <= 12; seed++) {
    await onCluster(
      3,
      async (cluster) => {
        const begun: Begun[] = []
        for (let i = 0; i < 8; i++) begun.push(await begin(cluster, i % 3, `key ${i}`))
        const codes = begun.map(() => 'none')
        const completing = begun.map(async (upload, i) => {
          codes[i] = await complete(cluster, i % 2 === 0 ? 2 : i % 3, upload)
        })
        await calmSleep(cluster, cluster.random() * 25)
        cluster.kill(2, seed % 3 === 0)
        await Promise.all(completing.filter((_, i) => i % 2 !== 0 && i % 3 !== 2))
        await cluster.start(2)
        await until(cluster, () => {
          const { states, tickets } = remains(cluster)
          return tickets === 0 && states.every((state) => state !== 2)
        })
        for (const [i, upload] of begun.entries()) {
          const there = await codeOf(get(backendOf(cluster, i % 3), upload.key))
          if (codes[i] === 'ok') expect(there).toBe('ok')
          outcomes.add(`${codes[i]} ${there}`)
          // Whatever the answer was, the client may ask again.
          expect(await complete(cluster, (i + 1) % 3, upload)).toBe('ok')
          const bytes = await get(backendOf(cluster, (i + 2) % 3), upload.key)
          expect(Buffer.compare(bytes, upload.bytes)).toBe(0)
        }
        await until(cluster, () => remains(cluster).parts === 0)
        await until(cluster, () => unreferencedBlocks(cluster).length === 0)
        for (const { key, bytes } of begun) {
          expect(Buffer.compare(await get(backendOf(cluster, 1), key), bytes)).toBe(0)
        }
      },
      { seed, space: SPACE },
    )
  }
  expect([...outcomes]).toEqual(expect.arrayContaining(['none NoSuchKey', 'none ok', 'ok ok']))
})

test('a bucket goes with its open uploads, and nothing of them stays', async () => {
  await onCluster(
    3,
    async (cluster) => {
      const begun: Begun[] = []
      for (let i = 0; i < 20; i++) begun.push(await begin(cluster, i % 3, `key ${i}`))
      expect(await complete(cluster, 0, begun[0]!)).toBe('ok')
      expect(await codeOf(backendOf(cluster, 1).deleteBucket(context(), BUCKET))).toBe(
        'BucketNotEmpty',
      )
      // The refused deletion has not touched the uploads.
      expect(await complete(cluster, 2, begun[1]!)).toBe('ok')
      for (const { key } of begun.slice(0, 2)) {
        await backendOf(cluster, 0).deleteObject(context(), { bucket: BUCKET, key })
      }
      expect(await codeOf(backendOf(cluster, 1).deleteBucket(context(), BUCKET))).toBe('ok')
      expect(await complete(cluster, 2, begun[2]!)).toBe('NoSuchBucket')
      await until(cluster, () => remains(cluster).states.length + remains(cluster).parts === 0)
      await until(cluster, () => unreferencedBlocks(cluster).length === 0)
      await until(cluster, () => tombstonesOf(cluster).length === 0)
    },
    { space: SPACE },
  )
})

test('uploads that a deleted bucket left behind are found', async () => {
  await onCluster(
    3,
    async (cluster) => {
      for (let i = 0; i < 6; i++) await begin(cluster, i % 3, `key ${i}`)
      // The deletion does not reach the uploads: of the messages to its node all but the necessary ones are slow.
      const { registers } = nodeOf(cluster, 1)
      const real = registers.change.bind(registers)
      registers.change = (own, asked) =>
        spaceOf(asked.key) === 'upload'
          ? Promise.reject(new Error('not reached'))
          : real(own, asked)
      expect(await codeOf(backendOf(cluster, 1).deleteBucket(context(), BUCKET))).toBe('ok')
      registers.change = real
      expect(remains(cluster).states).toHaveLength(6)
      // Another bucket of that name has nothing to do with them.
      await backendOf(cluster, 0).createBucket(context(), request(BUCKET))
      const other = await begin(cluster, 0, 'other')
      await until(cluster, () => remains(cluster).states.length === 1)
      await until(cluster, () => unreferencedBlocks(cluster).length === 0)
      expect(await complete(cluster, 1, other)).toBe('ok')
    },
    { space: SPACE },
  )
})

test('uploads that stay open for longer than the bucket allows are aborted', async () => {
  await onCluster(
    3,
    async (cluster) => {
      const rule = { id: 'rule', prefix: 'tmp/', abortDays: 1, enabled: true }
      await backendOf(cluster, 0).changeBucket(context(), {
        bucket: BUCKET,
        change: { lifecycle: [rule] },
      })
      const kept = await begin(cluster, 0, 'kept')
      const old = await begin(cluster, 1, 'tmp/old')
      await calmSleep(cluster, 20_000)
      expect(remains(cluster).states).toHaveLength(2)
      // Set the nodes' clocks instead of simulating whole days.
      const nowMs = cluster.clock.nowMs.bind(cluster.clock)
      cluster.clock.nowMs = () => nowMs() + 2 * DAY_MS
      await until(cluster, () => remains(cluster).states.length === 1)
      await until(cluster, () => unreferencedBlocks(cluster).length === 0)
      expect(await complete(cluster, 2, old)).toBe('NoSuchUpload')
      expect(await complete(cluster, 2, kept)).toBe('ok')
    },
    { space: SPACE },
  )
})
