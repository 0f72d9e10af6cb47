/** The HTTP side of the gateway: what no well-behaved client sends, limits, deadlines, closing. */

import { once } from 'node:events'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, describe, expect, test } from 'vitest'
import type { Backend } from './port/backend.ts'
import type { ObjectReader } from './port/objects.ts'
import type { RequestContext } from '../protocol/context.ts'
import { clientOf, sendUnsigned, sendRaw } from './conformance/world.ts'
import type { MemoryBackend } from './memory/memory-backend.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from './testing/gateway.ts'
import { ManualClock } from './testing/manual-clock.ts'
import { signHeader } from './testing/signer.ts'
import { openSocket } from './testing/socket.ts'

let server: TestGateway | undefined

async function start(options: TestGatewayOptions = {}): Promise<TestGateway> {
  server = await startGateway(options)
  await sendRaw(server.target, { method: 'PUT', path: '/bucket' })
  return server
}

afterEach(async () => {
  await server?.close()
  server = undefined
})

/** The head of a signed request, as text. */
function head(
  { target }: TestGateway,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): string {
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const { host } = new URL(target.endpoint)
  const { message } = signHeader(
    { method, path, headers: { host, ...headers } },
    {
      ...target,
      timestamp,
      unsigned: ['content-length', 'expect', 'transfer-encoding'],
    },
  )
  const lines = Object.entries(message.headers).map(([name, value]) => `${name}: ${value}`)
  return `${method} ${message.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

/** Waits for what another turn of the event loop brings. */
async function until<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A backend with some methods replaced; `this` of the others stays. */
function altered(memory: MemoryBackend, changes: Partial<Backend>): Backend {
  return new Proxy(memory as Backend, {
    get(target, name) {
      const changed = changes[name as keyof Backend]
      if (changed !== undefined) return changed
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

describe('malformed HTTP', () => {
  const cases: readonly [name: string, text: string, status: string][] = [
    ['no HTTP at all', 'hello\r\n\r\n', '400'],
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

  test('a body that ends too early is IncompleteBody, and nothing is stored', async () => {
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
      socket.send(head(at, 'PUT', '/bucket/k', headers) + '5\r\nhe')
      await until(() => at.metrics.inFlight === 1 || undefined)
      socket.socket.end()
      expect(await socket.closed()).toMatch(
        /^HTTP\/1.1 400 [^]*x-amz-request-id[^]*<Code>IncompleteBody<\/Code>/i,
      )
      await until(() => at.metrics.inFlight === 0 || undefined)
    }
    expect((await sendRaw(at.target, { path: '/bucket/k' })).code).toBe('NoSuchKey')
    expect(at.errors).toEqual([])
  })

  test('no header is passed over because it is one of many', async () => {
    const { target } = await start()
    const many = Array.from({ length: 2_200 }, () => 'a:').join('\r\n')
    const socket = await openSocket(target.endpoint)
    socket.send(
      `GET /bucket/k HTTP/1.1\r\nHost: h\r\n${many}\r\nAuthorization: Basic x\r\nConnection: close\r\n\r\n`,
    )
    expect(await socket.closed()).toContain('<Code>InvalidArgument</Code>')
  })

  test('targets of other forms are refused', async () => {
    const { target } = await start()
    for (const url of ['ftp://other/bucket', '*']) {
      const socket = await openSocket(target.endpoint)
      socket.send(`GET ${url} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)
      expect(await socket.closed()).toMatch(/^HTTP\/1.1 400[^]*InvalidURI/)
    }
  })

  test('keys that are no UTF-8, or hold NUL (F25)', async () => {
    const { target } = await start()
    for (const path of ['/bucket/%ff', '/bucket/%c3%28', '/bucket/a%00b', '/bucket/%zz']) {
      const answer = await sendUnsigned(target.endpoint, { url: path })
      expect([answer.status, answer.code]).toEqual([400, 'InvalidURI'])
    }
  })
})

describe('the gate', () => {
  test('nobody gets nothing: anonymous requests are denied', async () => {
    const { target } = await start()
    for (const url of ['/', '/bucket', '/bucket/k', '/bucket?versions', '/?capabilities']) {
      for (const method of ['GET', 'PUT', 'POST', 'DELETE']) {
        const answer = await sendUnsigned(target.endpoint, { method, url })
        expect([url, method, answer.status, answer.code]).toEqual([
          url,
          method,
          403,
          'AccessDenied',
        ])
      }
    }
    const preflight = await sendUnsigned(target.endpoint, {
      method: 'OPTIONS',
      url: '/bucket/k',
    })
    expect(preflight.status).toBe(403)
  })

  test('virtual-host style', async () => {
    const { target } = await start()
    const headers = { host: 'bucket.s3.example.org' }
    const body = [Buffer.from('x')]
    await sendRaw(target, { method: 'PUT', path: '/a/b', headers, body })
    expect((await sendRaw(target, { path: '/bucket/a/b' })).text).toBe('x')
    expect((await sendRaw(target, { path: '/', headers })).text).toContain('<Key>a/b</Key>')
  })

  test('capabilities', async () => {
    const { target } = await start()
    const answer = await sendRaw(target, {
      path: '/',
      query: [['capabilities', '']],
    })
    const { operations } = JSON.parse(answer.text) as {
      operations: { name: string; support: string }[]
    }
    const support = new Map(operations.map((each) => [each.name, each.support]))
    expect(support.get('PutObject')).toBe('full')
    expect(support.get('GetBucketCors')).toBe('unconfigured')
    expect(support.get('PutBucketCors')).toBe('none')
  })

  test('methods that S3 does not have', async () => {
    const { target } = await start()
    for (const method of ['PATCH', 'TRACE', 'PROPFIND']) {
      const answer = await sendRaw(target, { method, path: '/bucket/k' })
      expect([answer.status, answer.code]).toEqual([405, 'MethodNotAllowed'])
    }
  })
})

describe('bodies', () => {
  test('100-continue: asked for only behind the gate', async () => {
    const gateway = await start()
    const good = await openSocket(gateway.target.endpoint)
    good.send(
      head(gateway, 'PUT', '/bucket/k', {
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

  test('a body that was refused is not read to its end', async () => {
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

  test('what is sent behind the last request of a connection is not done (RFC 9112 9.6)', async () => {
    const gateway = await start()
    await sendRaw(gateway.target, { method: 'PUT', path: '/bucket/k', body: [Buffer.from('x')] })
    const socket = await openSocket(gateway.target.endpoint)
    const body = 'x'.repeat(100_000)
    const refused = `PUT /bucket/new HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`
    socket.send(refused + body + head(gateway, 'DELETE', '/bucket/k'))
    const text = await socket.closed()
    expect(text).toMatch(/^HTTP\/1.1 403 [^]*connection: close/i)
    expect(text.match(/HTTP\/1.1/g)).toHaveLength(1)
    await until(() => (gateway.metrics.inFlight === 0 ? true : undefined))
    expect((await sendRaw(gateway.target, { path: '/bucket/k' })).status).toBe(200)
  })

  test('cut short: nothing is stored (F24)', async () => {
    const gateway = await start()
    for (const length of [10, 1_000_000]) {
      const socket = await openSocket(gateway.target.endpoint)
      socket.send(
        head(gateway, 'PUT', '/bucket/cut', {
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

  test('no length, a chunked transfer without S3 framing', async () => {
    const gateway = await start()
    const socket = await openSocket(gateway.target.endpoint)
    socket.send(head(gateway, 'PUT', '/bucket/k', { 'transfer-encoding': 'chunked' }))
    socket.send('3\r\nabc\r\n0\r\n\r\n')
    expect(await socket.until('</Error>')).toContain('MissingContentLength')
    socket.socket.destroy()
  })

  test('connections live on, also behind errors and small bodies that nobody read', async () => {
    const gateway = await start()
    const socket = await openSocket(gateway.target.endpoint)
    socket.send(head(gateway, 'GET', '/bucket/none'))
    await socket.until('</Error>')
    socket.send(
      `PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello${head(gateway, 'PUT', '/bucket/live', { 'content-length': '2' })}ok`,
    )
    const text = await socket.until('200 OK')
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 403', 'HTTP/1.1 200'])
    socket.socket.destroy()
  })
})

describe('limits and deadlines', () => {
  test('too many requests in flight: 503 SlowDown', async () => {
    const release: (() => void)[] = []
    const gateway = await start({
      limits: { requestsMax: 2, shares: { address: 1, caller: 1 } },
      backend: (memory) =>
        altered(memory, {
          headBucket: async (context, bucket) => {
            await new Promise<void>((resolve) => release.push(resolve))
            return memory.headBucket(context, bucket)
          },
        }),
    })
    const waiting = [1, 2].map(() => sendRaw(gateway.target, { method: 'HEAD', path: '/bucket' }))
    await until(() => release[1])
    const third = await sendRaw(gateway.target, { path: '/bucket/k' })
    expect([third.status, third.code, third.headers['retry-after']]).toEqual([503, 'SlowDown', '1'])
    for (const each of release) each()
    expect((await Promise.all(waiting)).map((answer) => answer.status)).toEqual([200, 200])
    expect(gateway.metrics.refused).toBe(1)
  })

  test('memory of bodies is bounded', async () => {
    const shares = { address: 1, caller: 1 }
    const gateway = await start({ limits: { bodyBytesMax: 4000, shares } })
    const put = (size: number): ReturnType<typeof sendRaw> =>
      sendRaw(gateway.target, {
        method: 'PUT',
        path: '/bucket/k',
        body: [Buffer.alloc(size)],
      })
    for (let round = 0; round < 3; round++) expect((await put(1000)).status).toBe(200)
    expect((await put(3001)).code).toBe('SlowDown')
  })

  test('a store that does not answer: 503 within the deadline, and its signal fires', async () => {
    const clock = new ManualClock()
    let signal: AbortSignal | undefined
    const gateway = await start({
      clock,
      backend: (memory) =>
        altered(memory, {
          headBucket: (context: RequestContext) => {
            signal = context.signal
            return new Promise(() => {})
          },
        }),
    })
    const sent = sendRaw(gateway.target, {
      path: '/bucket',
      query: [['location', '']],
    })
    const given = await until(() => signal)
    clock.advance(120_000)
    const answer = await sent
    expect([answer.status, answer.code]).toEqual([503, 'ServiceUnavailable'])
    expect(given.aborted).toBe(true)
  })

  test('a client below the minimum rate is cut off, a slow honest one is not (F27)', async () => {
    const clock = new ManualClock()
    const gateway = await start({ clock })
    const size = 400_000
    const slow = await openSocket(gateway.target.endpoint)
    slow.send(head(gateway, 'PUT', '/bucket/slow', { 'content-length': String(size) }))
    const honest = await openSocket(gateway.target.endpoint)
    honest.send(
      head(gateway, 'PUT', '/bucket/honest', {
        'content-length': String(size),
      }),
    )
    const arrived = async (): Promise<void> => {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    for (let sent = 0; sent < size; sent += 10_000) {
      honest.send(Buffer.alloc(10_000))
      if (sent < 100_000) slow.send('x')
      await new Promise<void>((resolve) => setTimeout(resolve, 2))
      await arrived()
      clock.advance(5_000)
    }
    expect(await slow.closed()).toMatch(/^HTTP\/1.1 400[^]*RequestTimeout/)
    expect(await honest.until('200 OK')).toMatch(/^HTTP\/1.1 200/)
    honest.socket.destroy()
  })

  test('a client that goes away aborts its request', async () => {
    let context: RequestContext | undefined
    const gateway = await start({
      backend: (memory) =>
        altered(memory, {
          headBucket: (given: RequestContext) => {
            context = given
            return new Promise((_, reject) => {
              given.signal.addEventListener('abort', () => reject(given.signal.reason as Error))
            })
          },
        }),
    })
    const socket = await openSocket(gateway.target.endpoint)
    socket.send(head(gateway, 'HEAD', '/bucket'))
    const { signal } = await until(() => context)
    const aborted = once(signal, 'abort')
    socket.socket.destroy()
    await aborted
    expect(gateway.errors).toEqual([])
  })
})

describe('failures of the store', () => {
  test('what is no StoreError is a 500 that tells nothing, and a log line', async () => {
    const gateway = await start({
      backend: (memory) =>
        altered(memory, {
          listObjects: () => Promise.reject(new Error('secret detail')),
        }),
    })
    const answer = await sendRaw(gateway.target, { path: '/bucket' })
    expect([answer.status, answer.code]).toEqual([500, 'InternalError'])
    expect(answer.text).not.toContain('secret')
    expect(gateway.errors).toHaveLength(1)
  })

  test('a header that no answer may carry is a 500, not the end of the process (F26)', async () => {
    const gateway = await start({
      backend: (memory) =>
        altered(memory, {
          getObject: async (context, request): Promise<ObjectReader> => {
            const reader = await memory.getObject(context, request)
            return {
              ...reader,
              info: { ...reader.info, user: { x: 'a\r\nb: c' } },
            }
          },
        }),
    })
    await sendRaw(gateway.target, {
      method: 'PUT',
      path: '/bucket/k',
      body: [Buffer.from('x')],
    })
    const answer = await sendRaw(gateway.target, { path: '/bucket/k' })
    expect([answer.status, answer.headers['b']]).toEqual([500, undefined])
    expect((await sendRaw(gateway.target, { path: '/bucket' })).status).toBe(200)
  })

  test('a read that fails before its first chunk is an answer, later it cuts the connection', async () => {
    let failAt = 0
    const gateway = await start({
      backend: (memory) =>
        altered(memory, {
          getObject: async (context, request): Promise<ObjectReader> => {
            const reader = await memory.getObject(context, request)
            return {
              info: reader.info,
              versioned: reader.versioned,
              async *read(start, end) {
                let chunks = 0
                for await (const chunk of reader.read(start, end)) {
                  if (chunks++ === failAt) throw new Error('disk')
                  yield chunk
                }
              },
            }
          },
        }),
    })
    const s3 = clientOf(gateway.target)
    const Body = Buffer.alloc(3_000_000)
    await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body }))
    expect((await sendRaw(gateway.target, { path: '/bucket/k' })).status).toBe(500)
    failAt = 1
    const found = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'k' }))
    await expect(found.Body?.transformToByteArray()).rejects.toThrow()
    s3.destroy()
  })

  test('a read whose client is gone before its first chunk comes is ended', async () => {
    let context: RequestContext | undefined
    let ended = false
    const gateway = await start({
      backend: (memory) =>
        altered(memory, {
          getObject: async (given, request): Promise<ObjectReader> => {
            const { info } = await memory.getObject(given, request)
            return {
              info: { ...info, sizeBytes: 1000 },
              versioned: false,
              async *read() {
                try {
                  context = given
                  if (!given.signal.aborted) await once(given.signal, 'abort')
                  // The block comes all the same: the disk was asked for it before the client had gone.
                  yield Buffer.alloc(1000)
                } finally {
                  ended = true
                }
              },
            }
          },
        }),
    })
    await sendRaw(gateway.target, {
      method: 'PUT',
      path: '/bucket/k',
      body: [Buffer.from('x')],
    })
    const socket = await openSocket(gateway.target.endpoint)
    socket.send(head(gateway, 'GET', '/bucket/k'))
    await until(() => context)
    socket.socket.destroy()
    await until(() => (gateway.metrics.inFlight === 0 ? true : undefined))
    expect(ended).toBe(true)
  })

  test('a chunk is not asked for before the last one left, so that its memory may be used again', async () => {
    const size = 8 * 1024 * 1024
    const shared = Buffer.alloc(64 * 1024)
    const gateway = await start({
      backend: (memory) =>
        altered(memory, {
          getObject: async (context, request): Promise<ObjectReader> => {
            const { info } = await memory.getObject(context, request)
            return {
              info: { ...info, sizeBytes: size },
              versioned: false,
              async *read() {
                for (let at = 0; at < size; at += shared.length) {
                  shared.fill((at / shared.length) & 255)
                  yield shared
                }
              },
            }
          },
        }),
    })
    await sendRaw(gateway.target, {
      method: 'PUT',
      path: '/bucket/k',
      body: [Buffer.from('x')],
    })
    const socket = await openSocket(gateway.target.endpoint)
    socket.socket.pause()
    socket.send(head(gateway, 'GET', '/bucket/k', { connection: 'close' }))
    await new Promise<void>((resolve) => setTimeout(resolve, 50))
    socket.socket.resume()
    const text = await socket.closed()
    const body = Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')
    expect(body.length).toBe(size)
    for (let at = 0; at < size; at += 4096) {
      if (body[at] !== (Math.floor(at / shared.length) & 255)) expect.unreachable(`byte ${at}`)
    }
  })
})

describe('closing', () => {
  test('finishes requests in flight, takes no new ones', async () => {
    let release: (() => void) | undefined
    const gateway = await start({
      backend: (memory) =>
        altered(memory, {
          headBucket: async (context, bucket) => {
            await new Promise<void>((resolve) => (release = resolve))
            return memory.headBucket(context, bucket)
          },
        }),
    })
    const s3 = clientOf(gateway.target)
    await s3.send(new CreateBucketCommand({ Bucket: 'other' }))
    s3.destroy()
    const sent = sendRaw(gateway.target, {
      path: '/bucket',
      query: [['location', '']],
    })
    const goOn = await until(() => release)
    const closed = gateway.gateway.close({ drainMs: 60_000 })
    await expect(sendUnsigned(gateway.target.endpoint, { url: '/' })).rejects.toThrow()
    goOn()
    const answer = await sent
    expect([answer.status, answer.headers['connection']]).toEqual([200, 'close'])
    await closed
  })

  test('a request that does not finish is cut off behind the drain time', async () => {
    const clock = new ManualClock()
    let context: RequestContext | undefined
    const gateway = await start({
      clock,
      backend: (memory) =>
        altered(memory, {
          headBucket: (given: RequestContext) => {
            context = given
            return new Promise(() => {})
          },
        }),
    })
    const sent = sendRaw(gateway.target, {
      path: '/bucket',
      query: [['location', '']],
    })
    const { signal } = await until(() => context)
    const closed = gateway.gateway.close({ drainMs: 1_000 })
    clock.advance(1_001)
    const outcome = await sent.then(
      (answer) => answer.status,
      () => 'cut',
    )
    expect([503, 'cut']).toContain(outcome)
    await closed
    expect(signal.aborted).toBe(true)
  })
})
