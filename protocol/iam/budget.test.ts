/** F27b: no set of policies, however it is written, holds the event loop or takes unbounded time. */

import { describe, expect, it } from 'vitest'
import { BudgetError, finish, Meter, SLICE_STEPS, type Work } from '../work.ts'
import { compilingPolicies } from './compiled.ts'
import { deciding, DECISION_STEPS_MAX, type Question } from './decide.ts'
import type { RawStatement } from './testing/oracle.ts'
import { parsePolicy } from './policy.ts'

const ACCOUNT = '000000000001'
/** Most characters (white space not counted) that policies of one user can have, its ten groups' too. */
const LEGAL_CHARACTERS = 2_048 + 10 * 6_144 + 10 * (5_120 + 10 * 6_144)

function question(
  policies: readonly string[],
  resource: string,
  context: Record<string, string> = {},
): Question {
  return {
    caller: {
      accountId: ACCOUNT,
      arn: `arn:aws:iam::${ACCOUNT}:user/ann`,
      type: 'User',
      isRoot: false,
    },
    identityPolicies: policies.map((text, at) => ({ name: `${at}`, policy: parsePolicy(text) })),
    resourceAccount: ACCOUNT,
    action: 's3:GetObject',
    resource,
    context: new Map(Object.entries(context).map(([key, value]) => [key.toLowerCase(), [value]])),
  }
}

/** Steps of all the work, and of its longest slice. */
function costOf(work: Work<unknown>, meter: Meter): { steps: number; longest: number } {
  let before = 0
  let longest = 0
  for (;;) {
    const isOver = work.next().done === true
    longest = Math.max(longest, meter.steps - before)
    before = meter.steps
    if (isOver) return { steps: meter.steps, longest }
  }
}

function policy(statement: Partial<RawStatement>): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: '*', Resource: '*', ...statement }],
  })
}

const many = (length: number, text: string): string[] => Array.from({ length }, () => text)
const counted = (text: string): number => text.replace(/\s/g, '').length
const LONG = 'a'.repeat(1_000)
const RESOURCE = `arn:aws:s3:::b/${LONG}`

describe('the costliest policies', () => {
  it.each<[string, string, Record<string, string>]>([
    ['resources', policy({ Resource: many(600, 'arn:*b*') }), {}],
    ['resources with single wild characters', policy({ Resource: many(500, 'arn:*?b*') }), {}],
    ['resources in one field', policy({ Resource: many(200, 'arn:aws:s3:::*ab*b') }), {}],
    ['texts', policy({ Condition: { StringLike: { 'aws:UserAgent': many(999, '* *') } } }), {}],
    [
      'texts to be excluded',
      policy({ Condition: { StringNotLike: { 'aws:UserAgent': many(999, '*b*') } } }),
      {},
    ],
    [
      'folded texts',
      policy({ Condition: { StringEqualsIgnoreCase: { 'aws:UserAgent': many(999, 'b') } } }),
      {},
    ],
    ['addresses', policy({ Condition: { IpAddress: { 'aws:SourceIp': many(900, '1::') } } }), {}],
    [
      'variables',
      policy({ Condition: { StringEquals: { 'aws:UserAgent': many(280, '${aws:UserAgent}') } } }),
      {},
    ],
    [
      'many statements',
      JSON.stringify({
        Statement: many(100, '').map(() => JSON.parse(policy({ Action: 's3:Get*b' })).Statement[0]),
      }),
      {},
    ],
  ])('%s fit the budget, as many as the quotas allow, and are evaluated in slices', (_, text) => {
    expect(counted(text)).toBeLessThanOrEqual(6_144)
    const meter = new Meter()
    const ask = question([text], RESOURCE, { 'aws:UserAgent': LONG, 'aws:SourceIp': '10.0.0.1' })
    const { steps } = costOf(deciding(ask, meter), meter)
    expect((steps / counted(text)) * LEGAL_CHARACTERS).toBeLessThan(DECISION_STEPS_MAX / 2)
    const all = { ...ask, identityPolicies: many(40, '').map(() => ask.identityPolicies[0]!) }
    const again = new Meter()
    const { longest } = costOf(deciding(all, again), again)
    expect(longest).toBeLessThan(2 * SLICE_STEPS)
  })

  it('are given up beyond the budget, and never allow then', () => {
    const allow = policy({})
    const slow = policy({ Condition: { StringLike: { 'aws:UserAgent': many(999, '*b*') } } })
    const ask = question([...many(8, slow), allow], RESOURCE, {
      'aws:UserAgent': 'a'.repeat(2_000),
    })
    expect(finish(deciding(ask, new Meter())).allowed).toBe(true)
    expect(() => finish(deciding(ask, new Meter(10_000_000)))).toThrow(BudgetError)
  })

  it('are parsed one after the other in slices, and once', () => {
    const texts = many(40, '').map((_, at) => ({
      name: `${at}`,
      text: policy({ Resource: [...many(500, 'arn:aws:x*'), `arn:aws:s3:::${at}`] }),
    }))
    const first = new Meter()
    const { steps, longest } = costOf(compilingPolicies(texts, first), first)
    expect(steps).toBeGreaterThan(40 * SLICE_STEPS)
    expect(longest).toBeLessThan(3 * SLICE_STEPS)
    const second = new Meter()
    expect(costOf(compilingPolicies(texts, second), second).steps).toBeLessThan(SLICE_STEPS)
  })
})
