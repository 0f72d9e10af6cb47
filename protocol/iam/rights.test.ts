/** F31: no caller grants more than it has. */

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparable, isWithin, mayOverlap } from './containment.ts'
import { decide } from './decide.ts'
import type { RawPolicy } from './testing/oracle.ts'
import { matchesWildcards, wildcardUnits } from './pattern.ts'
import { parsePolicy, type Policy } from './policy.ts'
import { BudgetError, finish, Meter, SLICE_STEPS } from '../work.ts'
import { covering } from './rights.ts'
import { randomOf, randomPolicy, randomQuestion } from './testing/cases.ts'

type Fields = Record<string, unknown>

const policy = (...statements: Fields[]) =>
  parsePolicy(
    JSON.stringify({
      Version: '2012-10-17',
      Statement: statements.map((fields) => ({ Effect: 'Allow', ...fields })),
    }),
  )
const covers = (creator: Policy[], granted: Policy[]): boolean => finish(covering(creator, granted))
const may = (creator: Fields[], granted: Fields[]): boolean =>
  covers([policy(...creator)], [policy(...granted)])

const ALL = { Action: '*', Resource: '*' }
const READ = { Action: 's3:Get*', Resource: 'arn:aws:s3:::b/*' }

const COVERED: readonly [string, Fields[], Fields[], boolean][] = [
  ['all', [ALL], [{ Action: ['s3:*', 'iam:*'], Resource: '*' }], true],
  ['all but what is denied', [ALL, { Effect: 'Deny', ...READ }], [READ], false],
  ['denied elsewhere', [ALL, { Effect: 'Deny', ...READ }], [{ ...READ, Action: 's3:Put*' }], true],
  [
    'what it is denied, when that is denied as well',
    [ALL, { Effect: 'Deny', ...READ }],
    [ALL, { Effect: 'Deny', Action: 's3:*', Resource: 'arn:aws:s3:::b/*' }],
    true,
  ],
  [
    'not what a narrower deny leaves open',
    [ALL, { Effect: 'Deny', ...READ }],
    [ALL, { Effect: 'Deny', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/*' }],
    false,
  ],
  ['less', [READ], [{ Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/x/*' }], true],
  ['not more actions', [READ], [{ ...READ, Action: 's3:*' }], false],
  ['not more resources', [READ], [{ ...READ, Resource: 'arn:aws:s3:::*' }], false],
  ['not other buckets', [READ], [{ ...READ, Resource: 'arn:aws:s3:::bb/*' }], false],
  [
    'each by one of its statements',
    [READ, { Action: 's3:PutObject', Resource: 'arn:aws:s3:::b/*' }],
    [{ Action: ['s3:GetObject', 's3:PutObject'], Resource: 'arn:aws:s3:::b/k' }],
    true,
  ],
  ['not the rest of what it excepts', [{ NotAction: 'iam:*', Resource: '*' }], [ALL], false],
  [
    'outside of what it excepts',
    [{ NotAction: 'iam:*', Resource: '*' }],
    [{ Action: 's3:*', Resource: '*' }],
    true,
  ],
  [
    'NotAction by NotAction of less',
    [{ NotAction: 'iam:Delete*', Resource: '*' }],
    [{ NotAction: 'iam:*', Resource: '*' }],
    true,
  ],
  [
    'not without its condition',
    [{ ...READ, Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }],
    [READ],
    false,
  ],
  [
    'with its condition, or a stricter one',
    [{ ...READ, Condition: { StringEquals: { 's3:prefix': ['a', 'b'] } } }],
    [{ ...READ, Condition: { StringEquals: { 's3:prefix': 'a', 's3:delimiter': '/' } } }],
    true,
  ],
  [
    'not by a condition on who asks: it is somebody else then',
    [{ ...READ, Condition: { StringEquals: { 'aws:username': 'ann' } } }],
    [{ ...READ, Condition: { StringEquals: { 'aws:username': 'ann' } } }],
    false,
  ],
  [
    'not by a variable',
    [{ ...READ, Resource: 'arn:aws:s3:::b/${aws:username}/*' }],
    [{ ...READ, Resource: 'arn:aws:s3:::b/${aws:username}/*' }],
    false,
  ],
  [
    'what a variable stands for',
    [READ],
    [{ ...READ, Resource: 'arn:aws:s3:::b/${aws:userid}' }],
    true,
  ],
  ['nothing by an unknown condition', [{ ...ALL, Condition: { X: { a: 'b' } } }], [READ], false],
  ['a star within its field only', [{ ...READ, Resource: 'arn:aws:s3:::b*' }], [READ], true],
  [
    'not beyond the field',
    [{ Action: '*', Resource: 'arn:aws:iam::1*:user/x' }],
    [{ Action: '*', Resource: 'arn:aws:*' }],
    false,
  ],
]

describe('a creator covers', () => {
  it.each(COVERED)('%s', (_, creator, granted, expected) => {
    expect(may(creator, granted)).toBe(expected)
  })

  it('nothing with no policy, and nothing always', () => {
    expect(covers([], [policy(READ)])).toBe(false)
    expect(covers([], [])).toBe(true)
    expect(covers([], [policy({ ...READ, Effect: 'Deny' })])).toBe(true)
  })

  it('F27b: in steps that grow with the text where no single characters are wild', () => {
    const slow = Array.from({ length: 15 }, () => '*' + 'a'.repeat(60)).join('')
    const many = (length: number, text = slow): Policy =>
      policy({
        Action: '*',
        Resource: Array.from({ length }, (_, at) => `arn:aws:s3:::${text}${at}`),
      })
    const stepsOf = (creator: Policy, granted: Policy): number => {
      const meter = new Meter()
      expect(finish(covering([creator], [granted], meter))).toBe(true)
      return meter.steps
    }
    // 18 patterns of a thousand characters with each other: a million characters to compare once.
    expect(stepsOf(many(18), many(18))).toBeLessThan(3_000_000)
    expect(stepsOf(policy(ALL), many(18))).toBeLessThan(1_000_000)
    expect(stepsOf(many(18, slow.replaceAll('aa', '?a')), many(18))).toBeGreaterThan(10_000_000)
  })

  it('F27b: nothing that takes too many steps to compare, and says so; in slices', () => {
    const slow = Array.from({ length: 15 }, () => '*' + '?a'.repeat(30)).join('')
    const many = policy({
      Action: '*',
      Resource: Array.from({ length: 18 }, (_, at) => `arn:aws:s3:::${slow}${at}`),
    })
    expect(() => finish(covering([many], [many], new Meter(10_000_000)))).toThrow(BudgetError)
    expect(finish(covering([policy(ALL)], [many], new Meter(10_000_000)))).toBe(true)
    const meter = new Meter(1e12)
    const work = covering([many], [many], meter)
    let before = 0
    let longest = 0
    for (let isOver = false; !isOver;) {
      isOver = work.next().done === true
      longest = Math.max(longest, meter.steps - before)
      before = meter.steps
    }
    // One comparison of two patterns can't be interrupted.
    expect(longest).toBeLessThan(SLICE_STEPS + 1_000 * 1_000)
  })
})

describe('patterns', () => {
  const unit = fc.constantFrom('a', 'b', '*', '?')
  const pattern = fc.string({ unit, maxLength: 6 })
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 })
  const form = (text: string) => comparable(wildcardUnits(text))

  it('within another match no text that it does not', () => {
    let within = 0
    fc.assert(
      fc.property(
        pattern,
        pattern,
        fc.array(text, { minLength: 20, maxLength: 20 }),
        (a, b, texts) => {
          if (!isWithin(form(a), form(b), new Meter())) return
          within++
          for (const each of texts) {
            if (matchesWildcards(a, each)) expect(matchesWildcards(b, each)).toBe(true)
          }
        },
      ),
      { numRuns: 3_000, seed: 1 },
    )
    expect(within).toBeGreaterThan(200)
  })

  it('that can not overlap have no text in common, and others some', () => {
    const texts = allTexts(7)
    fc.assert(
      fc.property(pattern, pattern, (a, b) => {
        const common = texts.some((each) => matchesWildcards(a, each) && matchesWildcards(b, each))
        if (common) expect(mayOverlap(form(a), form(b), new Meter())).toBe(true)
        else if (a.length + b.length <= 7) {
          expect(mayOverlap(form(a), form(b), new Meter())).toBe(false)
        }
      }),
      { numRuns: 2_000, seed: 1 },
    )
  })
})

function allTexts(lengthMax: number): string[] {
  let last = ['']
  const all = ['']
  for (let length = 1; length <= lengthMax; length++) {
    last = last.flatMap((each) => [`${each}a`, `${each}b`])
    all.push(...last)
  }
  return all
}

describe('whatever is covered', () => {
  it('is never allowed to one and denied to the other', () => {
    const random = randomOf(31)
    let covered = 0
    let checked = 0
    for (let run = 0; run < 6_000; run++) {
      const raw = (): RawPolicy[] => [randomPolicy(random, 'identity', 3)]
      const creator = [...raw(), ...raw()].map((each) => parsePolicy(JSON.stringify(each)))
      const granted = raw().map((each) => parsePolicy(JSON.stringify(each)))
      if (!covers(creator, granted)) continue
      covered++
      for (let at = 0; at < 10; at++) {
        const ask = randomQuestion(random)
        const answer = (policies: typeof creator): boolean =>
          decide({
            ...ask,
            identityPolicies: policies.map((each) => ({ name: '', policy: each })),
            sessionPolicies: undefined,
            resourcePolicy: undefined,
          }).allowed
        if (!answer(granted)) continue
        checked++
        expect(answer(creator)).toBe(true)
      }
    }
    expect(covered).toBeGreaterThan(500)
    expect(checked).toBeGreaterThan(200)
  })
})
