import { describe, expect, it } from 'vitest'
import { parseXml } from '../http/xml.ts'
import { queryErrorXml, resultXml } from './xml.ts'

describe('documents of the query API', () => {
  it('show lists as members, maps as entries, dates without fractions', () => {
    const text = resultXml(
      'iam',
      'ListThings',
      {
        Things: [{ Name: 'a<b', When: new Date(1_000_500) }, { Name: 'c' }],
        None: [],
        Left: undefined,
        Map: new Map([['Users', 3]]),
        IsTruncated: false,
      },
      'R1',
    )
    expect(text).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<ListThingsResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListThingsResult>' +
        '<Things><member><Name>a&lt;b</Name><When>1970-01-01T00:16:40Z</When></member>' +
        '<member><Name>c</Name></member></Things><None></None>' +
        '<Map><entry><key>Users</key><value>3</value></entry></Map><IsTruncated>false</IsTruncated>' +
        '</ListThingsResult><ResponseMetadata><RequestId>R1</RequestId></ResponseMetadata>' +
        '</ListThingsResponse>',
    )
  })

  it('have no result element for actions without a result', () => {
    expect(resultXml('sts', 'Do', {}, 'R')).not.toContain('DoResult')
  })

  it('say whose error it was, and are well-formed with any message', () => {
    const text = queryErrorXml(
      'sts',
      { code: 'AccessDenied', status: 403, message: 'no <&> \u0000 "x"' },
      'R',
    )
    expect(text).toContain('<Type>Sender</Type><Code>AccessDenied</Code>')
    expect(text).toContain('https://sts.amazonaws.com/doc/2011-06-15/')
    const plain = queryErrorXml('iam', { code: 'X', status: 503, message: 'no <&>' }, 'R')
    const [error] = parseXml(new TextEncoder().encode(plain), {
      maxBytes: 10_000,
      maxElements: 100,
    }).children
    expect(error?.children.map(({ text: value }) => value)).toEqual(['Receiver', 'X', 'no <&>'])
  })
})
