/** The website port beside the S3 port: CORS, limits that count for both, logs, metrics, TLS, proxies, the stop. */

import { request } from 'node:https'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { sendUnsigned, type RawResponse } from './conformance/world.ts'
import { alteredBackend, gatewayForEachTest, waitFor } from './testing/http-world.ts'
import { startGateway, type TestGatewayOptions } from './testing/gateway.ts'
import { openSocket, type RawSocket } from './testing/socket.ts'
import { ONE, TWO } from './testing/test-certificates.ts'
import { openSite, type Site } from './testing/website-world.ts'

const start = gatewayForEachTest()
const sockets: RawSocket[] = []
afterEach(() => {
  for (const { socket } of sockets.splice(0)) socket.destroy()
})

async function opened(options: TestGatewayOptions = {}): Promise<Site> {
  const site = await openSite(await start(options))
  await site.put('index.html', 'the start')
  return site
}

describe('CORS', () => {
  const ORIGIN = 'https://app.example'
  const RULE = `<CORSConfiguration><CORSRule><AllowedOrigin>${ORIGIN}</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader></CORSRule></CORSConfiguration>`
  const corsOf = ({ headers }: RawResponse): unknown[] => [
    headers['access-control-allow-origin'],
    headers['access-control-allow-methods'],
    headers['vary'],
  ]
  const ALLOWED = [
    ORIGIN,
    'GET',
    'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  ]
  const NONE = [undefined, undefined, undefined]

  async function withRule(): Promise<Site> {
    const site = await opened()
    await site.set('cors', RULE)
    return site
  }

  test('preflight requests are answered as at the S3 port', async () => {
    const { visit, gateway } = await withRule()
    const ask = (headers: Record<string, string>, host?: string): Promise<RawResponse> =>
      visit('/any', { method: 'OPTIONS', headers, ...(host === undefined ? {} : { host }) })
    const asked = { origin: ORIGIN, 'access-control-request-method': 'GET' }
    const answer = await ask(asked)
    expect([answer.status, corsOf(answer)]).toEqual([200, ALLOWED])
    const other = await ask({ ...asked, 'access-control-request-method': 'PUT' })
    expect([other.status, corsOf(other)]).toEqual([403, NONE])
    expect(other.text).toContain('<li>Code: AccessForbidden</li>')
    expect((await ask(asked, 'missing')).status).toBe(403)
    expect((await ask({})).status).toBe(400)
    expect(gateway.metrics.of('Preflight').count).toBe(4)
  })

  test('every answer to a browser has the headers of the rule', async () => {
    const { visit, setWebsite } = await withRule()
    const headers = { origin: ORIGIN }
    for (const [path, status] of [
      ['/', 200],
      ['/none', 403],
    ] as const) {
      const answer = await visit(path, { headers })
      expect([answer.status, corsOf(answer)]).toEqual([status, ALLOWED])
      expect(corsOf(await visit(path, { headers: { origin: 'https://other.example' } }))).toEqual(
        NONE,
      )
      expect(corsOf(await visit(path))).toEqual(NONE)
    }
    await setWebsite(
      '<RedirectAllRequestsTo><HostName>example.org</HostName></RedirectAllRequestsTo>',
    )
    expect(corsOf(await visit('/', { headers }))).toEqual(ALLOWED)
  })
})

describe('limits', () => {
  test('places are those of the S3 port, and a refusal is a page', async () => {
    const waiting: (() => void)[] = []
    const site = await opened({
      limits: { requestsMax: 4, shares: { address: 1, caller: 1 } },
      backend: (memory) =>
        alteredBackend(memory, {
          getObject: async (context, request) => {
            if (request.key === 'slow') await new Promise<void>((resolve) => waiting.push(resolve))
            return memory.getObject(context, request)
          },
        }),
    })
    const { visit, gateway, put, allow } = site
    await put('slow', 'x')
    await allow(['s3:GetObject', 's3:ListBucket'])
    // All callers without a signature together have half of the places.
    const flood = [visit('/slow'), visit('/slow')]
    await waitFor(() => (waiting.length === 2 ? true : undefined))
    const page = await visit('/')
    expect([page.status, page.headers['x-amz-error-code']]).toEqual([503, 'SlowDown'])
    expect(page.text).toContain('<h1>503 Service Unavailable</h1>')
    const { endpoint } = gateway.target
    const s3 = await sendUnsigned(endpoint, { url: '/bucket/index.html' })
    expect([s3.status, s3.code]).toEqual([503, 'SlowDown'])
    for (const goOn of waiting) goOn()
    expect((await Promise.all(flood)).map(({ text }) => text)).toEqual(['x', 'x'])
    expect((await visit('/')).status).toBe(200)
    expect(gateway.metrics.inFlight).toBe(0)
  })

  test('connections are counted together', async () => {
    const { gateway, url } = await opened({
      limits: { connectionsMax: 4, shares: { address: 0.5, caller: 1 } },
    })
    await waitFor(() => (gateway.metrics.connections.open === 0 ? true : undefined))
    for (const endpoint of [url, gateway.target.endpoint]) sockets.push(await openSocket(endpoint))
    await waitFor(() => (gateway.metrics.connections.open === 2 ? true : undefined))
    for (const endpoint of [url, gateway.target.endpoint]) {
      const third = await openSocket(endpoint)
      await third.closed()
    }
    expect(gateway.metrics.connections.refused).toBe(2)
  })

  test('a head that is too long, or no HTTP, is refused as at the S3 port', async () => {
    const { url } = await opened()
    const socket = await openSocket(url)
    sockets.push(socket)
    socket.send(`GET / HTTP/1.1\r\nhost: bucket\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)
    expect(await socket.until('\r\n')).toContain('HTTP/1.1 431 ')
  })
})

test('visits are in the access log and in the metrics', async () => {
  const lines: Record<string, unknown>[] = []
  const { visit, gateway } = await opened({
    accessLog: (line) => lines.push(JSON.parse(line) as Record<string, unknown>),
  })
  lines.length = 0
  await visit('/')
  await visit('/none', { method: 'HEAD' })
  await visit('/x', { method: 'PUT' })
  await waitFor(() => (lines.length === 3 ? true : undefined))
  expect(lines).toMatchObject([
    { operation: 'WebsiteGet', method: 'GET', bucket: 'bucket', status: 200, bytesOut: 9 },
    { operation: 'WebsiteHead', key: 'none', status: 403, error: 'AccessDenied' },
    { operation: 'Unknown', method: 'PUT', key: 'x', status: 405, error: 'MethodNotAllowed' },
  ])
  expect(gateway.metrics.of('WebsiteGet').byStatus).toEqual(new Map([[200, 1]]))
})

test('trusted proxies name the client', async () => {
  const { visit, allow } = await opened({
    proxies: { trusted: ['127.0.0.1'], header: 'x-forwarded' },
  })
  await allow(['s3:GetObject'], { Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.7' } } })
  const from = async (address: string): Promise<number> =>
    (await visit('/', { headers: { 'x-forwarded-for': address } })).status
  expect([await from('192.0.2.7'), await from('192.0.2.8')]).toEqual([200, 403])
})

test('TLS has the certificates of the S3 port, and new ones when they are replaced', async () => {
  const gateway = await startGateway({ certificates: [ONE] })
  const { url } = await gateway.gateway.listenForWebsites({ host: '127.0.0.1', port: 0 })
  expect(url).toMatch(/^https:/)
  expect(await nameAt(url)).toBe('one.example 404')
  gateway.gateway.replaceCertificates([TWO])
  expect(await nameAt(url)).toBe('two.example 404')
  await gateway.close()
})

async function nameAt(url: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const asked = request({ hostname, port, agent: false, rejectUnauthorized: false })
  asked.end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const { subject } = (answer.socket as import('node:tls').TLSSocket).getPeerCertificate()
  answer.resume()
  return `${String(subject.CN)} ${answer.statusCode}`
}

test('a stop lets visits end and closes the port', async () => {
  let goOn: (() => void) | undefined
  const { visit, gateway } = await opened({
    backend: (memory) =>
      alteredBackend(memory, {
        getObject: async (context, request) => {
          await new Promise<void>((resolve) => (goOn = resolve))
          return memory.getObject(context, request)
        },
      }),
  })
  const page = visit('/')
  await waitFor(() => goOn)
  const closed = gateway.gateway.close({ drainMs: 10_000 })
  goOn?.()
  expect((await page).text).toBe('the start')
  await closed
  await expect(visit('/')).rejects.toThrow('ECONNREFUSED')
})
