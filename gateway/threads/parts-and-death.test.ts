import { describe, expect, test } from 'vitest'
import { StoreError } from '../../protocol/errors.ts'
import type { FinishedBody } from '../port/body.ts'
import { blockHolder } from './blocks.ts'
import { contextOf, NO_HEADERS, patternChunks, streamOfChunks, turns } from './testing/joined.ts'
import { joinForEachTest, ONE_MIB, putStream, smallBody } from './testing/stored.ts'

const join = joinForEachTest()

describe('parts', () => {
  test('are admitted before their first byte is asked for, large and small', async () => {
    const { thread } = await join()
    const named = { bucket: 'b', key: 'k' }
    const { uploadId } = await thread.createUpload(contextOf(), { ...named, headers: NO_HEADERS })
    const steps: string[] = []
    const admit = (): void => void steps.push('admit')
    const finish = (): FinishedBody => {
      steps.push('finish')
      return { etag: 'e', checksums: {} }
    }
    const large = streamOfChunks(ONE_MIB, async function* () {
      steps.push('chunk')
      yield* patternChunks(ONE_MIB)
    })
    for (const body of [{ ...large, finish }, smallBody(finish)]) {
      await thread.putPart(contextOf(), { ...named, uploadId, partNumber: 1, body, admit })
    }
    expect(steps).toEqual(['admit', 'chunk', 'finish', 'admit', 'finish'])
    const refused = new Error('another checksum')
    const request = {
      ...named,
      uploadId,
      partNumber: 1,
      body: smallBody(finish),
      admit: () => {
        throw refused
      },
    }
    await expect(thread.putPart(contextOf(), request)).rejects.toBe(refused)
    expect(steps).toHaveLength(5)
  })

  test('are completed with what `finish` makes of them in the thread, or throws', async () => {
    const { thread } = await join()
    const named = { bucket: 'b', key: 'k' }
    const { uploadId } = await thread.createUpload(contextOf(), { ...named, headers: NO_HEADERS })
    const body = smallBody(() => ({ etag: 'e', checksums: {} }))
    await thread.putPart(contextOf(), { ...named, uploadId, partNumber: 1, body })
    const parts = [{ partNumber: 1, etag: 'e', checksums: {} }]
    const wrong = new Error('BadDigest')
    const complete = (finish: () => FinishedBody): Promise<FinishedBody> =>
      thread.completeUpload(contextOf(), { ...named, uploadId, parts, finish })
    const failing = complete(() => {
      throw wrong
    })
    await expect(failing).rejects.toBe(wrong)
    expect(await complete(() => ({ etag: 'whole-1', checksums: {} }))).toMatchObject({
      etag: 'whole-1',
      sizeBytes: 5,
    })
  })
})

describe('a thread that dies', () => {
  test('fails its calls in the core and gives all blocks back, but the one that is looked at', async () => {
    let outcome: unknown
    let chunk: Uint8Array | undefined
    let goOn = (): void => {}
    const world = await join({
      putObject: async (context, { body }) => {
        try {
          if ('bytes' in body) throw new Error('a stream is expected')
          for await (const each of body.chunks) {
            chunk = each
            await new Promise<void>((resolve) => (goOn = resolve))
          }
        } catch (error) {
          outcome = error
          expect(context.signal.aborted).toBe(true)
        }
        throw new StoreError('Unavailable')
      },
    })
    const { thread, core, blocks } = world
    const call = putStream(thread, 9 * ONE_MIB)
    await turns(200)
    expect(blocks.free).toBeLessThan(blocks.count)
    // A real thread dies with blocks in its hands, and with one whose message is on its way.
    const [dead, alive] = [blockHolder(1, 'thread'), blockHolder(1, 'core')]
    blocks.take(dead)
    blocks.pass(blocks.take(dead)!, dead, alive)
    thread.close()
    await expect(call).rejects.toMatchObject({ code: 'Unavailable' })
    await turns()
    expect(blocks.free).toBe(blocks.count - 1)
    expect(chunk?.[0]).toBe(0)
    expect(core.inFlight).toBe(1)
    goOn()
    await turns()
    expect(String(outcome)).toContain('the gateway thread has ended')
  })
})
