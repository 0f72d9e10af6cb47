/** Readers against real acceptors. Each test is named after the rule it shows; `vitest -u` rewrites the transcripts. */

import { describe, expect, test } from 'vitest'
import { RegisterLab, labNodes } from './testing/register-lab.ts'

describe('a reader that finds a majority', () => {
  test('R1: one round trip when a majority agrees; only the nearest sends the value', () => {
    const lab = new RegisterLab()
    lab.written('p')
    const reader = lab.read('r', { preferred: labNodes('b') })
    lab.deliver('r', 'bc')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      b read value -> 1p with value
      c read ballot -> 1p
      r => state op-p at 1p
      "
    `)
    expect(reader.rounds).toBe(1)
  })

  test('R1: absence is agreed upon like a ballot', () => {
    const lab = new RegisterLab()
    lab.read('r')
    lab.deliver('r', 'ab')
    expect(lab.outcomes.get('r')).toEqual({ type: 'state' })
  })

  test('R1: the value is fetched from a replica with the agreed ballot when the nearest has another', () => {
    const lab = new RegisterLab()
    lab.written('p')
    lab.propose('q')
    lab.deliver('q', 'bc')
    lab.deliver('q', 'bc')
    lab.log.length = 0
    const reader = lab.read('r')
    lab.deliver('r', 'abc')
    lab.deliver('r', 'b')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a read value -> 1p with value
      b read ballot -> 3q
      c read ballot -> 3q
      b read value -> 3q with value
      r => state op-q at 3q
      "
    `)
    expect(reader.rounds).toBe(2)
  })
})

describe('a reader whose nearest replica is slow or has failed', () => {
  test('R1: a slow nearest replica is hedged, a failed one replaced', () => {
    const lab = new RegisterLab()
    lab.written('p')
    const reader = lab.read('r')
    lab.deliver('r', 'bc')
    expect(lab.outcomes.has('r')).toBe(false)
    expect(lab.pending('r')).toBe('a')
    lab.take('r', reader.hedge())
    lab.deliver('r', 'b')
    lab.read('s')
    lab.deliver('s', 'bc')
    lab.fail('s', 'a')
    lab.deliver('s', 'b')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      b read ballot -> 1p
      c read ballot -> 1p
      b read value -> 1p with value
      r => state op-p at 1p
      b read ballot -> 1p
      c read ballot -> 1p
      a read value -> failed
      b read value -> 1p with value
      s => state op-p at 1p
      "
    `)
  })
})

describe('a reader that finds none at first', () => {
  test('R2: read twice more, then an identity change', () => {
    const lab = new RegisterLab()
    lab.written('p')
    lab.propose('q')
    lab.deliver('q', 'abc')
    lab.arriveOnly('q', 'a')
    lab.log.length = 0
    const reader = lab.read('r')
    for (let again = 0; again < 3; again++) {
      lab.fail('r', 'c')
      lab.deliver('r', 'ab')
      lab.backoffOver('r')
    }
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      c read ballot -> failed
      a read value -> 3q with value
      b read ballot -> 1p
      r backs off 0
      c read ballot -> failed
      a read value -> 3q with value
      b read ballot -> 1p
      r backs off 1
      c read ballot -> failed
      a read value -> 3q with value
      b read ballot -> 1p
      r => needs-identity
      "
    `)
    expect(reader.rounds).toBe(3)
  })

  test('R2: votes of one reading are not added to those of another', () => {
    const lab = new RegisterLab()
    lab.written('p')
    lab.read('r')
    lab.fail('r', 'bc')
    lab.backoffOver('r', { late: true })
    // The first to a is from the first reading.
    lab.deliver('r', 'ab')
    expect(lab.outcomes.has('r')).toBe(false)
    lab.deliver('r', 'a')
    expect(lab.outcomes.get('r')).toMatchObject({ type: 'state' })
  })
})

describe('replies that do not count', () => {
  test('R3: damaged states do not count, a later epoch ends the reading', () => {
    const lab = new RegisterLab()
    lab.written('p')
    lab.read('r')
    lab.env.faulty = true
    lab.deliver('r', 'a')
    lab.env.faulty = false
    lab.deliver('r', 'b')
    expect(lab.outcomes.has('r')).toBe(false)
    lab.env.epoch = 2
    lab.deliver('r', 'c')
    expect(lab.outcomes.get('r')).toEqual({ type: 'stale-epoch', epoch: 2 })
  })

  test('L3: in JOINT, both majorities report the ballot', () => {
    const lab = new RegisterLab()
    lab.written('p')
    lab.read('r', { sets: [labNodes('abc'), labNodes('ade')] })
    lab.deliver('r', 'abc')
    expect(lab.outcomes.has('r')).toBe(false)
    lab.deliver('r', 'd')
    expect(lab.log.at(-1)).toBe('d read ballot -> absent')
    lab.deliver('r', 'e')
    expect(lab.log.at(-1)).toBe('r backs off 0')
  })

  test('no majority within three readings: unavailable', () => {
    const lab = new RegisterLab()
    lab.read('r')
    for (let again = 0; again < 3; again++) {
      lab.fail('r', 'ab')
      lab.backoffOver('r')
    }
    expect(lab.outcomes.get('r')).toEqual({ type: 'unavailable' })
  })
})
