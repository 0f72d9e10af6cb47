/** Limits and deadlines of requests over HTTP. */

import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import type { RequestContext } from '../protocol/context.ts'
import { sendRaw } from './conformance/world.ts'
import {
  alteredBackend,
  gatewayForEachTest,
  signedHeadText,
  waitFor,
} from './testing/http-world.ts'
import { ManualClock } from './testing/manual-clock.ts'
import { openSocket } from './testing/socket.ts'

const start = gatewayForEachTest()

describe('limits', () => {
  test('too many requests in flight get 503 SlowDown', async () => {
    const release: (() => void)[] = []
    const gateway = await start({
      limits: { requestsMax: 2, shares: { address: 1, caller: 1 } },
      backend: (memory) =>
        alteredBackend(memory, {
          headBucket: async (context, bucket) => {
            await new Promise<void>((resolve) => release.push(resolve))
            return memory.headBucket(context, bucket)
          },
        }),
    })
    const waiting = [1, 2].map(() => sendRaw(gateway.target, { method: 'HEAD', path: '/bucket' }))
    await waitFor(() => release[1])
    const third = await sendRaw(gateway.target, { path: '/bucket/k' })
    expect([third.status, third.code, third.headers['retry-after']]).toEqual([503, 'SlowDown', '1'])
    for (const each of release) each()
    expect((await Promise.all(waiting)).map((answer) => answer.status)).toEqual([200, 200])
    expect(gateway.metrics.refused).toBe(1)
  })

  test('memory for bodies is bounded', async () => {
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
})

describe('deadlines', () => {
  test('a store that does not answer means 503 within the deadline, and its signal is aborted', async () => {
    const clock = new ManualClock()
    let signal: AbortSignal | undefined
    const gateway = await start({
      clock,
      backend: (memory) =>
        alteredBackend(memory, {
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
    const given = await waitFor(() => signal)
    clock.advance(120_000)
    const answer = await sent
    expect([answer.status, answer.code]).toEqual([503, 'ServiceUnavailable'])
    expect(given.aborted).toBe(true)
  })

  test('a client below the minimum rate is cut off, a slow one above it is not (F27)', async () => {
    const clock = new ManualClock()
    const gateway = await start({ clock })
    const size = 400_000
    const slow = await openSocket(gateway.target.endpoint)
    slow.send(signedHeadText(gateway, 'PUT', '/bucket/slow', { 'content-length': String(size) }))
    const honest = await openSocket(gateway.target.endpoint)
    honest.send(
      signedHeadText(gateway, 'PUT', '/bucket/honest', {
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
})

describe('a client that disconnects', () => {
  test('aborts its request', async () => {
    let context: RequestContext | undefined
    const gateway = await start({
      backend: (memory) =>
        alteredBackend(memory, {
          headBucket: (given: RequestContext) => {
            context = given
            return new Promise((_, reject) => {
              given.signal.addEventListener('abort', () => reject(given.signal.reason as Error))
            })
          },
        }),
    })
    const socket = await openSocket(gateway.target.endpoint)
    socket.send(signedHeadText(gateway, 'HEAD', '/bucket'))
    const { signal } = await waitFor(() => context)
    const aborted = once(signal, 'abort')
    socket.socket.destroy()
    await aborted
    expect(gateway.errors).toEqual([])
  })
})
