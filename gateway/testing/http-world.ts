/** What tests of the HTTP side work with: gateways, heads of signed requests as text, backends with changed methods. */

import { afterEach } from 'vitest'
import { sendRaw } from '../conformance/world.ts'
import type { MemoryBackend } from '../memory/memory-backend.ts'
import type { Backend } from '../port/backend.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from './gateway.ts'
import { signHeader } from './signer.ts'

/** Returns a function that starts a gateway with an empty bucket named `bucket`. It is closed after the test. */
export function gatewayForEachTest(): (options?: TestGatewayOptions) => Promise<TestGateway> {
  let server: TestGateway | undefined
  afterEach(async () => {
    await server?.close()
    server = undefined
  })
  return async (options = {}) => {
    server = await startGateway(options)
    await sendRaw(server.target, { method: 'PUT', path: '/bucket' })
    return server
  }
}

/** The head of a signed request, as text. The path may end in '?' and a parameter without a value. */
export function signedHeadText(
  { target }: TestGateway,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): string {
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const { host } = new URL(target.endpoint)
  const [plainPath = '', name] = path.split('?')
  const query: [string, string][] = name === undefined ? [] : [[name, '']]
  const { message } = signHeader(
    { method, path: plainPath, query, headers: { host, ...headers } },
    {
      ...target,
      timestamp,
      unsigned: ['content-length', 'expect', 'transfer-encoding'],
    },
  )
  const lines = Object.entries(message.headers).map(([name, value]) => `${name}: ${value}`)
  return `${method} ${message.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

/** Looks in every turn of the event loop until there is something to return. */
export async function waitFor<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A backend with some methods replaced. The other methods keep their own `this`. */
export function alteredBackend(memory: MemoryBackend, changes: Partial<Backend>): Backend {
  return new Proxy(memory as Backend, {
    get(target, name) {
      const changed = changes[name as keyof Backend]
      if (changed !== undefined) return changed
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
