/** The layout's chain on a disk that loses power, fails and decays: never shorter than what was obeyed (A4, L4). */

import { beforeEach, describe, expect, test } from 'vitest'
import { LayoutLog } from '../../node/layout/layout-log.ts'
import { CHECKED_FILE, LAYOUT_FILE, VOTE_FILE } from '../../node/layout/layout-store.ts'
import { earlierLayout } from '../../node/layout/testing/stored-layout.ts'
import { entryHash, type DecidedEntry, type LayoutEntry } from '../../protocol/layout/entry.ts'
import {
  decidedEntry,
  testMember,
  sign,
  stable,
  verify,
} from '../../protocol/layout/testing/entries.ts'
import {
  movedEntry,
  planEntry,
  plannedJointEntry,
  stableEntry,
  tokensEntry,
} from '../../protocol/layout/transition.ts'
import { SimulatedDisk } from '../world/disk.ts'
import { CRASH_FATES } from '../world/inode.ts'
import { seededRandom } from '../world/seeded-random.ts'
import { VirtualClock } from '../world/virtual-clock.ts'

const [a, b, c] = ['a', 'b', 'c'].map((name) => testMember(name)) as [
  ReturnType<typeof testMember>,
  ReturnType<typeof testMember>,
  ReturnType<typeof testMember>,
]
const CHAIN = chain()
const LAST = CHAIN.length
const DAMAGED = /layout.json is damaged: .* Copy it from any other member/
/** As they are adopted: one by one, or several at once. */
const BATCHES = [
  CHAIN.slice(0, 1),
  CHAIN.slice(1, 4),
  ...CHAIN.slice(4, 9).map((one) => [one]),
  CHAIN.slice(9),
]

/** b comes and goes again: a → a, b, c → a, c. */
function chain(): DecidedEntry[] {
  const entries: LayoutEntry[] = [stable([a])]
  const signers = [[a]]
  const add = (entry: LayoutEntry, by = [a]): LayoutEntry => {
    entries.push(entry)
    signers.push(by)
    return entry
  }
  const last = (): LayoutEntry => entries.at(-1)!
  add(planEntry(last(), { members: [a, b, c], replication: 3 }))
  add(plannedJointEntry(last()))
  const { epoch } = add(stableEntry(last(), 'synced', true))
  add(movedEntry(last(), epoch), [a, b])
  add(planEntry(last(), { members: [a, c], replication: 3 }), [b, c])
  add(plannedJointEntry(last()), [a, c])
  add(stableEntry(last(), 'synced'), [a, c])
  for (let i = 0; i < 3; i++) add(tokensEntry(last(), []), [a, c])
  return entries.map((entry, i) => decidedEntry(entry, signers[i]!))
}

let clock: VirtualClock
let disk: SimulatedDisk
let verified = 0

beforeEach(() => {
  clock = new VirtualClock()
  disk = new SimulatedDisk({ clock, random: seededRandom(1) })
})

function open(on = disk): Promise<LayoutLog> {
  verified = 0
  const signer = {
    nodeId: a.nodeId,
    sign: (bytes: Uint8Array) => sign(a.nodeId, bytes),
    verify: (...signature: Parameters<typeof verify>) => {
      verified++
      return verify(...signature)
    },
  }
  return LayoutLog.open(on, { signer, storageId: a.storageId })
}

async function adoptAll(log: LayoutLog): Promise<void> {
  for (const batch of BATCHES) await log.adopt(batch)
}

function run<T>(work: () => Promise<T>): Promise<T> {
  return clock.settle(work())
}

function expectPrefix(log: LayoutLog, epochMin: number): void {
  const entries = log.entriesAfter(0)
  expect(entries.length).toBeGreaterThanOrEqual(epochMin)
  expect(log.epoch).toBe(entries.length)
  expect(entries.map(({ entry }) => entryHash(entry))).toEqual(
    CHAIN.slice(0, entries.length).map(({ entry }) => entryHash(entry)),
  )
}

/** What `life` leaves at each of its writes, and the epoch that was obeyed by then. */
async function moments(
  life: (obeyed: (epoch: number) => void) => Promise<void>,
): Promise<{ disk: SimulatedDisk; epoch: number }[]> {
  const found: { disk: SimulatedDisk; epoch: number }[] = []
  let epoch = 0
  const keep = (): void => {
    const random = seededRandom(found.length)
    found.push({ disk: disk.clone({ clock, random }), epoch })
  }
  disk.onMutation = keep
  await life((now) => {
    epoch = now
  })
  disk.onMutation = undefined
  keep()
  return found
}

/** After a crash of any kind there is the old chain or the new one, and it goes on. */
async function expectSurvived(at: SimulatedDisk, epoch: number): Promise<number> {
  let states = 0
  for (const fate of [...CRASH_FATES, 'killed'] as const) {
    const after = at.clone({ clock, random: seededRandom(states) })
    if (fate === 'killed') after.kill()
    else after.crash(fate)
    const log = await open(after)
    expectPrefix(log, epoch)
    const found = log.epoch
    // What was read is obeyed: no later crash takes it back.
    after.crash('lost')
    const again = await open(after)
    expectPrefix(again, found)
    // A note that only the page cache had is lost with it: its chain was flushed before it was written.
    if (fate !== 'killed') expect(verified).toBe(0)
    await adoptAll(again)
    after.crash('lost')
    expectPrefix(await open(after), LAST)
    expect(verified).toBe(0)
    states++
  }
  return states
}

describe('a crash at any write', () => {
  test('of a life leaves the chain as it was obeyed, or one that goes further', () =>
    run(async () => {
      const life = await moments(async (obeyed) => {
        const log = await open()
        log.onAdopt((view) => obeyed(view.epoch))
        await adoptAll(log)
      })
      let states = 0
      for (const { disk, epoch } of life) states += await expectSurvived(disk, epoch)
      expect(states).toBeGreaterThan(300)
    }))

  test('of the conversion of an earlier program’s file leaves all of it', () =>
    run(async () => {
      for (const checked of [false, true]) {
        disk = new SimulatedDisk({ clock, random: seededRandom(1) })
        disk.put(LAYOUT_FILE, earlierLayout(CHAIN.slice(0, 6), checked))
        const conversion = await moments(async () => void (await open()))
        expectPrefix(await open(), 6)
        expect(verified).toBe(0)
        for (const { disk } of conversion) await expectSurvived(disk, 6)
      }
    }))
})

describe('a write that fails', () => {
  test('any of them, adopts nothing and breaks nothing: the next try writes all of it (D5)', () =>
    run(async () => {
      let failures = 0
      for (const code of ['EIO', 'ENOSPC']) {
        for (let nth = 0; ; nth++) {
          const failing = new SimulatedDisk({ clock, random: seededRandom(nth) })
          const log = await open(failing)
          let left = nth
          let hasFailed = false
          // The file itself must not be flushed again after that has failed (D5).
          let isBroken = false
          failing.fault = (operation, path) => {
            if (operation === 'rename' && path.startsWith(LAYOUT_FILE)) isBroken = false
            if (operation === 'flush' && path === LAYOUT_FILE) expect(isBroken).toBe(false)
            if (operation === 'read' || operation === 'space' || hasFailed || left-- > 0) return
            hasFailed = true
            isBroken = path === LAYOUT_FILE
            return code
          }
          for (const batch of BATCHES) {
            const before = log.epoch
            await log.adopt(batch).catch(async () => {
              failures++
              expect(log.epoch).toBe(before)
              await log.adopt(batch)
            })
            expect(log.epoch).toBe(batch.at(-1)!.entry.epoch)
          }
          failing.crash('lost')
          expectPrefix(await open(failing), LAST)
          expect(verified).toBe(0)
          if (!hasFailed) break
        }
      }
      expect(failures).toBeGreaterThan(60)
    }))

  test('a full disk does not keep an upgraded node from starting', () =>
    run(async () => {
      disk.put(LAYOUT_FILE, earlierLayout(CHAIN, true))
      await (await open()).abstain(LAST + 1)
      disk.put(LAYOUT_FILE, earlierLayout(CHAIN, true))
      disk.lose(CHECKED_FILE)
      disk.fail(['write'], 'ENOSPC')
      expectPrefix(await open(), LAST)
    }))
})

describe('what a start costs, and an entry', () => {
  test('signatures are verified once; without the note once more', () =>
    run(async () => {
      await adoptAll(await open())
      const signatures = verified
      expect(signatures).toBeGreaterThan(LAST)
      expectPrefix(await open(), LAST)
      expect(verified).toBe(0)
      disk.lose(CHECKED_FILE)
      expectPrefix(await open(), LAST)
      expect(verified).toBe(signatures)
      expectPrefix(await open(), LAST)
      expect(verified).toBe(0)
    }))

  test('an entry is appended: the file is not written again', () =>
    run(async () => {
      const log = await open()
      for (const batch of BATCHES.slice(0, -1)) await log.adopt(batch)
      const done: string[] = []
      disk.fault = (operation, path) => {
        if (path === LAYOUT_FILE) done.push(operation)
        return undefined
      }
      const before = disk.contentOf(LAYOUT_FILE)
      await log.adopt(BATCHES.at(-1)!)
      expect([...new Set(done)]).toEqual(['open', 'write', 'flush'])
      const after = disk.contentOf(LAYOUT_FILE)
      expect(after.subarray(0, before.length)).toEqual(before)
    }))
})

const failure = (): Promise<string> =>
  open().then(
    () => 'it starts',
    (error: Error) => error.message,
  )

describe('a file that is not as it was left', () => {
  test(
    'a flipped bit of the chain, any, is an error and never a shorter chain (A4)',
    () =>
      run(async () => {
        const log = await open()
        for (const batch of BATCHES.slice(0, 3)) await log.adopt(batch)
        const { epoch } = log
        const { length } = disk.contentOf(LAYOUT_FILE)
        const lastLine = length - disk.contentOf(LAYOUT_FILE).lastIndexOf(10, -2)
        let healed = 0
        for (const hasNote of [true, false]) {
          if (!hasNote) disk.lose(CHECKED_FILE)
          const at = disk.clone({ clock, random: seededRandom(1) })
          for (let offset = 0; offset < length; offset += hasNote ? 5 : 31) {
            disk = at.clone({ clock, random: seededRandom(1) })
            disk.corrupt(LAYOUT_FILE, offset, 1 << (offset % 8))
            const outcome = await failure()
            if (hasNote && outcome === 'it starts') healed++
            else expect([offset, outcome]).toEqual([offset, expect.stringMatching(DAMAGED)])
            if (outcome === 'it starts') expectPrefix(await open(), epoch)
          }
          disk = at
        }
        // The note holds the last line too.
        expect(healed).toBeGreaterThan(lastLine / 5 - 2)
        expect(healed).toBeLessThan(lastLine / 5 + 2)
        expectPrefix(await open(), epoch)
      }),
    30_000,
  )

  test('a flipped bit of the note costs one verification', () =>
    run(async () => {
      await adoptAll(await open())
      disk.corrupt(CHECKED_FILE, 40, 1)
      expectPrefix(await open(), LAST)
      expect(verified).toBeGreaterThan(LAST)
      expectPrefix(await open(), LAST)
      expect(verified).toBe(0)
    }))

  test('lines that are gone from the end are noticed', () =>
    run(async () => {
      await adoptAll(await open())
      const lines = Buffer.from(disk.contentOf(LAYOUT_FILE)).toString().split('\n')
      const without = (count: number): void =>
        disk.put(LAYOUT_FILE, Buffer.from([...lines.slice(0, -1 - count), ''].join('\n')))
      // The last one has a copy. A member that was not told of it yet may give all others.
      without(1)
      expectPrefix(await open(), LAST)
      without(2)
      expect(await failure()).toMatch(/it ends at epoch 9, and this node has been at 11/)
      disk.put(LAYOUT_FILE, new Uint8Array())
      expect(await failure()).toMatch(DAMAGED)
      disk.lose(LAYOUT_FILE)
      expect(await failure()).toMatch(DAMAGED)
    }))
})

describe('copies of the file from other members', () => {
  test("another member's copy is taken, verified, when it reaches as far", () =>
    run(async () => {
      const other = new SimulatedDisk({ clock, random: seededRandom(2) })
      const log = await open(other)
      // Certificates differ from member to member.
      const signers = [a, c]
      for (const { entry, certificate } of CHAIN) {
        const isLast = entry.epoch === LAST
        await log.adopt([
          isLast ? decidedEntry(entry, signers.toReversed()) : { entry, certificate },
        ])
      }
      const own = await open()
      for (const batch of BATCHES.slice(0, 5)) await own.adopt(batch)
      disk.put(LAYOUT_FILE, other.contentOf(LAYOUT_FILE))
      const copied = await open()
      expectPrefix(copied, LAST)
      expect(verified).toBeGreaterThan(0)
      expectPrefix(await open(), LAST)
      expect(verified).toBe(0)
      expect(disk.contentOf(LAYOUT_FILE)).toEqual(other.contentOf(LAYOUT_FILE))
    }))

  test('a copy without valid signatures is refused, with and without a note', () =>
    run(async () => {
      await adoptAll(await open())
      const text = Buffer.from(disk.contentOf(LAYOUT_FILE)).toString()
      const forged = decidedEntry(CHAIN.at(-1)!.entry, [a, b])
      const other = new SimulatedDisk({ clock, random: seededRandom(2) })
      other.put(LAYOUT_FILE, earlierLayout([...CHAIN.slice(0, -1), forged], true))
      disk.put(LAYOUT_FILE, other.contentOf(LAYOUT_FILE))
      expect(await failure()).toMatch(/has no vote in epoch 11/)
      disk.lose(CHECKED_FILE)
      expect(await failure()).toMatch(/has no vote in epoch 11/)
      disk.put(LAYOUT_FILE, Buffer.from(text))
      expectPrefix(await open(), LAST)
    }))
})

test('who was a member once is known, with the epoch that it left in', () =>
  run(async () => {
    const log = await open()
    expect(log.formerMember(b.nodeId, b.storageId)).toBeUndefined()
    let seen: number | undefined
    for (const one of CHAIN) {
      await log.adopt([one])
      expect(log.formerMember(a.nodeId, a.storageId)).toBeUndefined()
      seen ??= log.formerMember(b.nodeId, b.storageId)?.leftEpoch
    }
    // As soon as no node asks it for blocks any more.
    expect(seen).toBe(8)
    expect(log.formerMember(b.nodeId, c.storageId)).toBeUndefined()
    expect((await open()).formerMember(b.nodeId, b.storageId)).toEqual({ leftEpoch: 8 })
    expect(disk.paths()).toEqual([CHECKED_FILE, LAYOUT_FILE, VOTE_FILE].toSorted())
  }))
