/** The S3 port over TLS. */

import { once } from 'node:events'
import { request, type RequestOptions } from 'node:https'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test } from 'vitest'
import type { TestGateway, TestGatewayOptions } from './testing/gateway.ts'
import { startGateway } from './testing/gateway.ts'
import { EXAMPLE_CREDENTIAL } from './testing/requests.ts'
import { signHeader } from './testing/signer.ts'
import { ONE, TWO } from './testing/test-certificates.ts'

const CA = [ONE.chain, TWO.chain]

let gateway: TestGateway | undefined
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await gateway?.close()
  gateway = undefined
})

async function start(options: TestGatewayOptions = {}): Promise<TestGateway> {
  gateway = await startGateway({ certificates: [ONE, TWO], ...options })
  return gateway
}

interface Got {
  readonly status: number | undefined
  readonly body: string
  /** Whose certificate it was. */
  readonly name: string | undefined
}

/** A signed request on a connection of its own. The certificate must be valid for `servername`. */
async function send(
  { target }: TestGateway,
  method: string,
  path: string,
  options: RequestOptions & { readonly body?: string } = {},
): Promise<Got> {
  const { body = '', ...more } = options
  const [plainPath = '', name] = path.split('?')
  const { host, hostname, port } = new URL(target.endpoint)
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const { message } = signHeader(
    {
      method,
      path: plainPath,
      query: name === undefined ? [] : [[name, '']],
      headers: { host, 'content-length': String(body.length) },
      body: [Buffer.from(body)],
    },
    { ...EXAMPLE_CREDENTIAL, region: target.region, timestamp },
  )
  const asked = request({
    hostname,
    port,
    method,
    path: message.url,
    ca: CA,
    servername: 'one.example',
    agent: false,
    headers: message.headers as Record<string, string>,
    ...more,
  })
  asked.end(body)
  const [response] = (await once(asked, 'response')) as [import('node:http').IncomingMessage]
  const { subject } = (response.socket as TLSSocket).getPeerCertificate()
  return { status: response.statusCode, body: await text(response), name: subject?.CN as string }
}

function port({ target }: TestGateway): number {
  return Number(new URL(target.endpoint).port)
}

async function plainSocket(of: TestGateway): Promise<Socket> {
  const socket = connect(port(of), '127.0.0.1')
  socket.on('error', () => {})
  sockets.push(socket)
  await once(socket, 'connect')
  return socket
}

test('objects over TLS, with the certificate of the name that the client asks for', async () => {
  const server = await start()
  expect(server.target.endpoint).toMatch(/^https:/)
  expect((await send(server, 'PUT', '/bucket')).status).toBe(200)
  const large = 'x'.repeat(3_000_000)
  expect((await send(server, 'PUT', '/bucket/key', { body: large })).status).toBe(200)
  const names = {
    'one.example': 'one',
    'a.one.example': 'one',
    'two.example': 'two',
    'b.two.example': 'two',
  }
  for (const [servername, name] of Object.entries(names)) {
    const got = await send(server, 'GET', '/bucket/key', { servername })
    expect(got).toMatchObject({ status: 200, name: `${name}.example` })
    expect(got.body === large).toBe(true)
  }
  // Without a name, and for a name that no certificate has, it is the first one.
  const others = { rejectUnauthorized: false }
  for (const servername of ['', 'three.example']) {
    const got = await send(server, 'GET', '/bucket/key', { servername, ...others })
    expect(got.name).toBe('one.example')
  }
})

test('aws:SecureTransport is true', async () => {
  const server = await start()
  await send(server, 'PUT', '/bucket')
  await send(server, 'PUT', '/bucket/key', { body: 'open' })
  const Statement = {
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: 'arn:aws:s3:::bucket/*',
    Condition: { Bool: { 'aws:SecureTransport': 'true' } },
  }
  const body = JSON.stringify({ Version: '2012-10-17', Statement })
  expect((await send(server, 'PUT', '/bucket?policy', { body })).status).toBe(204)
  const anonymous = await send(server, 'GET', '/bucket/key', { headers: {} })
  expect(anonymous).toMatchObject({ status: 200, body: 'open' })
})

test('a request in flight keeps its certificate when all are replaced, and new ones get the new one', async () => {
  const server = await start({ certificates: [ONE] })
  await send(server, 'PUT', '/bucket')
  const { host } = new URL(server.target.endpoint)
  const body = Buffer.alloc(500_000, 7)
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const { message } = signHeader(
    {
      method: 'PUT',
      path: '/bucket/key',
      headers: { host, 'content-length': '500000' },
      body: [body],
    },
    { ...EXAMPLE_CREDENTIAL, region: server.target.region, timestamp },
  )
  const socket = connectTls({
    port: port(server),
    host: '127.0.0.1',
    ca: CA,
    servername: 'one.example',
  })
  sockets.push(socket)
  await once(socket, 'secureConnect')
  const lines = Object.entries(message.headers).map(([name, value]) => `${name}: ${String(value)}`)
  socket.write(`PUT /bucket/key HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
  socket.write(body.subarray(0, 200_000))
  server.gateway.replaceCertificates([TWO])
  const later = await send(server, 'HEAD', '/bucket', { servername: 'two.example' })
  expect(later).toMatchObject({ status: 200, name: 'two.example' })
  const nameless = { servername: '', rejectUnauthorized: false }
  expect((await send(server, 'HEAD', '/bucket', nameless)).name).toBe('two.example')
  socket.write(body.subarray(200_000))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString('latin1')).toMatch(/^HTTP\/1.1 200 /)
})

test('certificates that are not valid are refused, and nothing changes', async () => {
  const server = await start({ certificates: [ONE] })
  const replace = (chain: string, key: string) => () =>
    server.gateway.replaceCertificates([ONE, { chain, key }])
  expect(replace(TWO.chain, ONE.key)).toThrow(
    'certificate 2: the key is not that of the certificate',
  )
  expect(replace('no certificate', TWO.key)).toThrow('certificate 2: ')
  expect(replace(TWO.chain, 'no key')).toThrow('certificate 2: ')
  expect(() => server.gateway.replaceCertificates([])).toThrow('there is no certificate')
  expect((await send(server, 'GET', '/')).name).toBe('one.example')
  await expect(startGateway({ certificates: [{ ...ONE, key: TWO.key }] })).rejects.toThrow(
    'certificate 1',
  )
  const plain = await startGateway()
  expect(() => plain.gateway.replaceCertificates([ONE])).toThrow('without TLS')
  await plain.close()
})

test('a connection without a handshake is counted, gets no answer and holds up no stop', async () => {
  const server = await start({
    limits: { connectionsMax: 4, headTimeoutMs: 600_000, shares: { address: 0.5, caller: 0.5 } },
  })
  const http = await plainSocket(server)
  http.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  let answer = ''
  http.on('data', (bytes: Buffer) => (answer += bytes.toString('latin1')))
  await once(http, 'close')
  expect(answer).not.toContain('HTTP/')
  const silent = [await plainSocket(server), await plainSocket(server)]
  // Two of four are those of this address.
  const third = await plainSocket(server)
  await once(third, 'close')
  expect(server.metrics.connections?.refused).toBe(1)
  const closed = Promise.all(silent.map((socket) => once(socket, 'close')))
  await server.close()
  await closed
  gateway = undefined
})

test('a handshake that does not end is cut', async () => {
  const server = await start({ limits: { headTimeoutMs: 200 } })
  const silent = await plainSocket(server)
  await once(silent, 'close')
  expect((await send(server, 'GET', '/')).status).toBe(200)
})
