/** What is left of an upload once it is completed, and what of its parts (G5). */

import { beforeEach, describe, expect, test } from 'vitest'
import { dataId } from '../../protocol/ids.ts'
import { spaceOf } from '../../protocol/keyspace/register-key.ts'
import type { CompletedPart } from '../../gateway/port/uploads.ts'
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
import { UPLOAD_COMPLETED } from '../../protocol/object/upload-state.ts'

const DAY_MS = 24 * 3_600_000

let world: MemoryUploads

beforeEach(async () => {
  world = new MemoryUploads()
  await world.create()
})

describe('parts of a completed upload', () => {
  test('are removed, those that it did not name with their data, and a repeat has the same answer', async () => {
    const parts = [await world.putPart(1), await world.putPart(3)]
    await world.putPart(2, 100)
    const [one, three, two] = partIds(world)
    const answer = await world.complete(parts)
    await settle()
    expect(world.partRecords).toEqual([])
    expect(releasedIds(world, true)).toEqual([two])
    expect(releasedIds(world)).not.toContain(one)
    expect(releasedIds(world)).not.toContain(three)
    const [upload] = world.uploadRecords
    expect(upload?.state).toBe(UPLOAD_COMPLETED)
    expect(upload?.result?.storage).toEqual([])
    expect(await world.complete(parts)).toEqual(answer)
    expect(world.running.size).toBe(0)
    // Nothing that readers of the object need is gone.
    expect(world.objectRecords[0]?.versions[0]?.storage).toHaveLength(2)
  })

  test('are removed by the sweep when the gateway died, named and unnamed ones apart', async () => {
    const parts = [await world.putPart(1)]
    await world.putPart(2, 100)
    const [named, unnamed] = partIds(world)
    const dead = world.hold('part')
    await world.complete(parts)
    await dead.reached
    world.memory.before = () => undefined
    await world.sweep()
    expect(world.partRecords).toEqual([])
    expect(releasedIds(world, true)).toEqual([unnamed])
    expect(releasedIds(world)).not.toContain(named)
  })

  test('are all left to the collector when the list of named parts is gone', async () => {
    const parts: CompletedPart[] = []
    for (let number = 1; number <= 65; number++) parts.push(await world.putPart(number, MIB5))
    const dead = world.hold('part')
    await world.complete(parts)
    await dead.reached
    world.memory.before = () => undefined
    world.blocks.length = 0
    await world.sweep()
    expect(world.partRecords).toEqual([])
    // All but those that the dead gateway had handled.
    expect(releasedIds(world, false).length).toBeGreaterThan(50)
    expect(releasedIds(world, true)).toEqual([])
  })
})

describe('data of parts that a completion did not name', () => {
  test('is released as over only when its attempt was over inside the change', async () => {
    const parts = [await world.putPart(1)]
    await world.putPart(2, 100)
    const two = dataId(partIds(world)[1]!)
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
    expect([releasedIds(world, true), releasedIds(world, false)]).toEqual([[], [two]])
  })

  test('is released as over only when all calls that may have been chosen said so', async () => {
    const parts = [await world.putPart(1)]
    await world.putPart(2, 100)
    const two = dataId(partIds(world)[1]!)
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
    expect([releasedIds(world, true), releasedIds(world, false)]).toEqual([[], [two]])
  })
})

describe('what is remembered of a completed upload', () => {
  test('a long one leaves no manifest with the upload, and the object keeps its own', async () => {
    const parts: CompletedPart[] = []
    for (let number = 1; number <= 70; number++) parts.push(await world.putPart(number, MIB5))
    await world.putPart(99, MIB5)
    const unnamed = partIds(world).at(-1)
    await world.complete(parts)
    await settle()
    expect(world.partRecords).toEqual([])
    expect(releasedIds(world)).toEqual([unnamed])
    expect(world.uploadRecords[0]?.result?.manifest).toHaveLength(0)
    const { info } = await world.objects.get(uploadContext(), { ...NAMED, withData: false })
    expect(info.parts).toHaveLength(70)
    // Ticket and manifest are one attempt.
    expect(world.objectRecords[0]?.versions[0]?.manifest).toHaveLength(24)
  })

  test('the version id is told again, also when others finish the completion', async () => {
    const enabled = { ...world.bucket.record, versioning: 1, generation: 9 }
    world.bucket.adopt(enabled)
    const parts = [await world.putPart(1)]
    const answer = await world.complete(parts)
    expect(answer.versionId).not.toBe('null')
    expect(answer.versioned).toBe(true)
    await settle()
    await world.putOther('newer')
    expect(await world.complete(parts)).toEqual(answer)
    // Its gateway dies when the version is written, and before the upload's record says so.
    await world.create()
    const again = [await world.putPart(1)]
    await dyingCompletion(world, again, 'upload', 2)
    const version = world.objectRecords[0]?.versions[0]
    expect(await world.complete(again)).toMatchObject({ versionId: version?.versionId })
  })

  test('it is remembered for a day, then it is gone', async () => {
    const parts = [await world.putPart(1)]
    await world.complete(parts)
    await settle()
    world.nowMs += DAY_MS - 10
    await world.sweep()
    expect(await failureCode(world.complete(parts))).toBe('ok')
    world.nowMs += 1_000
    await world.sweep()
    expect(world.uploadRecords).toEqual([])
    expect(await failureCode(world.complete(parts))).toBe('NoSuchUpload')
    expect(await world.current()).toBe('whole')
  })
})
