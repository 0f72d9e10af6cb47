/**
 * Every point at which one life of a store may end, and every point at which the recovery from it
 * may end again (docs/correctness.md, F1): before each write, flush, truncation and change of a
 * name, with the unflushed writes lost, kept, torn and scattered.
 */

import { CRASH_FATES, type CrashFate } from '../world/inode.ts'
import { StoreWorld } from './store-world.ts'

export interface CrashPoints {
  /** Ends of the life: points × fates. */
  first: number
  /** Ends of the recoveries: points × fates. */
  second: number
}

/**
 * One life with overwrites, removals, rotations, compaction and checkpoints, taken apart: about 3,500
 * states. `stride` takes only every n-th point of the life.
 */
export async function crashPoints(seed: number, stride = 1): Promise<CrashPoints> {
  const counts: CrashPoints = { first: 0, second: 0 }
  const world = new StoreWorld({ seed, segmentSizeBytes: 24 << 10, payloadBytesMax: 9_000 })
  const moments: StoreWorld[] = []
  world.disk.onMutation = () => moments.push(world.clone(seed + moments.length))
  await world.open()
  await world.work(3, 8)
  for (let i = 0; i < moments.length; i += stride) {
    const moment = moments[i] as StoreWorld
    for (const fate of CRASH_FATES) {
      counts.first++
      counts.second += await endIn(moment, fate)
    }
  }
  return counts
}

function foundBy({ store }: StoreWorld): { damage: number; losses: number } {
  return { damage: store?.damage().length ?? 0, losses: store?.losses().length ?? 0 }
}

/** The crash, the recovery from it, and each crash in that recovery. The result is their number. */
async function endIn(moment: StoreWorld, fate: CrashFate): Promise<number> {
  const recovering = moment.clone(moment.seed)
  recovering.crash('cut', fate)
  if (recovering.random() < 0.25) recovering.indexStore.delete()
  const moments: StoreWorld[] = []
  recovering.disk.onMutation = () =>
    moments.push(recovering.clone(recovering.seed + moments.length))
  await recovering.open()
  if (foundBy(recovering).losses > 0) throw new Error('a crash is no loss')
  recovering.disk.onMutation = undefined
  await recovering.check()
  let count = 0
  for (const again of moments) {
    for (const second of CRASH_FATES) {
      const last = again.clone(again.seed)
      last.crash('cut', second)
      await last.open()
      await last.check()
      const { damage, losses } = foundBy(last)
      if (damage + losses !== 0) throw new Error('a crash is no damage')
      count++
    }
  }
  return count
}
