import { beforeEach, describe, expect, test } from 'vitest'
import { registerRow } from './index-rows.ts'
import { HostLab, KEY, OTHER, FAR, STEP, ballot, valueOf, state } from './testing/host-lab.ts'

let lab: HostLab

beforeEach(() => {
  lab = new HostLab()
})

const always = (): boolean => true

/** A tombstone at 5, with 6 promised. */
async function bury(): Promise<void> {
  await lab.prepare(5)
  await lab.accept(5, 'gone', { tombstone: true })
}

describe('what is collected (G2, G3)', () => {
  test('only exactly this ballot, and only a tombstone', async () => {
    await bury()
    expect(lab.host.removals.tombstoneState(KEY, ballot(5))).toBe('exact')
    expect(lab.host.removals.tombstoneState(KEY, ballot(4))).toBe('other')
    expect(await lab.host.removals.collect(KEY, ballot(4), always)).toBe(false)
    await lab.prepare(9, OTHER)
    await lab.accept(9, 'alive', { key: OTHER })
    expect(lab.host.removals.tombstoneState(OTHER, ballot(9))).toBe('other')
    expect(await lab.host.removals.collect(OTHER, ballot(9), always)).toBe(false)
    expect(lab.host.removals.tombstoneState(FAR, ballot(9))).toBe('other')
    expect(await lab.host.removals.collect(KEY, ballot(5), () => false)).toBe(false)
    expect(await lab.host.removals.collect(KEY, ballot(5), always)).toBe(true)
    expect(await lab.host.removals.collect(KEY, ballot(5), always)).toBe(false)
    expect(lab.host.peek(KEY)).toBeUndefined()
    expect(lab.store.get(registerRow(KEY))).toBeUndefined()
  })

  test('a state that is written while the collection waits for its turn stays', async () => {
    await bury()
    lab.store.hold()
    const writing = lab.accept(6, 'again')
    const collecting = lab.host.removals.collect(KEY, ballot(5), always)
    await lab.store.flush()
    expect(await writing).toMatchObject({ type: 'accepted' })
    expect(await collecting).toBe(false)
    expect(lab.host.peek(KEY)?.ballot).toEqual(ballot(6))
  })

  test('a vote waits until it is known whether the tombstone is gone', async () => {
    await bury()
    lab.store.hold()
    const collecting = lab.host.removals.collect(KEY, ballot(5), always)
    const voting = lab.accept(6, 'late')
    expect(await state(voting)).toBe('waits')
    await lab.store.flush()
    expect(await collecting).toBe(true)
    expect(await voting).toMatchObject({ type: 'conflict' })
  })
})

describe('the floor of a collected tombstone (G2, G3)', () => {
  test('the floor is what was promised; nothing at or below it is accepted, promised or copied', async () => {
    await bury()
    await lab.prepare(8)
    await lab.host.removals.collect(KEY, ballot(5), always)
    const { partition } = lab.store.last[0]!
    expect(lab.host.floor(partition)).toEqual(ballot(8))
    expect(lab.host.removals.tombstoneState(KEY, ballot(5))).toBe('absent')
    expect(lab.host.removals.tombstoneState(KEY, ballot(9))).toBe('other')
    // Promised before, and exactly at the floor: late all the same.
    expect(await lab.accept(8, 'late')).toMatchObject({
      type: 'conflict',
      seen: ballot(8),
      never: false,
    })
    expect(await lab.prepare(8)).toMatchObject({ type: 'conflict', seen: ballot(8) })
    const copy = { ballot: ballot(7), value: valueOf('copy') }
    expect(await lab.host.learn(KEY, copy)).toBe('refused')
    expect(await lab.host.learn(KEY, { ...copy, ballot: ballot(9) })).toBe('installed')
    // A new register of the same partition begins above it, too, and says what it began above (P4).
    expect(await lab.prepare(3, OTHER)).toMatchObject({ type: 'conflict', seen: ballot(8) })
    expect(await lab.prepare(11, OTHER)).toMatchObject({ type: 'promised', floor: ballot(8) })
  })

  test('the floor outlives the process', async () => {
    await bury()
    await lab.host.removals.collect(KEY, ballot(5), always)
    lab.restart()
    expect(await lab.host.learn(KEY, { ballot: ballot(6), value: valueOf('copy') })).toBe('refused')
    expect(await lab.accept(STEP + 99, 'late')).toMatchObject({ type: 'accepted' })
    // Its own mark is a promise, so the next floor is above it.
    await lab.prepare(3 * STEP, OTHER)
    await lab.accept(3 * STEP, 'gone', { key: OTHER, tombstone: true })
    await lab.host.removals.collect(OTHER, ballot(3 * STEP), always)
    expect(lab.host.floor(lab.store.last[0]!.partition)).toEqual(ballot(3 * STEP + 1))
  })
})
