/** A batch that finds no room is taken back while deletes and compaction go on appending (F6). */

import { expect, test } from 'vitest'
import { bytesOf } from '../../protocol/bytes.ts'
import { MANIFEST_PATH } from '../../node/log/manifest-format.ts'
import { SEGMENT_HEADER_BYTES, segmentPath } from '../../node/log/segment.ts'
import type { NewRecord } from '../../node/log/types.ts'
import type { DiskOperation } from '../world/disk-operations.ts'
import { StoreWorld } from './store-world.ts'

function record(key: string, payloadBytes: number): NewRecord {
  const payload = Uint8Array.from({ length: payloadBytes }, (_, i) => (31 + i) & 255)
  return { type: 2, partition: 7, key, body: bytesOf(`${key} version 1 `), payload }
}

test.each<[string, DiskOperation, number, number]>([
  ['in the open segment', 'truncate', 1_000, 1],
  ['that begins a segment', 'remove', 12_000, 2],
])('one %s', async (_, takenBackBy, sizeBytes, segment) => {
  const world = new StoreWorld({ seed: 5, segmentSizeBytes: 40 << 10 })
  const store = await world.open()
  await world.clock.settle(store.append([record('k1', 30_000)]))
  let full = true
  let urgent: Promise<unknown> | undefined
  world.disk.fault = (operation, path) => {
    if (operation === takenBackBy) {
      urgent ??= Promise.all([
        store.append([record('k3', 500)], { urgent: true }),
        store.append([record('k4', 500)], { urgent: true }),
      ])
    }
    if (operation !== 'write' || !path.endsWith(`${segment}.seg`) || !full) return undefined
    full = false
    return 'ENOSPC'
  }
  const refused = store.append([record('k2', sizeBytes)])
  await expect(world.clock.settle(refused)).rejects.toMatchObject({ code: 'DISK_FULL' })
  await world.clock.settle(urgent!)
  expect(world.failures).toEqual([])
  expect([...(await world.contents()).keys()]).toEqual(['k1', 'k3', 'k4'])
  world.crash('cut')
  await world.open()
  expect(world.store?.damage()).toEqual([])
  expect([...(await world.contents()).keys()]).toEqual(['k1', 'k3', 'k4'])
})

test('a start succeeds where nothing can be written, and no later one deletes what the manifest lacks', async () => {
  const world = new StoreWorld({ seed: 6, segmentSizeBytes: 40 << 10 })
  const store = await world.open()
  await world.clock.settle(store.append([record('k1', 30_000)]))
  await world.clock.settle(store.append([record('k2', 12_000)]))
  world.crash('cut')
  // There is a torn segment to be struck off, and the manifest has to be rebuilt.
  const path = segmentPath(2)
  world.disk.put(path, world.disk.contentOf(path).slice(0, SEGMENT_HEADER_BYTES))
  world.disk.put(MANIFEST_PATH, new Uint8Array(100))
  world.disk.fault = (operation) => (operation === 'write' ? 'ENOSPC' : undefined)
  const again = await world.open()
  expect(world.failures).toEqual([])
  expect(again.get(bytesOf('k1'))).toBeDefined()
  world.disk.fault = undefined
  await world.clock.settle(again.append([record('k3', 500)], { urgent: true }))
  for (const fate of ['cut', 'kill'] as const) {
    world.crash(fate)
    await world.open()
    expect([...(await world.contents()).keys()]).toEqual(['k1', 'k3'])
  }
})
