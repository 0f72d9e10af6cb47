/** A batch that finds no room is taken back while deletes and compaction go on appending (fault 6). */

import { expect, test } from 'vitest'
import { bytesOf } from '../protocol/bytes.ts'
import type { NewRecord } from '../node/data/types.ts'
import type { DiskOperation } from './disk.ts'
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
