import { describe, expect, test } from 'vitest'
import {
  binaryHeader,
  headerField,
  LOCAL,
  PROXY,
  TCP4,
  TCP6,
  tcp4Header,
  tlsField,
} from '../testing/proxy-headers.ts'
import { PROXY_HEADER_BYTES_MAX, readProxyHeader, type ProxyHeader } from './proxy-protocol.ts'

function whole(sizeBytes: number, address?: string, secure = false): ProxyHeader {
  return {
    type: 'whole',
    sizeBytes,
    client: address === undefined ? undefined : { address, secure },
  }
}

function refused(bytes: Uint8Array | string): string | undefined {
  const header = readProxyHeader(Buffer.from(bytes as string))
  return header.type === 'malformed' ? header.why : undefined
}

const LINE = 'PROXY TCP4 192.0.2.1 203.0.113.5 56324 443\r\n'
const TCP6_ADDRESSES = Buffer.concat([
  Buffer.from('20010db8000000000000000000000001', 'hex'),
  Buffer.from('20010db8000000000000000000000002', 'hex'),
  Buffer.from([200, 1, 1, 187]),
])

describe('version 1', () => {
  test('names the client', () => {
    expect(readProxyHeader(Buffer.from(`${LINE}GET / HTTP/1.1\r\n`))).toEqual(
      whole(LINE.length, '192.0.2.1'),
    )
    const six = 'PROXY TCP6 2001:DB8::1 2001:db8::2 0 65535\r\n'
    expect(readProxyHeader(Buffer.from(six))).toEqual(whole(six.length, '2001:db8::1'))
    const longest = `PROXY UNKNOWN ${'f'.repeat(91)}\r\n`
    expect(longest.length).toBe(107)
    expect(readProxyHeader(Buffer.from(longest))).toEqual(whole(107))
    expect(readProxyHeader(Buffer.from('PROXY UNKNOWN\r\n'))).toEqual(whole(15))
  })

  test.each([
    'PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n',
    'PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n',
    'PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n',
    'PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n',
    'PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n',
    'PROXY UNKNOWNS\r\n',
    'PROXY \r\n',
  ])('%j is refused', (line) => {
    expect(refused(line)).toMatch('TCP4, TCP6 or UNKNOWN')
  })

  test('a longer line is refused before it ends', () => {
    expect(refused(`PROXY UNKNOWN ${'f'.repeat(93)}`)).toMatch('107 bytes')
    expect(refused(`PROXY UNKNOWN ${'f'.repeat(92)}\r\n`)).toMatch('107 bytes')
  })
})

describe('version 2', () => {
  test('names the client', () => {
    expect(readProxyHeader(tcp4Header('192.0.2.1'))).toEqual(whole(28, '192.0.2.1'))
    expect(readProxyHeader(binaryHeader(PROXY, TCP6, TCP6_ADDRESSES))).toEqual(
      whole(52, '2001:db8:0:0:0:0:0:1'),
    )
    const mapped = Buffer.concat([
      Buffer.from('00000000000000000000ffffc0000201', 'hex'),
      TCP6_ADDRESSES.subarray(16),
    ])
    expect(readProxyHeader(binaryHeader(PROXY, TCP6, mapped))).toEqual(whole(52, '192.0.2.1'))
  })

  test('says whether the client spoke TLS; other fields are skipped', () => {
    const other = headerField(0x02, Buffer.from('s3.example.org'))
    const header = (fields: Uint8Array[]): ProxyHeader =>
      readProxyHeader(tcp4Header('192.0.2.1', Buffer.concat(fields)))
    expect(header([other, tlsField(true), other])).toMatchObject({ client: { secure: true } })
    expect(header([other, tlsField(false)])).toMatchObject({ client: { secure: false } })
    expect(header([other])).toMatchObject({ client: { secure: false } })
  })

  test('speaks of the proxy itself by LOCAL, and where there is no IP address', () => {
    expect(readProxyHeader(binaryHeader(LOCAL, 0xff, Buffer.from('any')))).toEqual(whole(19))
    expect(readProxyHeader(binaryHeader(PROXY, 0, Buffer.alloc(0)))).toEqual(whole(16))
    expect(readProxyHeader(binaryHeader(PROXY, 0x31, Buffer.alloc(216)))).toEqual(whole(232))
  })

  test('is refused when it is another version, command or transport, too short or too long', () => {
    const addresses = Buffer.alloc(12)
    expect(refused(binaryHeader(0x11, TCP4, addresses))).toMatch('version or command')
    expect(refused(binaryHeader(0x22, TCP4, addresses))).toMatch('version or command')
    expect(refused(binaryHeader(PROXY, 0x12, addresses))).toMatch('not those of TCP')
    expect(refused(binaryHeader(PROXY, TCP4, addresses.subarray(1)))).toMatch('too short')
    const long = tcp4Header('192.0.2.1', Buffer.alloc(PROXY_HEADER_BYTES_MAX - 27))
    expect(refused(long.subarray(0, 16))).toMatch('more than 4096 bytes')
    const most = headerField(4, Buffer.alloc(PROXY_HEADER_BYTES_MAX - 31))
    expect(readProxyHeader(tcp4Header('192.0.2.1', most)).type).toBe('whole')
  })

  test('is refused when a field does not fit', () => {
    for (const fields of ['20', '2000', '200005', '2000050100000', '20000401000000', '030002ff']) {
      const bytes = Buffer.from(fields.padEnd(fields.length + (fields.length % 2), '0'), 'hex')
      expect(refused(tcp4Header('192.0.2.1', bytes))).toMatch('fields')
    }
  })
})

test('anything else is refused at the first byte that differs, and nothing before', () => {
  for (const header of [Buffer.from(LINE), tcp4Header('192.0.2.1', tlsField(true))]) {
    for (let length = 0; length < header.length; length++) {
      expect(readProxyHeader(header.subarray(0, length)).type).toBe('incomplete')
    }
  }
  for (const start of ['GET', 'POST', '\r\r', '\x16\x03\x01', 'PROXYS', '\r\n\r\n\0\r\nQUIZ']) {
    expect(refused(start)).toMatch('does not begin')
  }
})
