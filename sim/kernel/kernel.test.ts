import { describe, expect, test } from 'vitest'
import { RULES } from './rules.ts'
import { runSeed, type SeedResult } from './world.ts'
import { MUTANTS, SLOW_MUTANTS } from './mutants.ts'

describe('protocol kernel', () => {
  test('a few hundred seeds without a violation', () => {
    const failed: string[] = []
    let answered = 0
    let epochs = 0
    const counts = new Map<string, number>()
    for (let seed = 1; seed <= 400; seed++) {
      const result = runSeed(seed, RULES)
      if (result.violations.length > 0) failed.push(`${seed}: ${result.violations[0]}`)
      answered += result.answered
      epochs += result.epochs
      for (const [name, times] of result.counts) counts.set(name, (counts.get(name) ?? 0) + times)
    }
    expect(failed).toEqual([])
    // It must also have done something.
    expect(answered).toBeGreaterThan(10_000)
    expect(epochs).toBeGreaterThan(500)
    const kinds = ['join', 'drain', 'remove', 'replace', 'replication up', 'replication down']
    const other = ['abandoned PLANNED', 'abandoned JOINT', 'replanned', 'source dropped']
    const names = [...kinds.map((kind) => `done: ${kind}`), ...other]
    expect(names.filter((name) => (counts.get(name) ?? 0) < 5)).toEqual([])
  }, 60_000)

  test('the same seed gives the same digest, another seed another', () => {
    const digests = (from: number): number[] =>
      Array.from({ length: 20 }, (_, index) => runSeed(from + index, RULES).digest)
    expect(digests(1)).toEqual(digests(1))
    expect(new Set(digests(1)).size).toBe(20)
  })
})

describe('mutants', () => {
  test('that are left out are mutants', () => {
    const names = MUTANTS.map(({ name }) => name)
    expect([...SLOW_MUTANTS].filter((name) => !names.includes(name))).toEqual([])
  })

  const quick = MUTANTS.filter(({ name }) => !SLOW_MUTANTS.has(name))
  test.each(quick.map((mutant) => [`${mutant.rule} ${mutant.name}`, mutant] as const))(
    '%s is caught',
    (_, { rules, focus, seedsMax, directed }) => {
      if (directed) {
        // The scenario is one that the rules as they are survive.
        expect(directed(RULES)).toEqual([])
        expect(directed(rules)).not.toEqual([])
        return
      }
      let caught: SeedResult | undefined
      for (let seed = 1; seed <= seedsMax && !caught; seed++) {
        const result = runSeed(seed, rules, focus)
        if (result.violations.length > 0) caught = result
      }
      expect(caught).toBeDefined()
    },
    // On a loaded machine the slowest take several seconds.
    60_000,
  )
})
