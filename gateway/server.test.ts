/** The gateway over HTTP: the gate, and closing. */

import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import type { RequestContext } from '../protocol/context.ts'
import { clientOf, sendUnsigned, sendRaw } from './conformance/world.ts'
import { alteredBackend, gatewayForEachTest, waitFor } from './testing/http-world.ts'
import { ManualClock } from './testing/manual-clock.ts'

const start = gatewayForEachTest()

describe('the gate', () => {
  test('anonymous requests are denied everywhere', async () => {
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
    expect([preflight.status, preflight.code]).toEqual([400, 'BadRequest'])
  })

  test('buckets can be named in the Host header', async () => {
    const { target } = await start()
    const headers = { host: 'bucket.s3.example.org' }
    const body = [Buffer.from('x')]
    await sendRaw(target, { method: 'PUT', path: '/a/b', headers, body })
    expect((await sendRaw(target, { path: '/bucket/a/b' })).text).toBe('x')
    expect((await sendRaw(target, { path: '/', headers })).text).toContain('<Key>a/b</Key>')
  })

  test('capabilities say which operations are implemented', async () => {
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
    expect(support.get('GetBucketReplication')).toBe('unconfigured')
    expect(support.get('PutBucketReplication')).toBe('none')
  })

  test('methods that S3 does not have get 405', async () => {
    const { target } = await start()
    for (const method of ['PATCH', 'TRACE', 'PROPFIND']) {
      const answer = await sendRaw(target, { method, path: '/bucket/k' })
      expect([answer.status, answer.code]).toEqual([405, 'MethodNotAllowed'])
    }
  })
})

describe('closing', () => {
  test('finishes requests in flight and accepts no new ones', async () => {
    let release: (() => void) | undefined
    const gateway = await start({
      backend: (memory) =>
        alteredBackend(memory, {
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
    const goOn = await waitFor(() => release)
    const closed = gateway.gateway.close({ drainMs: 60_000 })
    await expect(sendUnsigned(gateway.target.endpoint, { url: '/' })).rejects.toThrow()
    goOn()
    const answer = await sent
    expect([answer.status, answer.headers['connection']]).toEqual([200, 'close'])
    await closed
  })

  test('cuts off a request that does not finish within the drain time', async () => {
    const clock = new ManualClock()
    let context: RequestContext | undefined
    const gateway = await start({
      clock,
      backend: (memory) =>
        alteredBackend(memory, {
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
    const { signal } = await waitFor(() => context)
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
