import { describe, expect, it } from 'vitest'
import { Starts } from './starts.ts'

/** Turns of the event loop that a test ends itself. */
function turns(): { after: (ms: number, run: () => void) => () => void; end: () => void } {
  let due: (() => void)[] = []
  return {
    after: (_, run) => {
      due.push(run)
      return () => {}
    },
    end: () => {
      const now = due
      due = []
      for (const run of now) run()
    },
  }
}

describe('starts of requests', () => {
  it('are immediate and in order while there are few', () => {
    const started: number[] = []
    const starts = new Starts(turns())
    for (let i = 0; i < 32; i++) starts.run(() => started.push(i))
    expect(started).toEqual(Array.from({ length: 32 }, (_, i) => i))
  })

  it('of a burst are spread over turns, in order', () => {
    const started: number[] = []
    const loop = turns()
    const starts = new Starts(loop)
    for (let i = 0; i < 80; i++) starts.run(() => started.push(i))
    expect(started).toHaveLength(32)
    loop.end()
    expect(started).toHaveLength(64)
    // Arrives later than those that wait.
    starts.run(() => started.push(80))
    expect(started).toHaveLength(64)
    loop.end()
    expect(started).toEqual(Array.from({ length: 81 }, (_, i) => i))
    loop.end()
    starts.run(() => started.push(81))
    expect(started).toHaveLength(82)
  })

  it('are counted from zero in each turn', () => {
    const started: number[] = []
    const loop = turns()
    const starts = new Starts(loop)
    for (let turn = 0; turn < 3; turn++) {
      for (let i = 0; i < 32; i++) starts.run(() => started.push(i))
      expect(started).toHaveLength(32 * (turn + 1))
      loop.end()
    }
  })
})
