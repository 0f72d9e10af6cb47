import { expect, it } from 'vitest'
import { finish, Meter } from '../work.ts'
import { compiledPolicy, compilingPolicies, PARSING_STEPS } from './compiled.ts'
import type { PolicyKind } from './policy.ts'
import type { ResolvedPrincipal } from './principal.ts'

const ANN = 'arn:aws:iam::000000000001:user/ann'

/** A policy for a bucket, of about so many characters, unlike those of other numbers. */
function policy(number: number, characters = 0): string {
  const Resource = `arn:aws:s3:::b-${number}/${'x'.repeat(characters)}*`
  const statement = { Effect: 'Allow', Principal: { AWS: ANN }, Action: 's3:GetObject', Resource }
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
}

function stepsOf(text: string, kind: PolicyKind): number {
  const meter = new Meter()
  finish(compilingPolicies([{ name: 'p', text }], meter, kind))
  return meter.steps
}

it('parses a text once, and takes less from the meter when it is known', () => {
  const text = policy(1)
  expect(stepsOf(text, 'resource')).toBe(text.length * PARSING_STEPS)
  expect(stepsOf(text, 'resource')).toBeLessThan(text.length)
  const { policy: first } = compiledPolicy('p', text, 'resource')
  expect(first).toBeDefined()
  expect(compiledPolicy('q', text, 'resource')).toEqual({ name: 'q', policy: first })
  expect(compiledPolicy('q', text, 'resource').policy).toBe(first)
})

it('keeps apart what one text means as another kind and with other principals', () => {
  const text = policy(2)
  const named = (id: string): readonly ResolvedPrincipal[] => [{ arn: ANN, id }]
  const identity = compiledPolicy('p', text, 'identity').policy
  const plain = compiledPolicy('p', text, 'resource').policy
  const one = compiledPolicy('p', text, 'resource', named('AIDAONE')).policy
  const two = compiledPolicy('p', text, 'resource', named('AIDATWO')).policy
  // An identity policy names no principal.
  expect(identity).toBeUndefined()
  expect(plain).toBeDefined()
  expect(new Set([plain, one, two]).size).toBe(3)
  expect(compiledPolicy('p', text, 'resource', named('AIDAONE')).policy).toBe(one)
  expect(compiledPolicy('p', text, 'resource').policy).toBe(plain)
})

it('forgets what was not used for longest, and counts again what it parses again', () => {
  const [used, unused] = [policy(3), policy(4)]
  compiledPolicy('p', used, 'resource')
  compiledPolicy('p', unused, 'resource')
  for (let number = 10; number < 100; number++) {
    compiledPolicy('p', policy(number, 15_000), 'resource')
    expect(stepsOf(used, 'resource')).toBeLessThan(used.length)
  }
  expect(stepsOf(unused, 'resource')).toBe(unused.length * PARSING_STEPS)
})
