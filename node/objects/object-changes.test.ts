import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { manifestCodec } from '../../protocol/codec/versioned.ts'
import { ReplacedError } from '../../protocol/errors.ts'
import type { DataId } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { chainOf } from '../../protocol/keyspace/owner.ts'
import { objectOf } from '../../protocol/object/object.ts'
import type { ObjectReader } from '../../gateway/port/objects.ts'
import {
  memoryBytes,
  memoryContext,
  MemoryObjects,
  MEMORY_PARTITION_BITS,
  memoryText,
} from './testing/memory-objects.ts'
import { Tickets } from './tickets.ts'
import type { UploadPlace } from './upload-record.ts'
import { versionRecordOf } from './versions.ts'

const KEY = 'key'
const ENABLED = 1
const SUSPENDED = 2

function get(world: MemoryObjects, versionId?: string): Promise<ObjectReader> {
  const request = { bucket: 'bucket', key: KEY, versionId, withData: true }
  return world.objects.get(memoryContext(), request)
}

async function bodyOf(reader: ObjectReader): Promise<string> {
  let text = ''
  for await (const chunk of reader.read(0, reader.info.sizeBytes)) text += byteString(chunk)
  return text
}

describe('data that a change releases (G5)', () => {
  test('an overwrite and a delete release the old data, as over when nobody can propose it any more', async () => {
    const world = new MemoryObjects()
    await world.put(KEY, memoryBytes('packed'))
    const first = await world.references(KEY)
    await world.put(KEY, memoryBytes('blocks', 200_000))
    expect(world.releasedIds()).toEqual([...first])
    expect(world.released[0]).toMatchObject({ mayFree: true, packed: true, sizeBytes: 6 })
    const second = await world.references(KEY)
    await world.delete(KEY)
    expect(world.releasedIds().slice(1)).toEqual([...second])
    expect(world.released[1]).toMatchObject({ mayFree: true, packed: false, sizeBytes: 200_000 })
    for (const { owner } of world.released) {
      expect(chainOf(owner, MEMORY_PARTITION_BITS)).toEqual({
        object: world.objects.key(world.bucket, KEY),
      })
    }
  })

  test('it is not released as over while its attempt may still propose it', async () => {
    const world = new MemoryObjects()
    const { attempts } = world
    const begin = attempts.begin.bind(attempts)
    attempts.begin = () => ({ ...begin(), end: () => {} })
    await world.put(KEY, memoryBytes('one'))
    await world.put(KEY, memoryBytes('two'))
    expect(world.released).toMatchObject([{ mayFree: false }])
  })

  test('it is not released as over when only the last of several calls knew that its attempt was over', async () => {
    const world = new MemoryObjects()
    await world.put(KEY, memoryBytes('one'))
    world.memory.lost = 1
    let asked = 0
    world.attempts.isOver = () => ++asked > 1
    await world.put(KEY, memoryBytes('two'))
    expect(asked).toBeGreaterThan(1)
    expect(world.released).toMatchObject([{ mayFree: false }])
  })
})

describe('data that a deleted multipart object releases (G5)', () => {
  test('a long multipart object releases its manifest and the parts in it, through the upload', async () => {
    const world = new MemoryObjects()
    const { objects, bucket, memory } = world
    const register = objects.key(bucket, KEY)
    const [manifest, ...parts] = [1, 2, 3].map((n) => String.fromCharCode(n).repeat(24) as DataId)
    const storage = parts.map((id) => ({ dataId: bytesOf(id), sizeBytes: 5, packed: false }))
    const key = packedBlockKey(register, manifest!)
    memory.blocks.set(key, manifestCodec.encode({ storage }))
    const uploadId = new Uint8Array(16).fill(7)
    const ticket = new Uint8Array(32).fill(7)
    const headers = { system: {}, user: {}, storageClass: 'STANDARD' }
    const body = { sizeBytes: 10, storage: [], manifest: bytesOf(manifest!), uploadId }
    const version = versionRecordOf(headers, { etag: 'whole', checksums: {} }, body)
    const place = { object: register, fence: bucket } as unknown as UploadPlace
    await new Tickets(memory.registers).admit(memoryContext(), place, ticket)
    const written = await objects.writeCompleted(memoryContext(), bucket, register, {
      version,
      ticket,
    })
    expect(written).toMatchObject({ versionId: 'null', versioned: false })
    expect(await world.references(KEY)).toEqual(new Set([manifest, ...parts]))
    // A repeated completion gets the same answer.
    expect(
      await objects.writeCompleted(memoryContext(), bucket, register, { version, ticket }),
    ).toEqual(written)
    await world.delete(KEY)
    await new Promise<void>((resolve) => void setImmediate(resolve))
    expect(world.releasedIds()).toEqual([...parts, manifest])
    for (const { owner, mayFree } of world.released) {
      expect(mayFree).toBe(false)
      expect(chainOf(owner, MEMORY_PARTITION_BITS)).toMatchObject({ object: register })
      expect(chainOf(owner, MEMORY_PARTITION_BITS)?.upload).toBeDefined()
    }
    expect(
      await objects.writeCompleted(memoryContext(), bucket, register, { version, ticket }),
    ).toBe('gone')
  })
})

describe('data that a failed write releases (G5)', () => {
  test('is released at once when a condition failed, because no replica was sent the value', async () => {
    const world = new MemoryObjects()
    await world.put(KEY, memoryBytes('there'))
    const wrong = { ifMatch: ['another'] }
    await expect(world.put(KEY, memoryBytes('x'), wrong)).rejects.toThrow('PreconditionFailed')
    expect(world.released).toEqual([])
    await expect(world.put(KEY, memoryBytes('x', 99_999), wrong)).rejects.toThrow(
      'PreconditionFailed',
    )
    expect(world.released).toMatchObject([{ mayFree: true, packed: false, sizeBytes: 99_999 }])
  })

  test('is left to the collector when the outcome is not known', async () => {
    const world = new MemoryObjects()
    world.memory.change = () => Promise.reject(new Error('no answer'))
    await expect(world.put(KEY, memoryBytes('x'))).rejects.toThrow('no answer')
    expect(world.released).toMatchObject([{ mayFree: false, packed: true, sizeBytes: 1 }])
    expect(world.attempts.isOver(world.released[0]!.dataId)).toBe(true)
  })
})

const step = fc.record({
  type: fc.constantFrom('put', 'put', 'put', 'put', 'big', 'delete', 'version', 'null', 'suspend'),
  at: fc.nat(),
  lost: fc.constantFrom(0, 0, 0, 1),
  chosen: fc.constantFrom(true, true, true, false),
})

describe('all data (G5)', () => {
  test('is referred to or released, and never both', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 70 }), async (steps) => {
        const world = new MemoryObjects(ENABLED)
        const ids: string[] = []
        const seen = new Set<DataId>()
        for (const { type, at, lost, chosen } of steps) {
          Object.assign(world.memory, { lost, chosen })
          world.setVersioning(type === 'suspend' ? SUSPENDED : ENABLED)
          if (type === 'put' || type === 'suspend') {
            ids.push((await world.put(KEY, memoryBytes(`${ids.length}`))).versionId)
          } else if (type === 'big') {
            ids.push((await world.put(KEY, memoryBytes('big', 70_000))).versionId)
          } else if (type === 'delete') await world.delete(KEY)
          else if (type === 'null') await world.delete(KEY, 'null')
          else if (ids.length > 0) await world.delete(KEY, ids.splice(at % ids.length, 1)[0])
          const referred = await world.references(KEY)
          for (const id of world.releasedIds()) expect(referred.has(id)).toBe(false)
          expect(new Set(world.releasedIds()).size).toBe(world.released.length)
          for (const id of world.stored()) seen.add(id)
          const released = new Set(world.releasedIds())
          for (const id of seen) expect(referred.has(id) || released.has(id)).toBe(true)
          // All data that is referred to is stored, also after everything else is freed.
          world.free()
          const stored = world.stored()
          for (const id of referred) expect(stored.has(id)).toBe(true)
          for (const id of referred) expect(world.attempts.isOver(id)).toBe(true)
        }
      }),
      { numRuns: 12 },
    )
  })
})

describe('reading pages', () => {
  test('a version in a deep page is read and deleted, and the path to it is rewritten', async () => {
    const world = new MemoryObjects(ENABLED)
    const ids: string[] = []
    for (let i = 0; i < 150; i++) ids.push((await world.put(KEY, memoryBytes(`${i}`))).versionId)
    world.read.length = 0
    expect(await bodyOf(await get(world, ids[3]))).toBe('3')
    expect(world.read.length).toBeLessThan(5)
    await world.delete(KEY, ids[3])
    world.free()
    await expect(get(world, ids[3])).rejects.toThrow('NoSuchVersion')
    expect(await bodyOf(await get(world, ids[4]))).toBe('4')
    expect(memoryText(memoryBytes(await bodyOf(await get(world))))).toBe('149')
  })

  test('when pages are replaced while they are read, the register is read again (R4)', async () => {
    const world = new MemoryObjects(ENABLED)
    const ids: string[] = []
    for (let i = 0; i < 40; i++) ids.push((await world.put(KEY, memoryBytes(`${i}`))).versionId)
    const { memory } = world
    const read = memory.read.bind(memory)
    let others = 1
    memory.read = async (...asked) => {
      const found = await read(...asked)
      // Another change removes a version of the same page, and the blocks of that page are freed at once.
      if (others-- > 0) {
        await world.delete(KEY, ids[1])
        world.free()
      }
      return found
    }
    expect(await bodyOf(await get(world, ids[2]))).toBe('2')

    const before = memory.before
    others = 2
    memory.before = async () => {
      if (others-- !== 1) return
      memory.before = before
      await world.delete(KEY, ids[3])
      world.free()
    }
    await world.delete(KEY, ids[2])
    const left = await world.objects.listVersions(memoryContext(), {
      bucket: 'bucket',
      prefix: '',
      limit: 1_000,
    })
    expect(left.versions.map(({ versionId }) => versionId)).toEqual(
      ids.filter((_, i) => i < 1 || i > 3).reverse(),
    )
  })
})

describe('pages that cannot be read', () => {
  test('the request is Unavailable and nothing has changed', async () => {
    const world = new MemoryObjects(ENABLED)
    const ids: string[] = []
    for (let i = 0; i < 40; i++) ids.push((await world.put(KEY, memoryBytes(`${i}`))).versionId)
    const register = world.objects.key(world.bucket, KEY)
    const value = world.memory.values.get(register)
    const blocks = new Map(world.memory.blocks)
    world.memory.blocks.clear()
    await expect(world.delete(KEY, ids[2])).rejects.toMatchObject({ code: 'Unavailable' })
    await expect(get(world, ids[2])).rejects.toMatchObject({ code: 'Unavailable' })
    expect(world.memory.values.get(register)).toBe(value)
    // Writes go on.
    await world.put(KEY, memoryBytes('more'))
    for (const [key, bytes] of blocks) world.memory.blocks.set(key, bytes)
    await world.delete(KEY, ids[2])
    await expect(get(world, ids[2])).rejects.toThrow('NoSuchVersion')
  })

  test('no page is made from blocks that may be on a minority only (A5)', async () => {
    const world = new MemoryObjects(ENABLED)
    const register = world.objects.key(world.bucket, KEY)
    world.memory.chosen = false
    for (let i = 0; i < 12; i++) await world.put(KEY, memoryBytes(`${i}`))
    // A replica that accepts must still have all twelve packed blocks.
    expect(world.memory.values.get(register)?.blocks).toHaveLength(12)
    world.memory.chosen = true
    await world.put(KEY, memoryBytes('more'))
    expect(world.memory.values.get(register)?.blocks).toHaveLength(2)
    expect(objectOf(world.memory.values.get(register)).pages).toHaveLength(1)
  })
})

test('a body whose blocks are gone is replaced when the object has changed meanwhile (R4)', async () => {
  const world = new MemoryObjects()
  await world.put(KEY, memoryBytes('old', 100_000))
  const reader = await get(world)
  world.written.clear()
  await expect(bodyOf(reader)).rejects.toMatchObject({ code: 'Unavailable' })
  await expect(bodyOf(reader)).rejects.not.toBeInstanceOf(ReplacedError)
  await world.put(KEY, memoryBytes('new'))
  await expect(bodyOf(reader)).rejects.toBeInstanceOf(ReplacedError)
})

test('a change obeys the setting of the generation that it sends (T8)', async () => {
  const world = new MemoryObjects()
  const { memory } = world
  let generation: number | undefined
  const change = memory.change.bind(memory)
  memory.change = (asked, request) =>
    change(asked, {
      ...request,
      change: (...state) => {
        // The record is read again between the choice of the fence and the change.
        generation ??= request.fence?.current().generation
        world.setVersioning(ENABLED)
        return request.change(...state)
      },
    })
  const { versionId } = await world.put(KEY, memoryBytes('a'))
  expect({ generation, versionId }).toEqual({ generation: 0, versionId: 'null' })
})

test('a deletion answers what it deleted, also when its edit is asked again afterwards', async () => {
  const world = new MemoryObjects(ENABLED)
  const context = memoryContext()
  const { versionId } = await world.put(KEY, memoryBytes('a'))
  const marker = await world.delete(KEY)
  const deletion = { bucket: 'bucket', key: KEY }
  expect(
    await world.objects.delete(context, { ...deletion, versionId: marker.versionId! }),
  ).toEqual({ versionId: marker.versionId, deleteMarker: true })
  const condition = { ifMatch: ['1 bytes'] }
  expect(await world.objects.delete(context, { ...deletion, versionId, condition })).toEqual({
    versionId,
    deleteMarker: false,
  })
  // Nothing is left to delete.
  expect(await world.objects.delete(context, { ...deletion, versionId })).toEqual({
    deleteMarker: false,
  })
})
