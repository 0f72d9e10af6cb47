/** Requests that no well-behaved client sends: malformed HTTP, invalid keys and targets. */

import { describe, expect, test } from 'vitest'
import { sendUnsigned, sendRaw } from './conformance/world.ts'
import { gatewayForEachTest, signedHeadText, waitFor } from './testing/http-world.ts'
import { openSocket } from './testing/socket.ts'

const start = gatewayForEachTest()

describe('malformed HTTP', () => {
  const cases: readonly [name: string, text: string, status: string][] = [
    ['bytes that are not HTTP', 'hello\r\n\r\n', '400'],
    [
      'Content-Length and Transfer-Encoding (F34)',
      'PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      '400',
    ],
    [
      'two lengths (F34)',
      'PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc',
      '400',
    ],
    ['a folded header (F34)', 'GET / HTTP/1.1\r\nHost: h\r\nX-A: a\r\n b: c\r\n\r\n', '40'],
    ['a bare CR (F34)', 'GET / HTTP/1.1\r\nHost: h\r\nX-A: a\rb\r\n\r\n', '400'],
    [
      'a head that is too large (F26)',
      `GET / HTTP/1.1\r\nHost: h\r\nX: ${'y'.repeat(17_000)}\r\n\r\n`,
      '431',
    ],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', '400'],
  ]
  for (const [name, text, status] of cases) {
    test(name, async () => {
      const { target, errors } = await start()
      const socket = await openSocket(target.endpoint)
      socket.send(text)
      const answer = await socket.until('\r\n\r\n')
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status}`))
      socket.socket.destroy()
      expect(errors).toEqual([])
    })
  }
})

describe('HTTP that is well-formed but not an acceptable request', () => {
  test('a body that ends too early gets IncompleteBody and stores nothing', async () => {
    const at = await start()
    const framed = {
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-decoded-content-length': '5',
    }
    for (const headers of [
      { 'content-length': '10' },
      { 'content-length': '200000' },
      { 'content-length': '70', ...framed },
      { 'transfer-encoding': 'chunked', ...framed },
    ]) {
      const socket = await openSocket(at.target.endpoint)
      socket.send(signedHeadText(at, 'PUT', '/bucket/k', headers) + '5\r\nhe')
      await waitFor(() => at.metrics.inFlight === 1 || undefined)
      socket.socket.end()
      expect(await socket.closed()).toMatch(
        /^HTTP\/1.1 400 [^]*x-amz-request-id[^]*<Code>IncompleteBody<\/Code>/i,
      )
      await waitFor(() => at.metrics.inFlight === 0 || undefined)
    }
    expect((await sendRaw(at.target, { path: '/bucket/k' })).code).toBe('NoSuchKey')
    expect(at.errors).toEqual([])
  })

  test('a header is not overlooked among thousands', async () => {
    const { target } = await start()
    const many = Array.from({ length: 2_200 }, () => 'a:').join('\r\n')
    const socket = await openSocket(target.endpoint)
    socket.send(
      `GET /bucket/k HTTP/1.1\r\nHost: h\r\n${many}\r\nAuthorization: Basic x\r\nConnection: close\r\n\r\n`,
    )
    expect(await socket.closed()).toContain('<Code>InvalidArgument</Code>')
  })

  test('request targets in other forms are refused', async () => {
    const { target } = await start()
    for (const url of ['ftp://other/bucket', '*']) {
      const socket = await openSocket(target.endpoint)
      socket.send(`GET ${url} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)
      expect(await socket.closed()).toMatch(/^HTTP\/1.1 400[^]*InvalidURI/)
    }
  })

  test('keys that are not UTF-8 or contain NUL are refused (F25)', async () => {
    const { target } = await start()
    for (const path of ['/bucket/%ff', '/bucket/%c3%28', '/bucket/a%00b', '/bucket/%zz']) {
      const answer = await sendUnsigned(target.endpoint, { url: path })
      expect([answer.status, answer.code]).toEqual([400, 'InvalidURI'])
    }
  })
})
