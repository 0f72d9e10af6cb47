/** What one caller can take of the memory and places of a gateway, and what is left for the others (F19, F27b). */

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Backend } from './port/backend.ts'
import { sendUnsigned, sendRaw } from './conformance/world.ts'
import { Exchange } from './http/exchange.ts'
import { ManualClock } from './testing/manual-clock.ts'
import {
  allowEverybody,
  COUNTED_IN,
  DELETION,
  letPass,
  MEBI,
  OTHER_CALLER,
  overloadWorld,
  putBytes,
  requestHead,
  signedRequestHead,
  untilHolds,
} from './testing/overload-world.ts'

describe.each(COUNTED_IN)('memory for bodies: counted in %s', (countedIn) => {
  const { start, open } = overloadWorld(countedIn)

  test('only bytes that arrived use memory, not the announced size', async () => {
    const gateway = await start({ limits: { bodyBytesMax: MEBI } })
    await allowEverybody(gateway, 's3:DeleteObject')
    for (let i = 0; i < 16; i++) {
      const socket = await open(gateway)
      socket.send(requestHead({ ...DELETION, length: 8 * MEBI }) + '<Delete>')
    }
    await untilHolds(() => gateway.metrics.inFlight === 16)
    expect((await putBytes(gateway, 60_000)).status).toBe(200)
  })

  test('a body is read only from callers who may do something', async () => {
    const gateway = await start()
    await allowEverybody(gateway, 's3:GetObject')
    for (const length of [100, 8 * MEBI]) {
      const socket = await open(gateway)
      socket.send(requestHead({ ...DELETION, length }))
      expect(await socket.until('</Error>')).toMatch(/^HTTP\/1.1 403[^]*AccessDenied/)
    }
  })

  test('requests without a signature can delete when they may', async () => {
    const gateway = await start()
    await allowEverybody(gateway, 's3:DeleteObject')
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

  test('one caller gets at most its share, and others get the rest', async () => {
    const gateway = await start({ limits: { bodyBytesMax: 4 * MEBI } })
    await sendRaw({ ...gateway.target, ...OTHER_CALLER }, { method: 'PUT', path: '/other' })
    // 3 MiB for large bodies, half of it for one caller.
    const large = { ...DELETION, path: '/other', length: 8 * MEBI }
    const greedy = await open(gateway)
    greedy.send(signedRequestHead(gateway, large, OTHER_CALLER))
    greedy.send(Buffer.alloc(2 * MEBI, ' '))
    expect(await greedy.until('</Error>')).toMatch(/^HTTP\/1.1 503[^]*SlowDown/)

    const patient = await open(gateway)
    patient.send(signedRequestHead(gateway, large, OTHER_CALLER))
    patient.send(Buffer.alloc(1.4 * MEBI, ' '))
    await untilHolds(() => gateway.metrics.inFlight === 1)
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
})

describe.each(COUNTED_IN)('memory for bodies, and time: counted in %s', (countedIn) => {
  const { start, open } = overloadWorld(countedIn)

  test('small bodies have a reserve that large ones do not take', async () => {
    const limits = { bodyBytesMax: 4 * MEBI, shares: { address: 1, caller: 1 } }
    const gateway = await start({ limits })
    const large = await open(gateway)
    large.send(signedRequestHead(gateway, { ...DELETION, length: 8 * MEBI }))
    large.send(Buffer.alloc(3 * MEBI - 1, ' '))
    await letPass(200)
    expect(large.received()).toBe('')
    expect((await putBytes(gateway, 64 * 1024)).status).toBe(200)
    large.send('  ')
    expect(await large.until('</Error>')).toContain('SlowDown')
  })

  test('is free again when the client disconnects, and when the answer is sent', async () => {
    const gateway = await start({ limits: { bodyBytesMax: 4 * MEBI } })
    for (let round = 0; round < 4; round++) {
      const socket = await open(gateway)
      socket.send(signedRequestHead(gateway, { ...DELETION, length: 8 * MEBI }))
      socket.send(Buffer.alloc(1.4 * MEBI, ' '))
      await letPass(100)
      expect(socket.received()).toBe('')
      socket.socket.destroy()
      await untilHolds(() => gateway.metrics.inFlight === 0)
    }
  })

  test('a gathered body has a deadline, a streamed one has none', async () => {
    const clock = new ManualClock()
    const gateway = await start({ clock })
    const gathered = await open(gateway)
    gathered.send(signedRequestHead(gateway, { ...DELETION, length: 8 * MEBI }))
    const streamed = await open(gateway)
    streamed.send(
      signedRequestHead(gateway, { method: 'PUT', path: '/bucket/k', length: 8 * MEBI }),
    )
    await untilHolds(() => gateway.metrics.inFlight === 2)
    // One minute, and eight and a half for its length. The rate is well above the minimum.
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

describe.each(COUNTED_IN)('places among the requests in flight: counted in %s', (countedIn) => {
  const { start } = overloadWorld(countedIn)

  /** A backend whose listings wait until they are released. */
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

  test('one caller holds at most its share, and so do strangers of one address', async () => {
    const release: (() => void)[] = []
    const limits = { requestsMax: 16 }
    const gateway = await start({ limits, backend: (memory) => slowBackend(memory, release) })
    await allowEverybody(gateway, 's3:ListBucket', 'arn:aws:s3:::bucket')
    await sendRaw({ ...gateway.target, ...OTHER_CALLER }, { method: 'PUT', path: '/other' })
    const lists = Array.from({ length: 9 }, () =>
      sendRaw({ ...gateway.target, ...OTHER_CALLER }, { path: '/other' }),
    )
    await untilHolds(() => release.length === 8)
    const refused = await Promise.race(lists)
    expect([refused.status, refused.code]).toEqual([503, 'SlowDown'])
    expect((await putBytes(gateway, 10)).status).toBe(200)
    const strangers = Array.from({ length: 5 }, () =>
      sendUnsigned(gateway.target.endpoint, { url: '/bucket' }),
    )
    await untilHolds(() => release.length === 12)
    expect((await Promise.race(strangers)).code).toBe('SlowDown')
    expect((await putBytes(gateway, 10)).status).toBe(200)
    for (const each of release.splice(0)) each()
    for (const { status } of await Promise.all([...lists, ...strangers])) {
      expect([200, 503]).toContain(status)
    }
    expect(gateway.metrics.refusedBy.get('too many requests of one caller at once')).toBe(2)
  })
})

describe.each(COUNTED_IN)('an answer: counted in %s', (countedIn) => {
  const { start, open } = overloadWorld(countedIn)

  test('that is not read keeps its place until the client reads it', async () => {
    const gateway = await start()
    for (let i = 0; i < 1_000; i++) {
      await gateway.backend.putObject(new Exchange('', 0), {
        bucket: 'bucket',
        key: `${'k'.repeat(900)}${i}`,
        headers: { system: {}, user: {}, storageClass: 'STANDARD' },
        body: {
          bytes: new Uint8Array(0),
          finish: () => ({ etag: 'd41d8cd98f00b204e9800998ecf8427e', checksums: {} }),
        },
      })
    }
    const socket = await open(gateway)
    socket.socket.pause()
    socket.send(signedRequestHead(gateway, { method: 'GET', path: '/bucket' }).repeat(40))
    // Wait until the kernel takes no more.
    const served = (): number => gateway.metrics.of('ListObjects').count
    for (let before = -1; before !== served();) {
      before = served()
      await letPass(2_000)
    }
    expect(served()).toBeLessThan(40)
    expect(gateway.metrics.inFlight).toBe(1)
  })
})
