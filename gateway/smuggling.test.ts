/** F26 and F34: Node's HTTP parser and parseRequest together refuse ambiguous requests. */

import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { S3Error } from './http/errors.ts'
import { parseRequest } from './http/request.ts'

let server: Server
let port = 0
let seen: string[] = []

beforeAll(async () => {
  server = createServer((message, response) => {
    try {
      const request = parseRequest(message, { hostSuffixes: [] })
      seen.push(`${request.method} ${request.key}`)
      message.resume()
      response.end('ok')
    } catch (error) {
      response.statusCode = error instanceof S3Error ? error.status : 500
      response.end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => void server.close())

/** The statuses of all answers of the server until it closes the connection. */
function exchange(bytes: string): Promise<number[]> {
  seen = []
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (more: string) => void (text += more))
    socket.on('close', () => {
      resolve([...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1])))
    })
    socket.on('error', () => {})
    // The socket is half-closed, so a connection that stays open ends once everything is answered.
    socket.end(bytes, 'latin1')
  })
}

const SECOND = 'GET /b/smuggled HTTP/1.1\r\nHost: x\r\n\r\n'

test('a valid request is served', async () => {
  expect(await exchange(`GET /b/k HTTP/1.1\r\nHost: x\r\n\r\n${SECOND}`)).toEqual([200, 200])
  expect(seen).toEqual(['GET k', 'GET smuggled'])
})

test.each([
  [
    'Content-Length and Transfer-Encoding',
    'Content-Length: 4\r\nTransfer-Encoding: chunked',
    '0\r\n\r\n',
  ],
  [
    'Transfer-Encoding and Content-Length',
    'Transfer-Encoding: chunked\r\nContent-Length: 4',
    '0\r\n\r\n',
  ],
  ['two Content-Lengths', 'Content-Length: 0\r\nContent-Length: 4', ''],
  ['a signed Content-Length', 'Content-Length: +0', ''],
  ['a list of Content-Lengths', 'Content-Length: 0, 0', ''],
  ['Transfer-Encoding not chunked last', 'Transfer-Encoding: chunked, identity', '0\r\n\r\n'],
  ['a folded line', 'X-A: b\r\n c: d', ''],
  ['a folded Transfer-Encoding', 'Transfer-Encoding:\r\n chunked', '0\r\n\r\n'],
  ['a bare CR in a value', 'X-A: b\rX-B: c', ''],
  ['a bare LF between headers', 'X-A: b\nX-B: c', ''],
  ['NUL in a value', 'X-A: b\0c', ''],
  ['a blank before the colon', 'Content-Length : 0', ''],
  ['a name with a blank', 'X A: b', ''],
  ['a second Host', 'Host: y', ''],
])('F34: %s gets 400 and nothing after it is served', async (_name, header, body) => {
  const statuses = await exchange(
    `PUT /b/k HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n${body}${SECOND}`,
  )
  expect(statuses[0]).toBe(400)
  // parseRequest refuses two Hosts, which leaves the framing intact: the second request is valid.
  if (header !== 'Host: y') {
    expect(statuses).toEqual([400])
    expect(seen).toEqual([])
  }
})

test('F34: chunk sizes with signs, blanks or overflow close the connection', async () => {
  for (const size of ['0x1', '+1', '-1', '1 ', 'ffffffffffffffffff', '1;\na']) {
    await exchange(
      `PUT /b/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${size}\r\nx\r\n0\r\n\r\n${SECOND}`,
    )
    expect(seen, size).toEqual(['PUT k'])
  }
})

test('F26: huge headers get 431', async () => {
  const statuses = await exchange(
    `GET /b/k HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(100_000)}\r\n\r\n`,
  )
  expect(statuses).toEqual([431])
})

test('a request without a Host gets 400', async () => {
  expect(await exchange('GET /b/k HTTP/1.1\r\n\r\n')).toEqual([400])
})
