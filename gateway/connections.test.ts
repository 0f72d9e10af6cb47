/** Connections: requests sent ahead, and how many connections one address may have. */

import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Backend } from './port/backend.ts'
import { sendRaw } from './conformance/world.ts'
import {
  COUNTED_IN,
  letPass,
  overloadWorld,
  putBytes,
  signedRequestHead,
} from './testing/overload-world.ts'

describe.each(COUNTED_IN)('connections: counted in %s', (countedIn) => {
  const { start, open } = overloadWorld(countedIn)

  test('serve one request after the other, in order, even when many are sent ahead', async () => {
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
      signedRequestHead(gateway, { method: 'GET', path: `/bucket/${i}` }),
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
    socket.send(signedRequestHead(gateway, { method: 'GET', path: '/bucket' }).repeat(10))
    await socket.closed()
    expect((await putBytes(gateway, 10)).status).toBe(200)
  })

  test('of one address are limited, so that another one can connect', async () => {
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
    expect((await putBytes(gateway, 10)).status).toBe(200)
  })
})

describe.each(COUNTED_IN)('a connection: counted in %s', (countedIn) => {
  const { start, open } = overloadWorld(countedIn)

  test('stays open when a small body comes together with its head', async () => {
    const gateway = await start()
    const socket = await open(gateway)
    const headers = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
    const put = { method: 'PUT', path: '/bucket/b', headers, length: 5 }
    socket.send(`${signedRequestHead(gateway, put)}bytes`)
    await socket.until('ETag: ')
    socket.send(signedRequestHead(gateway, { method: 'GET', path: '/bucket/b' }))
    const text = await socket.until('\r\n\r\nbytes')
    expect(text.match(/^HTTP\/1.1 200 OK/gm)).toHaveLength(2)
    expect(text).not.toContain('Connection: close')
  })
})
