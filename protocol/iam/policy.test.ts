import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MalformedPolicyError, parsePolicy, unknownOperator } from './policy.ts'
import { JsonError, parseStrictJson } from './strict-json.ts'

const good = { Effect: 'Allow', Action: 's3:*', Resource: '*' }

function refusal(document: unknown): string {
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  try {
    parsePolicy(text)
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedPolicyError)
    return (error as Error).message
  }
  throw new Error('was taken')
}

describe('a policy', () => {
  it('is taken with one statement or several', () => {
    expect(parsePolicy(JSON.stringify({ Statement: good })).statements).toHaveLength(1)
    const document = { Version: '2012-10-17', Id: 'x', Statement: [good, { ...good, Sid: 'A1' }] }
    expect(parsePolicy(JSON.stringify(document)).statements.map(({ sid }) => sid)).toEqual([
      undefined,
      'A1',
    ])
  })

  it.each([
    ['', /no value at line 1, column 1/],
    ['{"Statement":', /no value/],
    ['[]', /a policy is an object/],
    ['null', /a policy is an object/],
    [`{"Statement":${'['.repeat(50)}`, /more than 10 levels/],
    ['{"Statement":[],"Statement":[]}', /"Statement" occurs twice at line 1/],
    ['{"__proto__":{"Statement":[]}}', /unknown element "__proto__"/],
    [' '.repeat(20_481), /at most 20480/],
    [{}, /^Statement: is missing/],
    [{ Statement: [] }, /^Statement: is empty/],
    [{ Statement: 'x' }, /^Statement: is no object/],
    [{ Version: '2013-01-01', Statement: good }, /^Version: /],
    [{ Statement: good, Extra: 1 }, /unknown element "Extra"/],
    [{ Statement: [good, { ...good, Effect: 'allow' }] }, /^Statement\[1\]\.Effect: /],
    [{ Statement: [{ ...good, Principal: '*' }] }, /^Statement\[0\]: unknown element "Principal"/],
    [{ Statement: [{ ...good, NotAction: 's3:*' }] }, /needs one of Action and NotAction/],
    [{ Statement: { Effect: 'Allow', Action: '*' } }, /needs one of Resource and NotResource/],
    [
      { Statement: { ...good, Action: ['s3:*', 'GetObject'] } },
      /^Statement\.Action\[1\]: .*an action/,
    ],
    [{ Statement: { ...good, Action: 5 } }, /^Statement\.Action: is no text/],
    [{ Statement: { ...good, Resource: 'bucket/*' } }, /^Statement\.Resource: .*an ARN/],
    [{ Statement: { ...good, Resource: 'arn:aws:s3' } }, /an ARN/],
    [{ Statement: { ...good, Sid: 'a b' } }, /^Statement\.Sid: /],
    [
      {
        Statement: [
          { ...good, Sid: 'A' },
          { ...good, Sid: 'A' },
        ],
      },
      /Sid A occurs twice/,
    ],
    [{ Statement: { ...good, Condition: [] } }, /^Statement\.Condition: is no object/],
    [{ Statement: { ...good, Condition: { 'a b': {} } } }, /is no condition operator/],
    [{ Statement: { ...good, Condition: { NullIfExists: { a: 'true' } } } }, /Null takes no/],
    [
      { Statement: { ...good, Condition: { Bool: { a: 'maybe' } } } },
      /Bool\.a: is no value for Bool/,
    ],
    [{ Statement: { ...good, Condition: { IpAddress: { a: '10.0.0.0/33' } } } }, /is no value/],
    [{ Statement: { ...good, Condition: { DateEquals: { a: '2026-02-30' } } } }, /is no value/],
    [{ Statement: { ...good, Condition: { StringEquals: { a: {} } } } }, /is no text/],
    [
      { Version: '2012-10-17', Statement: { ...good, Condition: { StringEquals: { a: '${x' } } } },
      /a variable is not well formed/,
    ],
    [{ Statement: { ...good, Resource: 'arn:aws:s3:::' + 'a'.repeat(3_000) } }, /more than 2048/],
    [
      { Statement: { ...good, Action: Array.from({ length: 1_001 }, () => 'a:b') } },
      /more than 1000/,
    ],
  ])('%# is refused with its place', (document, expected) => {
    expect(refusal(document)).toMatch(expected)
  })
})

describe('the text of a policy', () => {
  it('of any text parses or is malformed, and nothing else', () => {
    const words = [
      'Statement',
      'Effect',
      'Allow',
      'Action',
      'Resource',
      'Condition',
      '*',
      'Version',
    ]
    const json = fc
      .object({ key: fc.constantFrom(...words), maxDepth: 4 })
      .map((x) => JSON.stringify(x))
    fc.assert(
      fc.property(fc.oneof(fc.string(), json, fc.json()), (text) => {
        try {
          parsePolicy(text)
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedPolicyError)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('tells which operator it does not know', () => {
    const document = { Statement: { ...good, Condition: { StringFunny: { a: 'b' } } } }
    expect(unknownOperator(parsePolicy(JSON.stringify(document)))).toBe('StringFunny')
    expect(unknownOperator(parsePolicy(JSON.stringify({ Statement: good })))).toBeUndefined()
  })
})

describe('strict JSON', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect(JSON.stringify(parseStrictJson(text))).toBe(JSON.stringify(JSON.parse(text)))
      }),
      { numRuns: 500 },
    )
  })

  it('refuses what JSON.parse refuses', () => {
    const unit = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '1',
      '-',
      'e',
      '.',
      ' ',
      'true',
      'u00e9',
    )
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
        let plain = true
        try {
          JSON.parse(text)
        } catch {
          plain = false
        }
        let strict = true
        try {
          parseStrictJson(text)
        } catch (error) {
          expect(error).toBeInstanceOf(JsonError)
          strict = (error as Error).message.includes('occurs twice')
        }
        expect(strict).toBe(plain)
      }),
      { numRuns: 5_000 },
    )
  })

  it('makes objects without a prototype', () => {
    const object = parseStrictJson('{"__proto__":{"polluted":1}}')
    expect(Object.getPrototypeOf(object)).toBe(null)
    expect(Object.keys(object as object)).toEqual(['__proto__'])
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })
})
