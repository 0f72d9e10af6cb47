/** The S3 port behind trusted proxies. */

import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { startGateway, type TestGateway, type TestGatewayOptions } from './testing/gateway.ts'
import { gatewayForEachTest, signedHeadText, waitFor } from './testing/http-world.ts'
import { binaryHeader, LOCAL, tcp4Header, tlsField } from './testing/proxy-headers.ts'
import { openSocket } from './testing/socket.ts'
import { ONE } from './testing/test-certificates.ts'
import { sendRaw } from './conformance/world.ts'
import type { ProxyOptions } from './proxies.ts'

const startWithBucket = gatewayForEachTest()
const others: TestGateway[] = []
afterEach(async () => {
  for (const each of others.splice(0)) await each.close()
})
const LINE = 'PROXY TCP4 192.0.2.7 203.0.113.5 56324 443\r\n'

interface Logged {
  readonly remote?: string
  readonly status: number
  readonly error?: string
}

/** A gateway behind a proxy at the address of this machine, and what its access log says. */
async function start(
  header: ProxyOptions['header'],
  options: TestGatewayOptions = {},
): Promise<{ server: TestGateway; log: Logged[] }> {
  const log: Logged[] = []
  const accessLog = (line: string): void => void log.push(JSON.parse(line) as Logged)
  const proxies = { trusted: ['127.0.0.1', '10.0.0.0/8'], header }
  const all = { proxies, accessLog, ...options }
  // A bucket is made without a header of the PROXY protocol.
  const direct = header !== 'proxy-protocol' || all.proxies.trusted[0] !== '127.0.0.1'
  const server = direct ? await startWithBucket(all) : await startGateway(all)
  if (!direct) others.push(server)
  log.length = 0
  return { server, log }
}

/** Sends these bytes on a connection of their own. Returns the status, undefined when there is no answer. */
async function statusOf(server: TestGateway, ...pieces: (string | Uint8Array)[]): Promise<string> {
  const socket = await openSocket(server.target.endpoint)
  for (const piece of pieces) {
    socket.send(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const answer = await socket.until('\r\n\r\n')
  socket.socket.destroy()
  return answer.slice(9, 12)
}

function head(server: TestGateway, headers: Record<string, string> = {}): string {
  return signedHeadText(server, 'GET', '/bucket', { connection: 'close', ...headers })
}

/** Whoever comes from 192.0.2.7 over TLS may read objects. */
async function openFor({ target }: TestGateway): Promise<void> {
  const Statement = {
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: 'arn:aws:s3:::bucket/*',
    Condition: {
      IpAddress: { 'aws:SourceIp': '192.0.2.7' },
      Bool: { 'aws:SecureTransport': 'true' },
    },
  }
  const body = [Buffer.from(JSON.stringify({ Version: '2012-10-17', Statement }))]
  await sendRaw(target, { method: 'PUT', path: '/bucket/key', body: [Buffer.from('x')] })
  const query: [string, string][] = [['policy', '']]
  expect((await sendRaw(target, { method: 'PUT', path: '/bucket', query, body })).status).toBe(204)
}

const READ = 'GET /bucket/key HTTP/1.1\r\nHost: h\r\nConnection: close\r\n'

test('policies and the access log see the client that the headers name', async () => {
  const { server, log } = await start('x-forwarded')
  await openFor(server)
  log.length = 0
  const read = (headers: string): Promise<string> => statusOf(server, `${READ}${headers}\r\n`)
  const https = 'X-Forwarded-Proto: https\r\n'
  expect(await read(`X-Forwarded-For: 192.0.2.7, 10.1.2.3\r\n${https}`)).toBe('200')
  expect(await read(`X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 10.1.2.3\r\n${https}`)).toBe(
    '200',
  )
  expect(await read('X-Forwarded-For: 192.0.2.7\r\n')).toBe('403')
  expect(await read(`X-Forwarded-For: 192.0.2.7, 192.0.2.8\r\n${https}`)).toBe('403')
  expect(await read(`Forwarded: for=192.0.2.7;proto=https\r\n`)).toBe('403')
  expect(await read(`X-Forwarded-For: 192.0.2.7, unknown\r\n${https}`)).toBe('400')
  await waitFor(() => (log.length === 6 ? true : undefined))
  expect(log.map(({ remote }) => remote)).toEqual([
    '192.0.2.7',
    '192.0.2.7',
    '192.0.2.7',
    '192.0.2.8',
    '127.0.0.1',
    '127.0.0.1',
  ])
  expect(log.at(-1)).toMatchObject({ status: 400, error: 'InvalidRequest' })
})

test('Forwarded counts where it is meant, and X-Forwarded-For does not', async () => {
  const { server } = await start('forwarded')
  await openFor(server)
  const read = (headers: string): Promise<string> => statusOf(server, `${READ}${headers}\r\n`)
  expect(await read('Forwarded: for=192.0.2.7;proto=https\r\n')).toBe('200')
  expect(await read('X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n')).toBe('403')
})

test('nobody else may name a client', async () => {
  const proxies = { trusted: ['10.0.0.0/8'], header: 'x-forwarded' as const }
  const { server, log } = await start('x-forwarded', { proxies })
  await openFor(server)
  log.length = 0
  const headers = 'X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n'
  expect(await statusOf(server, READ + headers)).toBe('403')
  expect(await statusOf(server, `${READ}X-Forwarded-For: unknown\r\n\r\n`)).toBe('403')
  expect(log.map(({ remote }) => remote)).toEqual(['127.0.0.1', '127.0.0.1'])
})

test('limits of an address count clients, not the proxy', async () => {
  const limits = { connectionsMax: 4, shares: { address: 0.25, caller: 0.5 } }
  const { server } = await start('x-forwarded', { limits })
  const sockets = await Promise.all([1, 2, 3].map(() => openSocket(server.target.endpoint)))
  for (const [at, socket] of sockets.entries()) {
    socket.send(head(server, { 'x-forwarded-for': `192.0.2.${at}`, connection: 'keep-alive' }))
    expect(await socket.until('</ListBucketResult>')).toMatch(/^HTTP\/1.1 200 /)
  }
  for (const { socket } of sockets) socket.destroy()
})

/** This gateway has no bucket: requests that pass are answered 404. */
async function startProxied(
  options: TestGatewayOptions = {},
): Promise<{ server: TestGateway; log: Logged[] }> {
  return start('proxy-protocol', options)
}

test('the PROXY protocol names the client of a connection', async () => {
  const { server, log } = await startProxied()
  const text = head(server)
  expect(await statusOf(server, LINE + text)).toBe('404')
  expect(await statusOf(server, LINE, text)).toBe('404')
  expect(await statusOf(server, tcp4Header('192.0.2.8'), text)).toBe('404')
  expect(await statusOf(server, Buffer.concat([tcp4Header('192.0.2.9'), Buffer.from(text)]))).toBe(
    '404',
  )
  expect(await statusOf(server, binaryHeader(LOCAL, 0, Buffer.alloc(0)), text)).toBe('404')
  // What such a client writes into headers is its own.
  const spoofed = head(server, { 'x-forwarded-for': '10.9.9.9', forwarded: 'for=10.9.9.9' })
  expect(await statusOf(server, LINE, spoofed)).toBe('404')
  expect(log.map(({ remote }) => remote)).toEqual([
    '192.0.2.7',
    '192.0.2.7',
    '192.0.2.8',
    '192.0.2.9',
    '127.0.0.1',
    '192.0.2.7',
  ])
})

test('its header may come in any pieces', async () => {
  const { server, log } = await startProxied()
  const text = head(server)
  for (const header of [Buffer.from(LINE), tcp4Header('192.0.2.7', tlsField(true))]) {
    for (let at = 1; at < header.length + 2; at += 3) {
      const bytes = Buffer.concat([header, Buffer.from(text)])
      expect(await statusOf(server, bytes.subarray(0, at), bytes.subarray(at))).toBe('404')
    }
    const [first = 0, ...others] = header
    const each = [first, ...others].map((byte) => Buffer.from([byte]))
    expect(await statusOf(server, ...each, text)).toBe('404')
  }
  expect(new Set(log.map(({ remote }) => remote))).toEqual(new Set(['192.0.2.7']))
})

test('a body after the header arrives whole', async () => {
  const { server } = await startProxied()
  const put = (path: string, body: string): string =>
    signedHeadText(server, 'PUT', path, { 'content-length': String(body.length) }) + body
  const socket = await openSocket(server.target.endpoint)
  const body = 'y'.repeat(300_000)
  socket.send(LINE + put('/made', ''))
  expect(await socket.until('\r\n\r\n')).toMatch(/^HTTP\/1.1 200 /)
  socket.send(put('/made/key', body))
  socket.send(signedHeadText(server, 'GET', '/made/key', { connection: 'close' }))
  const got = await socket.closed()
  expect(got.split('\r\n\r\n').at(-1) === body).toBe(true)
})

test('a trusted proxy that does not send it gets no answer, and neither does one that is slow', async () => {
  const { server, log } = await startProxied({ limits: { headTimeoutMs: 300 } })
  expect(await statusOf(server, head(server))).toBe('')
  expect(await statusOf(server, 'PROXY TCP4 192.0.2.7 ')).toBe('')
  const ended = await openSocket(server.target.endpoint)
  ended.socket.end('PROXY ')
  expect(await ended.closed()).toBe('')
  const refusal = { remote: '127.0.0.1', status: 400, error: 'PROXY_HEADER' }
  expect(log).toMatchObject([refusal, refusal, refusal])
  expect(server.metrics.connections?.open).toBe(0)
})

test('others may not send it', async () => {
  const proxies = { trusted: ['10.0.0.0/8'], header: 'proxy-protocol' as const }
  const { server } = await startProxied({ proxies })
  expect(await statusOf(server, head(server))).toBe('200')
  expect(await statusOf(server, LINE + head(server))).toBe('400')
})

test('connections are counted for their clients once they are known', async () => {
  const limits = { connectionsMax: 8, shares: { address: 0.25, caller: 0.5 } }
  const { server } = await startProxied({ limits })
  const endpoint = server.target.endpoint
  const sockets = await Promise.all([1, 2, 3].map(() => openSocket(endpoint)))
  for (const socket of sockets) socket.send(LINE)
  // Two of eight are those of one client.
  await Promise.race(sockets.map((socket) => socket.closed()))
  expect(server.metrics.connections).toMatchObject({ refused: 1, open: 2 })
  const other = await openSocket(endpoint)
  other.send(Buffer.concat([tcp4Header('192.0.2.8'), Buffer.from(head(server))]))
  expect(await other.until('\r\n\r\n')).toMatch(/^HTTP\/1.1 404 /)
  for (const { socket } of [...sockets, other]) socket.destroy()
})

test('a connection whose header is missing holds up no stop', async () => {
  const { server } = await startProxied({ limits: { headTimeoutMs: 600_000 } })
  const silent = await openSocket(server.target.endpoint)
  silent.send('PROXY ')
  await waitFor(() => (server.metrics.connections?.open === 1 ? true : undefined))
  await server.close()
  await silent.closed()
})

test('TLS comes after the header, and its connections keep the client', async () => {
  const { server, log } = await startProxied({ certificates: [ONE] })
  const text = head(server)
  for (const header of [Buffer.from(LINE), tcp4Header('192.0.2.7')]) {
    const { socket } = await openSocket(server.target.endpoint)
    socket.removeAllListeners('data')
    socket.write(header)
    const tls = connectTls({ socket, ca: ONE.chain, servername: 'one.example' })
    await once(tls, 'secureConnect')
    tls.write(text)
    const [answer] = (await once(tls, 'data')) as [Buffer]
    expect(answer.toString('latin1')).toMatch(/^HTTP\/1.1 404 /)
    tls.destroy()
  }
  // A line is written after its answer.
  await waitFor(() => (log.length === 2 ? true : undefined))
  expect(log.map(({ remote }) => remote)).toEqual(['192.0.2.7', '192.0.2.7'])
})

test('a proxy that has ended TLS says so', async () => {
  const { server } = await startProxied()
  const put = (path: string, body: string): string =>
    signedHeadText(server, 'PUT', path, { 'content-length': String(body.length) }) + body
  expect(await statusOf(server, LINE, put('/bucket', ''))).toBe('200')
  const Statement = {
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:ListBucket',
    Resource: 'arn:aws:s3:::bucket',
    Condition: { Bool: { 'aws:SecureTransport': 'true' } },
  }
  const policy = JSON.stringify({ Version: '2012-10-17', Statement })
  expect(await statusOf(server, LINE, put('/bucket?policy', policy))).toBe('204')
  const list = 'GET /bucket HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'
  expect(await statusOf(server, tcp4Header('192.0.2.7', tlsField(true)), list)).toBe('200')
  expect(await statusOf(server, tcp4Header('192.0.2.7', tlsField(false)), list)).toBe('403')
})
