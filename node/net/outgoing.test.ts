import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { SystemClock } from '../env/system.ts'
import { HttpOutgoing } from './outgoing.ts'

const servers: Server[] = []
const outgoing = new HttpOutgoing(new SystemClock())
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

function post(port: number, timeoutMs = 5_000, address = '127.0.0.1'): Promise<{ status: number }> {
  // The name does not exist: only the address is connected to.
  const url = `http://hook.invalid:${port}/path?a=b`
  const request = { url, address, headers: { 'x-a': 'b' }, body: Buffer.from('event') }
  return outgoing.post(request, { timeoutMs })
}

test('a request goes to the address that it is given, with the host of its URL', async () => {
  const seen: unknown[] = []
  const port = await serve((request, response) => {
    request.on('data', (chunk: Buffer) => {
      const { method, url, headers } = request
      seen.push([method, url, headers.host, headers['x-a'], chunk.toString()])
    })
    request.on('end', () => response.writeHead(204).end())
  })
  expect(await post(port)).toEqual({ status: 204 })
  expect(seen).toEqual([['POST', '/path?a=b', `hook.invalid:${port}`, 'b', 'event']])
})

test('redirects are not followed', async () => {
  let requests = 0
  const port = await serve((request, response) => {
    requests++
    request.resume()
    response.writeHead(307, { location: `http://127.0.0.1:${port}/other` }).end()
  })
  expect(await post(port)).toEqual({ status: 307 })
  expect(requests).toBe(1)
})

test('an answer without an end is cut, and silence fails', async () => {
  let isCut = false
  const endless = await serve((request, response) => {
    response.on('close', () => (isCut = true))
    request.resume()
    response.writeHead(200)
    const more = (): void => {
      if (!response.destroyed) response.write(Buffer.alloc(16_384), more)
    }
    more()
  })
  expect(await post(endless, 60_000)).toEqual({ status: 200 })
  await expect.poll(() => isCut).toBe(true)
  const silent = await serve((request) => void request.resume())
  await expect(post(silent, 50)).rejects.toThrow(/no answer/)
})

test('an address is its own, and a name that does not exist fails', async () => {
  expect(await outgoing.resolve('127.0.0.1', { timeoutMs: 100 })).toEqual(['127.0.0.1'])
  await expect(outgoing.resolve('hook.invalid', { timeoutMs: 5_000 })).rejects.toThrow()
})
