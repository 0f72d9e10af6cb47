import { describe, expect, test } from 'vitest'
import type { S3Error } from '../../http/errors.ts'
import { formFieldsOf } from '../../http/form-fields.ts'
import { policyField } from '../../testing/forms.ts'
import { checkPostPolicy, parsePostPolicy, type SizeRange } from './policy.ts'

const NOW_MS = Date.UTC(2026, 10, 21, 12)
const EXPIRATION = '2026-11-21T12:00:00.000Z'

function encode(document: string): string {
  return Buffer.from(document).toString('base64')
}

function check(fields: Record<string, string>, conditions: readonly unknown[]): SizeRange {
  const parts = Object.entries(fields).map(([name, value]) => ({ name, value }))
  const policy = parsePostPolicy(policyField([{ bucket: 'b' }, ...conditions], EXPIRATION))
  return checkPostPolicy(policy, formFieldsOf(parts, undefined), 'b', NOW_MS)
}

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return `${(error as S3Error).code} ${(error as S3Error).message}`
  }
  return 'taken'
}

const failed = (list: string): string =>
  `AccessDenied Invalid according to Policy: Policy Condition failed: ${list}`
const extra = (name: string): string =>
  `AccessDenied Invalid according to Policy: Extra input fields: ${name}`
const image = ['starts-with', '$Content-Type', 'image/']
const IMAGE = '["starts-with", "$Content-Type", "image/"]'

describe('conditions', () => {
  test.each<[string, Record<string, string>, unknown[], string]>([
    ['an object', { acl: 'private' }, [{ acl: 'private' }], 'taken'],
    ['an object that fails', { acl: 'a' }, [{ ACL: 'b' }], failed('["eq", "$ACL", "b"]')],
    ['a list', { key: 'a' }, [['eq', '$key', 'a']], 'taken'],
    ['case of a value', { key: 'A' }, [{ key: 'a' }], failed('["eq", "$key", "a"]')],
    ['case of names', { kEy: 'a' }, [['StArTs-WiTh', '$KeY', 'a']], 'taken'],
    ['a missing field', {}, [{ acl: 'x' }], failed('["eq", "$acl", "x"]')],
    [
      'a missing field, any value',
      {},
      [['starts-with', '$acl', '']],
      failed('["starts-with", "$acl", ""]'),
    ],
    ['any value', { acl: '' }, [['starts-with', '$acl', '']], 'taken'],
    ['without $', { key: 'k' }, [['eq', 'key', 'k']], failed('["eq", "key", "k"]')],
    ['quotes', { key: 'k' }, [{ key: '"' }], failed('["eq", "$key", "\\""]')],
    ['another bucket', {}, [{ bucket: 'c' }], failed('["eq", "$bucket", "c"]')],
    ['another bucket in a field', { bucket: 'c' }, [], failed('["eq", "$bucket", "b"]')],
    ['a list of types', { 'content-type': 'image/a, image/b' }, [image], 'taken'],
    ['another type in a list', { 'content-type': 'image/a,text/b' }, [image], failed(IMAGE)],
    ['a list without members', { 'content-type': ',' }, [image], failed(IMAGE)],
    ['an empty member', { 'content-type': 'image/a,,image/b' }, [image], failed(IMAGE)],
    ['a list, exactly', { 'content-type': 'a/b,c/d' }, [{ 'Content-Type': 'a/b,c/d' }], 'taken'],
    ['a comma elsewhere', { key: 'a,b' }, [['starts-with', '$key', 'a']], 'taken'],
    ['two for one field', { key: 'ab' }, [['starts-with', '$key', 'a'], { key: 'ab' }], 'taken'],
    ['a field that none names', { 'X-Custom': '1' }, [], extra('X-Custom')],
    [
      'fields that need none',
      {
        'X-Ignore-a': '1',
        Policy: 'p',
        AWSAccessKeyId: 'A',
        signature: 's',
        'X-Amz-Signature': 's',
      },
      [],
      'taken',
    ],
    ['a date that none names', { 'x-amz-date': 'd' }, [], extra('x-amz-date')],
    [
      'a range that is none',
      {},
      [['content-length-range', 'a', '9']],
      failed('["content-length-range", "a", "9"]'),
    ],
    ["AWS's own escape", { key: '$a' }, [{ key: '$a' }], 'taken'],
  ])('%s', (_, fields, conditions, expected) => {
    expect(refusal(() => check(fields, conditions))).toBe(expected)
  })

  test('ranges of sizes meet', () => {
    expect(check({}, [])).toEqual({ minBytes: 0, maxBytes: Infinity })
    const ranges = [
      ['content-length-range', 5, '10'],
      ['CONTENT-length-range', 1, 8],
    ]
    expect(check({}, ranges)).toEqual({ minBytes: 5, maxBytes: 8 })
  })

  test('the bucket must be named, and the expiration counts to the end', () => {
    const policy = parsePostPolicy(policyField([], EXPIRATION))
    expect(refusal(() => checkPostPolicy(policy, new Map(), 'b', NOW_MS))).toBe(extra('bucket'))
    const late = refusal(() => checkPostPolicy(policy, new Map(), 'b', NOW_MS + 1))
    expect(late).toBe('AccessDenied Invalid according to Policy: Policy expired.')
  })
})

const list = (conditions: string): string =>
  `{"expiration":"${EXPIRATION}","conditions":[${conditions}]}`

const MALFORMED_DOCUMENTS: [string, string][] = [
  ['', 'Invalid JSON.'],
  ['expiration', 'Invalid JSON.'],
  ['[]', 'Invalid JSON.'],
  ['{"conditions":[]}', 'Policy missing expiration.'],
  [`{"expiration":"${EXPIRATION}"}`, 'Policy missing conditions.'],
  [`{"EXPIRATION":"${EXPIRATION}","conditions":[]}`, "Unexpected: 'expiration'"],
  ['{"Version":"2012-10-17"}', "Unexpected: 'version'"],
  [
    '{"expiration":"2026-02-30T00:00:00Z","conditions":[]}',
    "Invalid 'expiration' value: '2026-02-30T00:00:00Z'",
  ],
  [
    '{"expiration":"2026-11-21 12:00:00","conditions":[]}',
    "Invalid 'expiration' value: '2026-11-21 12:00:00'",
  ],
  ['{"expiration":7,"conditions":[]}', "Invalid 'expiration' value: '7'"],
  [`{"expiration":"${EXPIRATION}","conditions":{}}`, "Invalid 'conditions' value: must be a List."],
  [
    list('{}'),
    'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
  ],
  [
    list('{"a":"1","b":"2"}'),
    'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
  ],
  [list('{"a":1}'), 'Invalid Simple-Condition: value must be a string.'],
  [list('{"a":null}'), 'Invalid JSON.'],
  [list('"a"'), 'Invalid condition test: must be a List or Object.'],
  [list('[]'), 'Invalid Condition: missing operation identifier.'],
  [list('["ends-with","$key","a"]'), "Invalid Condition: unknown operation 'ends-with'."],
  [list('["eq","$key"]'), 'Invalid eq: wrong number of arguments.'],
  [list('["eq","$key",[["a"]]]'), 'Invalid JSON.'],
  [list('["content-length-range",0]'), 'Invalid content-length-range: wrong number of arguments.'],
  [list('["content-length-range",-1,0]'), 'Invalid JSON.'],
  [list('["content-length-range",0,1.5]'), 'Invalid JSON.'],
]

describe('documents', () => {
  test.each(MALFORMED_DOCUMENTS)('%s is refused', (document, why) => {
    expect(refusal(() => parsePostPolicy(encode(document)))).toBe(
      `InvalidPolicyDocument Invalid Policy: ${why}`,
    )
  })

  test('base64 may be in lines, and must be base64 of UTF-8', () => {
    const policy = encode(list('["eq","$key","\\$\\v\\\\$"]'))
    const parsed = { type: 'eq', name: '$key', value: '$\v\\$' }
    expect(parsePostPolicy(`${policy.slice(0, 20)}\r\n${policy.slice(20)}`).conditions).toEqual([
      parsed,
    ])
    for (const bad of [`${policy}*`, encode('x').replace('=', ''), '/w==']) {
      expect(refusal(() => parsePostPolicy(bad))).toMatch(/^InvalidPolicyDocument/)
    }
  })

  test("the document on AWS's page, with a comma after its last condition", () => {
    const document =
      '{ "expiration": "2007-12-01T12:00:00.000Z",\n  "conditions": [\n' +
      '    {"acl": "public-read" },\n    ["starts-with", "$key", "a,]\\",]"],\n  ]\n}'
    expect(parsePostPolicy(encode(document)).conditions).toEqual([
      { type: 'eq', name: '$acl', value: 'public-read' },
      { type: 'starts-with', name: '$key', value: 'a,]",]' },
    ])
    for (const bad of ['{"acl":"a"},,', '"a', '"a\\']) {
      expect(refusal(() => parsePostPolicy(encode(list(bad))))).toMatch(/^InvalidPolicyDocument/)
    }
  })

  test('deep nesting is refused like any other', () => {
    const deep = '['.repeat(7_000) + ']'.repeat(7_000)
    expect(refusal(() => parsePostPolicy(encode(list(deep))))).toMatch(/^InvalidPolicyDocument/)
  })
})
