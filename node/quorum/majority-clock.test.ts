import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { MajorityClock, majorityOf } from './majority-clock.ts'

test('the instant is the latest that a majority of all has reached', () => {
  fc.assert(
    fc.property(
      fc.array(fc.option(fc.nat({ max: 9 }), { nil: undefined }), { minLength: 1, maxLength: 9 }),
      (values) => {
        const reached = (instant: number): boolean =>
          values.filter((value) => value !== undefined && value >= instant).length * 2 >
          values.length
        const instant = majorityOf(values)
        if (instant === undefined) expect(reached(0)).toBe(false)
        else expect([reached(instant), reached(instant + 1)]).toEqual([true, false])
      },
    ),
  )
})

/** Members 0, 1 and 2, of which 0 asks. Undefined: it does not answer. */
function worldOf(clocks: (number | undefined)[]) {
  let passedMs = 0
  let asked = 0
  const members = clocks.map((_, at) => ({ nodeId: String(at) as NodeId }))
  const clock = new MajorityClock({
    peers: {
      self: '0' as NodeId,
      connected: () => true,
      clock(node) {
        asked++
        const nowMs = clocks[Number(node)]
        return nowMs === undefined ? Promise.reject(new Error('away')) : Promise.resolve(nowMs)
      },
    },
    view: () => ({ members }) as unknown as LayoutView,
    clock: {
      nowMs: () => clocks[0]! + passedMs,
      monotonicMs: () => passedMs,
      after: () => () => {},
    },
  })
  return { clock, pass: (ms: number) => (passedMs += ms), asked: () => asked }
}

test('one clock that is ahead, and one that is behind, do not count', async () => {
  for (const clocks of [
    [100, 105, 9_999_999],
    [9_999_999, 100, 105],
    [105, 3, 9_999_999],
  ]) {
    expect(await worldOf(clocks).clock.nowMs(), clocks.join()).toBe(
      [...clocks].sort((a, b) => a - b)[1],
    )
  }
})

test('without a majority the time is not known', async () => {
  expect(await worldOf([100, undefined, undefined]).clock.nowMs()).toBeUndefined()
  expect(await worldOf([100, 90, undefined]).clock.nowMs()).toBe(90)
})

test('the answers are counted on from for half a minute', async () => {
  const { clock, pass, asked } = worldOf([100, 90, 110])
  expect(await clock.nowMs()).toBe(100)
  pass(20_000)
  expect(await clock.nowMs()).toBe(20_100)
  expect(asked()).toBe(2)
  pass(20_000)
  await clock.nowMs()
  expect(asked()).toBe(4)
})
