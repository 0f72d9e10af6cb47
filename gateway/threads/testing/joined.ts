/** Both ends of a thread's channel in one thread, with a memory backend or any other behind them. */

import { MessageChannel } from 'node:worker_threads'
import type { RequestContext } from '../../../protocol/context.ts'
import { WorkQueue } from '../../http/work-queue.ts'
import type { Backend } from '../../port/backend.ts'
import type { ObjectBody } from '../../port/body.ts'
import type { IamBackend } from '../../port/iam-backend.ts'
import type { InTurns } from '../../port/in-turns.ts'
import type { ObjectHeaders } from '../../port/objects.ts'
import type { RightsSource } from '../../port/rights.ts'
import { systemClock } from '../../testing/gateway.ts'
import { createBlockMemory, SharedBlocks } from '../blocks.ts'
import { CoreLink } from '../core-link.ts'
import { ThreadBackend } from '../thread-backend.ts'

export interface Joined {
  /** What a gateway thread would use. */
  readonly thread: ThreadBackend
  readonly core: CoreLink
  readonly blocks: SharedBlocks
  /** How many messages of the channel each end has posted; each holds all of one turn. */
  readonly posted: { thread: number; core: number }
  close(): void
}

export interface JoinOptions {
  readonly blockCount?: number
  readonly link?: number
  /** With a clock for the thread, which then keeps rights. */
  readonly kept?: { readonly rights: RightsSource; readonly monotonicMs: () => number }
  readonly iam?: IamBackend | undefined
}

/** The pool is poisoned. */
export function joinThreads(backend: Backend, options: JoinOptions = {}): Joined {
  const { blockCount = 8, link = 1, kept, iam } = options
  const memory = createBlockMemory(blockCount, { poisoned: true })
  const blocks = new SharedBlocks(memory)
  const { port1, port2 } = new MessageChannel()
  const posted = { thread: 0, core: 0 }
  const afterTurn = (end: 'thread' | 'core') => (run: () => void) => {
    posted[end]++
    setImmediate(run)
  }
  const queue = new WorkQueue(systemClock)
  const inTurns: InTurns = (work) => queue.run(work, {})
  const core = new CoreLink({
    backend,
    blocks,
    link,
    port: port1,
    afterTurn: afterTurn('core'),
    rights: kept?.rights,
    iam: iam && { backend: iam, inTurns },
  })
  const thread = new ThreadBackend({
    port: port2,
    memory,
    link,
    afterTurn: afterTurn('thread'),
    monotonicMs: kept?.monotonicMs,
  })
  return { thread, core, blocks, posted, close: () => thread.close() }
}

/** A request's context, and what aborts it. */
export function contextOf(operation = 'Test'): RequestContext & { abort(reason?: unknown): void } {
  const controller = new AbortController()
  return {
    operation,
    rounds: 0,
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
  }
}

export const NO_HEADERS: ObjectHeaders = { system: {}, user: {}, storageClass: 'STANDARD' }

/** A body of these chunks. What `chunks` throws, the body throws. */
export function streamOfChunks(
  sizeBytes: number,
  chunks: () => AsyncIterable<Uint8Array>,
): ObjectBody {
  return { sizeBytes, chunks: chunks(), finish: () => ({ etag: 'streamed', checksums: {} }) }
}

/** Bytes that differ from place to place, cut into chunks of 64 KiB, all in the same memory. */
export async function* patternChunks(sizeBytes: number): AsyncGenerator<Uint8Array> {
  const memory = new Uint8Array(64 * 1024)
  for (let at = 0; at < sizeBytes; at += memory.length) {
    const chunk = memory.subarray(0, Math.min(memory.length, sizeBytes - at))
    fillPattern(chunk, at)
    yield chunk
  }
}

/** Whether the chunks are the bytes of `patternChunks`, in order. Looks at each before it asks for the next. */
export async function countPattern(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let at = 0
  for await (const chunk of chunks) {
    const wanted = new Uint8Array(chunk.length)
    fillPattern(wanted, at)
    if (Buffer.compare(wanted, chunk) !== 0) throw new Error(`wrong bytes after ${at}`)
    at += chunk.length
  }
  return at
}

function fillPattern(bytes: Uint8Array, from: number): void {
  for (let at = 0; at < bytes.length; at++) bytes[at] = (from + at) % 251
}

/** Lets everything happen that is ready to. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
}
