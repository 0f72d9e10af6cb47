/** The forms of a request's target and of its Host (RFC 9112 3.2), parsed alone and through the gateway. */

import { afterEach, beforeEach, expect, test } from 'vitest'
import { sendRaw } from '../conformance/world.ts'
import { hostName, isHost, parseTarget } from './target.ts'
import { startGateway, type TestGateway } from '../testing/gateway.ts'
import { fakeRequest } from '../testing/requests.ts'
import { signHeader } from '../testing/signer.ts'
import { openSocket } from '../testing/socket.ts'

test.each([
  ['http://host/b/k?x=1', '/b/k', 'x=1', 'host'],
  ['http://host:9000/b/k', '/b/k', '', 'host:9000'],
  ['HTTP://HOST/b', '/b', '', 'HOST'],
  ['http://host', '/', '', 'host'],
  ['http://host?versions', '/', 'versions', 'host'],
  ['http://[::1]:9000/b//k', '/b//k', '', '[::1]:9000'],
  ['http://h/b/http://other/k', '/b/http://other/k', '', 'h'],
  ['/b/k?x=1', '/b/k', 'x=1', undefined],
  ['//b/k', '//b/k', '', undefined],
])('%s', (target, rawPath, rawQuery, authority) => {
  expect(parseTarget(target, false)).toEqual({ rawPath, rawQuery, authority })
})

test.each([
  '',
  '*',
  'b/k',
  'host:9000',
  'ftp://host/b',
  'http:/host/b',
  'http:///b',
  'http://user@host/b',
  'http://user:secret@host/b',
  'http://host/b#f',
  'http://ho st/b',
  'http://host\\b/c',
  'http://host/\u00e9',
  'javascript://host/b',
])('%s is not a target', (target) => {
  expect(() => parseTarget(target, true)).toThrow(expect.objectContaining({ code: 'InvalidURI' }))
})

test('https is answered only over TLS', () => {
  expect(parseTarget('https://host/b', true).authority).toBe('host')
  expect(() => parseTarget('https://host/b', false)).toThrow('without TLS')
})

test.each([
  ['bucket.s3.example.org', 'bucket'],
  ['BUCKET.S3.Example.ORG', 'bucket'],
  ['bucket.s3.example.org:9000', 'bucket'],
  ['bucket.s3.example.org:', 'bucket'],
  ['bucket.s3.example.org.', 'bucket'],
  ['bucket.s3.example.org.:9000', 'bucket'],
  ['s3.example.org.', 'path'],
  ['[::1]:9000', 'path'],
  ['', 'path'],
])('a Host of "%s" names the bucket %s', (host, bucket) => {
  expect(fakeRequest({ url: '/path/k', headers: { host } }, ['s3.example.org']).bucket).toBe(bucket)
  // The same host in the target, which replaces the Host header.
  if (host === '') return
  const url = `http://${host}/path/k`
  const request = fakeRequest({ url, headers: { host: 'other.s3.example.org' } }, [
    's3.example.org',
  ])
  expect(request.bucket).toBe(bucket)
  expect(request.headers['host']).toBe(host)
})

test('which hosts are valid', () => {
  expect(hostName('A.B.:80')).toBe('a.b')
  for (const host of ['a b', 'a/b', 'a@b', 'a?b', 'a#b', 'a\\b', 'a\u00e9']) {
    expect([host, isHost(host)]).toEqual([host, false])
    expect(() => fakeRequest({ url: '/b', headers: { host } })).toThrow('Host header is not valid')
  }
})

let server: TestGateway
beforeEach(async () => {
  server = await startGateway()
  await sendRaw(server.target, { method: 'PUT', path: '/bucket' })
  await sendRaw(server.target, { method: 'PUT', path: '/bucket/k', body: [Buffer.from('hello')] })
})
afterEach(() => server.close())

/** A signed request as text; `host` is signed, `target` and `hostHeader` are sent. */
function signed(
  { target }: TestGateway,
  sent: { method?: string; form: string; host: string; hostHeader?: string },
): string {
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const { method = 'GET', form, host, hostHeader = host } = sent
  const { message } = signHeader(
    { method, path: '/bucket/k', headers: { host } },
    { ...target, timestamp },
  )
  const headers = Object.entries({ ...message.headers, host: hostHeader, connection: 'close' })
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  return `${method} ${form} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

async function answer(text: string): Promise<string> {
  const socket = await openSocket(server.target.endpoint)
  socket.send(text)
  return socket.closed()
}

test('a signed request in absolute form is answered', async () => {
  const { host } = new URL(server.target.endpoint)
  const form = `http://${host}/bucket/k`
  expect(await answer(signed(server, { form, host }))).toMatch(/^HTTP\/1.1 200[^]*hello$/)
})

test('the host that counts for the signature is the one of the target', async () => {
  const form = 'http://store.example.org/bucket/k'
  const host = 'store.example.org'
  const right = signed(server, { form, host, hostHeader: 'other.example.org' })
  expect(await answer(right)).toMatch(/^HTTP\/1.1 200/)
  const wrong = signed(server, { form, host: 'other.example.org' })
  expect(await answer(wrong)).toMatch(/^HTTP\/1.1 403[^]*SignatureDoesNotMatch/)
})

const ANONYMOUS: readonly (readonly [name: string, text: string, answer: RegExp])[] = [
  ['an absolute form', 'GET http://other/bucket HTTP/1.1\r\nHost: h\r\n', /^HTTP\/1.1 403/],
  ['no Host, though the target has one', 'GET http://other/bucket HTTP/1.1\r\n', /^HTTP\/1.1 400/],
  ['a Host that is none', 'GET /bucket HTTP/1.1\r\nHost: a b\r\n', /^HTTP\/1.1 400[^]*Header>host/],
  ['HTTP/1.0 without a Host', 'GET /bucket HTTP/1.0\r\n', /^HTTP\/1.1 403/],
  [
    'empty lines before the request line',
    '\r\n\r\nGET /bucket HTTP/1.1\r\nHost: h\r\n',
    /^HTTP\/1.1 403/,
  ],
  ['the asterisk form of GET', 'GET * HTTP/1.1\r\nHost: h\r\n', /^HTTP\/1.1 400[^]*InvalidURI/],
  [
    'OPTIONS for the server as a whole',
    'OPTIONS * HTTP/1.1\r\nHost: h\r\n',
    /^HTTP\/1.1 200[^]*Allow: GET/,
  ],
  ['a fragment', 'GET /bucket#f HTTP/1.1\r\nHost: h\r\n', /^HTTP\/1.1 400/],
  [
    'an expectation of another kind, which S3 passes over',
    'GET /bucket HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n',
    /^HTTP\/1.1 403[^]*x-amz-request-id/,
  ],
  [
    'an upgrade that is not wanted',
    'GET /bucket HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: upgrade\r\n',
    /^HTTP\/1.1 403/,
  ],
  ['CONNECT', 'CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n', /^HTTP\/1.1 501/],
  [
    'a coding that is no chunked',
    'PUT /bucket/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n',
    /^HTTP\/1.1 400/,
  ],
  [
    'a HEAD with a body',
    'HEAD /bucket HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n',
    /^HTTP\/1.1 403/,
  ],
]
test.each(ANONYMOUS)('%s', async (_name, head, expected) => {
  const close = head.includes('Connection') ? '' : 'Connection: close\r\n'
  const socket = await openSocket(server.target.endpoint)
  socket.send(`${head}${close}\r\n`)
  if (head.startsWith('HEAD')) socket.send('xx')
  await socket.until('\r\n\r\n')
  socket.socket.end()
  const text = await socket.closed()
  expect(text).toMatch(expected)
  expect(text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1)
})
