/** The port between real threads: a gateway in a worker, its store in this thread. */

import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import { CONFORMANCE_CASES, runCase, type ConformanceTarget } from '../conformance/conformance.ts'
import { sendRaw } from '../conformance/world.ts'
import { MemoryBackend } from '../memory/memory-backend.ts'
import type { Backend } from '../port/backend.ts'
import { alteredBackend, waitFor } from '../testing/http-world.ts'
import { EXAMPLE_CREDENTIAL } from '../testing/requests.ts'
import { createBlockMemory, SharedBlocks } from './blocks.ts'
import { CoreLink } from './core-link.ts'

const workers: Worker[] = []
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate()
})

function memoryStore(): MemoryBackend {
  return new MemoryBackend({ credentials: [EXAMPLE_CREDENTIAL], nowMs: () => Date.now() })
}

interface GatewayThread {
  readonly worker: Worker
  readonly core: CoreLink
  readonly target: ConformanceTarget
  /** Resolves when the core has learnt that the thread is gone. */
  readonly ended: Promise<void>
}

async function startThread(
  backend: Backend,
  memory: SharedArrayBuffer,
  link: number,
): Promise<GatewayThread> {
  const { port1, port2 } = new MessageChannel()
  let core: CoreLink | undefined
  const ended = new Promise<void>((resolve) => {
    core = new CoreLink({
      backend,
      blocks: new SharedBlocks(memory),
      link,
      port: port1,
      afterTurn: (run) => setImmediate(run),
      ended: resolve,
    })
  })
  const worker = new Worker(new URL('./testing/gateway-worker.ts', import.meta.url), {
    workerData: { port: port2, memory, link },
    transferList: [port2],
  })
  workers.push(worker)
  const [target] = (await once(worker, 'message')) as [ConformanceTarget]
  return { worker, core: core!, target, ended }
}

describe('a gateway in a worker, with its store in another thread', () => {
  // All cases run across the port in gateway/conformance/conformance.test.ts. Here each worker has a quarter of them.
  test('behaves like S3, while another worker uses the same store and the same poisoned blocks', async () => {
    const memory = createBlockMemory(4, { poisoned: true })
    const store = memoryStore()
    const threads = await Promise.all([1, 2].map((link) => startThread(store, memory, link)))
    await Promise.all(
      threads.map(async ({ target }, at) => {
        const cases = CONFORMANCE_CASES.filter((_, place) => place % 4 === at)
        for (const each of cases) await runCase(each, target, `thread-${at}`)
      }),
    )
    const blocks = new SharedBlocks(memory)
    await waitFor(() => threads.every(({ core }) => core.inFlight === 0) || undefined)
    await waitFor(() => blocks.free === 4 || undefined)
  })

  test('that dies fails its own requests, gives its blocks back, and does not disturb another', async () => {
    const memory = createBlockMemory(4, { poisoned: true })
    const store = memoryStore()
    const failures: unknown[] = []
    let begun = 0
    const slow = alteredBackend(store, {
      putObject: async (context, { body }) => {
        try {
          if ('bytes' in body) throw new Error('a stream is expected')
          for await (const chunk of body.chunks) {
            begun += chunk.length
            await new Promise<void>((resolve) =>
              context.signal.addEventListener('abort', () => resolve()),
            )
          }
        } catch (error) {
          failures.push(error)
          throw error
        }
        throw new Error('the body has no end')
      },
    })
    const [dying, living] = await Promise.all([
      startThread(slow, memory, 1),
      startThread(store, memory, 2),
    ])
    await sendRaw(living.target, { method: 'PUT', path: '/bucket' })
    const body = [Buffer.alloc(8 * 2 ** 20)]
    const cut = sendRaw(dying.target, { method: 'PUT', path: '/bucket/k', body }).catch(
      (error: unknown) => error,
    )
    await waitFor(() => (begun > 0 ? true : undefined))
    await dying.worker.terminate()
    await dying.ended
    expect(await cut).toBeInstanceOf(Error)
    await waitFor(() => (dying.core.inFlight === 0 ? true : undefined))
    expect(failures.map(String)).toEqual(['AbortError: the gateway thread has ended'])
    expect(new SharedBlocks(memory).free).toBe(4)
    const kept = await sendRaw(living.target, { method: 'PUT', path: '/bucket/k', body })
    expect(kept.status).toBe(200)
  })
})
