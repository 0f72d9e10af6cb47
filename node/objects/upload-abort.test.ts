/** Aborted uploads and parts that are no longer named: what is released, and when (G5). */

import { beforeEach, describe, expect, test } from 'vitest'
import { dataId } from '../../protocol/ids.ts'
import {
  dyingCompletion,
  failureCode,
  MemoryUploads,
  MIB5,
  NAMED,
  partIds,
  releasedIds,
  settle,
  uploadContext,
} from './testing/memory-uploads.ts'

let world: MemoryUploads

beforeEach(async () => {
  world = new MemoryUploads()
  await world.create()
})

describe('abort', () => {
  test('removes the parts and their data, then the upload; a repeat is no error', async () => {
    await world.putPart(1)
    await world.putPart(2)
    const ids = partIds(world)
    const named = { ...NAMED, uploadId: world.uploadId }
    await world.uploads.abort(uploadContext(), named)
    await settle()
    expect(world.partRecords).toEqual([])
    expect(world.uploadRecords).toEqual([])
    expect(releasedIds(world, true).sort()).toEqual(ids.sort())
    await world.uploads.abort(uploadContext(), named)
    expect(await failureCode(world.complete([{ partNumber: 1, etag: 'e1', checksums: {} }]))).toBe(
      'NoSuchUpload',
    )
  })

  test('of a completed upload answers NoSuchUpload', async () => {
    const parts = [await world.putPart(1)]
    const named = { ...NAMED, uploadId: world.uploadId }
    await world.complete(parts)
    expect(await failureCode(world.uploads.abort(uploadContext(), named))).toBe('NoSuchUpload')
    await settle()
    expect(await failureCode(world.uploads.abort(uploadContext(), named))).toBe('NoSuchUpload')
    expect(await world.current()).toBe('whole')
  })

  test('is refused while a completion is under way, and succeeds when its gateway died', async () => {
    const parts = [await world.putPart(1)]
    const other = [await world.putPart(2)]
    await dyingCompletion(world, parts, 'object', 2)
    const named = { ...NAMED, uploadId: world.uploadId }
    expect(await failureCode(world.uploads.abort(uploadContext(), named))).toBe('Conflict')
    expect(await failureCode(world.complete(other))).toBe('Unavailable')
    world.running.clear()
    expect(await failureCode(world.uploads.abort(uploadContext(), named))).toBe('ok')
    await settle()
    expect(world.uploadRecords).toEqual([])
    await world.create()
    await world.putPart(1)
    const second = [await world.putPart(2)]
    await dyingCompletion(world, [{ partNumber: 1, etag: 'e1', checksums: {} }], 'object', 2)
    world.running.clear()
    expect(await failureCode(world.complete(second))).toBe('ok')
    expect(world.objectRecords[0]?.versions).toHaveLength(1)
  })

  test('leaves data whose attempt is still running to the collector', async () => {
    await world.putPart(1)
    for (const id of partIds(world)) world.running.add(dataId(id))
    await world.uploads.abort(uploadContext(), { ...NAMED, uploadId: world.uploadId })
    await settle()
    expect(releasedIds(world, true)).toEqual([])
    expect(releasedIds(world, false)).toHaveLength(1)
  })
})

describe('parts', () => {
  test('one that is put again releases its old data to the collector', async () => {
    await world.putPart(1, MIB5, 'old')
    const [old] = partIds(world)
    await world.putPart(1, MIB5, 'new')
    expect(releasedIds(world, false)).toEqual([old])
    expect(releasedIds(world, true)).toEqual([])
    expect(partIds(world)).not.toContain(old)
  })

  test('one that arrives after the end of its upload is removed', async () => {
    const named = { ...NAMED, uploadId: world.uploadId }
    const late = world.hold('part')
    const putting = world.putPart(1)
    await late.reached
    world.memory.before = () => undefined
    await world.uploads.abort(uploadContext(), named)
    await settle()
    expect(world.uploadRecords).toEqual([])
    late.release()
    await putting
    await settle()
    expect(world.partRecords).toEqual([])
    expect(releasedIds(world, false)).toHaveLength(1)
  })

  test('one whose upload is gone is removed by the scan', async () => {
    await world.putPart(1)
    const [id] = partIds(world)
    await settle()
    for (const key of world.keysOf('upload')) world.memory.values.delete(key)
    world.nowMs += 100_000
    await world.sweep()
    expect(world.partRecords).toEqual([])
    expect(releasedIds(world)).toEqual([id])
  })

  test('those of an open upload stay, however often the scan visits them', async () => {
    const parts = [await world.putPart(1), await world.putPart(2)]
    for (let pass = 0; pass < 3; pass++) {
      world.nowMs += 40_000
      await world.sweep()
    }
    expect(world.partRecords).toHaveLength(2)
    expect(world.released).toEqual([])
    expect(await failureCode(world.complete(parts))).toBe('ok')
  })
})
