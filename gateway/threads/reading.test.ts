import { expect, test } from 'vitest'
import { ReplacedError } from '../../protocol/errors.ts'
import type { ObjectReader } from '../port/objects.ts'
import { contextOf, countPattern, NO_HEADERS, patternChunks, turns } from './testing/joined.ts'
import { joinForEachTest, getReader, ONE_MIB, putStream } from './testing/stored.ts'

const join = joinForEachTest()
const INFO = {
  ...NO_HEADERS,
  key: 'k',
  sizeBytes: 9 * ONE_MIB,
  lastModifiedMs: 1,
  versionId: 'null',
  etag: 'e',
  checksums: {},
}

test('reading waits for a slow reader, and a chunk is valid until the next one is asked for', async () => {
  let read = 0
  const { thread, blocks } = await join({
    getObject: () =>
      Promise.resolve({
        info: INFO,
        versioned: false,
        async *read(start: number, end: number) {
          for await (const chunk of patternChunks(end - start)) {
            read += chunk.length
            yield chunk
          }
        },
      }),
  })
  const reader = await getReader(thread)
  const chunks = reader.read(0, 9 * ONE_MIB)[Symbol.asyncIterator]()
  await turns()
  expect(read).toBe(0)
  const first = (await chunks.next()).value as Uint8Array
  const copy = first.slice()
  await turns(200)
  expect(read).toBeLessThanOrEqual(first.length + 3 * ONE_MIB)
  expect(blocks.count - blocks.free).toBeLessThanOrEqual(3)
  expect(Buffer.compare(first, copy)).toBe(0)
  await chunks.next()
  expect(first.every((byte) => byte === 0xdb)).toBe(true)
  await chunks.return?.()
})

test('reading ends in the core when the reader ends, and when its request is aborted', async () => {
  const ends: string[] = []
  const { thread } = await join({
    getObject: (context) =>
      Promise.resolve({
        info: INFO,
        versioned: false,
        async *read(start: number, end: number) {
          try {
            context.rounds++
            for await (const chunk of patternChunks(end - start)) {
              context.signal.throwIfAborted()
              yield chunk
            }
          } finally {
            ends.push('ended')
          }
        },
      }),
  })
  const context = contextOf()
  for await (const chunk of (await getReader(thread, context)).read(0, 9 * ONE_MIB))
    if (chunk.length > 0) break
  await turns()
  expect([ends, context.rounds]).toEqual([['ended'], 1])
  const reason = new Error('deadline')
  const all = countPattern((await getReader(thread, context)).read(0, 9 * ONE_MIB))
  await turns(2)
  context.abort(reason)
  await expect(all).rejects.toBe(reason)
  await turns()
  expect(ends).toEqual(['ended', 'ended'])
})

test('reading fails as in the core, before the first chunk or after it', async () => {
  let failAt = 0
  const { thread } = await join({
    getObject: () =>
      Promise.resolve({
        info: INFO,
        versioned: false,
        async *read(start: number, end: number) {
          let at = start
          for await (const chunk of patternChunks(end - start)) {
            if (at >= failAt) throw new ReplacedError()
            at += chunk.length
            yield chunk
          }
        },
      }),
  })
  const before = (await getReader(thread)).read(0, 9 * ONE_MIB)[Symbol.asyncIterator]()
  await expect(before.next()).rejects.toBeInstanceOf(ReplacedError)
  failAt = 3 * ONE_MIB
  const chunks = (await getReader(thread)).read(0, 9 * ONE_MIB)
  let got = 0
  const all = (async () => {
    for await (const chunk of chunks) got += chunk.length
  })()
  await expect(all).rejects.toBeInstanceOf(ReplacedError)
  // What arrived before the failure was given to the reader.
  expect(got).toBeGreaterThan(ONE_MIB)
})

test('reading of a reader that the core has forgotten asks for the object again', async () => {
  const { thread } = await join()
  await putStream(thread, 100_000)
  const old = await getReader(thread)
  const later: ObjectReader[] = []
  for (let round = 0; round < 5; round++) {
    later.push(...(await Promise.all(Array.from({ length: 1000 }, () => getReader(thread)))))
  }
  const chunks = old.read(0, 100_000)[Symbol.asyncIterator]()
  await expect(chunks.next()).rejects.toBeInstanceOf(ReplacedError)
  expect(await countPattern(later.at(-1)!.read(0, 100_000))).toBe(100_000)
})
