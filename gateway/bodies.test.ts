/** Bodies over HTTP: when they are read, when they are incomplete, and what becomes of their connection. */

import { describe, expect, test } from 'vitest'
import { sendRaw } from './conformance/world.ts'
import { gatewayForEachTest, signedHeadText, waitFor } from './testing/http-world.ts'
import { openSocket } from './testing/socket.ts'

const start = gatewayForEachTest()

describe('bodies that are not read', () => {
  test('100 Continue is sent only after the gate let the request in', async () => {
    const gateway = await start()
    const good = await openSocket(gateway.target.endpoint)
    good.send(
      signedHeadText(gateway, 'PUT', '/bucket/k', {
        'content-length': '5',
        expect: '100-continue',
      }),
    )
    await good.until('100 Continue')
    good.send('hello')
    expect(await good.until('200 OK')).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/)
    good.socket.destroy()

    const bad = await openSocket(gateway.target.endpoint)
    bad.send(
      'PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
    )
    const answer = await bad.closed()
    expect(answer).toMatch(/^HTTP\/1.1 403/)
    expect(answer).toContain('Connection: close')
  })

  test('the body of a refused request is not read to its end', async () => {
    const { target } = await start()
    const socket = await openSocket(target.endpoint)
    const length = 1024 ** 3
    socket.send(`PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`)
    const chunk = Buffer.alloc(1024 * 1024)
    let sent = 0
    const pump = (): void => {
      while (!socket.socket.destroyed && sent < length) {
        sent += chunk.length
        if (!socket.socket.write(chunk)) {
          socket.socket.once('drain', pump)
          return
        }
      }
    }
    pump()
    const answer = await socket.closed()
    expect(answer).toMatch(/^HTTP\/1.1 403[^]*Connection: close[^]*AccessDenied/)
    expect(sent).toBeLessThan(200 * 1024 * 1024)
  })

  test('a request sent after the last one of a connection is not executed (RFC 9112 9.6)', async () => {
    const gateway = await start()
    await sendRaw(gateway.target, { method: 'PUT', path: '/bucket/k', body: [Buffer.from('x')] })
    const socket = await openSocket(gateway.target.endpoint)
    // More than Node reads ahead: the connection can't go on.
    const body = 'x'.repeat(1_000_000)
    const refused = `PUT /bucket/new HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`
    socket.send(refused + body + signedHeadText(gateway, 'DELETE', '/bucket/k'))
    const text = await socket.closed()
    expect(text).toMatch(/^HTTP\/1.1 403 [^]*connection: close/i)
    expect(text.match(/HTTP\/1.1/g)).toHaveLength(1)
    await waitFor(() => (gateway.metrics.inFlight === 0 ? true : undefined))
    expect((await sendRaw(gateway.target, { path: '/bucket/k' })).status).toBe(200)
  })
})

describe('bodies that are incomplete', () => {
  test('a body that is cut short stores nothing (F24)', async () => {
    const gateway = await start()
    for (const length of [10, 1_000_000]) {
      const socket = await openSocket(gateway.target.endpoint)
      socket.send(
        signedHeadText(gateway, 'PUT', '/bucket/cut', {
          'content-length': String(length),
        }),
      )
      socket.send('hello')
      socket.socket.end()
      await socket.closed()
    }
    const answer = await sendRaw(gateway.target, { path: '/bucket/cut' })
    expect(answer.code).toBe('NoSuchKey')
    expect(gateway.errors).toEqual([])
  })

  test('a chunked transfer without S3 framing gets MissingContentLength', async () => {
    const gateway = await start()
    const socket = await openSocket(gateway.target.endpoint)
    socket.send(signedHeadText(gateway, 'PUT', '/bucket/k', { 'transfer-encoding': 'chunked' }))
    socket.send('3\r\nabc\r\n0\r\n\r\n')
    expect(await socket.until('</Error>')).toContain('MissingContentLength')
    socket.socket.destroy()
  })
})

describe('connections', () => {
  test('stay open after errors and after small unread bodies', async () => {
    const gateway = await start()
    const socket = await openSocket(gateway.target.endpoint)
    socket.send(signedHeadText(gateway, 'GET', '/bucket/none'))
    await socket.until('</Error>')
    socket.send(
      `PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello${signedHeadText(gateway, 'PUT', '/bucket/live', { 'content-length': '2' })}ok`,
    )
    const text = await socket.until('200 OK')
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 403', 'HTTP/1.1 200'])
    socket.socket.destroy()
  })
})
