import { describe, expect, it } from 'vitest'
import { finish, Meter, SLICE_STEPS, type Work } from '../../protocol/work.ts'
import type { AbortCause } from './exchange.ts'
import { WorkQueue } from './work-queue.ts'
import { ManualClock } from '../testing/manual-clock.ts'

/** Notes each slice by its name. */
function* counting(name: string, slices: number, notes: string[]): Work<string> {
  for (let slice = 0; slice < slices; slice++) {
    notes.push(name)
    if (slice < slices - 1) yield
  }
  return name.toUpperCase()
}

describe('a meter', () => {
  it('is due once in each slice', () => {
    const meter = new Meter()
    meter.take(SLICE_STEPS - 1)
    expect(meter.isDue()).toBe(false)
    meter.take(1)
    expect([meter.isDue(), meter.isDue()]).toEqual([true, false])
    meter.take(SLICE_STEPS)
    expect(meter.isDue()).toBe(true)
  })

  it('ends work that takes too much', () => {
    function* endless(): Work<never> {
      const meter = new Meter(10 * SLICE_STEPS)
      for (;;) {
        meter.take(1_000)
        if (meter.isDue()) yield
      }
    }
    expect(() => finish(endless())).toThrow(/more steps/)
  })
})

describe('the work queue', () => {
  it('does small work immediately', () => {
    const clock = new ManualClock()
    expect(new WorkQueue(clock).run(counting('a', 1, []), {})).toBe('A')
    expect(clock.waiting).toBe(0)
  })

  it('lets all work take turns, a few slices in each turn of the event loop', async () => {
    const due: (() => void)[] = []
    const queue = new WorkQueue({
      monotonicMs: () => 0,
      after: (_, run) => {
        due.push(run)
        return () => {}
      },
    })
    const notes: string[] = []
    const names = Array.from({ length: 20 }, (_, at) => String.fromCharCode(97 + at))
    const results = names.map((name) => Promise.resolve(queue.run(counting(name, 3, notes), {})))
    expect(notes).toEqual(names)
    const turns: number[] = []
    while (notes.length < 60) {
      const before = notes.length
      expect(due).toHaveLength(1)
      due.shift()?.()
      turns.push(notes.length - before)
    }
    expect(turns).toEqual([8, 8, 8, 8, 8])
    expect(notes.slice(20, 40)).toEqual(names)
    const done = await Promise.all(results.map(async (result) => await result))
    expect(done).toEqual(names.map((name) => name.toUpperCase()))
  })

  it('ends a turn early when its slices take long', () => {
    let nowMs = 0
    const due: (() => void)[] = []
    const queue = new WorkQueue({
      monotonicMs: () => nowMs,
      after: (_, run) => {
        due.push(run)
        return () => {}
      },
    })
    let slices = 0
    function* slow(): Work<void> {
      for (;;) {
        slices++
        nowMs += 5
        yield
      }
    }
    void queue.run(slow(), {})
    due.shift()?.()
    expect(slices).toBe(1 + 2)
    expect(due).toHaveLength(1)
  })
})

describe('work in the queue that fails', () => {
  it('is dropped when its request was aborted, and passes on what it throws', async () => {
    const clock = new ManualClock()
    const queue = new WorkQueue(clock)
    const notes: string[] = []
    const owner: { aborted?: AbortCause } = {}
    const given = queue.run(counting('a', 100, notes), owner)
    function* failing(): Work<void> {
      yield
      throw new RangeError('no')
    }
    const failed = queue.run(failing(), {})
    owner.aborted = 'deadline'
    clock.advance(1)
    await expect(given).rejects.toThrow(/deadline/)
    await expect(failed).rejects.toThrow(RangeError)
    expect(notes).toEqual(['a'])
  })
})
