/** What one caller can take of a gateway's memory and places, and what is left for the others (F19, F27b). */

import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import type { Backend } from './port/backend.ts'
import type { Credential } from './port/identity.ts'
import { sendUnsigned, sendRaw } from './conformance/world.ts'
import { Exchange } from './http/exchange.ts'
import type { IamBackend } from './port/iam-backend.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from './testing/gateway.ts'
import { ManualClock } from './testing/manual-clock.ts'
import { EXAMPLE_CREDENTIAL } from './testing/requests.ts'
import { sha256, signHeader } from './testing/signer.ts'
import { openSocket, type RawSocket } from './testing/socket.ts'

const MEBI = 1024 * 1024
const OTHER: Credential = {
  accessKeyId: 'AKIAOTHER',
  secretAccessKey: 'another-secret',
  identity: {
    ...EXAMPLE_CREDENTIAL.identity,
    accountId: '210987654321',
    principalArn: 'arn:aws:iam::210987654321:root',
    principalId: '210987654321',
  },
}

let server: TestGateway | undefined
let sockets: RawSocket[] = []

async function start(options: TestGatewayOptions = {}): Promise<TestGateway> {
  server = await startGateway({ credentials: [EXAMPLE_CREDENTIAL, OTHER], ...options })
  await sendRaw(server.target, { method: 'PUT', path: '/bucket' })
  return server
}

afterEach(async () => {
  for (const { socket } of sockets) socket.destroy()
  sockets = []
  await server?.close()
  server = undefined
})

async function open({ target }: TestGateway): Promise<RawSocket> {
  const socket = await openSocket(target.endpoint)
  sockets.push(socket)
  return socket
}

/** Until the gateway has read what was sent to it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn()
}

async function letPass(turns = 50): Promise<void> {
  for (let i = 0; i < turns; i++) await turn()
}

function timestamp(): string {
  return new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
}

type Query = readonly (readonly [string, string])[]

interface Head {
  readonly method: string
  readonly path: string
  readonly query?: Query
  readonly headers?: Record<string, string>
  readonly length?: number
}

function signedHead({ target }: TestGateway, head: Head, credential = EXAMPLE_CREDENTIAL): string {
  const { host } = new URL(target.endpoint)
  const { message } = signHeader(
    { ...head, headers: { host, ...head.headers } },
    {
      region: 'us-east-1',
      timestamp: timestamp(),
      accessKeyId: credential.accessKeyId,
      secretAccessKey: credential.secretAccessKey,
    },
  )
  return headText({ ...head, path: message.url, query: [], headers: message.headers })
}

function headText({ method, path, query = [], headers = {}, length }: Head): string {
  const search = query.map((pair) => pair.join('=')).join('&')
  const lines = Object.entries({ host: 'h', ...headers }).map((pair) => pair.join(': '))
  if (length !== undefined) lines.push(`content-length: ${length}`)
  return `${method} ${path}${search === '' ? '' : `?${search}`} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

const DELETION: Head = { method: 'POST', path: '/bucket', query: [['delete', '']] }

async function letEverybody(
  gateway: TestGateway,
  action: string,
  Resource = 'arn:aws:s3:::bucket/*',
): Promise<void> {
  const statement = { Effect: 'Allow', Principal: '*', Action: action, Resource }
  const policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
  const answer = await sendRaw(gateway.target, {
    method: 'PUT',
    path: '/bucket',
    query: [['policy', '']],
    body: [Buffer.from(policy)],
  })
  expect(answer.status).toBe(204)
}

function put(gateway: TestGateway, sizeBytes: number): ReturnType<typeof sendRaw> {
  const body = [Buffer.alloc(sizeBytes)]
  return sendRaw(gateway.target, { method: 'PUT', path: '/bucket/k', body })
}

describe('memory for bodies', () => {
  test('what is announced takes none: only what has come', async () => {
    const gateway = await start({ limits: { bodyBytesMax: MEBI } })
    await letEverybody(gateway, 's3:DeleteObject')
    for (let i = 0; i < 16; i++) {
      const socket = await open(gateway)
      socket.send(headText({ ...DELETION, length: 8 * MEBI }) + '<Delete>')
    }
    await until(() => gateway.metrics.inFlight === 16)
    expect((await put(gateway, 60_000)).status).toBe(200)
  })

  test('a body is asked for only from those who may do something', async () => {
    const gateway = await start()
    await letEverybody(gateway, 's3:GetObject')
    for (const length of [100, 8 * MEBI]) {
      const socket = await open(gateway)
      socket.send(headText({ ...DELETION, length }))
      expect(await socket.until('</Error>')).toMatch(/^HTTP\/1.1 403[^]*AccessDenied/)
    }
  })

  test('who may delete something without a signature still does', async () => {
    const gateway = await start()
    await letEverybody(gateway, 's3:DeleteObject')
    const body = Buffer.from('<Delete><Object><Key>k</Key></Object></Delete>')
    const md5 = createHash('md5').update(body).digest('base64')
    const url = '/bucket?delete'
    const headers = { 'content-md5': md5, 'content-length': String(body.length) }
    const answer = await sendUnsigned(
      gateway.target.endpoint,
      { method: 'POST', url, headers },
      body,
    )
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('<Deleted>')])
  })

  test('one caller gets no more than its share, and others the rest', async () => {
    const gateway = await start({ limits: { bodyBytesMax: 4 * MEBI } })
    await sendRaw({ ...gateway.target, ...OTHER }, { method: 'PUT', path: '/other' })
    // Three MiB for large bodies, half of them for one caller.
    const large = { ...DELETION, path: '/other', length: 8 * MEBI }
    const greedy = await open(gateway)
    greedy.send(signedHead(gateway, large, OTHER))
    greedy.send(Buffer.alloc(2 * MEBI, ' '))
    expect(await greedy.until('</Error>')).toMatch(/^HTTP\/1.1 503[^]*SlowDown/)

    const patient = await open(gateway)
    patient.send(signedHead(gateway, large, OTHER))
    patient.send(Buffer.alloc(1.4 * MEBI, ' '))
    await until(() => gateway.metrics.inFlight === 1)
    const objects = '<Object><Key>k</Key></Object>'.repeat(1000)
    const body = Buffer.from(`<Delete>${' '.repeat(MEBI)}${objects}</Delete>`)
    const deleted = await sendRaw(gateway.target, {
      ...DELETION,
      headers: { 'content-md5': createHash('md5').update(body).digest('base64') },
      body: [body],
    })
    expect(deleted.status).toBe(200)
    expect(gateway.metrics.refusedBy.get('too much memory for bodies')).toBe(1)
  })

  test('small bodies have a reserve that large ones do not take', async () => {
    const limits = { bodyBytesMax: 4 * MEBI, shares: { address: 1, caller: 1 } }
    const gateway = await start({ limits })
    const large = await open(gateway)
    large.send(signedHead(gateway, { ...DELETION, length: 8 * MEBI }))
    large.send(Buffer.alloc(3 * MEBI - 1, ' '))
    await letPass(200)
    expect(large.received()).toBe('')
    expect((await put(gateway, 64 * 1024)).status).toBe(200)
    large.send('  ')
    expect(await large.until('</Error>')).toContain('SlowDown')
  })

  test('is free again when the client goes, and when the answer is sent', async () => {
    const gateway = await start({ limits: { bodyBytesMax: 4 * MEBI } })
    for (let round = 0; round < 4; round++) {
      const socket = await open(gateway)
      socket.send(signedHead(gateway, { ...DELETION, length: 8 * MEBI }))
      socket.send(Buffer.alloc(1.4 * MEBI, ' '))
      await letPass(100)
      expect(socket.received()).toBe('')
      socket.socket.destroy()
      await until(() => gateway.metrics.inFlight === 0)
    }
  })

  test('a body that is gathered has a deadline, one that streams has none', async () => {
    const clock = new ManualClock()
    const gateway = await start({ clock })
    const gathered = await open(gateway)
    gathered.send(signedHead(gateway, { ...DELETION, length: 8 * MEBI }))
    const streamed = await open(gateway)
    streamed.send(signedHead(gateway, { method: 'PUT', path: '/bucket/k', length: 8 * MEBI }))
    await until(() => gateway.metrics.inFlight === 2)
    // A minute, and eight and a half for its length. Well above the minimum rate.
    for (let passedMs = 0; passedMs < 600_000; passedMs += 5_000) {
      for (const each of [gathered, streamed])
        if (!each.socket.destroyed) each.send(' '.repeat(10_000))
      await letPass()
      clock.advance(5_000)
      if (passedMs === 560_000) expect(gathered.received()).toBe('')
    }
    expect(await gathered.closed()).toMatch(/^HTTP\/1.1 400[^]*RequestTimeout/)
    expect(streamed.received()).toBe('')
  })
})

describe('forms whose signature can only be checked at their end', () => {
  const iam: IamBackend = {
    run: () => Promise.resolve({ UserId: 'me' }),
    arnOf: (_context, accountId, kind, name) =>
      Promise.resolve(`arn:aws:iam::${accountId}:${kind}/${name}`),
  }
  const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

  function honest({ target }: TestGateway): ReturnType<typeof sendUnsigned> {
    const body = Buffer.from('Action=GetCallerIdentity&Version=2011-06-15')
    const { host } = new URL(target.endpoint)
    const { message } = signHeader(
      {
        method: 'POST',
        path: '/',
        headers: { host, ...FORM, 'x-amz-content-sha256': sha256(body) },
      },
      { ...target, service: 'sts', timestamp: timestamp() },
    )
    const headers = { ...message.headers, 'content-length': String(body.length) }
    return sendUnsigned(target.endpoint, { method: 'POST', url: '/', headers }, body)
  }

  function slow({ target }: TestGateway): string {
    const date = timestamp()
    const scope = `${date.slice(0, 8)}/us-east-1/iam/aws4_request`
    const authorization = `AWS4-HMAC-SHA256 Credential=${target.accessKeyId}/${scope}, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`
    const headers = { ...FORM, 'x-amz-date': date, authorization }
    return headText({ method: 'POST', path: '/', headers, length: 256 * 1024 })
  }

  test('wait in a bounded number: who has waited longest makes room', async () => {
    const gateway = await start({ iam, limits: { strangersGatheringMax: 2 } })
    const waiting: RawSocket[] = []
    for (let i = 0; i < 3; i++) {
      const socket = await open(gateway)
      socket.send(slow(gateway))
      waiting.push(socket)
      await letPass(100)
    }
    expect(await waiting[0]?.closed()).toMatch(/^HTTP\/1.1 503/)
    expect(waiting[1]?.received()).toBe('')
    const answer = await honest(gateway)
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('UserId')])
    expect(await waiting[1]?.closed()).toMatch(/^HTTP\/1.1 503/)
    expect(waiting[2]?.received()).toBe('')
  })

  test('with a wrong signature take nothing from other callers', async () => {
    const gateway = await start({ iam, limits: { bodyBytesMax: 2 * MEBI, requestsMax: 40 } })
    for (let i = 0; i < 30; i++) {
      const socket = await open(gateway)
      socket.send(slow(gateway))
      socket.send('a'.repeat(60_000))
    }
    await letPass(300)
    expect((await put(gateway, 60_000)).status).toBe(200)
    expect((await sendRaw(gateway.target, { path: '/bucket/k' })).status).toBe(200)
  })

  test('that are refused for lack of room are counted', async () => {
    const gateway = await start({ iam, limits: { bodyBytesMax: 40 } })
    expect((await honest(gateway)).status).toBe(503)
    expect(gateway.metrics.refusedBy.get('too much memory for bodies')).toBe(1)
  })
})

describe('places', () => {
  /** A backend whose buckets of one name are slow to be found. */
  function slowBackend(memory: Backend, release: (() => void)[]): Backend {
    return new Proxy(memory, {
      get(target, name) {
        if (name === 'listObjects') {
          return (async (context, request) => {
            await new Promise<void>((resolve) => release.push(resolve))
            return target.listObjects(context, request)
          }) satisfies Backend['listObjects']
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }

  test('one caller holds its share at most; strangers of one address theirs', async () => {
    const release: (() => void)[] = []
    const limits = { requestsMax: 16 }
    const gateway = await start({ limits, backend: (memory) => slowBackend(memory, release) })
    await letEverybody(gateway, 's3:ListBucket', 'arn:aws:s3:::bucket')
    await sendRaw({ ...gateway.target, ...OTHER }, { method: 'PUT', path: '/other' })
    const lists = Array.from({ length: 9 }, () =>
      sendRaw({ ...gateway.target, ...OTHER }, { path: '/other' }),
    )
    await until(() => release.length === 8)
    const refused = await Promise.race(lists)
    expect([refused.status, refused.code]).toEqual([503, 'SlowDown'])
    expect((await put(gateway, 10)).status).toBe(200)
    const strangers = Array.from({ length: 5 }, () =>
      sendUnsigned(gateway.target.endpoint, { url: '/bucket' }),
    )
    await until(() => release.length === 12)
    expect((await Promise.race(strangers)).code).toBe('SlowDown')
    expect((await put(gateway, 10)).status).toBe(200)
    for (const each of release.splice(0)) each()
    for (const { status } of await Promise.all([...lists, ...strangers])) {
      expect([200, 503]).toContain(status)
    }
    expect(gateway.metrics.refusedBy.get('too many requests of one caller at once')).toBe(2)
  })
})

describe('connections', () => {
  test('serve one request after the other, in order, however many are sent ahead', async () => {
    let now = 0
    let most = 0
    const gateway = await start({
      backend: (memory) =>
        new Proxy(memory as Backend, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name)
            if (name !== 'getObject') {
              return typeof value === 'function' ? (value.bind(target) as unknown) : value
            }
            return (async (context, request) => {
              most = Math.max(most, ++now)
              await turn()
              now--
              return target.getObject(context, request)
            }) satisfies Backend['getObject']
          },
        }),
    })
    const count = 40
    for (let i = 0; i < count; i++) {
      const body = [Buffer.from(`<object ${i}>`)]
      await sendRaw(gateway.target, { method: 'PUT', path: `/bucket/${i}`, body })
    }
    const socket = await open(gateway)
    const heads = Array.from({ length: count }, (_, i) =>
      signedHead(gateway, { method: 'GET', path: `/bucket/${i}` }),
    )
    socket.send(heads.join(''))
    const text = await socket.until(`<object ${count - 1}>`)
    const found = [...text.matchAll(/<object (\d+)>/g)].map((match) => Number(match[1]))
    expect(found).toEqual(Array.from({ length: count }, (_, i) => i))
    expect(most).toBe(1)
  })

  test('are cut when too much is sent ahead', async () => {
    const gateway = await start({ limits: { waitingMax: 4 } })
    const socket = await open(gateway)
    socket.send(signedHead(gateway, { method: 'GET', path: '/bucket' }).repeat(10))
    await socket.closed()
    expect((await put(gateway, 10)).status).toBe(200)
  })

  test('of one address are limited, so that another one finds room', async () => {
    const gateway = await start({
      limits: { connectionsMax: 8, shares: { address: 0.5, caller: 0.5 } },
    })
    const held = [
      await open(gateway),
      await open(gateway),
      await open(gateway),
      await open(gateway),
    ]
    const fifth = await open(gateway)
    await fifth.closed()
    held[0]?.socket.destroy()
    await letPass(100)
    expect((await put(gateway, 10)).status).toBe(200)
  })
})

test('an answer that nobody reads keeps its place until it is taken', async () => {
  const gateway = await start()
  for (let i = 0; i < 1_000; i++) {
    await gateway.backend.putObject(new Exchange('', 0), {
      bucket: 'bucket',
      key: `${'k'.repeat(900)}${i}`,
      headers: { system: {}, user: {}, storageClass: 'STANDARD' },
      body: {
        bytes: new Uint8Array(0),
        seal: () => ({ etag: 'd41d8cd98f00b204e9800998ecf8427e', checksums: {} }),
      },
    })
  }
  const socket = await open(gateway)
  socket.socket.pause()
  socket.send(signedHead(gateway, { method: 'GET', path: '/bucket' }).repeat(40))
  // Until the kernel takes no more.
  const served = (): number => gateway.metrics.of('ListObjects').count
  for (let before = -1; before !== served();) {
    before = served()
    await letPass(2_000)
  }
  expect(served()).toBeLessThan(40)
  expect(gateway.metrics.inFlight).toBe(1)
})
