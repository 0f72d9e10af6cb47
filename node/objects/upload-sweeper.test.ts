/** The sweep over uploads: what it aborts, finishes and removes (G5). */

import { beforeEach, describe, expect, test } from 'vitest'
import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { objectCodec } from '../../protocol/codec/versioned.ts'
import type { CompletedPart } from '../../gateway/port/uploads.ts'
import {
  ABORT_AFTER_DAYS,
  dyingCompletion,
  failureCode,
  MemoryUploads,
  MIB5,
  NAMED,
  releasedIds,
  settle,
  uploadContext,
} from './testing/memory-uploads.ts'
import {
  UPLOAD_COMPLETED,
  UPLOAD_COMPLETING,
  UPLOAD_OPEN,
} from '../../protocol/object/upload-state.ts'

const DAY_MS = 24 * 3_600_000

let world: MemoryUploads

beforeEach(async () => {
  world = new MemoryUploads()
  await world.create()
})

describe('the sweep aborts uploads', () => {
  test('that stay open for longer than the bucket allows, below the prefix only', async () => {
    await world.putPart(1)
    const key = 'tmp/file'
    const uploadId = await world.create(key)
    await world.putPart(1, MIB5, 'e1', key)
    // The midnight after these days.
    const dueMs = (Math.floor(world.nowMs / DAY_MS) + ABORT_AFTER_DAYS + 1) * DAY_MS
    world.nowMs = dueMs - 1
    await world.sweep()
    expect(world.uploadRecords).toHaveLength(2)
    world.nowMs = dueMs
    await world.sweep()
    expect(world.uploadRecords.map((record) => record.key)).toEqual([NAMED.key])
    expect(world.partRecords).toHaveLength(1)
    expect(releasedIds(world, true)).toHaveLength(1)
    const named = { bucket: 'bucket', key, uploadId }
    expect(await failureCode(world.uploads.get(uploadContext(), named))).toBe('NoSuchUpload')
  })

  test('of a deleted bucket, all of them: open, completing, completed', async () => {
    await world.putPart(1)
    await world.create()
    const done = [await world.putPart(1)]
    await world.complete(done)
    await world.create()
    const parts = [await world.putPart(1)]
    await dyingCompletion(world, parts, 'object', 2)
    await settle()
    const [versionData] = world.objectRecords[0]!.versions[0]!.storage
    world.gone = true
    await world.sweep()
    expect(world.uploadRecords).toEqual([])
    expect(world.partRecords).toEqual([])
    expect(world.objectRecords.flatMap(({ uploads }) => uploads)).toEqual([])
    expect(releasedIds(world, true)).toHaveLength(2)
    expect(releasedIds(world)).not.toContain(byteString(versionData!.dataId))
  })

  test('of a bucket that is about to be deleted', async () => {
    for (let i = 0; i < 20; i++) {
      await world.create(`key ${i}`)
      await world.putPart(1, MIB5, 'e1', `key ${i}`)
    }
    await world.uploads.abandonAll(uploadContext(), world.bucket)
    expect(world.uploadRecords).toEqual([])
    expect(world.partRecords).toEqual([])
    expect(releasedIds(world, true)).toHaveLength(20)
  })
})

describe('the sweep and completions', () => {
  test('a running completion is left alone, and one whose gateway died is ended', async () => {
    for (const [space, which, state] of [
      ['object', 1, UPLOAD_OPEN],
      ['upload', 1, UPLOAD_OPEN],
      ['object', 2, UPLOAD_OPEN],
      ['upload', 2, UPLOAD_COMPLETED],
    ] as const) {
      world = new MemoryUploads()
      await world.create()
      const parts = [await world.putPart(1)]
      await dyingCompletion(world, parts, space, which)
      const before = world.uploadRecords[0]?.state
      await world.sweep()
      expect(world.uploadRecords[0]?.state).toBe(before)
      expect([UPLOAD_OPEN, UPLOAD_COMPLETING]).toContain(before)
      world.running.clear()
      await world.sweep()
      expect(world.uploadRecords[0]?.state).toBe(state)
      // No ticket is left, and no version was written.
      expect(world.objectRecords.flatMap(({ uploads }) => uploads)).toEqual([])
      expect(await world.current()).toBe(state === UPLOAD_OPEN ? 'NoSuchKey' : 'whole')
      // The client may try again.
      expect(await failureCode(world.complete(parts))).toBe('ok')
      await settle()
      expect(await world.current()).toBe('whole')
      expect(world.partRecords).toEqual([])
    }
  })

  test('a completion that was delayed while it was ended writes nothing any more', async () => {
    const parts = [await world.putPart(1)]
    await world.putOther('there')
    const slow = world.hold('object', 2)
    const late = failureCode(world.complete(parts, { ifMatch: ['there'] }))
    await slow.reached
    world.memory.before = () => undefined
    // The sweep takes it for over, wrongly: then it must not succeed any more.
    world.running.clear()
    await world.sweep()
    expect(world.uploadRecords[0]?.state).toBe(UPLOAD_OPEN)
    await world.uploads.abort(uploadContext(), { ...NAMED, uploadId: world.uploadId })
    await settle()
    slow.release()
    expect(await late).toBe('NoSuchUpload')
    expect(await world.current()).toBe('there')
  })
})

describe('manifests of ended completions', () => {
  test('are released', async () => {
    const parts: CompletedPart[] = []
    for (let number = 1; number <= 65; number++) parts.push(await world.putPart(number, MIB5))
    await world.putOther('there')
    expect(await failureCode(world.complete(parts, { ifNoneMatch: ['*'] }))).toBe(
      'PreconditionFailed',
    )
    expect(world.released).toHaveLength(1)
    expect(world.released[0]).toMatchObject({ packed: true, mayFree: false })
    await dyingCompletion(world, parts, 'object', 2)
    world.running.clear()
    await world.sweep()
    expect(world.released).toHaveLength(2)
    expect(world.released[1]).toMatchObject({ packed: true, mayFree: true })
    expect(world.released[1]?.dataId).not.toBe(world.released[0]?.dataId)
  })

  test('are released as over only when each call of the change knew that the attempt was over', async () => {
    const parts: CompletedPart[] = []
    for (let number = 1; number <= 65; number++) parts.push(await world.putPart(number, MIB5))
    await world.putOther('there')
    await dyingCompletion(world, parts, 'object', 2)
    world.running.clear()
    world.memory.lost = 1
    // The sweep asks once before the change.
    let asked = 0
    world.running.has = () => ++asked === 2
    await world.sweep()
    expect(asked).toBeGreaterThanOrEqual(2)
    expect(world.released.map(({ mayFree }) => mayFree)).toEqual([false])
  })
})

describe('the sweep and tickets', () => {
  test('tickets without an upload are removed once their attempt is over', async () => {
    const parts = [await world.putPart(1)]
    await dyingCompletion(world, parts, 'upload', 1)
    for (const key of world.keysOf('upload')) world.memory.values.delete(key)
    await world.sweep()
    expect(world.objectRecords.flatMap(({ uploads }) => uploads)).toHaveLength(1)
    world.running.clear()
    await world.sweep()
    expect(world.objectRecords.flatMap(({ uploads }) => uploads)).toEqual([])
    // The upload gets a tombstone, in case its record is still on its way.
    expect(world.keysOf('upload').map((key) => world.memory.values.get(key)?.tombstone)).toEqual([
      true,
    ])
  })

  test('a ticket whose upload is completing does not count as one whose version was written', async () => {
    const parts = [await world.putPart(1)]
    await dyingCompletion(world, parts, 'object', 2)
    world.running.clear()
    // The scan may visit the object first.
    await world.uploads.sweeper.tickets(world.keysOf('object')[0]!)
    await world.sweep()
    expect(world.uploadRecords[0]?.state).toBe(UPLOAD_OPEN)
    expect(await world.current()).toBe('NoSuchKey')
    expect(await failureCode(world.complete(parts))).toBe('ok')
  })

  test('attempts of tickets from older program versions count as over', async () => {
    const parts = [await world.putPart(1)]
    await dyingCompletion(world, parts, 'upload', 1)
    const [key] = world.keysOf('object')
    const value = world.memory.values.get(key!)!
    const record = objectCodec.decode(value.body)
    const old = bytesOf(byteString(record.uploads[0]!.subarray(0, 32)))
    const body = objectCodec.encode({ ...record, uploads: [old] })
    world.memory.values.set(key!, { ...value, body })
    await world.sweep()
    expect(world.objectRecords.flatMap(({ uploads }) => uploads)).toEqual([])
  })
})

describe('listings', () => {
  test('show open uploads only', async () => {
    const named = { ...NAMED, uploadId: world.uploadId }
    await world.uploads.abort(uploadContext(), named)
    await world.create('b')
    const done = await world.create()
    await world.complete([await world.putPart(1)])
    const { uploads } = await world.uploads.list(uploadContext(), {
      bucket: 'bucket',
      prefix: '',
      limit: 10,
    })
    expect(uploads.map(({ key }) => key)).toEqual(['b'])
    expect(uploads[0]?.uploadId).not.toBe(done)
  })
})
