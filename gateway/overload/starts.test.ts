import { describe, expect, it } from 'vitest'
import { Starts } from './starts.ts'

/** Turns of the event loop that a test ends itself. */
function turns() {
  let due: (() => void)[] = []
  return {
    afterTurn: (run: () => void) => void due.push(run),
    /** How many calls wait for the end of the turn. */
    waiting: () => due.length,
    end: () => {
      const now = due
      due = []
      for (const run of now) run()
    },
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

describe('starts of requests', () => {
  it('come together after the turn, in order', () => {
    const started: number[] = []
    const loop = turns()
    const starts = new Starts(loop.afterTurn)
    for (let i = 0; i < 32; i++) starts.run(() => started.push(i))
    expect(started).toEqual([])
    expect(loop.waiting()).toBe(1)
    loop.end()
    expect(started).toEqual(numbers(32))
    expect(loop.waiting()).toBe(0)
  })

  it('of a burst are spread over turns, in order', () => {
    const started: number[] = []
    const loop = turns()
    const starts = new Starts(loop.afterTurn)
    for (let i = 0; i < 80; i++) starts.run(() => started.push(i))
    loop.end()
    expect(started).toHaveLength(32)
    // Arrives later than those that wait.
    starts.run(() => started.push(80))
    loop.end()
    expect(started).toHaveLength(64)
    loop.end()
    expect(started).toEqual(numbers(81))
    expect(loop.waiting()).toBe(0)
  })

  it('may bring about others, which wait for the turn after', () => {
    const started: string[] = []
    const loop = turns()
    const starts = new Starts(loop.afterTurn)
    starts.run(() => {
      started.push('first')
      starts.run(() => started.push('second'))
    })
    loop.end()
    expect(started).toEqual(['first'])
    loop.end()
    expect(started).toEqual(['first', 'second'])
  })

  it('are fewer after a turn that has accepted a connection', () => {
    const started: number[] = []
    const loop = turns()
    const starts = new Starts(loop.afterTurn)
    starts.connected()
    for (let i = 0; i < 20; i++) starts.run(() => started.push(i))
    loop.end()
    expect(started).toEqual(numbers(4))
    loop.end()
    expect(started).toEqual(numbers(20))
  })
})
