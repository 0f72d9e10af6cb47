import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IamError, type QueryValue } from '../port/iam-backend.ts'
import { FORM_BYTES_MAX, parseForm, unfold } from './query.ts'

const parse = (text: string) => parseForm(new TextEncoder().encode(text))

function codeOf(text: string): string | undefined {
  try {
    parse(text)
    return undefined
  } catch (error) {
    return error instanceof IamError ? error.code : String(error)
  }
}

describe('the query protocol', () => {
  it('unfolds lists and records', () => {
    expect(
      parse(
        'Action=CreateUser&UserName=ann&Tags.member.2.Key=b&Tags.member.1.Key=team&Tags.member.1.Value=a%20b%2Bc+d',
      ),
    ).toEqual({
      Action: 'CreateUser',
      UserName: 'ann',
      Tags: [{ Key: 'team', Value: 'a b+c d' }, { Key: 'b' }],
    })
    expect(parse('A.1=x&A.2=y&B.member.10=j&B.member.9=i')).toEqual({
      A: ['x', 'y'],
      B: ['i', 'j'],
    })
    expect(parse('A.B.C=x&A.B.D=y')).toEqual({ A: { B: { C: 'x', D: 'y' } } })
    expect(parse('A=&B')).toEqual({ A: '', B: '' })
    expect(parse('')).toEqual({})
    expect(parse('A=%F0%9F%90%9F')).toEqual({ A: '🐟' })
  })

  it('has no prototypes (F28)', () => {
    const form = parse('__proto__=x&constructor.prototype.polluted=y&a.__proto__.b=z')
    expect(Object.getPrototypeOf(form)).toBe(null)
    expect(Object.keys(form)).toEqual(['__proto__', 'constructor', 'a'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    const inner = form['a'] as Record<string, QueryValue>
    expect(Object.keys(inner)).toEqual(['__proto__'])
    expect((Object.prototype as Record<string, unknown>)['b']).toBeUndefined()
  })

  it.each([
    ['a name twice', 'A=1&A=2'],
    ['a name twice, encoded differently', 'A=1&%41=2'],
    ['a value and a list', 'A=1&A.member.1=2'],
    ['a list and a value', 'A.member.1=2&A.member=1&A=3'],
    ['an empty step', 'A..B=1'],
    ['no name', '=1'],
    ['odd characters', 'A%00=1'],
    ['broken encoding', 'A=%zz'],
    ['broken UTF-8', 'A=%ff'],
    ['too deep', `${'A.'.repeat(12)}A=1`],
    ['a list that is too long', 'A.member.4001=1'],
    ['too many', Array.from({ length: 4001 }, (_, i) => `A${i}=`).join('&')],
    ['too large', `A=${'x'.repeat(FORM_BYTES_MAX)}`],
  ])('refuses %s', (_, text) => {
    expect(codeOf(text)).toBe('MalformedQueryString')
  })
})

describe('the query protocol, with any form', () => {
  it('throws only its own errors', () => {
    const step = fc.oneof(
      fc.constantFrom('member', '1', '2', '0', '01', '__proto__', 'constructor', 'A', 'Tags', ''),
      fc.string({ maxLength: 5 }),
    )
    const pair = fc.tuple(fc.array(step, { maxLength: 14 }), fc.string({ maxLength: 20 }))
    const text = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc
        .array(pair, { maxLength: 20 })
        .map((pairs) => pairs.map(([steps, value]) => `${steps.join('.')}=${value}`).join('&')),
    )
    fc.assert(
      fc.property(text, (form) => {
        expect([undefined, 'MalformedQueryString']).toContain(codeOf(form))
        expect(Object.keys(Object.prototype)).toEqual([])
      }),
      { numRuns: 5_000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          parseForm(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(IamError)
        }
      }),
      { numRuns: 5_000 },
    )
  })

  it('unfolds what was folded', () => {
    const leaf = fc.string({ maxLength: 8 })
    const name = fc.stringMatching(/^[A-Z][a-z]{0,5}$/)
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.array(tie('value'), { minLength: 1, maxLength: 3 }),
        fc.dictionary(name, tie('value'), { minKeys: 1, maxKeys: 3 }),
      ),
    }))
    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 4 }), (form) => {
        expect(unfold(fold(form))).toEqual(form)
      }),
      { numRuns: 2_000 },
    )
  })
})

/** Folds as AWS's clients do. */
function fold(value: unknown, prefix = ''): [string, string][] {
  if (typeof value === 'string') return [[prefix, value]]
  const join = (step: string): string => (prefix === '' ? step : `${prefix}.${step}`)
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown, at) => fold(item, join(`member.${at + 1}`)))
  }
  return Object.entries(value as object).flatMap(([step, item]) => fold(item, join(step)))
}
