/** What clients see when the store fails. */

import { once } from 'node:events'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import type { ObjectReader } from './port/objects.ts'
import type { RequestContext } from '../protocol/context.ts'
import { clientOf, sendRaw } from './conformance/world.ts'
import {
  alteredBackend,
  gatewayForEachTest,
  signedHeadText,
  waitFor,
} from './testing/http-world.ts'
import { openSocket } from './testing/socket.ts'

const start = gatewayForEachTest()

describe('failures of the store', () => {
  test('an error that is not a StoreError is logged, and answered with a 500 that reveals nothing', async () => {
    const gateway = await start({
      backend: (memory) =>
        alteredBackend(memory, {
          listObjects: () => Promise.reject(new Error('secret detail')),
        }),
    })
    const answer = await sendRaw(gateway.target, { path: '/bucket' })
    expect([answer.status, answer.code]).toEqual([500, 'InternalError'])
    expect(answer.text).not.toContain('secret')
    expect(gateway.errors).toHaveLength(1)
  })

  test('an invalid response header means 500, not the end of the process (F26)', async () => {
    const gateway = await start({
      backend: (memory) =>
        alteredBackend(memory, {
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
})

describe('streams from the store that fail', () => {
  test('a read that fails before its first chunk gets an error answer, a later failure cuts the connection', async () => {
    let failAt = 0
    const gateway = await start({
      backend: (memory) =>
        alteredBackend(memory, {
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

  test('a read is ended when its client disconnects before the first chunk', async () => {
    let context: RequestContext | undefined
    let ended = false
    const gateway = await start({
      backend: (memory) =>
        alteredBackend(memory, {
          getObject: async (given, request): Promise<ObjectReader> => {
            const { info } = await memory.getObject(given, request)
            return {
              info: { ...info, sizeBytes: 1000 },
              versioned: false,
              async *read() {
                try {
                  context = given
                  if (!given.signal.aborted) await once(given.signal, 'abort')
                  // The block still arrives: it was requested from the disk before the client disconnected.
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
    socket.send(signedHeadText(gateway, 'GET', '/bucket/k'))
    await waitFor(() => context)
    socket.socket.destroy()
    await waitFor(() => (gateway.metrics.inFlight === 0 ? true : undefined))
    expect(ended).toBe(true)
  })
})

describe('the memory of a chunk', () => {
  test('may be reused, because the next chunk is read only once the last one has been sent', async () => {
    const size = 8 * 1024 * 1024
    const shared = Buffer.alloc(64 * 1024)
    const gateway = await start({
      backend: (memory) =>
        alteredBackend(memory, {
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
    socket.send(signedHeadText(gateway, 'GET', '/bucket/k', { connection: 'close' }))
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
