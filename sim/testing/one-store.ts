/** One store on a simulated disk, opened, filled and started again. */

import { bytesOf } from '../../protocol/bytes.ts'
import type { LogPosition, NewRecord } from '../../node/log/types.ts'
import type { Store } from '../../node/log/store.ts'
import { StoreWorld } from '../log/store-world.ts'

export function storeRecord(key: string, payloadBytes = 0): NewRecord {
  const body = bytesOf(`${key} version 1 `)
  if (payloadBytes === 0) return { type: 1, partition: 7, key, body }
  const payload = Uint8Array.from({ length: payloadBytes }, (_, i) => (31 + i) & 255)
  return { type: 2, partition: 7, key, body, payload }
}

export async function openedStore(
  options: { segmentSizeBytes?: number } = {},
): Promise<StoreWorld> {
  const world = new StoreWorld({ seed: 1, segmentSizeBytes: 1 << 20, ...options })
  await world.open()
  return world
}

export async function appendTo(world: StoreWorld, ...records: NewRecord[]): Promise<LogPosition[]> {
  return world.clock.settle((world.store as Store).append(records))
}

/** Process gone and started again; without the index everything is read from the log. */
export async function openedAgain(world: StoreWorld, options: { index: boolean }): Promise<void> {
  world.crash('kill')
  if (!options.index) world.indexStore.delete()
  await world.open()
}

export async function storedKeys(world: StoreWorld): Promise<string[]> {
  return [...(await world.contents()).keys()]
}
