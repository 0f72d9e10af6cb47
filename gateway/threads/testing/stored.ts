/** Objects in a memory backend that a gateway thread reaches across the port. */

import { afterEach, expect } from 'vitest'
import { MemoryBackend } from '../../memory/memory-backend.ts'
import type { Backend } from '../../port/backend.ts'
import type { FinishedBody, SmallBody } from '../../port/body.ts'
import type { ObjectReader } from '../../port/objects.ts'
import { alteredBackend } from '../../testing/http-world.ts'
import {
  contextOf,
  joinThreads,
  NO_HEADERS,
  patternChunks,
  streamOfChunks,
  turns,
  type Joined,
} from './joined.ts'

export const ONE_MIB = 2 ** 20

/** Returns what joins a thread to a store with the bucket `b`. After each test no block may be lost and nothing left over. */
export function joinForEachTest(): (
  changes?: Partial<Backend>,
  blocks?: number,
) => Promise<Joined> {
  let joined: Joined | undefined
  afterEach(async () => {
    await turns()
    expect([joined?.blocks.free, joined?.core.inFlight]).toEqual([joined?.blocks.count, 0])
    joined?.close()
  })
  return async (changes = {}, blocks = 8) => {
    let nowMs = 0
    const memory = new MemoryBackend({ credentials: [], nowMs: () => ++nowMs, minPartBytes: 1 })
    await memory.createBucket(contextOf(), { bucket: 'b', ownerAccount: '1', region: 'r' })
    joined = joinThreads(alteredBackend(memory, changes), { blockCount: blocks })
    return joined
  }
}

export function putStream(
  to: Backend,
  sizeBytes: number,
  chunks = () => patternChunks(sizeBytes),
): Promise<unknown> {
  const body = streamOfChunks(sizeBytes, chunks)
  return to.putObject(contextOf(), { bucket: 'b', key: 'k', headers: NO_HEADERS, body })
}

export function getReader(from: Backend, context = contextOf()): Promise<ObjectReader> {
  return from.getObject(context, { bucket: 'b', key: 'k', withData: true })
}

export function smallBody(finish: () => FinishedBody): SmallBody {
  return { bytes: Buffer.from('hello'), finish }
}
