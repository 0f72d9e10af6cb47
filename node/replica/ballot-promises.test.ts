import { beforeEach, describe, expect, test } from 'vitest'
import type { RegisterKey } from '../../protocol/ids.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { MARK_ROW } from './index-rows.ts'
import { decodeNumber } from './row-format.ts'
import { HostLab, LAB_BUCKET, KEY, OTHER, FAR, STEP, ballot, state } from './testing/host-lab.ts'

let lab: HostLab

beforeEach(() => {
  lab = new HostLab()
})

describe('promises (A1)', () => {
  test('a first promise waits until the mark is flushed; later ones need no flush', async () => {
    lab.store.hold()
    const promise = lab.prepare(5)
    expect(await state(promise)).toBe('waits')
    await lab.store.flush()
    expect(await promise).toMatchObject({ type: 'promised', ballot: ballot(5) })
    expect(decodeNumber(lab.store.get(MARK_ROW)!)).toBeGreaterThan(5)
    expect(await lab.prepare(6)).toMatchObject({ type: 'promised' })
    expect(await lab.prepare(7, FAR)).toMatchObject({ type: 'promised' })
    expect(lab.store.appends).toBe(1)
  })

  test('after a start every promise counts as the mark; the refusal says what to go past', async () => {
    await lab.prepare(5)
    await lab.accept(5, 'one')
    lab.restart()
    const mark = decodeNumber(lab.store.get(MARK_ROW)!)
    for (const key of [KEY, OTHER]) {
      const reply = await lab.prepare(7, key)
      expect(reply).toMatchObject({ type: 'conflict', seen: { counter: mark } })
      expect(await lab.prepare(mark + 1, key)).toMatchObject({ type: 'promised' })
    }
    expect(await lab.read()).toMatchObject({ accepted: { ballot: ballot(5) } })
    expect(mark).toBeGreaterThanOrEqual(STEP)
  })

  test('promises dropped from memory count as at least as high as they were', async () => {
    const keyOf = (i: number): RegisterKey => objectRegister(LAB_BUCKET, 0, `k${i}`, 6)
    lab.restart(20_000)
    await lab.prepare(900, keyOf(0))
    for (let i = 1; i <= 100; i++) await lab.prepare(10, keyOf(i))
    expect(await lab.prepare(890, keyOf(0))).toMatchObject({
      type: 'conflict',
      seen: { counter: 901 },
    })
    expect(await lab.prepare(895, keyOf(999_999))).toMatchObject({ type: 'conflict' })
    expect(await lab.prepare(902, keyOf(0))).toMatchObject({ type: 'promised' })
  })

  test('promises are bounded in bytes, whatever their keys', async () => {
    lab.restart(64 << 10)
    const name = (i: number): string => String(i).padEnd(1_024, 'k')
    for (let i = 0; i < 300; i++)
      await lab.prepare(10 + i, objectRegister(LAB_BUCKET, 0, name(i), 6))
    expect(lab.host.promiseBytes).toBeLessThanOrEqual(64 << 10)
    expect(lab.host.promiseBytes).toBeGreaterThan(48 << 10)
    // The first ones are forgotten, and refused all the same.
    const again = await lab.prepare(10, objectRegister(LAB_BUCKET, 0, name(0), 6))
    expect(again).toMatchObject({ type: 'conflict' })
  })
})
