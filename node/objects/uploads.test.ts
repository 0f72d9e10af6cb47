import { beforeEach, describe, expect, test } from 'vitest'
import type { CompletedPart } from '../../gateway/port/uploads.ts'
import type { WriteCondition } from '../../gateway/port/objects.ts'
import type { Objects } from './objects.ts'
import type { MemoryRegisters } from './testing/memory-registers.ts'
import {
  failureCode,
  uploadContext,
  UPLOAD_HEADERS,
  MemoryUploads,
  NAMED,
} from './testing/memory-uploads.ts'
import type { Uploads } from './uploads.ts'

let world: MemoryUploads
let memory: MemoryRegisters
let uploads: Uploads
let objects: Objects

beforeEach(async () => {
  world = new MemoryUploads()
  ;({ memory, uploads, objects } = world)
  await world.create()
})

const putPart = (number: number, sizeBytes?: number, etag?: string): Promise<CompletedPart> =>
  world.putPart(number, sizeBytes, etag)
const complete = (
  parts: readonly CompletedPart[],
  condition?: WriteCondition,
  finish?: () => { etag: string; checksums: object },
): ReturnType<Uploads['complete']> => world.complete(parts, condition, finish)
const current = (): Promise<string> => world.current()

describe('abort', () => {
  test('ends an open upload, may be repeated, and nothing can be done with the upload afterwards', async () => {
    const parts = [await putPart(1)]
    const named = { ...NAMED, uploadId: world.uploadId }
    await uploads.abort(uploadContext(), named)
    await uploads.abort(uploadContext(), named)
    expect(await failureCode(complete(parts))).toBe('NoSuchUpload')
    expect(await failureCode(putPart(2))).toBe('NoSuchUpload')
    expect(
      await failureCode(uploads.listParts(uploadContext(), { ...named, after: 0, limit: 9 })),
    ).toBe('NoSuchUpload')
    expect(await current()).toBe('NoSuchKey')
    expect(
      await failureCode(uploads.abort(uploadContext(), { ...NAMED, uploadId: 'ff'.repeat(16) })),
    ).toBe('NoSuchUpload')
  })

  test('at the same time as a completion: exactly one of the two succeeds', async () => {
    const parts = [await putPart(1)]
    const named = { ...NAMED, uploadId: world.uploadId }
    for (const [space, which] of [
      ['object', 1],
      ['upload', 1],
      ['object', 2],
      ['upload', 2],
    ] as const) {
      await world.create()
      await putPart(1)
      const slow = world.hold(space, which)
      const completion = failureCode(complete(parts))
      await slow.reached
      memory.before = () => undefined
      const aborted = await failureCode(
        uploads.abort(uploadContext(), { ...named, uploadId: world.uploadId }),
      )
      slow.release()
      const completed = await completion
      expect([aborted, completed].filter((code) => code === 'ok')).toHaveLength(1)
      expect(await current()).toBe(completed === 'ok' ? 'whole' : 'NoSuchKey')
      await objects.delete(uploadContext(), NAMED)
    }
  })
})

describe('lists', () => {
  test('parts are listed in order, page by page', async () => {
    for (const number of [5, 1, 300, 2]) await putPart(number, number)
    const numbers: number[] = []
    let after: number | undefined = 0
    while (after !== undefined) {
      const page = await uploads.listParts(uploadContext(), {
        ...NAMED,
        uploadId: world.uploadId,
        after,
        limit: 2,
      })
      numbers.push(...page.parts.map(({ partNumber }) => partNumber))
      after = page.next
    }
    expect(numbers).toEqual([1, 2, 5, 300])
  })

  test('uploads are listed by key and id, folded, from markers, without completed and aborted ones', async () => {
    await uploads.abort(uploadContext(), { ...NAMED, uploadId: world.uploadId })
    const keys = ['a', 'dir/', 'dir/x', 'dir/y', 'z', 'z']
    const ids: string[] = []
    for (const key of keys) {
      ids.push(
        (await uploads.create(uploadContext(), { ...NAMED, key, headers: UPLOAD_HEADERS }))
          .uploadId,
      )
    }
    const list = async (query: object): Promise<string[]> => {
      const page = await uploads.list(uploadContext(), {
        bucket: 'bucket',
        prefix: '',
        limit: 10,
        ...query,
      })
      return [...page.uploads.map(({ key }) => key), ...page.prefixes].sort()
    }
    expect(await list({})).toEqual(keys)
    expect(await list({ delimiter: '/' })).toEqual(['a', 'dir/', 'z', 'z'])
    expect(await list({ keyMarker: 'dir/', delimiter: '/' })).toEqual(['z', 'z'])
    expect(await list({ keyMarker: 'dir/', prefix: 'dir/', delimiter: '/' })).toEqual([
      'dir/x',
      'dir/y',
    ])
    expect(await list({ keyMarker: 'z', uploadIdMarker: ids[4] })).toEqual(['z'])
    const page = await uploads.list(uploadContext(), { bucket: 'bucket', prefix: '', limit: 5 })
    expect(page.nextKeyMarker).toBe('z')
    const { nextKeyMarker: keyMarker, nextUploadIdMarker: uploadIdMarker } = page
    expect(await list({ keyMarker, uploadIdMarker })).toEqual(['z'])
  })
})
