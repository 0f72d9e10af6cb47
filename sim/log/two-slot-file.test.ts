/** A file of two copies on a disk that loses power at any write, again and again: one copy is always sound. */

import { expect, test } from 'vitest'
import { utf8 } from '../../protocol/bytes.ts'
import {
  latestSlot,
  TwoSlotFile,
  type FoundSlot,
  type SlotForm,
} from '../../node/tools/two-slot-file.ts'
import { SimulatedDisk } from '../world/disk.ts'
import { CRASH_FATES, type CrashFate } from '../world/inode.ts'
import { seededRandom } from '../world/seeded-random.ts'
import { VirtualClock } from '../world/virtual-clock.ts'

const NAME = 'file'
const FORM: SlotForm = { magic: utf8('SHOALTST'), version: 1, slotBytes: 12 << 10 }
const CONTENT_AT = 100
/** How a life ends: power is lost, or the process is killed and the page cache stays. */
const ENDS: readonly (CrashFate | 'killed')[] = [...CRASH_FATES, 'killed']
/** How many lives in a row end in the middle of a write. */
const LIVES = 2

interface Moment {
  readonly disk: SimulatedDisk
  /** The content that was durable by then. */
  readonly durable: number
}

const clock = new VirtualClock()

async function found(disk: SimulatedDisk): Promise<FoundSlot | undefined> {
  const bytes = await disk.readFile(NAME)
  return bytes && latestSlot(bytes, FORM)
}

function contentOf({ slot }: FoundSlot): number {
  return new DataView(slot.buffer, slot.byteOffset).getUint32(CONTENT_AT)
}

/** Every byte of the slot depends on the content, so slots of two contents differ in each sector. */
function slotOf(content: number): Uint8Array<ArrayBuffer> {
  const slot = new Uint8Array(FORM.slotBytes).fill(content)
  new DataView(slot.buffer).setUint32(CONTENT_AT, content)
  return slot
}

/** The disks that a life which writes `contents` leaves, at each of its mutations and at its end. */
async function life(
  disk: SimulatedDisk,
  stored: FoundSlot | undefined,
  contents: readonly number[],
  before = 0,
): Promise<Moment[]> {
  const moments: Moment[] = []
  let durable = before
  const keep = (): void => {
    const random = seededRandom(moments.length)
    moments.push({ disk: disk.clone({ clock, random }), durable })
  }
  disk.onMutation = keep
  const file = new TwoSlotFile(disk, NAME, FORM, stored)
  for (const content of contents) {
    await file.write(slotOf(content))
    durable = content
  }
  keep()
  disk.onMutation = undefined
  return moments
}

/** Checks that after each end of each moment a copy is sound, and no older than what was durable. */
async function outlived(
  moments: readonly Moment[],
  lives: number,
  newest: number,
): Promise<number> {
  let states = 0
  for (const { disk, durable } of moments) {
    for (const end of ENDS) {
      const after = disk.clone({ clock, random: seededRandom(states) })
      if (end === 'killed') after.kill()
      else after.crash(end)
      states++
      const stored = await found(after)
      if (stored === undefined) throw new Error(`no sound copy after ${end}, ${lives} lives left`)
      const content = contentOf(stored)
      expect(content).toBeGreaterThanOrEqual(durable)
      expect(content).toBeLessThanOrEqual(newest)
      if (lives === 0) continue
      // A start that finds only one sound copy writes what it found before it goes on: it may be only in the page cache.
      // When both copies are equal, at least the first was flushed.
      const before = stored.isAlone ? durable : content
      const contents = stored.isAlone ? [content, newest + 1] : [newest + 1]
      states += await outlived(await life(after, stored, contents, before), lives - 1, newest + 1)
    }
  }
  return states
}

test('one copy is sound and new enough after a crash at any write, also of the lives after it', () =>
  clock.settle(
    (async () => {
      const disk = new SimulatedDisk({ clock, random: seededRandom(1) })
      await life(disk, undefined, [1])
      const stored = await found(disk)
      expect(await outlived(await life(disk, stored, [2, 3], 1), LIVES - 1, 3)).toBeGreaterThan(300)
    })(),
  ))
