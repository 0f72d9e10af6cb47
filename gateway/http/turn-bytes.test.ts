import { describe, expect, it } from 'vitest'
import { SENT_BYTES_PER_TURN, TurnBytes } from './turn-bytes.ts'

const KIBI = 1024

/** A budget of 100 bytes for each turn, and turns that the test ends itself. */
function world(): { bytes: TurnBytes; end: () => void; armed: () => number } {
  let due: (() => void)[] = []
  const after = (_: number, run: () => void): (() => void) => {
    due.push(run)
    return () => {}
  }
  const bytes = new TurnBytes({ after }, 100)
  const end = (): void => {
    for (const run of due.splice(0)) run()
  }
  return { bytes, end, armed: () => due.length }
}

describe('bytes of a turn', () => {
  it('are there at once while some are left, and again in the next turn', () => {
    const { bytes, end } = world()
    expect([bytes.take(60), bytes.take(60), bytes.take(1)]).toEqual([true, true, false])
    end()
    expect(bytes.take(60)).toBe(true)
  })

  it('go to those that wait in the order in which they came, and nobody passes them', () => {
    const { bytes, end } = world()
    bytes.take(100)
    const went: number[] = []
    for (let i = 0; i < 5; i++) bytes.wait(50, () => went.push(i))
    end()
    expect(went).toEqual([0, 1])
    expect(bytes.take(1)).toBe(false)
    end()
    expect(went).toEqual([0, 1, 2, 3])
    end()
    expect(went).toEqual([0, 1, 2, 3, 4])
    expect(bytes.waiting).toBe(0)
    expect(bytes.take(1)).toBe(true)
  })
})

describe('bytes of a later turn', () => {
  it('are awaited by who cannot be dropped', async () => {
    const { bytes, end } = world()
    expect(bytes.taken(100)).toBeUndefined()
    let went = false
    const later = bytes.taken(100)?.then(() => (went = true))
    await Promise.resolve()
    expect(went).toBe(false)
    end()
    await later
    expect([went, bytes.take(1)]).toEqual([true, false])
  })

  it('are used by late bytes too', () => {
    const { bytes, end } = world()
    bytes.use(100)
    expect(bytes.take(1)).toBe(false)
    end()
    expect(bytes.take(1)).toBe(true)
  })

  it('are not used by what was dropped', () => {
    const { bytes, end } = world()
    bytes.take(100)
    const went: string[] = []
    const drop = bytes.wait(100, () => went.push('dropped'))
    bytes.wait(100, () => went.push('next'))
    drop()
    expect(bytes.waiting).toBe(1)
    end()
    expect(went).toEqual(['next'])
  })

  it('that are larger than a turn still go out', () => {
    const { bytes, end } = world()
    bytes.take(100)
    let went = 0
    for (let i = 0; i < 2; i++) bytes.wait(1_000, () => went++)
    end()
    expect(went).toBe(1)
    end()
    expect(went).toBe(2)
  })

  it('need no turn when none are used', () => {
    const { bytes, end, armed } = world()
    expect(armed()).toBe(0)
    bytes.take(10)
    bytes.take(10)
    expect(armed()).toBe(1)
    end()
    expect(armed()).toBe(0)
  })
})

describe('slices', () => {
  it('are whole blocks for few answers, and smaller the more there are', () => {
    const bytes = new TurnBytes({ after: () => () => {} }, SENT_BYTES_PER_TURN)
    const sizes: number[] = []
    for (let answers = 1; answers <= 200; answers++) {
      bytes.began()
      if ([4, 5, 16, 200].includes(answers)) sizes.push(bytes.sliceBytes() / KIBI)
    }
    expect(sizes).toEqual([1024, 512, 256, 64])
    for (let answers = 200; answers > 1; answers--) bytes.ended()
    expect(bytes.sliceBytes()).toBe(1024 * KIBI)
  })
})
