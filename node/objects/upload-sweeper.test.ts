import { beforeEach, describe, expect, test } from 'vitest'
import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { objectCodec } from '../../protocol/codec/versioned.ts'
import { dataId } from '../../protocol/ids.ts'
import { spaceOf } from '../../protocol/keyspace/register-key.ts'
import type { CompletedPart } from '../../gateway/port/uploads.ts'
import {
  ABORT_AFTER_DAYS,
  failureCode,
  uploadContext,
  MemoryUploads,
  MIB5,
  NAMED,
  settle,
} from './testing/memory-uploads.ts'
import { UPLOAD_COMPLETED, UPLOAD_COMPLETING, UPLOAD_OPEN } from './upload-record.ts'

const DAY_MS = 24 * 3_600_000

let world: MemoryUploads

beforeEach(async () => {
  world = new MemoryUploads()
  await world.create()
})

/** Data ids of live parts and of the object's current version. */
function partIds(): string[] {
  return world.partRecords.map(({ storage }) => byteString(storage!.dataId))
}

function releasedIds(settled?: boolean): string[] {
  return world.released
    .filter((each) => settled === undefined || each.settled === settled)
    .map(({ dataId: id }) => id)
}

/** A completion whose gateway dies on its way to the so-and-so-manieth change of the space. */
async function dying(
  parts: readonly CompletedPart[],
  space: 'object' | 'upload',
  which: number,
): Promise<void> {
  const dead = world.hold(space, which)
  void world.complete(parts).catch(() => {})
  await dead.reached
  world.memory.before = () => undefined
}

describe('what a completion leaves', () => {
  test('its parts go, those it did not name with their data; a repeat has the same answer', async () => {
    const parts = [await world.putPart(1), await world.putPart(3)]
    await world.putPart(2, 100)
    const [one, three, two] = partIds()
    const answer = await world.complete(parts)
    await settle()
    expect(world.partRecords).toEqual([])
    expect(releasedIds(true)).toEqual([two])
    expect(releasedIds()).not.toContain(one)
    expect(releasedIds()).not.toContain(three)
    const [upload] = world.uploadRecords
    expect(upload?.state).toBe(UPLOAD_COMPLETED)
    expect(upload?.result?.storage).toEqual([])
    expect(await world.complete(parts)).toEqual(answer)
    expect(world.running.size).toBe(0)
    // Nothing that its readers need is gone.
    expect(world.objectRecords[0]?.versions[0]?.storage).toHaveLength(2)
  })

  test('data of a part is settled only when its attempt was over inside the change', async () => {
    const parts = [await world.putPart(1)]
    await world.putPart(2, 100)
    const two = dataId(partIds()[1]!)
    world.running.add(two)
    const { memory } = world
    const real = memory.change.bind(memory)
    memory.change = async (requestContext, request) => {
      const outcome = await real(requestContext, request)
      if (spaceOf(request.key) === 'part') world.running.clear()
      return outcome
    }
    await world.complete(parts)
    await settle()
    expect(world.partRecords).toEqual([])
    expect([releasedIds(true), releasedIds(false)]).toEqual([[], [two]])
  })

  test('data of a part is settled only when all calls that may have been chosen said so', async () => {
    const parts = [await world.putPart(1)]
    await world.putPart(2, 100)
    const two = dataId(partIds()[1]!)
    world.running.add(two)
    world.memory.lost = 1
    const has = world.running.has.bind(world.running)
    world.running.has = (id) => {
      const is = has(id)
      world.running.delete(id)
      return is
    }
    await world.complete(parts)
    await settle()
    expect([releasedIds(true), releasedIds(false)]).toEqual([[], [two]])
  })

  test('a long one leaves no manifest with the upload, and the object keeps its own', async () => {
    const parts: CompletedPart[] = []
    for (let number = 1; number <= 70; number++) parts.push(await world.putPart(number, MIB5))
    await world.putPart(99, MIB5)
    const unnamed = partIds().at(-1)
    await world.complete(parts)
    await settle()
    expect(world.partRecords).toEqual([])
    expect(releasedIds()).toEqual([unnamed])
    expect(world.uploadRecords[0]?.result?.manifest).toHaveLength(0)
    const { info } = await world.objects.get(uploadContext(), { ...NAMED, withData: false })
    expect(info.parts).toHaveLength(70)
    // Ticket and manifest are one attempt.
    expect(world.objectRecords[0]?.versions[0]?.manifest).toHaveLength(24)
  })

  test('the version id is told again, also when others finish', async () => {
    const enabled = { ...world.bucket.record, versioning: 1, generation: 9 }
    world.bucket.adopt(enabled)
    const parts = [await world.putPart(1)]
    const answer = await world.complete(parts)
    expect(answer.versionId).not.toBe('null')
    expect(answer.versioned).toBe(true)
    await settle()
    await world.putOther('newer')
    expect(await world.complete(parts)).toEqual(answer)
    // Its gateway dies when the version is written, but not yet told to the upload.
    await world.create()
    const again = [await world.putPart(1)]
    await dying(again, 'upload', 2)
    const version = world.objectRecords[0]?.versions[0]
    expect(await world.complete(again)).toMatchObject({ versionId: version?.versionId })
  })

  test('for a day; then it is gone', async () => {
    const parts = [await world.putPart(1)]
    await world.complete(parts)
    await settle()
    world.nowMs += DAY_MS - 10
    await world.care()
    expect(await failureCode(world.complete(parts))).toBe('ok')
    world.nowMs += 1_000
    await world.care()
    expect(world.uploadRecords).toEqual([])
    expect(await failureCode(world.complete(parts))).toBe('NoSuchUpload')
    expect(await world.current()).toBe('whole')
  })

  test('when its gateway died before cleaning, care does it, named and unnamed apart', async () => {
    const parts = [await world.putPart(1)]
    await world.putPart(2, 100)
    const [named, unnamed] = partIds()
    const dead = world.hold('part')
    await world.complete(parts)
    await dead.reached
    world.memory.before = () => undefined
    await world.care()
    expect(world.partRecords).toEqual([])
    expect(releasedIds(true)).toEqual([unnamed])
    expect(releasedIds()).not.toContain(named)
  })

  test('with its list of parts gone, the collector is asked about all', async () => {
    const parts: CompletedPart[] = []
    for (let number = 1; number <= 65; number++) parts.push(await world.putPart(number, MIB5))
    const dead = world.hold('part')
    await world.complete(parts)
    await dead.reached
    world.memory.before = () => undefined
    world.blocks.length = 0
    await world.care()
    expect(world.partRecords).toEqual([])
    // All but those that the dead one had come to.
    expect(releasedIds(false).length).toBeGreaterThan(50)
    expect(releasedIds(true)).toEqual([])
  })
})

describe('abort', () => {
  test('takes the parts away and their data, then the upload; again is no error', async () => {
    await world.putPart(1)
    await world.putPart(2)
    const ids = partIds()
    const named = { ...NAMED, uploadId: world.uploadId }
    await world.uploads.abort(uploadContext(), named)
    await settle()
    expect(world.partRecords).toEqual([])
    expect(world.uploadRecords).toEqual([])
    expect(releasedIds(true).sort()).toEqual(ids.sort())
    await world.uploads.abort(uploadContext(), named)
    expect(await failureCode(world.complete([{ partNumber: 1, etag: 'e1', checksums: {} }]))).toBe(
      'NoSuchUpload',
    )
  })

  test('of a completed one is told that there is none', async () => {
    const parts = [await world.putPart(1)]
    const named = { ...NAMED, uploadId: world.uploadId }
    await world.complete(parts)
    expect(await failureCode(world.uploads.abort(uploadContext(), named))).toBe('NoSuchUpload')
    await settle()
    expect(await failureCode(world.uploads.abort(uploadContext(), named))).toBe('NoSuchUpload')
    expect(await world.current()).toBe('whole')
  })

  test('of one whose completion is under way waits; of one whose gateway died it does not', async () => {
    const parts = [await world.putPart(1)]
    const other = [await world.putPart(2)]
    await dying(parts, 'object', 2)
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
    await dying([{ partNumber: 1, etag: 'e1', checksums: {} }], 'object', 2)
    world.running.clear()
    expect(await failureCode(world.complete(second))).toBe('ok')
    expect(world.objectRecords[0]?.versions).toHaveLength(1)
  })

  test('data whose attempt still runs is left to the collector', async () => {
    await world.putPart(1)
    for (const id of partIds()) world.running.add(dataId(id))
    await world.uploads.abort(uploadContext(), { ...NAMED, uploadId: world.uploadId })
    await settle()
    expect(releasedIds(true)).toEqual([])
    expect(releasedIds(false)).toHaveLength(1)
  })
})

describe('parts', () => {
  test('one that is put again releases what it was, for the collector to ask about', async () => {
    await world.putPart(1, MIB5, 'old')
    const [old] = partIds()
    await world.putPart(1, MIB5, 'new')
    expect(releasedIds(false)).toEqual([old])
    expect(releasedIds(true)).toEqual([])
    expect(partIds()).not.toContain(old)
  })

  test('one that comes after its upload is over is taken back', async () => {
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
    expect(releasedIds(false)).toHaveLength(1)
  })

  test('one whose upload is gone, found by the scan', async () => {
    await world.putPart(1)
    const [id] = partIds()
    await settle()
    for (const key of world.keysOf('upload')) world.memory.values.delete(key)
    world.nowMs += 100_000
    await world.care()
    expect(world.partRecords).toEqual([])
    expect(releasedIds()).toEqual([id])
  })

  test('of an open upload stay, however often the scan comes by', async () => {
    const parts = [await world.putPart(1), await world.putPart(2)]
    for (let pass = 0; pass < 3; pass++) {
      world.nowMs += 40_000
      await world.care()
    }
    expect(world.partRecords).toHaveLength(2)
    expect(world.released).toEqual([])
    expect(await failureCode(world.complete(parts))).toBe('ok')
  })
})

describe('care', () => {
  test('aborts what stays open for longer than the bucket allows, below the prefix only', async () => {
    await world.putPart(1)
    const key = 'tmp/file'
    const uploadId = await world.create(key)
    await world.putPart(1, MIB5, 'e1', key)
    world.nowMs += ABORT_AFTER_DAYS * DAY_MS - 1_000
    await world.care()
    expect(world.uploadRecords).toHaveLength(2)
    world.nowMs += 1_000
    await world.care()
    expect(world.uploadRecords.map((record) => record.key)).toEqual([NAMED.key])
    expect(world.partRecords).toHaveLength(1)
    expect(releasedIds(true)).toHaveLength(1)
    const named = { bucket: 'bucket', key, uploadId }
    expect(await failureCode(world.uploads.get(uploadContext(), named))).toBe('NoSuchUpload')
  })

  test('leaves a completion alone that is under way, and ends one whose gateway died', async () => {
    for (const [space, which, state] of [
      ['object', 1, UPLOAD_OPEN],
      ['upload', 1, UPLOAD_OPEN],
      ['object', 2, UPLOAD_OPEN],
      ['upload', 2, UPLOAD_COMPLETED],
    ] as const) {
      world = new MemoryUploads()
      await world.create()
      const parts = [await world.putPart(1)]
      await dying(parts, space, which)
      const before = world.uploadRecords[0]?.state
      await world.care()
      expect(world.uploadRecords[0]?.state).toBe(before)
      expect([UPLOAD_OPEN, UPLOAD_COMPLETING]).toContain(before)
      world.running.clear()
      await world.care()
      expect(world.uploadRecords[0]?.state).toBe(state)
      // No ticket is left, and no version came of it.
      expect(world.objectRecords.flatMap(({ uploads }) => uploads)).toEqual([])
      expect(await world.current()).toBe(state === UPLOAD_OPEN ? 'NoSuchKey' : 'whole')
      // The client may try again.
      expect(await failureCode(world.complete(parts))).toBe('ok')
      await settle()
      expect(await world.current()).toBe('whole')
      expect(world.partRecords).toEqual([])
    }
  })

  test('a completion that slept while it was ended writes nothing any more', async () => {
    const parts = [await world.putPart(1)]
    await world.putOther('there')
    const slow = world.hold('object', 2)
    const late = failureCode(world.complete(parts, { ifMatch: ['there'] }))
    await slow.reached
    world.memory.before = () => undefined
    // It is thought to be over, wrongly: then it must not win any more.
    world.running.clear()
    await world.care()
    expect(world.uploadRecords[0]?.state).toBe(UPLOAD_OPEN)
    await world.uploads.abort(uploadContext(), { ...NAMED, uploadId: world.uploadId })
    await settle()
    slow.release()
    expect(await late).toBe('NoSuchUpload')
    expect(await world.current()).toBe('there')
  })

  test('the manifest of an attempt that came to nothing is released', async () => {
    const parts: CompletedPart[] = []
    for (let number = 1; number <= 65; number++) parts.push(await world.putPart(number, MIB5))
    await world.putOther('there')
    expect(await failureCode(world.complete(parts, { ifNoneMatch: ['*'] }))).toBe(
      'PreconditionFailed',
    )
    expect(world.released).toHaveLength(1)
    expect(world.released[0]).toMatchObject({ packed: true, settled: false })
    await dying(parts, 'object', 2)
    world.running.clear()
    await world.care()
    expect(world.released).toHaveLength(2)
    expect(world.released[1]).toMatchObject({ packed: true, settled: true })
    expect(world.released[1]?.dataId).not.toBe(world.released[0]?.dataId)
  })

  test('it is settled only when each call of the change knew that the attempt was over', async () => {
    const parts: CompletedPart[] = []
    for (let number = 1; number <= 65; number++) parts.push(await world.putPart(number, MIB5))
    await world.putOther('there')
    await dying(parts, 'object', 2)
    world.running.clear()
    world.memory.lost = 1
    // The carer asks once before the change.
    let asked = 0
    world.running.has = () => ++asked === 2
    await world.care()
    expect(asked).toBeGreaterThanOrEqual(2)
    expect(world.released.map(({ settled }) => settled)).toEqual([false])
  })

  test('of a bucket that is gone all goes: open, completing, completed', async () => {
    await world.putPart(1)
    await world.create()
    const done = [await world.putPart(1)]
    await world.complete(done)
    await world.create()
    const parts = [await world.putPart(1)]
    await dying(parts, 'object', 2)
    await settle()
    const [versionData] = world.objectRecords[0]!.versions[0]!.storage
    world.gone = true
    await world.care()
    expect(world.uploadRecords).toEqual([])
    expect(world.partRecords).toEqual([])
    expect(world.objectRecords.flatMap(({ uploads }) => uploads)).toEqual([])
    expect(releasedIds(true)).toHaveLength(2)
    expect(releasedIds()).not.toContain(byteString(versionData!.dataId))
  })

  test('of a bucket that is about to go, before it goes', async () => {
    for (let i = 0; i < 20; i++) {
      await world.create(`key ${i}`)
      await world.putPart(1, MIB5, 'e1', `key ${i}`)
    }
    await world.uploads.abandonAll(uploadContext(), world.bucket)
    expect(world.uploadRecords).toEqual([])
    expect(world.partRecords).toEqual([])
    expect(releasedIds(true)).toHaveLength(20)
  })

  test('tickets without an upload go once their attempt is over', async () => {
    const parts = [await world.putPart(1)]
    await dying(parts, 'upload', 1)
    for (const key of world.keysOf('upload')) world.memory.values.delete(key)
    await world.care()
    expect(world.objectRecords.flatMap(({ uploads }) => uploads)).toHaveLength(1)
    world.running.clear()
    await world.care()
    expect(world.objectRecords.flatMap(({ uploads }) => uploads)).toEqual([])
    // The upload is outlawed, should its record still be on its way.
    expect(world.keysOf('upload').map((key) => world.memory.values.get(key)?.tombstone)).toEqual([
      true,
    ])
  })

  test('a ticket whose upload is completing is not taken for one that came true', async () => {
    const parts = [await world.putPart(1)]
    await dying(parts, 'object', 2)
    world.running.clear()
    // The scan may come to the object first.
    await world.uploads.care.tickets(world.keysOf('object')[0]!)
    await world.care()
    expect(world.uploadRecords[0]?.state).toBe(UPLOAD_OPEN)
    expect(await world.current()).toBe('NoSuchKey')
    expect(await failureCode(world.complete(parts))).toBe('ok')
  })

  test('tickets of older program versions are of attempts that are over', async () => {
    const parts = [await world.putPart(1)]
    await dying(parts, 'upload', 1)
    const [key] = world.keysOf('object')
    const value = world.memory.values.get(key!)!
    const record = objectCodec.decode(value.body)
    const old = bytesOf(byteString(record.uploads[0]!.subarray(0, 32)))
    const body = objectCodec.encode({ ...record, uploads: [old] })
    world.memory.values.set(key!, { ...value, body })
    await world.care()
    expect(world.objectRecords.flatMap(({ uploads }) => uploads)).toEqual([])
  })

  test('listings show open uploads only', async () => {
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
