/** CORS rules: what is accepted, and which requests of browsers they match. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { finish, type Work } from '../../protocol/work.ts'
import { S3Error } from '../http/errors.ts'
import type { ResponseHeaders } from '../http/response.ts'
import type { S3Request } from '../http/request.ts'
import { parseXml } from '../http/xml.ts'
import { xmlDocument } from '../http/xml-text.ts'
import type { CorsRule } from '../port/bucket-documents.ts'
import { CORS_LIMITS, corsXml, parseCors } from './cors.ts'
import { answeringPreflight, matchingRules } from './cross-origin.ts'

const GOOD = '<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>'

function parsed(...rules: string[]): CorsRule[] {
  const inner = rules.map((rule) => `<CORSRule>${rule}</CORSRule>`).join('')
  return parseCors(
    parseXml(Buffer.from(`<CORSConfiguration>${inner}</CORSConfiguration>`), CORS_LIMITS),
  )
}

function refusal(...rules: string[]): string {
  try {
    parsed(...rules)
  } catch (error) {
    if (error instanceof S3Error) return `${error.code}: ${error.message}`
    throw error
  }
  return 'accepted'
}

function rule(more: Partial<CorsRule> = {}): CorsRule {
  return {
    allowedOrigins: ['https://a.example'],
    allowedMethods: ['GET', 'PUT'],
    allowedHeaders: [],
    exposeHeaders: [],
    ...more,
  }
}

function request(headers: Record<string, string>, more: Partial<S3Request> = {}): S3Request {
  const sent = { origin: 'https://a.example', ...headers }
  return { method: 'GET', bucket: 'b', key: 'k', headers: sent, ...more } as S3Request
}

function matching(
  rules: readonly CorsRule[],
  headers: Record<string, string> = {},
  method = 'GET',
): ResponseHeaders | undefined {
  return finish(matchingRules(request(headers, { method }), rules))
}

describe('a configuration', () => {
  test('keeps the order of rules and values', () => {
    const text = fc.string({ unit: 'grapheme-ascii', maxLength: 20 }).map((one) => one.trim())
    const plain = text.map((one) => one.replaceAll('*', ''))
    const list = fc.array(plain, { maxLength: 4 })
    const rules = fc.array(
      fc.record({
        id: fc.option(text, { nil: undefined }),
        allowedOrigins: fc.array(plain, { minLength: 1, maxLength: 4 }),
        allowedMethods: fc.uniqueArray(fc.constantFrom('GET', 'PUT', 'HEAD', 'POST', 'DELETE'), {
          minLength: 1,
        }),
        allowedHeaders: list,
        exposeHeaders: list,
        maxAgeSeconds: fc.option(fc.nat(), { nil: undefined }),
      }),
      { minLength: 1, maxLength: 10 },
    )
    fc.assert(
      fc.property(rules, (given) => {
        const shown = xmlDocument('CORSConfiguration', corsXml(given))
        expect(parseCors(parseXml(Buffer.from(shown), CORS_LIMITS))).toEqual(given)
      }),
    )
  })
})

describe('a rule', () => {
  test.each([
    [GOOD, 'accepted'],
    [GOOD.replace('*', ''), 'accepted'],
    [GOOD.replace('*', 'http://*.example.org'), 'accepted'],
    [`${GOOD}<AllowedHeader>x-*</AllowedHeader>`, 'accepted'],
    [`${GOOD}<MaxAgeSeconds>0</MaxAgeSeconds>`, 'accepted'],
    [`<ID>${'i'.repeat(255)}</ID>${GOOD}`, 'accepted'],
    [`<ID>${'i'.repeat(256)}</ID>${GOOD}`, 'InvalidRequest: ID length should not exceed'],
    ['', 'MalformedXML'],
    ['<AllowedOrigin>*</AllowedOrigin>', 'MalformedXML'],
    ['<AllowedMethod>GET</AllowedMethod>', 'MalformedXML'],
    [`${GOOD}<Odd/>`, 'MalformedXML'],
    [`${GOOD}<ExposeHeader><a/></ExposeHeader>`, 'MalformedXML'],
    [`<ID>a</ID><ID>b</ID>${GOOD}`, 'MalformedXML'],
    [`${GOOD}<MaxAgeSeconds>-1</MaxAgeSeconds>`, 'MalformedXML'],
    [`${GOOD}<MaxAgeSeconds>2147483648</MaxAgeSeconds>`, 'MalformedXML'],
    [`${GOOD}<MaxAgeSeconds/>`, 'MalformedXML'],
    [
      GOOD.replace('GET', 'OPTIONS'),
      'InvalidRequest: Found unsupported HTTP method in CORS config. Unsupported method is OPTIONS',
    ],
    [GOOD.replace('GET', 'get'), 'InvalidRequest: Found unsupported HTTP method'],
    [
      GOOD.replace('*', '*a*'),
      'InvalidRequest: AllowedOrigin "*a*" can not have more than one wildcard.',
    ],
    [
      `${GOOD}<AllowedHeader>*-*</AllowedHeader>`,
      'InvalidRequest: AllowedHeader "*-*" can not have more than one wildcard.',
    ],
    [
      `${GOOD}<ExposeHeader>x-*</ExposeHeader>`,
      'InvalidRequest: ExposeHeader "x-*" contains wildcard. We currently do not support wildcard for ExposeHeader.',
    ],
  ])('%s: %s', (given, expected) => {
    expect(refusal(given)).toContain(expected)
  })

  test('has 1 to 100 rules', () => {
    expect(refusal()).toContain('MalformedXML')
    expect(refusal(...Array.from({ length: 100 }, () => GOOD))).toBe('accepted')
    expect(refusal(...Array.from({ length: 101 }, () => GOOD))).toContain(
      'InvalidRequest: The number of CORS rules should not exceed allowed limit of 100 rules.',
    )
  })
})

describe('matching', () => {
  test('the first rule that allows origin, method and headers counts', () => {
    const rules = [
      rule({ allowedOrigins: ['https://b.example'], maxAgeSeconds: 1 }),
      rule({ allowedMethods: ['DELETE'], maxAgeSeconds: 2 }),
      rule({ allowedHeaders: ['x-a'], maxAgeSeconds: 3, exposeHeaders: ['ETag', 'x-b'] }),
      rule({ allowedOrigins: ['*'], allowedHeaders: ['*'], maxAgeSeconds: 4 }),
    ]
    const asked = { 'access-control-request-headers': 'X-A' }
    expect(matching(rules, asked)).toEqual({
      'Access-Control-Allow-Origin': 'https://a.example',
      'Access-Control-Allow-Methods': 'GET, PUT',
      'Access-Control-Allow-Headers': 'x-a',
      'Access-Control-Expose-Headers': 'ETag, x-b',
      'Access-Control-Max-Age': '3',
      'Access-Control-Allow-Credentials': 'true',
      Vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    })
    const others = { 'access-control-request-headers': 'X-A,y' }
    expect(matching(rules, others)).toEqual({
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Methods': 'GET, PUT',
      'Access-Control-Allow-Headers': 'x-a, y',
      'Access-Control-Max-Age': '4',
      Vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    })
    expect(matching(rules, {}, 'DELETE')?.['Access-Control-Max-Age']).toBe('2')
    expect(matching(rules, {}, 'POST')).toBeUndefined()
    // The method that a client says it asks for decides, also for other requests than a preflight.
    expect(matching(rules, { 'access-control-request-method': 'POST' })).toBeUndefined()
  })
})

describe('matching one value', () => {
  test.each([
    ['https://a.example', 'https://a.example', true],
    ['https://a.example', 'https://A.example', false],
    ['https://a.example', 'https://a.example/', false],
    ['https://*.a.example', 'https://x.y.a.example', true],
    ['https://*.a.example', 'https://.a.example', true],
    ['https://*.a.example', 'https://a.example', false],
    ['https://a*a', 'https://a', false],
    ['*', 'null', true],
    ['', 'https://a.example', false],
  ])('origin %s and %s: %s', (allowed, origin, expected) => {
    const found = matching([rule({ allowedOrigins: [allowed] })], { origin })
    expect(found !== undefined).toBe(expected)
  })

  test.each([
    [[], 'x', false],
    [[], ' , ', true],
    [['X-Amz-*'], 'x-amz-date, X-AMZ-META-A', true],
    [['X-Amz-*', 'content-type'], 'Content-Type,x-amz-date', true],
    [['X-Amz-*'], 'x-amz-date, range', false],
    [['x-amz-date'], 'x-amz-dat', false],
  ])('allowed headers %j and %s: %s', (allowedHeaders, names, expected) => {
    const found = matching([rule({ allowedHeaders })], { 'access-control-request-headers': names })
    expect(found !== undefined).toBe(expected)
  })

  test('names that no header can carry are not exposed', () => {
    const found = matching([rule({ exposeHeaders: ['a\r\nb: c', 'ü', 'ETag'] })])
    expect(found?.['Access-Control-Expose-Headers']).toBe('\u00c3\u00bc, ETag')
  })

  test('thousands of names and patterns are compared in slices', () => {
    const allowedHeaders = Array.from({ length: 1900 }, (_, at) => `*y${at}`)
    const names = Array.from({ length: 2000 }, (_, at) => `x${at}z`).join(',')
    const asked = request({ 'access-control-request-headers': names })
    const work: Work<unknown> = matchingRules(asked, [
      rule({ allowedHeaders: [...allowedHeaders, '*z'] }),
    ])
    let slices = 1
    while (work.next().done !== true) slices++
    expect(slices).toBeGreaterThan(10)
  })
})

describe('a preflight', () => {
  const preflight = (
    rules: readonly CorsRule[] | undefined,
    headers: Record<string, string>,
    key: string | undefined = 'k',
  ): unknown => {
    try {
      return finish(
        answeringPreflight({ ...request(headers, { method: 'OPTIONS' }), key } as S3Request, rules),
      )
    } catch (error) {
      if (!(error instanceof S3Error)) throw error
      return [error.status, error.code, error.message, error.details]
    }
  }

  test('is refused as AWS does', () => {
    const asked = { 'access-control-request-method': 'DELETE' }
    expect(preflight(undefined, asked)).toEqual([
      403,
      'AccessForbidden',
      'CORSResponse: CORS is not enabled for this bucket.',
      { Method: 'DELETE', ResourceType: 'BUCKET' },
    ])
    expect(preflight(undefined, {})).toMatchObject({ 3: { Method: 'OPTIONS' } })
    expect(preflight([rule()], asked)).toEqual([
      403,
      'AccessForbidden',
      expect.stringContaining('CORSResponse: This CORS request is not allowed. This is usually'),
      { Method: 'DELETE', ResourceType: 'OBJECT' },
    ])
    expect(preflight([rule()], {})).toEqual([
      400,
      'BadRequest',
      'Invalid Access-Control-Request-Method: null',
      undefined,
    ])
    const odd = { 'access-control-request-method': 'PATCH' }
    expect(preflight([rule()], odd)).toMatchObject({ 0: 400, 1: 'BadRequest' })
  })

  test('is answered with the headers of the rule', () => {
    const asked = { 'access-control-request-method': 'PUT' }
    expect(preflight([rule()], asked)).toEqual({
      'Access-Control-Allow-Origin': 'https://a.example',
      'Access-Control-Allow-Methods': 'GET, PUT',
      'Access-Control-Allow-Credentials': 'true',
      Vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    })
  })
})
