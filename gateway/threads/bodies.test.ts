import { expect, test } from 'vitest'
import { StoreError } from '../../protocol/errors.ts'
import {
  contextOf,
  countPattern,
  NO_HEADERS,
  patternChunks,
  streamOfChunks,
  turns,
} from './testing/joined.ts'
import { joinForEachTest, getReader, ONE_MIB, putStream, smallBody } from './testing/stored.ts'

const join = joinForEachTest()

test.each([0, 1, 64 * 1024, ONE_MIB, 5 * ONE_MIB + 3])(
  'bodies of %i bytes arrive as they were',
  async (sizeBytes) => {
    const { thread } = await join()
    await putStream(thread, sizeBytes)
    const reader = await getReader(thread)
    expect(reader.info).toMatchObject({ sizeBytes, etag: 'streamed' })
    expect(await countPattern(reader.read(0, sizeBytes))).toBe(sizeBytes)
  },
)

test.each([0, 1, 3])(
  'bodies share a pool of %i blocks, and go on when there is none',
  async (blocks) => {
    const { thread } = await join({}, blocks)
    const sizes = Array.from({ length: 10 }, (_, at) => at * 300_000)
    await Promise.all(
      sizes.map(async (sizeBytes, at) => {
        const [context, key] = [contextOf(), `k${at}`]
        const body = streamOfChunks(sizeBytes, () => patternChunks(sizeBytes))
        await thread.putObject(context, { bucket: 'b', key, headers: NO_HEADERS, body })
        const reader = await thread.getObject(context, { bucket: 'b', key, withData: true })
        expect(await countPattern(reader.read(0, sizeBytes))).toBe(sizeBytes)
      }),
    )
  },
)

test('bodies are not asked for before the store asks, and not at all when it refuses', async () => {
  let asked = 0
  const { thread } = await join()
  const body = streamOfChunks(ONE_MIB, async function* () {
    asked++
    yield* patternChunks(ONE_MIB)
  })
  const request = { bucket: 'none', key: 'k', headers: NO_HEADERS, body }
  await expect(thread.putObject(contextOf(), request)).rejects.toMatchObject({
    code: 'NoSuchBucket',
  })
  expect(asked).toBe(0)
})

test('bodies that the client cuts off fail with the error of the client, and nothing is stored', async () => {
  const { thread } = await join()
  const cut = new Error('cut off')
  const call = putStream(thread, 5 * ONE_MIB, async function* () {
    yield* patternChunks(2.5 * ONE_MIB)
    throw cut
  })
  await expect(call).rejects.toBe(cut)
  await expect(getReader(thread)).rejects.toMatchObject({ code: 'NoSuchKey' })
})

test('bodies fail with what `finish` throws, small or large, and with the failure of the store before it', async () => {
  const { thread } = await join()
  const wrong = new Error('BadDigest')
  const finish = (): never => {
    throw wrong
  }
  const large = { ...streamOfChunks(ONE_MIB, () => patternChunks(ONE_MIB)), finish }
  for (const body of [smallBody(finish), large]) {
    const request = { bucket: 'b', key: 'k', headers: NO_HEADERS, body }
    await expect(thread.putObject(contextOf(), request)).rejects.toBe(wrong)
  }
  const request = { bucket: 'none', key: 'k', headers: NO_HEADERS, body: smallBody(finish) }
  await expect(thread.putObject(contextOf(), request)).rejects.toMatchObject({
    code: 'NoSuchBucket',
  })
})

test('bodies are stopped when the store gives up in the middle', async () => {
  let ended = false
  const { thread } = await join({
    putObject: async (_, { body }) => {
      if ('bytes' in body) throw new Error('a stream is expected')
      for await (const chunk of body.chunks) if (chunk.length > 0) break
      throw new StoreError('InsufficientStorage')
    },
  })
  const call = putStream(thread, 50 * ONE_MIB, async function* () {
    try {
      yield* patternChunks(50 * ONE_MIB)
    } finally {
      ended = true
    }
  })
  await expect(call).rejects.toMatchObject({ code: 'InsufficientStorage' })
  await turns()
  expect(ended).toBe(true)
})

test('bodies of a slow store stop their source', async () => {
  let given = 0
  let goOn = (): void => {}
  const { thread } = await join({
    putObject: async (_, { body }) => {
      if ('bytes' in body) throw new Error('a stream is expected')
      await countPattern(
        (async function* () {
          for await (const chunk of body.chunks) {
            if (given < 20 * ONE_MIB) await new Promise<void>((resolve) => (goOn = resolve))
            yield chunk
          }
        })(),
      )
      body.finish()
      return { versionId: 'null', versioned: false, lastModifiedMs: 1 }
    },
  })
  const call = putStream(thread, 20 * ONE_MIB, async function* () {
    for await (const chunk of patternChunks(20 * ONE_MIB)) {
      given += chunk.length
      yield chunk
    }
  })
  await turns(200)
  // Two pieces are with the store, and one is full.
  expect(given).toBeLessThanOrEqual(3 * ONE_MIB)
  const before = given
  goOn()
  await turns(200)
  expect(given).toBeGreaterThan(before)
  expect(given).toBeLessThanOrEqual(before + ONE_MIB)
  given = 20 * ONE_MIB
  goOn()
  await call
})

test('bodies of a slow source never keep a block while the source thinks', async () => {
  let goOn = (): void => {}
  const { thread, blocks } = await join()
  const call = putStream(thread, 200_000, async function* () {
    for await (const chunk of patternChunks(200_000)) {
      yield chunk
      await new Promise<void>((resolve) => (goOn = resolve))
    }
  })
  for (let chunk = 0; chunk < 4; chunk++) {
    await turns()
    expect(blocks.free).toBe(blocks.count)
    goOn()
  }
  await call
})
