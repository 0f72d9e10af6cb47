/** Completion of uploads (G5), by itself and against other requests for the same upload. */

import { beforeEach, describe, expect, test } from 'vitest'
import { manifestCodec } from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import { spaceOf } from '../../protocol/keyspace/register-key.ts'
import {
  UPLOAD_COMPLETED,
  UPLOAD_COMPLETING,
  UPLOAD_OPEN,
} from '../../protocol/object/upload-state.ts'
import type { CompletedPart } from '../../gateway/port/uploads.ts'
import type { WriteCondition } from '../../gateway/port/objects.ts'
import type { Objects } from './objects.ts'
import type { MemoryRegisters } from './testing/memory-registers.ts'
import {
  dyingCompletion,
  failureCode,
  MEMORY_UPLOADS_BITS,
  uploadContext,
  MemoryUploads,
  MIB5,
  NAMED,
} from './testing/memory-uploads.ts'
import { uploadPlaceOf } from './upload-record.ts'
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

describe('completion checks its parts', () => {
  test('checks order, presence, ETags and sizes as S3 does, and then changes nothing', async () => {
    const [one, two, three] = [await putPart(1), await putPart(2, 100), await putPart(3)]
    expect(await failureCode(complete([]))).toBe('InvalidPart')
    expect(await failureCode(complete([two, one]))).toBe('InvalidPartOrder')
    expect(await failureCode(complete([one, one]))).toBe('InvalidPartOrder')
    expect(await failureCode(complete([{ ...one, etag: 'other' }]))).toBe('InvalidPart')
    expect(await failureCode(complete([one, { ...one, partNumber: 9 }]))).toBe('InvalidPart')
    expect(await failureCode(complete([{ ...one, checksums: { CRC32: 'x' } }]))).toBe('InvalidPart')
    expect(await failureCode(complete([one, two, three]))).toBe('EntityTooSmall')
    expect(await current()).toBe('NoSuchKey')
    const refuse = () => {
      throw new StoreError('InvalidPart', 'checksum of the whole')
    }
    expect(await failureCode(complete([one, three], undefined, refuse))).toBe('InvalidPart')
    // The last part may be small, and not all parts need be named.
    expect(await complete([one, two])).toMatchObject({ etag: 'whole', sizeBytes: MIB5 + 100 })
    const { info } = await objects.get(uploadContext(), { ...NAMED, withData: false })
    expect(info.parts).toEqual([{ sizeBytes: MIB5 }, { sizeBytes: 100 }])
  })

  test('a part may be refused because of its upload before its body is read', async () => {
    const uploadId = world.uploadId
    const finish = () => {
      throw new Error('the body was read')
    }
    const refused = uploads.putPart(uploadContext(), {
      ...NAMED,
      uploadId,
      partNumber: 1,
      body: { sizeBytes: 1, finish } as never,
      admit: (upload) => {
        expect(upload).toMatchObject({ uploadId, key: NAMED.key })
        throw new StoreError('InvalidPart', 'another checksum')
      },
    })
    expect(await failureCode(refused)).toBe('InvalidPart')
    expect(world.partRecords).toEqual([])
  })

  test('parts keep their checksums in the object, also when a manifest lists them', async () => {
    for (const count of [40, 60]) {
      await world.create()
      const parts: CompletedPart[] = []
      const sum = (number: number) => Buffer.from(`part ${100 + number}`).toString('base64')
      for (let number = 1; number <= count; number++) {
        const etag = `e${number}`
        const checksums = { CRC64NVME: sum(number), CRC32: 'AAAAAA==' }
        const body = { sizeBytes: MIB5, finish: () => ({ etag, checksums }) } as never
        const { uploadId } = world
        await uploads.putPart(uploadContext(), { ...NAMED, uploadId, partNumber: number, body })
        parts.push({ partNumber: number, etag, checksums: { CRC64NVME: sum(number) } })
      }
      const finish = () => ({ etag: 'whole', checksums: { CRC64NVME: 'AAAAAAAAAAA=' } })
      await complete(parts, undefined, finish)
      const { info } = await objects.get(uploadContext(), { ...NAMED, withData: false })
      const expected = parts.map(({ partNumber }) => ({
        sizeBytes: MIB5,
        checksum: sum(partNumber),
      }))
      expect(info.parts).toEqual(expected)
      // Checksums make the list longer, so fewer parts fit into the register.
      const version = world.objectRecords[0]?.versions[0]
      expect(version?.manifest.length).toBe(count === 40 ? 0 : 24)
    }
  })
})

describe('parts that are put again', () => {
  test('the last one counts', async () => {
    const old = await putPart(1, MIB5, 'old')
    const fresh = await putPart(1, MIB5 + 1, 'fresh')
    expect(await failureCode(complete([old]))).toBe('InvalidPart')
    expect(await complete([fresh])).toMatchObject({ sizeBytes: MIB5 + 1 })
  })

  test('a completion never names the old data of a part that was put again meanwhile (G5)', async () => {
    for (const etag of ['e1', 'other']) {
      await world.create()
      const parts = [await putPart(1)]
      const old = world.partRecords[0]!.storage!.dataId
      const slow = world.hold('upload')
      const late = failureCode(complete(parts))
      await slow.reached
      memory.before = () => undefined
      await putPart(1, MIB5 + 1, etag)
      slow.release()
      expect(await late).toBe(etag === 'e1' ? 'ok' : 'InvalidPart')
      for (const { versions, uploads: tickets } of world.objectRecords) {
        expect(tickets).toEqual([])
        for (const { storage } of versions) expect(storage[0]?.dataId).not.toEqual(old)
      }
      if (etag === 'e1') continue
      expect(await failureCode(complete([{ ...parts[0]!, etag }]))).toBe('ok')
    }
  })
})

describe('completions of the same upload', () => {
  test('are idempotent: repeated, twice at once, and after the object was deleted', async () => {
    const parts = [await putPart(1)]
    const both = await Promise.all([complete(parts), complete(parts)])
    expect(both.map(({ etag }) => etag)).toEqual(['whole', 'whole'])
    expect(await complete(parts)).toMatchObject({ etag: 'whole', sizeBytes: MIB5 })
    await objects.delete(uploadContext(), NAMED)
    expect(await complete(parts)).toMatchObject({ etag: 'whole' })
    expect(await current()).toBe('NoSuchKey')
    expect(await failureCode(complete([{ ...parts[0]!, etag: 'other' }]))).toBe('NoSuchUpload')
  })

  test('one that was delayed after it met "completing" does not write the version again (P4)', async () => {
    const parts = [await putPart(1)]
    for (const after of ['deleted', 'overwritten'] as const) {
      await world.create()
      await putPart(1)
      // The first request dies before the object's change.
      const dead = world.hold('object', 2)
      void complete(parts).catch(() => {})
      await dead.reached
      const slow = world.hold('object')
      const late = complete(parts)
      await slow.reached
      memory.before = () => undefined
      await complete(parts)
      expect(await current()).toBe('whole')
      if (after === 'deleted') await objects.delete(uploadContext(), NAMED)
      else await world.putOther('newer')
      slow.release()
      expect(await late).toMatchObject({ etag: 'whole' })
      expect(await current()).toBe(after === 'deleted' ? 'NoSuchKey' : 'newer')
      dead.release()
    }
  })

  test('one whose gateway died is finished by a repeated request', async () => {
    const parts = [await putPart(1)]
    for (const [space, which] of [
      ['object', 1],
      ['upload', 1],
      ['object', 2],
      ['upload', 2],
    ] as const) {
      await world.create()
      await putPart(1)
      const dead = world.hold(space, which)
      void complete(parts)
      await dead.reached
      memory.before = () => undefined
      expect(await complete(parts)).toMatchObject({ etag: 'whole' })
      expect(await current()).toBe('whole')
      expect(
        await failureCode(uploads.get(uploadContext(), { ...NAMED, uploadId: world.uploadId })),
      ).toBe('NoSuchUpload')
      await objects.delete(uploadContext(), NAMED)
    }
  })
})

describe('what a completion leaves', () => {
  test('a failed condition leaves the upload open, and it may succeed later', async () => {
    const parts = [await putPart(1)]
    await world.putOther('there')
    const create = { ifNoneMatch: ['*'] }
    expect(await failureCode(complete(parts, create))).toBe('PreconditionFailed')
    expect(await current()).toBe('there')
    expect(
      await failureCode(uploads.get(uploadContext(), { ...NAMED, uploadId: world.uploadId })),
    ).toBe('ok')
    const both = [failureCode(complete(parts, create)), failureCode(complete(parts, create))]
    for (const code of await Promise.all(both)) {
      expect(['PreconditionFailed', 'Unavailable']).toContain(code)
    }
    await objects.delete(uploadContext(), NAMED)
    expect(await failureCode(complete(parts, { ifMatch: ['there'] }))).toBe('NoSuchKey')
    expect(await failureCode(complete(parts, create))).toBe('ok')
    expect(await current()).toBe('whole')
  })

  test('no ticket is left in the object, however the completion ended', async () => {
    const parts = [await putPart(1)]
    await world.putOther('there')
    await failureCode(complete(parts, { ifNoneMatch: ['*'] }))
    await Promise.all([complete(parts), complete(parts)])
    const [record] = world.objectRecords
    expect(record?.uploads).toEqual([])
    expect(record?.versions).toHaveLength(1)
  })

  test('a list of more than 64 parts moves to a manifest, and readers find it there', async () => {
    const parts: CompletedPart[] = []
    for (let number = 1; number <= 70; number++) parts.push(await putPart(number, MIB5 + number))
    await complete(parts)
    expect(world.blocks).toHaveLength(2)
    expect(manifestCodec.decode(world.blocks[0]!.bytes).storage).toHaveLength(70)
    const { info } = await objects.get(uploadContext(), { ...NAMED, withData: true })
    expect(info.parts).toEqual(parts.map(({ partNumber }) => ({ sizeBytes: MIB5 + partNumber })))
    const [value] = [...memory.values].filter(([key]) => spaceOf(key) === 'object')
    expect(value?.[1].blocks).toEqual([world.blocks[0]!.key])
  })
})

describe('an attempt that its request has left', () => {
  /** Its upload, as the sweep finds it. */
  const left = () => {
    const [record] = world.uploadRecords
    const place = uploadPlaceOf(world.keysOf('upload')[0]!, MEMORY_UPLOADS_BITS)
    return { place, record: record! }
  }

  test('is left once its attempt is over, as far as this node knows', async () => {
    const parts = [await putPart(1)]
    await dyingCompletion(world, parts, 'object', 2)
    expect(world.completion.isLeft(left().record)).toBe(false)
    world.running.clear()
    expect(world.completion.isLeft(left().record)).toBe(true)
  })

  test('is open again when its version was not written, and never is written then', async () => {
    const parts = [await putPart(1)]
    const slow = world.hold('object', 2)
    const late = failureCode(complete(parts, { ifNoneMatch: ['*'] }))
    await slow.reached
    memory.before = () => undefined
    const { place, record } = left()
    const now = await world.completion.unwind(uploadContext(), place, record)
    expect(now?.state).toBe(UPLOAD_OPEN)
    expect(now?.result).toBeUndefined()
    expect(world.objectRecords.flatMap(({ uploads }) => uploads)).toEqual([])
    await uploads.abort(uploadContext(), { ...NAMED, uploadId: world.uploadId })
    slow.release()
    expect(await late).toBe('NoSuchUpload')
    expect(await current()).toBe('NoSuchKey')
  })

  test('is completed when its version was written', async () => {
    const parts = [await putPart(1)]
    await dyingCompletion(world, parts, 'upload', 2)
    const { place, record } = left()
    expect(record.state).toBe(UPLOAD_COMPLETING)
    const now = await world.completion.unwind(uploadContext(), place, record)
    expect(now?.state).toBe(UPLOAD_COMPLETED)
    expect(now?.result?.lastModifiedMs).toBe(world.objectRecords[0]?.versions[0]?.lastModifiedMs)
    expect(await current()).toBe('whole')
  })

  test('another attempt is not changed by it', async () => {
    const parts = [await putPart(1)]
    await dyingCompletion(world, parts, 'object', 2)
    const { place, record } = left()
    const request = record.request.slice()
    request[request.length - 1]! ^= 1
    const now = await world.completion.unwind(uploadContext(), place, { ...record, request })
    expect(now?.state).toBe(UPLOAD_COMPLETING)
    expect(now?.request).toEqual(record.request)
  })
})

describe('completions that do not come to an end', () => {
  test('another completion under way makes a different one Unavailable', async () => {
    const parts = [await putPart(1)]
    const other = [...parts, await putPart(2)]
    await dyingCompletion(world, parts, 'object', 2)
    expect(await failureCode(complete(other))).toBe('Unavailable')
    expect(world.uploadRecords[0]?.state).toBe(UPLOAD_COMPLETING)
  })

  test('no room for the last step is Unavailable, since the version is there (P4)', async () => {
    const parts = [await putPart(1)]
    let changes = 0
    memory.before = (key) =>
      spaceOf(key) === 'upload' && ++changes === 2
        ? Promise.reject(new StoreError('InsufficientStorage'))
        : undefined
    expect(await failureCode(complete(parts))).toBe('Unavailable')
    expect(await current()).toBe('whole')
  })

  test('no room for an earlier step is told as it is, and nothing has happened', async () => {
    const parts = [await putPart(1)]
    memory.before = (key) =>
      spaceOf(key) === 'upload' ? Promise.reject(new StoreError('InsufficientStorage')) : undefined
    expect(await failureCode(complete(parts))).toBe('InsufficientStorage')
    expect(await current()).toBe('NoSuchKey')
  })
})
