import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Meter } from '../work.ts'
import {
  ANY_TEXT,
  compilePattern,
  literalUnits,
  matchesPattern,
  matchesWildcards,
  wildcardUnits,
} from './pattern.ts'

/** By the definition, cell by cell; nothing in common with the search but the question. */
function slowMatch(pattern: string, text: string): boolean {
  const table = Array.from({ length: pattern.length + 1 }, () =>
    Array.from({ length: text.length + 1 }, () => false),
  )
  for (let p = pattern.length; p >= 0; p--) {
    for (let t = text.length; t >= 0; t--) {
      const row = table[p] as boolean[]
      if (p === pattern.length) row[t] = t === text.length
      else if (pattern[p] === '*') {
        row[t] = (table[p + 1]?.[t] ?? false) || (t < text.length && (row[t + 1] ?? false))
      } else {
        const one = t < text.length && (pattern[p] === '?' || pattern[p] === text[t])
        row[t] = one && (table[p + 1]?.[t + 1] ?? false)
      }
    }
  }
  return table[0]?.[0] ?? false
}

describe('patterns', () => {
  it.each([
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['?', '', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['*ab*ab*', 'abab', true],
    ['*ab*ab*', 'abxb', false],
    ['*?', 'x', true],
    ['a?c*', 'abcdef', true],
    ['*/private/*', 'bucket/a/private/b', true],
    ['A', 'a', false],
  ])('%s on %s: %s', (pattern, text, expected) => {
    expect(matchesWildcards(pattern, text)).toBe(expected)
    expect(slowMatch(pattern, text)).toBe(expected)
  })

  it('agree with the slow definition', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 12 })
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 16 })
    fc.assert(
      fc.property(pattern, text, (pattern, text) => {
        expect(matchesWildcards(pattern, text)).toBe(slowMatch(pattern, text))
      }),
      { numRuns: 10_000 },
    )
  })

  it('agree beyond one machine word', () => {
    const piece = fc.string({ unit: fc.constantFrom('a', 'b', '?'), minLength: 28, maxLength: 80 })
    const filler = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 90 })
    fc.assert(
      fc.property(piece, piece, filler, filler, fc.boolean(), (one, two, before, after, spoil) => {
        const pattern = `*${one}*${two}*`
        const plain = (text: string): string => text.replaceAll('?', 'a')
        const text = `${before}${plain(one)}${after}${plain(spoil ? two.slice(1) : two)}`
        expect(matchesWildcards(pattern, text)).toBe(slowMatch(pattern, text))
      }),
      { numRuns: 500 },
    )
  })
})

describe('patterns made to be awkward', () => {
  it('find a piece that begins like itself', () => {
    const unit = fc.constantFrom('a', 'a', 'b')
    const piece = fc.string({ unit, minLength: 2, maxLength: 6 })
    const text = fc.string({ unit, minLength: 4, maxLength: 24 })
    let found = 0
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 3 }), text, (pieces, text) => {
        const pattern = `*${pieces.join('*')}*`
        const expected = slowMatch(pattern, text)
        if (expected) found++
        expect(matchesWildcards(pattern, text)).toBe(expected)
      }),
      { numRuns: 3_000 },
    )
    expect(found).toBeGreaterThan(300)
  })

  it('take literal stars as themselves', () => {
    const star = compilePattern([...literalUnits('*'), ANY_TEXT, ...wildcardUnits('?')])
    expect(matchesPattern(star, '*xy', new Meter())).toBe(true)
    expect(matchesPattern(star, 'xxy', new Meter())).toBe(false)
  })

  it('made to be slow cost a bounded number of steps (F29)', () => {
    // A matcher that looks back would need about 10^9 steps for each of these.
    const text = 'a'.repeat(100_000)
    for (const pattern of [
      `*${'a'.repeat(2_000)}b*`,
      `*${'a?'.repeat(1_000)}b*`,
      '*a'.repeat(1_000),
    ]) {
      expect(matchesWildcards(`${pattern}c`, text)).toBe(false)
    }
    expect(matchesWildcards(`*${'?a'.repeat(1_000)}*`, text)).toBe(true)
  })
})
