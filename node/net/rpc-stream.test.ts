import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { EMPTY_BYTES, utf8, utf8Text } from '../../protocol/bytes.ts'
import type { NetworkMessage } from '../env/ports.ts'
import { FakeStream, StreamClock, fakePair } from './testing/fake-stream.ts'
import { FrameKind, FrameReader, encodeFrame } from './framing.ts'
import { SERVED_BYTES_MAX } from './limits.ts'
import { RpcStream } from './rpc-stream.ts'
import { newStats } from './stats.ts'
import type { NetworkStats } from './stats.ts'

type Serve = (message: NetworkMessage) => Promise<NetworkMessage>

interface End {
  readonly rpc: RpcStream
  readonly stream: FakeStream
  readonly stats: NetworkStats
  readonly events: string[]
}

const echo: Serve = (message) => Promise.resolve(message)
const MIB = 1024 * 1024
const timeoutMs = 1_000

function end(
  stream: FakeStream,
  clock: StreamClock,
  serve: Serve,
  limits: { inFlightBytesMax?: number; servedAtOnceMax?: number } = {},
): End {
  const stats = newStats()
  const events: string[] = []
  const rpc = new RpcStream(stream, {
    clock,
    stats,
    inFlightBytesMax: 16 * MIB,
    servedAtOnceMax: 64,
    ...limits,
    serve,
    onReady: () => events.push('ready'),
    onClose: (reason) => events.push(`closed: ${reason}`),
    afterTurn: queueMicrotask,
  })
  return { rpc, stream, stats, events }
}

/** Waits until all promises that can resolve have done so. */
function allResolved(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Delivers both ways until nothing moves. */
async function flow(a: FakeStream, b: FakeStream): Promise<void> {
  do await allResolved()
  while ([a.deliver(), b.deliver()].includes(true))
}

async function readyPair(
  serve: Serve = echo,
  limits: { inFlightBytesMax?: number; servedAtOnceMax?: number } = {},
): Promise<{ a: End; b: End; clock: StreamClock; flow: () => Promise<void> }> {
  const clock = new StreamClock()
  const [left, right] = fakePair()
  const a = end(left, clock, echo, limits)
  const b = end(right, clock, serve, limits)
  await flow(left, right)
  return { a, b, clock, flow: () => flow(left, right) }
}

function request(text: string, payload?: Uint8Array): NetworkMessage {
  return { type: 1, body: utf8(text), payload }
}

function outcome(call: Promise<NetworkMessage>): Promise<unknown> {
  return call.then(
    ({ body }) => utf8Text(body),
    (error: { code: string; maybeDelivered: boolean }) => `${error.code} ${error.maybeDelivered}`,
  )
}

test('a stream is ready only when the hello of the other side has come', async () => {
  const clock = new StreamClock()
  const [left, right] = fakePair()
  const a = end(left, clock, echo)
  await allResolved()
  left.deliver()
  expect(a.rpc.ready).toBe(false)
  end(right, clock, echo)
  await allResolved()
  right.deliver()
  expect(a.events).toEqual(['ready'])
})

test('calls of one turn leave in one write', async () => {
  const { a, flow } = await readyPair()
  a.stream.sent.length = 0
  const calls = Promise.all(
    Array.from({ length: 100 }, (_, i) => a.rpc.call(request(`${i}`), { timeoutMs })),
  )
  await allResolved()
  expect(a.stream.sent).toHaveLength(1)
  await flow()
  expect((await calls).map(({ body }) => utf8Text(body))).toEqual(
    Array.from({ length: 100 }, (_, i) => `${i}`),
  )
})

test('a large payload is handed over as it is, not copied', async () => {
  const { a, flow } = await readyPair()
  const payload = new Uint8Array(MIB)
  const call = a.rpc.call(request('x', payload), { timeoutMs })
  await allResolved()
  expect(a.stream.sent).toContain(payload)
  await flow()
  expect((await call).payload).toHaveLength(MIB)
})

test('nothing is sent to a full stream until it drains', async () => {
  const { a, flow } = await readyPair()
  const calls = Array.from({ length: 10 }, () =>
    outcome(a.rpc.call(request('x', new Uint8Array(300_000)), { timeoutMs })),
  )
  await allResolved()
  const writes = a.stream.sent.length
  expect(a.stream.writableNeedsDrain).toBe(true)
  expect(writes).toBeLessThan(5)
  await allResolved()
  expect(a.stream.sent).toHaveLength(writes)
  await flow()
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 10 }, () => 'x'))
})

test('a call that times out before it leaves was certainly not delivered, and never leaves', async () => {
  let served = 0
  const { a, clock, flow } = await readyPair((message) => {
    served++
    return echo(message)
  })
  const first = outcome(a.rpc.call(request('1', new Uint8Array(300_000)), { timeoutMs }))
  await allResolved()
  const second = outcome(a.rpc.call(request('2', new Uint8Array(300_000)), { timeoutMs }))
  clock.advance(timeoutMs)
  expect(await first).toBe('TIMEOUT true')
  expect(await second).toBe('TIMEOUT false')
  await flow()
  expect(served).toBe(1)
  expect(a.stats).toMatchObject({ callsInFlight: 0, callsFailed: 2 })
  expect(clock.timers).toBe(0)
})

test('calls beyond the bytes in flight wait in order; their deadline counts from the start', async () => {
  const seen: string[] = []
  const answers: (() => void)[] = []
  const { a, clock, flow } = await readyPair(
    (message) => {
      seen.push(utf8Text(message.body))
      return new Promise((resolve) => answers.push(() => resolve(message)))
    },
    { inFlightBytesMax: 100 },
  )
  const calls = ['1', '2', '3', '4'].map((text) =>
    outcome(a.rpc.call(request(text, new Uint8Array(60)), { timeoutMs })),
  )
  await flow()
  expect(seen).toEqual(['1'])
  answers[0]?.()
  await flow()
  expect(seen).toEqual(['1', '2'])
  clock.advance(timeoutMs)
  expect(await Promise.all(calls)).toEqual(['1', 'TIMEOUT true', 'TIMEOUT false', 'TIMEOUT false'])
})

test('an aborted signal takes back what has not left', async () => {
  const { a, flow } = await readyPair()
  const stop = new AbortController()
  const call = outcome(a.rpc.call(request('x'), { timeoutMs, signal: stop.signal }))
  stop.abort()
  expect(await call).toBe('ABORTED false')
  await flow()
  expect(a.stats.framesSent).toBe(1)
})

test('when the stream closes, calls fail by whether they left', async () => {
  const { a, b } = await readyPair()
  const sent = outcome(a.rpc.call(request('x'), { timeoutMs }))
  await allResolved()
  const queued = outcome(a.rpc.call(request('y'), { timeoutMs }))
  b.rpc.abort('gone')
  expect(await sent).toBe('UNREACHABLE true')
  expect(await queued).toBe('UNREACHABLE false')
  expect(a.events).toEqual(['ready', 'closed: reset'])
  expect(b.events).toEqual(['ready', 'closed: gone'])
})

test('a late reply is ignored', async () => {
  let answer = (): void => {}
  const { a, clock, flow } = await readyPair(
    (message) => new Promise((resolve) => (answer = () => resolve(message))),
  )
  const call = outcome(a.rpc.call(request('x'), { timeoutMs }))
  await flow()
  clock.advance(timeoutMs)
  expect(await call).toBe('TIMEOUT true')
  answer()
  await flow()
  expect(a.events).toEqual(['ready'])
})

test('a limited number of requests is served at once, and the others wait', async () => {
  let active = 0
  let most = 0
  const { a, b, flow } = await readyPair(
    async (message) => {
      most = Math.max(most, ++active)
      await allResolved()
      active--
      return message
    },
    { servedAtOnceMax: 3 },
  )
  const calls = Array.from({ length: 20 }, (_, i) =>
    outcome(a.rpc.call(request(`${i}`), { timeoutMs })),
  )
  await flow()
  await flow()
  while (b.stats.requestsInService > 0) await flow()
  await flow()
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
  expect(most).toBe(3)
})

test('requests that hang, given up by their caller and followed by more, never hold back our own calls', async () => {
  const { a, b, clock, flow } = await readyPair(() => new Promise(() => {}))
  const outcomes: Promise<unknown>[] = []
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 15; i++) {
      outcomes.push(outcome(a.rpc.call(request('x', new Uint8Array(MIB)), { timeoutMs })))
    }
    await flow()
    clock.advance(timeoutMs)
  }
  const own = outcome(b.rpc.call(request('own'), { timeoutMs }))
  await flow()
  clock.advance(timeoutMs)
  expect(await own).toBe('own')
  const all = await Promise.all(outcomes)
  expect(b.stats.bytesInService).toBeLessThanOrEqual(SERVED_BYTES_MAX)
  expect(all.slice(0, 31)).toEqual(Array.from({ length: 31 }, () => 'TIMEOUT true'))
  expect(all.slice(31)).toEqual(Array.from({ length: 29 }, () => 'OVERLOADED true'))
  // A small request is still served: a vote needs no disk.
  const small = outcome(a.rpc.call(request('small'), { timeoutMs }))
  await flow()
  expect(b.stats.requestsInService).toBe(32)
  clock.advance(timeoutMs)
  expect(await small).toBe('TIMEOUT true')
})

test('a peer that sends too much and reads no answers is no longer read until it does', async () => {
  const [left, right] = fakePair(Infinity)
  const answers: (() => void)[] = []
  const payload = new Uint8Array(MIB)
  const b = end(right, new StreamClock(), ({ type }) => {
    return new Promise((resolve) =>
      answers.push(() => resolve({ type, body: EMPTY_BYTES, payload })),
    )
  })
  const send = (count: number): void => {
    for (let id = 1; id <= count; id++) {
      left.send(encodeFrame({ kind: FrameKind.request, type: 1, id, body: EMPTY_BYTES, payload }))
    }
    left.deliver()
  }
  left.send(encodeFrame({ kind: FrameKind.hello, type: 0, id: 0, body: EMPTY_BYTES }))
  send(SERVED_BYTES_MAX / MIB + 1)
  await allResolved()
  expect([right.paused, b.stats.requestsRefused]).toEqual([false, 2])
  right.writableNeedsDrain = true
  for (const answer of answers.splice(0, 20)) answer()
  await allResolved()
  expect(right.paused).toBe(false)
  send(SERVED_BYTES_MAX / MIB)
  await allResolved()
  expect(right.paused).toBe(true)
  right.writableNeedsDrain = false
  right.emit('drain', { data: EMPTY_BYTES })
  await allResolved()
  expect(right.paused).toBe(false)
})

test('a closed stream gives back the room of requests that it was serving', async () => {
  const { a, b, flow } = await readyPair(() => new Promise(() => {}), { servedAtOnceMax: 1 })
  const calls = [1, 2, 3].map(() => outcome(a.rpc.call(request('x'), { timeoutMs })))
  await flow()
  expect(b.stats.requestsInService).toBe(3)
  a.rpc.abort('gone')
  await Promise.all(calls)
  // The request that was begun may still run.
  expect(b.stats.requestsInService).toBe(1)
})

test('whatever a peer sends, the stream is reset and the node goes on', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 40 }),
          fc
            .record({
              kind: fc.constantFrom(...Object.values(FrameKind)),
              type: fc.nat(3),
              id: fc.nat(3),
              body: fc.uint8Array({ maxLength: 5 }),
            })
            .map(encodeFrame),
        ),
        { maxLength: 12 },
      ),
      async (chunks) => {
        const [left, right] = fakePair(Infinity)
        const { rpc, events, stats } = end(right, new StreamClock(), echo)
        const call = rpc.call(request('x'), { timeoutMs }).catch(() => {})
        for (const chunk of chunks) if (left.status === 'open') left.send(chunk)
        left.deliver()
        await allResolved()
        rpc.abort('over')
        await call
        expect(events.filter((event) => event.startsWith('closed'))).toHaveLength(1)
        expect(stats).toMatchObject({ callsInFlight: 0, requestsInService: 0, bytesInService: 0 })
      },
    ),
    { numRuns: 1000 },
  )
})

test('a refusal carries the text of the error', async () => {
  const { a, flow } = await readyPair(() => Promise.reject(new Error('too late')))
  const call = a.rpc.call(request('x'), { timeoutMs })
  const failed = expect(call).rejects.toMatchObject({ code: 'REFUSED', message: 'too late' })
  await flow()
  await failed
})

test('only a request with a payload has memory to release', async () => {
  const served: NetworkMessage[] = []
  const { a, flow } = await readyPair((message) => {
    served.push(message)
    message.release?.()
    return Promise.resolve(request('stored'))
  })
  const answers = [request('vote'), request('store', new Uint8Array(MIB).fill(5))].map((message) =>
    outcome(a.rpc.call(message, { timeoutMs })),
  )
  await flow()
  expect(await Promise.all(answers)).toEqual(['stored', 'stored'])
  expect(served.map(({ release }) => release === undefined)).toEqual([true, false])
})

test('every frame that left is well formed', async () => {
  const { a } = await readyPair()
  for (const size of [0, 10, 16_384, 16_385, 300_000]) {
    void outcome(a.rpc.call(request('x', new Uint8Array(size)), { timeoutMs }))
    await allResolved()
    a.stream.deliver()
  }
  const reader = new FrameReader()
  let frames = 0
  for (const bytes of a.stream.sent) reader.push(bytes, () => frames++)
  expect(frames).toBe(6)
  a.rpc.abort('over')
})
