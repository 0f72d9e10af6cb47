import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { errorXml, fromStoreError, S3Error } from './errors.ts'
import { OverloadedError, StoreError } from '../../protocol/errors.ts'
import { finish } from '../../protocol/work.ts'
import {
  childText,
  encodeUrl,
  joinedXml,
  meteredName,
  parseXml,
  parsingXml,
  tag,
  xmlDate,
} from './xml.ts'
import { escapeXml, xmlDocument } from './xml-text.ts'

const LIMITS = { maxBytes: 10_000, maxElements: 20, maxDepth: 5 }
const parse = (text: string) => parseXml(Buffer.from(text), LIMITS)
const MALFORMED = expect.objectContaining({ code: 'MalformedXML', status: 400 })

test('special characters are escaped', () => {
  expect(escapeXml('a&b<c>d"e\'f')).toBe("a&amp;b&lt;c&gt;d&quot;e'f")
  expect(escapeXml('\u0001\r\t\n\u007f\uffff')).toBe('&#x1;&#xD;\t\n&#x7F;&#xFFFF;')
  expect(tag('Key', '<')).toBe('<Key>&lt;</Key>')
  expect(tag('Key', undefined)).toBe('')
  expect(tag('IsTruncated', false)).toBe('<IsTruncated>false</IsTruncated>')
})

test('written text is parsed back unchanged', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 50 }), (text) => {
      fc.pre(!/[\ud800-\udfff]/.test(text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '')))
      // oxlint-disable-next-line no-control-regex
      fc.pre(!/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text))
      const root = parse(xmlDocument('Root', tag('Key', text)))
      expect(childText(root, 'Key')).toBe(text)
    }),
  )
})

test('form decoding undoes encoding-type=url, which leaves slashes unchanged', () => {
  expect(encodeUrl("a b/c+d=e~f*g(h)'!%é")).toBe('a+b/c%2Bd%3De%7Ef*g%28h%29%27%21%25%C3%A9')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(decodeURIComponent(encodeUrl(text).replaceAll('+', ' '))).toBe(text)
    }),
  )
})

describe('the parser', () => {
  test('reads elements, text, CDATA, references, namespaces, comments', () => {
    const root = parse(
      '\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<!-- c --><s:Delete xmlns:s="http://s3.amazonaws.com/doc/2006-03-01/" a="b"><Object><Key>a&amp;&#x42;<![CDATA[<c>]]></Key></Object><Object/></s:Delete>',
    )
    expect(root.name).toBe('Delete')
    expect(root.children.map((one) => one.name)).toEqual(['Object', 'Object'])
    expect(childText(root.children[0] as never, 'Key')).toBe('a&B<c>')
    expect(childText(root.children[1] as never, 'Key')).toBeUndefined()
  })

  test('names like those of prototypes are just names', () => {
    const root = parse('<__proto__><constructor>x</constructor><toString/></__proto__>')
    expect(root.name).toBe('__proto__')
    expect(childText(root, 'constructor')).toBe('x')
    expect(childText(root, '__proto__')).toBeUndefined()
    expect(childText(root, 'hasOwnProperty')).toBeUndefined()
  })
})

describe('malformed documents', () => {
  test.each([
    ['nothing', ''],
    ['text only', 'hello'],
    ['a DOCTYPE', '<!DOCTYPE a><a/>'],
    ['an internal subset', '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
    ['an external entity', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'],
    ['an unknown entity', '<a>&x;</a>'],
    ['a processing instruction', '<?php echo 1 ?><a/>'],
    ['an unclosed element', '<a><b></a>'],
    ['an unbound prefix', '<x:a/>'],
    ['two roots', '<a/><b/>'],
    ['text after the root', '<a/>x'],
    ['a doubled attribute', '<a b="1" b="2"/>'],
    ['another encoding', '<?xml version="1.0" encoding="UTF-16"?><a/>'],
    ['depth', '<a><a><a><a><a><a/></a></a></a></a></a>'],
    ['one element too many', `<a>${'<a/>'.repeat(20)}</a>`],
    [
      'an attribute too many',
      `<a${Array.from({ length: 33 }, (_, at) => ` b${at}=""`).join('')}/>`,
    ],
    ['size', `<a>${'x'.repeat(10_000)}</a>`],
    ['a control character', '<a>\u0001</a>'],
    ['a reference to one', '<a>&#1;</a>'],
  ])('F28: refuses %s', (_name, text) => {
    expect(() => parse(text)).toThrow(MALFORMED)
  })

  test('F28: refuses bytes that are not UTF-8', () => {
    expect(() => parseXml(Buffer.from('<a>\xff</a>', 'latin1'), LIMITS)).toThrow(MALFORMED)
  })

  test('F28: checks the size before parsing', () => {
    expect(() => parseXml(new Uint8Array(100 * 2 ** 20), LIMITS)).toThrow(/larger/)
  })
})

describe('large documents', () => {
  test('F27b: are parsed in slices, and refused at the first element too many', () => {
    const limits = { maxBytes: 2 ** 23, maxElements: 6_002 }
    const slices = (text: string): number => {
      const work = parsingXml(Buffer.from(text), limits)
      for (let count = 1; ; count++) {
        try {
          if (work.next().done === true) return count
        } catch {
          return -count
        }
      }
    }
    // Only 6,002 of two million elements are read: about ten slices of 4 KiB instead of two thousand.
    const given = slices(`<a>${'<a/>'.repeat(2_000_000)}</a>`)
    expect(given).toBeLessThan(0)
    expect(given).toBeGreaterThan(-10)
    expect(slices(`<a ${'b="" '.repeat(1_000_000)}/>`)).toBe(-1)
    expect(slices(`<a>${'x'.repeat(2 ** 18)}</a>`)).toBeGreaterThan(50)
    expect(slices('<a><b>c</b></a>')).toBe(1)
  })

  test('are the same wherever the chunks are cut, even inside a character or a reference', () => {
    const text = `<a>${'é😀&amp;<![CDATA[x]]>\r\n'.repeat(600)}</a>`
    const bytes = Buffer.from(text)
    expect(bytes.length).toBeGreaterThan(2 * 4096)
    for (let shift = 0; shift < 8; shift++) {
      const padded = Buffer.concat([Buffer.from(' '.repeat(shift)), bytes])
      const root = parseXml(padded, { maxBytes: 2 ** 20, maxElements: 1 })
      expect(root.text).toBe('é😀&x\n'.repeat(600))
    }
  })
})

describe('any document', () => {
  test('a child that must be unique is not repeated and has no children', () => {
    expect(() => childText(parse('<a><b/><b/></a>'), 'b')).toThrow(MALFORMED)
    expect(() => childText(parse('<a><b><c/></b></a>'), 'b')).toThrow(MALFORMED)
  })

  test('F28: any bytes give an element or MalformedXML', () => {
    const pieces = fc.constantFrom(
      '<',
      '>',
      '</',
      '/>',
      'a',
      'b:',
      '<a>',
      '</a>',
      '<b/>',
      '&',
      ';',
      '&amp;',
      '&#',
      'x41',
      ' ',
      '"',
      '=',
      "'",
      '<!',
      '<!--',
      '-->',
      '<![CDATA[',
      ']]>',
      '<?',
      '?>',
      '<?xml version="1.0"?>',
      '<!DOCTYPE',
      '\u0000',
      '\ufeff',
      'é',
      '__proto__',
      'xmlns',
    )
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(pieces, { maxLength: 30 }).map((list) => Buffer.from(list.join(''))),
    )
    fc.assert(
      fc.property(anything, (bytes) => {
        try {
          expect(parseXml(bytes, LIMITS).name).not.toBe('')
        } catch (error) {
          expect(error).toMatchObject({ code: 'MalformedXML' })
        }
      }),
      { numRuns: 3000 },
    )
  })
})

describe('errors', () => {
  const about = { resource: '/b/<k>', requestId: 'R', hostId: 'H' }

  test('have an XML document', () => {
    const error = new S3Error('AccessDenied', 'No "way"', { details: { Region: 'a&b' } })
    expect(errorXml(error, about)).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>No &quot;way&quot;</Message><Region>a&amp;b</Region><Resource>/b/&lt;k&gt;</Resource><RequestId>R</RequestId><HostId>H</HostId></Error>',
    )
  })

  test.each([
    ['Unavailable', 'ServiceUnavailable', 503],
    ['InsufficientStorage', 'InsufficientStorage', 507],
    ['Conflict', 'OperationAborted', 409],
    ['DataLost', 'InternalError', 500],
    ['NoSuchKey', 'NoSuchKey', 404],
    ['PreconditionFailed', 'PreconditionFailed', 412],
    ['EntityTooSmall', 'EntityTooSmall', 400],
  ] as const)('of the store: %s is %s (%d)', (store, code, status) => {
    expect(fromStoreError(new StoreError(store))).toMatchObject({ code, status })
  })

  test('lost data means 500, and the text says so', () => {
    const error = fromStoreError(new StoreError('DataLost', 'The data of this object is lost'))
    expect(error).toMatchObject({ status: 500, message: 'The data of this object is lost' })
  })

  test('503 says why, and only overload asks for fewer requests', () => {
    const reason = 'no majority of the replicas answered in time'
    expect(fromStoreError(new StoreError('Unavailable', reason))).toMatchObject({
      code: 'ServiceUnavailable',
      status: 503,
      message: `Service is unable to handle request. Reason: ${reason}.`,
      headers: { 'retry-after': '1' },
    })
    expect(fromStoreError(new OverloadedError('blocks wait'))).toMatchObject({
      code: 'SlowDown',
      status: 503,
      message: 'Please reduce your request rate. Reason: blocks wait.',
    })
  })

  test('a conflict under a condition has its own code', () => {
    expect(fromStoreError(new StoreError('Conflict'), { conditional: true }).code).toBe(
      'ConditionalRequestConflict',
    )
  })
})

test('F27b: the items of an answer are joined in slices, however many characters must be escaped', () => {
  const keys = Array.from({ length: 1_000 }, () => '&~'.repeat(512))
  const work = joinedXml(keys, (key, meter) => `<Key>${meteredName(key, encodeUrl, meter)}</Key>`)
  let slices = 1
  while (work.next().done !== true) slices++
  expect(slices).toBeGreaterThan(50)
  expect(finish(joinedXml(['a', '<'], (key) => tag('Key', key)))).toBe(
    '<Key>a</Key><Key>&lt;</Key>',
  )
})

test('times of XML are those of Date, to the millisecond', () => {
  const times = [
    0, 1, 999, 1_000, 1_259_862_630_010, 1_259_862_630_099, 1_259_862_630_100, -1, 8.64e15,
  ]
  for (const time of [...times, ...times]) expect(xmlDate(time)).toBe(new Date(time).toISOString())
  expect(() => xmlDate(Number.NaN)).toThrow(RangeError)
})
