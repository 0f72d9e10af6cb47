/**
 * One short exchange on a stream of its own: join, locate. It uses it-pipe, because no message here is large enough
 * to need back-pressure on reading. Sizes are limited as the bytes come.
 *
 *   request:  length u32 | bytes
 *   reply:    length u32 | status u8 (0 answered, 1 refused) | bytes, or the refusal as UTF-8
 *
 * Lengths are big-endian, and count what follows them. The stream is closed after the reply, and reset after any
 * failure.
 */

import { pipe } from 'it-pipe'
import type { Stream } from '@libp2p/interface'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { FrameError, NetworkFailure, messageOf } from './errors.ts'
import { KIB } from './limits.ts'

const ANSWERED = 0
const REFUSED = 1
const WRITE_BYTES = 64 * KIB

type Chunks = AsyncIterable<Uint8Array | Iterable<Uint8Array>>

/**
 * Sends `request` and resolves with the reply, of at most `replyBytesMax`. Any failure resets the stream, and so does
 * `signal`. Rejects with NetworkFailure REFUSED, with FrameError, or with the stream's error.
 */
export async function exchange(
  stream: Stream,
  request: Uint8Array,
  replyBytesMax: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return await guarded(stream, signal, async () => {
    const reply = pipe(stream, (source: Chunks) => readMessage(source, replyBytesMax + 1))
    await Promise.all([pipe([request], withLength, (source) => writeAll(stream, source)), reply])
    await stream.close({ signal })
    const bytes = await reply
    if (bytes[0] !== ANSWERED) {
      throw new NetworkFailure('REFUSED', utf8Text(bytes.subarray(1)), true)
    }
    return bytes.subarray(1)
  })
}

/** Reads one request and answers it. Never rejects: a failure resets the stream. */
export async function answerExchange(
  stream: Stream,
  requestBytesMax: number,
  signal: AbortSignal,
  handler: (request: Uint8Array) => Promise<Uint8Array>,
): Promise<void> {
  try {
    await guarded(stream, signal, async () => {
      const request = await pipe(stream, (source: Chunks) => readMessage(source, requestBytesMax))
      const reply = await handler(request).then(
        (bytes) => withStatus(ANSWERED, bytes),
        (error: unknown) => withStatus(REFUSED, utf8(messageOf(error).slice(0, KIB))),
      )
      await pipe([reply], withLength, (source) => writeAll(stream, source))
      await stream.close({ signal })
    })
  } catch {
    // The stream was reset: that is the answer.
  }
}

/** Resets the stream when `run` fails or `signal` fires. */
async function guarded<T>(stream: Stream, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  const onAbort = (): void => stream.abort(new Error('the exchange took too long'))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    signal.throwIfAborted()
    return await run()
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function withStatus(status: number, bytes: Uint8Array): Uint8Array {
  const reply = new Uint8Array(bytes.length + 1)
  reply[0] = status
  reply.set(bytes, 1)
  return reply
}

/** Each message behind its length, in pieces small enough for back-pressure. */
function* withLength(messages: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const message of messages) {
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, message.length)
    yield length
    for (let at = 0; at < message.length; at += WRITE_BYTES) {
      yield message.subarray(at, at + WRITE_BYTES)
    }
  }
}

async function writeAll(stream: Stream, source: Iterable<Uint8Array>): Promise<void> {
  for (const bytes of source) {
    if (!stream.send(bytes)) await drained(stream)
  }
}

/** Waits for 'drain' by its event, because libp2p's `onDrain()` resolves at once after its first use. */
async function drained(stream: Stream): Promise<void> {
  while (stream.writableNeedsDrain && stream.status === 'open') {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stream.removeEventListener('drain', done)
        stream.removeEventListener('close', done)
        resolve()
      }
      stream.addEventListener('drain', done)
      stream.addEventListener('close', done)
    })
  }
}

/** The first message of the source. Its memory is taken only once the announced length is within `bytesMax`. */
async function readMessage(source: Chunks, bytesMax: number): Promise<Uint8Array> {
  const head = new Uint8Array(4)
  let headFilled = 0
  let message: Uint8Array | undefined
  let filled = 0
  for await (const chunks of source) {
    for (const chunk of chunks instanceof Uint8Array ? [chunks] : chunks) {
      let at = 0
      while (headFilled < 4 && at < chunk.length) head[headFilled++] = chunk[at++] ?? 0
      if (headFilled < 4) continue
      if (message === undefined) {
        const length = new DataView(head.buffer).getUint32(0)
        if (length > bytesMax) throw new FrameError(`a message of ${length} bytes is too large`)
        message = new Uint8Array(length)
      }
      const part = chunk.subarray(at, at + message.length - filled)
      message.set(part, filled)
      filled += part.length
    }
    if (message !== undefined && filled === message.length) return message
  }
  throw new FrameError('the stream ended within a message')
}
