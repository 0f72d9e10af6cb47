import { expect, test } from 'vitest'
import { forwardedClient, type ForwardedKind } from './forwarded.ts'

const PEER = { address: '10.0.0.1', secure: false }
const PROXIES = new Set(['10.0.0.1', '10.0.0.2', '2001:db8::9'])

function client(kind: ForwardedKind, headers: Record<string, string>): unknown {
  return forwardedClient(kind, headers, PEER, (address) => PROXIES.has(address))
}

function x(addresses: string, proto?: string): unknown {
  return client('x-forwarded', {
    'x-forwarded-for': addresses,
    ...(proto !== undefined && { 'x-forwarded-proto': proto }),
  })
}

function forwarded(header: string): unknown {
  return client('forwarded', { forwarded: header })
}

const secure = (address: string): unknown => ({ address, secure: true })
const plain = (address: string): unknown => ({ address, secure: false })

test('the client is the rightmost address that is not a trusted proxy', () => {
  expect(x('192.0.2.1')).toEqual(plain('192.0.2.1'))
  expect(x('10.9.9.9, 192.0.2.1')).toEqual(plain('192.0.2.1'))
  expect(x('not an address, 192.0.2.1,10.0.0.2 ,\t2001:db8::9')).toEqual(plain('192.0.2.1'))
  expect(x('10.0.0.2, 10.0.0.1')).toEqual(plain('10.0.0.2'))
  expect(forwarded('for=10.9.9.9, for=192.0.2.1;by=10.0.0.2, For="10.0.0.2"')).toEqual(
    plain('192.0.2.1'),
  )
})

test.each([
  ['192.0.2.1:8080', '192.0.2.1'],
  ['[2001:DB8::1]:443', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['2001:db8::1', '2001:db8::1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::ffff:c000:201', '192.0.2.1'],
])('%s is the address %s', (node, address) => {
  expect(x(node)).toEqual(plain(address))
  expect(forwarded(`for="${node}"`)).toEqual(plain(address))
  expect(forwarded(`for=${node};proto=https`)).toEqual(secure(address))
})

test('without a header the client is the proxy itself', () => {
  expect(client('x-forwarded', {})).toEqual(PEER)
  expect(x('')).toEqual(PEER)
  expect(forwarded(' ')).toEqual(PEER)
})

test('the client is secure only if all proxies were asked over TLS', () => {
  expect(x('192.0.2.1', 'HTTPS')).toEqual(secure('192.0.2.1'))
  expect(x('192.0.2.1', 'https, http')).toEqual(plain('192.0.2.1'))
  expect(x('192.0.2.1', 'https,https')).toEqual(secure('192.0.2.1'))
  expect(client('x-forwarded', { 'x-forwarded-proto': 'https' })).toEqual(secure('10.0.0.1'))
  const hops = 'for=192.0.2.1;proto=https, for=10.0.0.2'
  expect(forwarded(hops)).toEqual(secure('192.0.2.1'))
  expect(forwarded(`${hops};proto=http`)).toEqual(plain('192.0.2.1'))
  expect(forwarded(`for=10.0.0.2;proto=http, ${hops}`)).toEqual(secure('192.0.2.1'))
})

test('only the kind that is meant is read', () => {
  const both = { 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.2;proto=https' }
  expect(client('x-forwarded', both)).toEqual(plain('192.0.2.1'))
  expect(client('forwarded', both)).toEqual(secure('192.0.2.2'))
})

test.each([
  'unknown',
  '192.0.2.1,',
  '192.0.2.1, 10.0.0.999',
  '192.0.2.01',
  'fe80::1%eth0',
  '192.0.2.1:port',
  '192.0.2.1:123456',
  Array.from({ length: 40 }, () => '10.0.0.2').join(','),
])('X-Forwarded-For: %s is refused', (header) => {
  expect(() => x(header)).toThrow('header X-Forwarded-For')
})

test('so is a scheme that is none', () => {
  expect(() => x('192.0.2.1', 'ftp')).toThrow('header X-Forwarded-Proto')
  expect(() => x('192.0.2.1', 'https,')).toThrow('header X-Forwarded-Proto')
  expect(() => forwarded('for=192.0.2.1;proto=ftp')).toThrow('header Forwarded')
})

test.each([
  'for=unknown',
  'for=_hidden',
  'proto=https',
  'for=192.0.2.1;for=192.0.2.2',
  'for=192.0.2.1,',
  'for = 192.0.2.1',
  'for=192.0.2.1 for=192.0.2.2',
  // A quote that the client has left open must not swallow what the proxy writes.
  'for="192.0.2.1, for=192.0.2.2',
  'for=192.0.2.1;x=", for="[2001:db8::1]:4711"',
  'for="192.0.2.1',
])('Forwarded: %s is refused', (header) => {
  expect(() => forwarded(header)).toThrow('header Forwarded')
})
