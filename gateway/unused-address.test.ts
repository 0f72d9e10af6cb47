/** Gateways that share a port: those of one process may, those of two may not, though the system would let them. */

import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { GatewayMetrics } from './admin/metrics.ts'
import { MemoryBackend } from './memory/memory-backend.ts'
import { createGateway, type Gateway } from './server.ts'
import { systemClock } from './testing/gateway.ts'

const host = '127.0.0.1'
const gateways: Gateway[] = []
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close({ drainMs: 0 })
})

function newGateway(): Gateway {
  const gateway = createGateway({
    backend: new MemoryBackend({ credentials: [], nowMs: () => 0 }),
    region: 'us-east-1',
    hostSuffixes: [],
    clock: systemClock,
    randomBytes: (count) => new Uint8Array(count),
    metrics: new GatewayMetrics(),
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  })
  gateways.push(gateway)
  return gateway
}

describe('a port that gateways share', () => {
  it('is joined by others of the process, and begun by one only', async () => {
    const { port } = await newGateway().listen({ host, port: 0, sharing: 'begin' })
    const joined = await newGateway().listen({ host, port, sharing: 'join' })
    expect(joined.port).toBe(port)
    const another = newGateway().listen({ host, port, sharing: 'begin' })
    await expect(another).rejects.toMatchObject({ code: 'EADDRINUSE', address: host, port })
  })

  it('is not begun where a socket listens that shares nothing', async () => {
    const alone = createServer().listen(0, host)
    await once(alone, 'listening')
    const { port } = alone.address() as AddressInfo
    const begun = newGateway().listen({ host, port, sharing: 'begin' })
    await expect(begun).rejects.toMatchObject({ code: 'EADDRINUSE' })
    alone.close()
    await once(alone, 'close')
    expect(await newGateway().listen({ host, port, sharing: 'begin' })).toMatchObject({ port })
  })
})
