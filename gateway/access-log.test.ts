/** What the access log contains for each kind of request, and what it never contains. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lineOf } from './access-log.ts'
import { sendUnsigned, sendRaw } from './conformance/world.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from './testing/gateway.ts'
import { signHeader } from './testing/signer.ts'
import { openSocket } from './testing/socket.ts'

let server: TestGateway
let lines: Record<string, unknown>[] = []
let debug: Record<string, unknown>[] = []

async function start(options: TestGatewayOptions = {}): Promise<void> {
  server = await startGateway({
    accessLog: (line) => {
      expect(line.endsWith('\n')).toBe(true)
      lines.push(JSON.parse(line) as Record<string, unknown>)
    },
    debug: (fields) => debug.push(fields),
    ...options,
  })
  await sendRaw(server.target, { method: 'PUT', path: '/bucket' })
  await lineCount(1)
  lines = []
}

/** A line is written when its request is over, possibly after the client got its answer. */
async function lineCount(count: number): Promise<void> {
  while (lines.length < count) await new Promise((resolve) => setImmediate(resolve))
}

beforeEach(() => {
  lines = []
  debug = []
})
afterEach(() => server.close())

describe('an accepted request', () => {
  test('its line says who asked for what, and how much was sent', async () => {
    await start()
    const headers = { 'user-agent': 'tester/1' }
    const body = [Buffer.from('hello')]
    const put = await sendRaw(server.target, { method: 'PUT', path: '/bucket/a/b', headers, body })
    await sendRaw(server.target, { path: '/bucket/a/b' })
    await sendRaw(server.target, { method: 'HEAD', path: '/bucket/a/b' })
    await lineCount(3)
    expect(lines[0]).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
      id: put.headers['x-amz-request-id'],
      remote: '127.0.0.1',
      account: '123456789012',
      caller: 'arn:aws:iam::123456789012:root',
      accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
      operation: 'PutObject',
      method: 'PUT',
      bucket: 'bucket',
      key: 'a/b',
      status: 200,
      bytesIn: 5,
      bytesOut: 0,
      ms: expect.any(Number) as number,
      userAgent: 'tester/1',
    })
    expect(lines[1]).toMatchObject({ operation: 'GetObject', status: 200, bytesIn: 0, bytesOut: 5 })
    expect(lines[2]).toMatchObject({ operation: 'HeadObject', status: 200, bytesOut: 0 })
    expect(debug).toEqual([])
  })

  test('a key cannot change what a terminal or editor shows', async () => {
    await start()
    const path = '/bucket/a\r\n\u001b[31m\u007f\u0085\u202e"'
    await sendRaw(server.target, { method: 'PUT', path, body: [Buffer.from('x')] })
    await lineCount(1)
    expect(lines[0]).toMatchObject({ key: 'a\r\n\u001b[31m\u007f\u0085\u202e"' })
    expect(lineOf({ key: 'a\r\n\u001b\u007f\u0085\u202e\u2028"é' })).toBe(
      '{"key":"a\\r\\n\\u001b\\u007f\\u0085\\u202e\\u2028\\"é"}\n',
    )
  })

  test('a long user agent is cut', async () => {
    await start()
    await sendRaw(server.target, { path: '/', headers: { 'user-agent': 'x'.repeat(5_000) } })
    await lineCount(1)
    expect(lines[0]!['userAgent']).toHaveLength(256)
  })
})

describe('a failed request: its line and the debug log say what was wrong', () => {
  const cases: readonly [
    name: string,
    send: () => Promise<unknown>,
    expected: Record<string, unknown>,
  ][] = [
    [
      'a missing key',
      () => sendRaw(server.target, { path: '/bucket/none', query: [['versionId', 'null']] }),
      { operation: 'GetObject', status: 404, key: 'none', versionId: 'null' },
    ],
    [
      'a header that is not supported',
      () =>
        sendRaw(server.target, {
          method: 'PUT',
          path: '/bucket/k',
          headers: { 'x-amz-write-offset-bytes': '1' },
        }),
      { status: 501, error: 'NotImplemented', at: 'x-amz-write-offset-bytes' },
    ],
    [
      'a parameter',
      () => sendRaw(server.target, { path: '/bucket', query: [['max-keys', 'many']] }),
      { status: 400, error: 'InvalidArgument', at: 'max-keys' },
    ],
    [
      'no signature',
      () => sendUnsigned(server.target.endpoint, { url: '/bucket/k' }),
      { status: 403, error: 'AccessDenied', bucket: 'bucket', key: 'k', remote: '127.0.0.1' },
    ],
    [
      'a key that does not exist',
      () => sendRaw({ ...server.target, accessKeyId: 'AKIAUNKNOWN' }, { path: '/bucket/k' }),
      { status: 403, error: 'InvalidAccessKeyId', claimedAccessKeyId: 'AKIAUNKNOWN' },
    ],
    [
      'a wrong signature',
      () => sendRaw({ ...server.target, secretAccessKey: 'no' }, { path: '/bucket/k' }),
      { error: 'SignatureDoesNotMatch', claimedAccessKeyId: 'AKIAIOSFODNN7EXAMPLE' },
    ],
    [
      'a path that is none',
      () => sendUnsigned(server.target.endpoint, { url: '/bucket/%zz?X-Amz-Signature=S3CRET' }),
      { status: 400, error: 'InvalidURI', method: 'GET', target: '/bucket/%zz' },
    ],
    [
      'a malformed query',
      () => sendUnsigned(server.target.endpoint, { url: '/bucket?a=%zz' }),
      { status: 400, error: 'InvalidURI', target: '/bucket' },
    ],
  ]
  test.each(cases)('%s', async (_name, send, expected) => {
    await start()
    await send()
    await lineCount(1)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject(expected)
    expect(lines[0]!['caller'] === undefined).toBe(
      lines[0]!['claimedAccessKeyId'] !== undefined || lines[0]!['accessKeyId'] === undefined,
    )
    const { time: _time, ...rest } = lines[0]!
    expect(debug).toHaveLength(1)
    expect(JSON.parse(JSON.stringify(debug[0]))).toEqual(rest)
  })
})

describe('a request refused for overload', () => {
  test('has a line too', async () => {
    await start({ limits: { requestsMax: 0 } }).catch(() => {})
    const answer = await sendUnsigned(server.target.endpoint, { url: '/bucket/k' })
    expect(answer.status).toBe(503)
    await lineCount(1)
    expect(lines.at(-1)).toMatchObject({ status: 503, error: 'SlowDown', method: 'GET' })
  })
})

describe('bytes that never become a request', () => {
  test.each([
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['a head too large', `GET / HTTP/1.1\r\nHost: h\r\nX: ${'y'.repeat(17_000)}\r\n\r\n`, 431],
    ['a tunnel', 'CONNECT other:443 HTTP/1.1\r\nHost: other\r\n\r\n', 501],
  ])('%s', async (_name, text, status) => {
    await start()
    const socket = await openSocket(server.target.endpoint)
    socket.send(text)
    await socket.closed()
    await lineCount(1)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({ status, operation: 'Unknown', remote: '127.0.0.1' })
    expect(lines[0]!['error']).toBeTypeOf('string')
    expect(debug).toHaveLength(1)
  })

  test('a head that is too slow', async () => {
    await start({ limits: { headTimeoutMs: 1 } })
    const socket = await openSocket(server.target.endpoint)
    socket.send('GET / HTTP/1.1\r\n')
    expect(await socket.closed()).toMatch(/^HTTP\/1.1 408/)
    await lineCount(1)
    expect(lines[0]).toMatchObject({ status: 408 })
  })

  test('a malformed body has only the line of its request, with the error of the parser', async () => {
    await start()
    const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
    const { host } = new URL(server.target.endpoint)
    const { message } = signHeader(
      {
        method: 'PUT',
        path: '/bucket/k',
        headers: {
          host,
          'transfer-encoding': 'chunked',
          'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
          'x-amz-decoded-content-length': '5',
          'x-amz-trailer': 'x-amz-checksum-crc32',
        },
      },
      { ...server.target, timestamp, unsigned: ['transfer-encoding'] },
    )
    const head = Object.entries(message.headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const socket = await openSocket(server.target.endpoint)
    socket.send(`PUT /bucket/k HTTP/1.1\r\n${head.join('')}\r\nno size\r\n`)
    await socket.closed()
    await lineCount(1)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({ method: 'PUT', key: 'k', error: 'HPE_INVALID_CHUNK_SIZE' })
  })
})

test('no line holds a secret (F37)', async () => {
  let text = ''
  await start({
    accessLog: (line) => {
      text += line
      lines.push(JSON.parse(line) as Record<string, unknown>)
    },
  })
  const secrets =
    'X-Amz-Signature=S3CRET&X-Amz-Security-Token=S3CRET&X-Amz-Credential=AKIA%2F20260101&X-Amz-Algorithm=AWS4-HMAC-SHA256'
  const headers = {
    authorization: 'Bearer S3CRET',
    'x-amz-security-token': 'S3CRET',
    'x-amz-server-side-encryption-customer-key': 'S3CRET',
    cookie: 'S3CRET',
  }
  const { endpoint } = server.target
  await sendUnsigned(endpoint, { url: `/bucket/k?${secrets}` })
  await sendUnsigned(endpoint, { url: `/bucket/k?AWSAccessKeyId=AKIA&Signature=S3CRET&Expires=1` })
  await sendUnsigned(endpoint, { url: '/bucket/k', headers })
  await sendUnsigned(endpoint, { url: '/bucket/k', headers: { authorization: 'S3CRET' } })
  await sendUnsigned(endpoint, { url: 'http://user:S3CRET@host/bucket/k' })
  await lineCount(5)
  expect(lines).toHaveLength(5)
  expect(text + JSON.stringify(debug)).not.toContain('S3CRET')
})

test('nothing is written without a setting', async () => {
  server = await startGateway()
  await sendUnsigned(server.target.endpoint, { url: '/bucket' })
  expect(lines).toEqual([])
})
