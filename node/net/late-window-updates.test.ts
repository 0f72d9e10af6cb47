import type { ComponentLogger, MultiaddrConnection, StreamMuxer } from '@libp2p/interface'
import { yamux } from '@libp2p/yamux'
import { expect, test } from 'vitest'
import { sendWindowUpdatesLate } from './late-window-updates.ts'
import { quietLogger } from './quiet-logger.ts'

const MIB = 1 << 20
const CALLS = 100

/** One end of a connection in memory. What is sent arrives in a later microtask, in order. */
class End extends EventTarget {
  readonly log = (quietLogger as ComponentLogger).forComponent('test')
  readonly writableNeedsDrain = false
  readonly direction: 'inbound' | 'outbound'
  peer: End | undefined
  writes = 0

  constructor(direction: 'inbound' | 'outbound') {
    super()
    this.direction = direction
  }

  send(data: { subarray(): Uint8Array }): boolean {
    this.writes++
    const bytes = data.subarray().slice()
    queueMicrotask(() => {
      this.peer!.dispatchEvent(Object.assign(new Event('message'), { data: bytes }))
    })
    return true
  }
}

type Stream = Awaited<ReturnType<StreamMuxer['createStream']>>

/** Two muxers with one stream. */
async function joined(late: boolean) {
  const ends = [new End('outbound'), new End('inbound')] as const
  ends[0].peer = ends[1]
  ends[1].peer = ends[0]
  const muxers = ends.map((end) =>
    yamux({ streamOptions: { maxStreamWindowSize: 4 * MIB } })().createStreamMuxer(
      end as unknown as MultiaddrConnection,
    ),
  )
  const accepted = new Promise<Stream>((resolve) => {
    muxers[1]!.addEventListener('stream', ({ detail }) => resolve(detail))
  })
  const asks = await muxers[0]!.createStream()
  asks.send(new Uint8Array(1))
  const answers = await accepted
  await new Promise((resolve) => answers.addEventListener('message', resolve, { once: true }))
  if (late) for (const stream of [asks, answers]) sendWindowUpdatesLate(stream)
  await settled()
  return { ends, asks, answers }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('the installed yamux answers each small frame with a window update, and not any more', async () => {
  for (const [late, writes] of [
    [false, 2 * CALLS],
    [true, CALLS],
  ] as const) {
    const { ends, asks, answers } = await joined(late)
    answers.addEventListener('message', () => answers.send(new Uint8Array(200)))
    const before = ends.map((end) => end.writes)
    for (let call = 0; call < CALLS; call++) {
      asks.send(new Uint8Array(200))
      await settled()
    }
    expect(ends.map((end, i) => end.writes - before[i]!)).toEqual([writes, writes])
  }
})

test('large transfers pass, also when the reader pauses', async () => {
  const { asks, answers } = await joined(true)
  let received = 0
  let paused = 0
  answers.addEventListener('message', ({ data }) => {
    received += data.byteLength
    if (++paused % 3 > 0) return
    answers.pause()
    setImmediate(() => answers.resume())
  })
  const bytes = 32 * MIB
  const piece = new Uint8Array(192 << 10)
  let sent = 0
  while (sent < bytes) {
    asks.send(piece.subarray(0, bytes - sent))
    sent += Math.min(piece.length, bytes - sent)
    while (asks.writableNeedsDrain) await settled()
  }
  for (let turn = 0; turn < 10_000 && received < bytes; turn++) await settled()
  expect(received).toBe(bytes)
  expect(paused).toBeGreaterThan(3)
})

test('a stream of another kind stays as it is', () => {
  const stream = { sendWindowUpdate: () => {} }
  const before = { ...stream }
  sendWindowUpdatesLate(stream)
  expect(stream).toEqual(before)
})
