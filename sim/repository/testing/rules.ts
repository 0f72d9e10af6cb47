/** The rules and faults of docs/correctness.md: each that is cited exists, and each that exists is tested. */

import { describe, expect, it } from 'vitest'
import { isSource, isTestSupport, readText } from '../source.ts'
import { files } from './checkout.ts'

const BOOK = 'docs/correctness.md'

const texts = files
  .filter((path) => isSource(path) || path.endsWith('.md'))
  .filter((path) => !path.startsWith('sim/repository'))
  .map((path) => ({ path, text: readText(path) }))

/** Each rule's entry in the book begins with its name in bold: `- **A1** …` or `| **F12** | …`. */
function rulesOf(book: string): string[] {
  return [...book.matchAll(/^(?:- |\| )\*\*([A-Z]\d+[a-z]?)\*\*/gm)].map((match) => match[1]!)
}

/** 'A1', 'L6b', 'F12'. 'F2 to F5' and 'P1–P3' name all between. Addresses and hexadecimal digits are not taken. */
function citedIn(text: string): string[] {
  const names = /(?<![\w%.+/#-])[ADFGLPRT]\d{1,2}[a-z]?(?![\w%])/g
  const ranges = /(?<![\w%.+/#-])([ADFGLPRT])(\d{1,2})(?: to |–)\1(\d{1,2})(?![\w%])/g
  const between = [...text.matchAll(ranges)].flatMap(([, letter, from, to]) =>
    Array.from(
      { length: Number(to) - Number(from) + 1 },
      (_, at) => `${letter}${Number(from) + at}`,
    ),
  )
  return [...new Set([...text.matchAll(names)].map((match) => match[0]).concat(between))]
}

/** Tests, what only tests use, and the simulation with its mutants and end-to-end runs. */
function isTesting(path: string): boolean {
  return isTestSupport(path) || (path.startsWith('sim/') && isSource(path))
}

const known = rulesOf(readText(BOOK))

describe('the rule book', () => {
  it('has every rule once', () => {
    expect(known.filter((rule, at) => known.indexOf(rule) !== at)).toEqual([])
    expect(known.length).toBeGreaterThan(90)
  })

  it('holds every rule and fault that code, tests and documents cite', () => {
    const wrong = texts.flatMap(({ path, text }) =>
      citedIn(text)
        .filter((rule) => !known.includes(rule))
        .map((rule) => `${path} cites ${rule}`),
    )
    expect(wrong).toEqual([])
  })

  it('holds only what a test cites', () => {
    const cited = new Set(
      texts.filter(({ path }) => isTesting(path)).flatMap(({ text }) => citedIn(text)),
    )
    expect(known.filter((rule) => !cited.has(rule))).toEqual([])
  })

  it('has a mutant for each rule, and each mutant breaks a rule or fault of the book', () => {
    const broken = texts
      .filter(({ path }) => /^sim\/(mutants|kernel)/.test(path) && isSource(path))
      .flatMap(({ text }) => [...text.matchAll(/(?:rule: |, )'([A-Z]\w*(?: \w+)?)'/g)])
      .map((match) => match[1]!)
    const names = broken.filter((name) => /^[A-Z]+ ?\d/.test(name))
    expect(names.filter((rule) => !known.includes(rule))).toEqual([])
    const rules = known.filter((rule) => !rule.startsWith('F'))
    expect(rules.filter((rule) => !names.includes(rule))).toEqual([])
  })

  it('names only tests that exist', () => {
    const named = [...readText(BOOK).matchAll(/`([\w./-]+\.ts)`/g)].map((match) => match[1]!)
    expect(named.filter((path) => !files.includes(path))).toEqual([])
    expect(named.length).toBeGreaterThan(40)
  })

  it('is cited as F12, not by the number of a row or fault', () => {
    const old = /\b(?:rows?|faults?)\s(?:\*\s)?\d+[bc]?\b/gi
    const wrong = texts.flatMap(({ path, text }) =>
      [...text.matchAll(old)].map((match) => `${path}: ${match[0]}: write F and the number`),
    )
    expect(wrong).toEqual([])
  })

  it('is read as it is meant', () => {
    expect(rulesOf('- **A1** Flush\n| **F9c** | a disk hangs |\nsee **D2**')).toEqual(['A1', 'F9c'])
    expect(citedIn('kept (A1, D10) and (L6b), F2 to F4')).toEqual([
      'A1',
      'D10',
      'L6b',
      'F2',
      'F4',
      'F3',
    ])
    expect(citedIn('%F0%9F, MD5, x.A1, 0xA1, A123')).toEqual([])
  })
})
