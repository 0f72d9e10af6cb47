/** Large bodies move a few MiB in each turn of the event loop, and a client that goes away meanwhile leaves nothing behind. */

import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { sendRaw } from './conformance/world.ts'
import { RECEIVED_BYTES_PER_TURN, SENT_BYTES_PER_TURN } from './http/turn-bytes.ts'
import type { MemoryBackend } from './memory/memory-backend.ts'
import type { Backend } from './port/backend.ts'
import { systemClock, type TestGateway } from './testing/gateway.ts'
import { alteredBackend, gatewayForEachTest, signedHeadText } from './testing/http-world.ts'
import { openSocket } from './testing/socket.ts'
import { letPass, MEBI, untilHolds } from './testing/overload-world.ts'
import { joinThreads, type Joined } from './threads/testing/joined.ts'

const SIZE_BYTES = 12 * MEBI
const BODY = Buffer.alloc(SIZE_BYTES, 'bytes that are not the same in every block. ')
const POISON = 0xdb

const start = gatewayForEachTest()
const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

interface World {
  readonly gateway: TestGateway
  /** Readers of the store that have begun and not ended. */
  readonly open: () => number
  /** Ends turns by itself from now on. */
  readonly run: () => void
  /** Bytes of bodies that the store has got. */
  readonly stored: () => number
  readonly joined: Joined | undefined
}

/** A gateway with an object, whose turns then do not end until `run` is called, on a store that overwrites each chunk when the next is asked for. */
async function world(options: { threads: boolean }): Promise<World> {
  let open = 0
  let joined: Joined | undefined
  let isRunning = true
  let stored = 0
  const due: (() => void)[] = []
  const poisoned = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    open++
    try {
      for await (const chunk of chunks) {
        const memory = Uint8Array.from(chunk)
        yield memory
        memory.fill(POISON)
      }
    } finally {
      open--
    }
  }
  const counted = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      stored += chunk.length
      yield chunk
    }
  }
  const store = (memory: MemoryBackend): Backend =>
    alteredBackend(memory, {
      getObject: async (...order) => {
        const reader = await memory.getObject(...order)
        return { ...reader, read: (from, to) => poisoned(reader.read(from, to)) }
      },
      putObject: (context, { body, ...order }) =>
        memory.putObject(context, {
          ...order,
          body: 'bytes' in body ? body : { ...body, chunks: counted(body.chunks) },
        }),
    })
  const gateway = await start({
    backend: (memory) => {
      if (!options.threads) return store(memory)
      joined = joinThreads(store(memory))
      cleanups.push(() => joined?.close())
      return joined.thread
    },
    clock: {
      ...systemClock,
      after(delayMs, run) {
        if (delayMs > 0 || isRunning) return systemClock.after(delayMs, run)
        due.push(run)
        return () => {}
      },
    },
  })
  const put = await sendRaw(gateway.target, { method: 'PUT', path: '/bucket/large', body: [BODY] })
  expect(put.status).toBe(200)
  isRunning = false
  stored = 0
  const run = (): void => {
    isRunning = true
    for (const each of due.splice(0)) each()
  }
  return { gateway, open: () => open, run, stored: () => stored, joined }
}

interface Reader {
  readonly socket: Socket
  readonly received: () => number
  readonly digest: () => string
}

/** Asks for the object, and counts and hashes what comes after the head. */
async function reading(gateway: TestGateway): Promise<Reader> {
  const client = await openSocket(gateway.target.endpoint)
  const { socket } = client
  cleanups.push(() => socket.destroy())
  const hash = createHash('sha256')
  let head: Buffer | undefined = Buffer.alloc(0)
  let received = 0
  const onBody = (bytes: Buffer): void => {
    received += bytes.length
    hash.update(bytes)
  }
  socket.removeAllListeners('data')
  socket.on('data', (bytes) => {
    if (head === undefined) return onBody(bytes)
    head = Buffer.concat([head, bytes])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    onBody(head.subarray(end + 4))
    head = undefined
  })
  client.send(signedHeadText(gateway, 'GET', '/bucket/large'))
  return { socket, received: () => received, digest: () => hash.digest('hex') }
}

describe.each([{ threads: false }, { threads: true }])('with threads: $threads', (options) => {
  test('all answers together get the bytes of one turn, and the rest in later ones', async () => {
    const { gateway, open, run } = await world(options)
    const readers = [await reading(gateway), await reading(gateway), await reading(gateway)]
    const sum = (): number => readers.reduce((bytes, { received }) => bytes + received(), 0)
    await untilHolds(() => sum() >= SENT_BYTES_PER_TURN)
    await letPass(200)
    // The last slice of a turn may be longer than what is left of it.
    expect(sum()).toBeLessThan(SENT_BYTES_PER_TURN + MEBI)
    expect(open()).toBe(3)

    run()
    await untilHolds(() => sum() === 3 * SIZE_BYTES)
    const wanted = createHash('sha256').update(BODY).digest('hex')
    expect(readers.map(({ digest }) => digest())).toEqual([wanted, wanted, wanted])
    await untilHolds(() => open() === 0 && gateway.metrics.inFlight === 0)
  })

  test('a client that goes away while it waits for a turn leaves nothing behind', async () => {
    const { gateway, open, run, joined } = await world(options)
    const first = await reading(gateway)
    await untilHolds(() => first.received() >= SENT_BYTES_PER_TURN)
    const second = await reading(gateway)
    await untilHolds(() => open() === 2)
    await letPass(200)

    first.socket.destroy()
    await untilHolds(() => open() === 1 && gateway.metrics.inFlight === 1)
    second.socket.destroy()
    await untilHolds(() => open() === 0 && gateway.metrics.inFlight === 0)
    if (joined !== undefined) await untilHolds(() => joined.blocks.free === joined.blocks.count)

    run()
    const third = await reading(gateway)
    await untilHolds(() => third.received() === SIZE_BYTES)
  })

  test('all uploads together move the bytes of one turn, and the rest in later ones', async () => {
    const { gateway, stored, run } = await world(options)
    const put = { method: 'PUT', body: [BODY] }
    const puts = ['/bucket/a', '/bucket/b'].map((path) => sendRaw(gateway.target, { ...put, path }))
    const gone = await openSocket(gateway.target.endpoint)
    gone.send(signedHeadText(gateway, 'PUT', '/bucket/c', { 'content-length': String(SIZE_BYTES) }))
    gone.send(BODY)
    await untilHolds(() => gateway.metrics.inFlight === 3)
    await letPass(500)
    expect(stored()).toBeLessThan(RECEIVED_BYTES_PER_TURN + MEBI)

    gone.socket.destroy()
    run()
    expect((await Promise.all(puts)).map(({ status }) => status)).toEqual([200, 200])
    await untilHolds(() => gateway.metrics.inFlight === 0)
  })
})
