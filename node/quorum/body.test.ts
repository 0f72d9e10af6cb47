import { beforeEach, describe, expect, test } from 'vitest'
import { bucketId, storageId, type BlockKey } from '../../protocol/ids.ts'
import { blockIndexOf, dataIdOf } from '../../protocol/keyspace/block-key.ts'
import { ownedByObject, type BlockOwner } from '../../protocol/keyspace/owner.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { BLOCK_BYTES, PACKED_BYTES_MAX } from '../../protocol/limits.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { SystemClock } from '../env/system.ts'
import { poisonPools } from '../tools/poison.ts'
import { Attempts } from '../replica/attempts.ts'
import { Bodies } from './body.ts'
import type { BlockWrite, Replicator } from './replicator.ts'

const OWNER = ownedByObject(objectRegister(bucketId('b'.repeat(16)), 3, 'key', 6))

interface Write {
  readonly key: BlockKey
  readonly bytes: Uint8Array
  readonly owner: BlockOwner
  /** The bytes as they were when the write began. */
  readonly copy: Uint8Array
  acknowledge(): void
  fail(): void
  settle(reusable: boolean): void
}

let writes: Write[]
let automatic: boolean
let isCrowded: boolean
let blocks: Map<BlockKey, Uint8Array>
let attempts: Attempts
let bodies: Bodies

beforeEach(() => {
  poisonPools(true)
  writes = []
  automatic = true
  isCrowded = false
  blocks = new Map()
  const replicator = {
    room: {
      get isCrowded() {
        return isCrowded
      },
    },
    write(key: BlockKey, bytes: Uint8Array, owner: BlockOwner): BlockWrite {
      const copy = bytes.slice()
      let acknowledge = (): void => {}
      let fail = (): void => {}
      let settle = (_reusable: boolean): void => {}
      const acknowledged = new Promise<void>((resolve, reject) => {
        acknowledge = resolve
        fail = () => reject(new Error('no majority'))
      })
      const settled = new Promise<boolean>((resolve) => (settle = resolve))
      blocks.set(key, copy)
      writes.push({ key, bytes, owner, copy, acknowledge, fail, settle })
      if (automatic) {
        acknowledge()
        settle(true)
      }
      return { acknowledged, settled }
    },
    read(_context: unknown, key: BlockKey): Promise<Uint8Array | undefined> {
      return Promise.resolve(blocks.get(key))
    },
  } as unknown as Replicator
  attempts = new Attempts(storageId('ab'.repeat(12)), 7)
  bodies = new Bodies({ replicator, attempts, partitionBits: () => 6, clock: new SystemClock() })
})

function context(): RequestContext {
  return { operation: 'Test', signal: new AbortController().signal, rounds: 0 }
}

const finish = () => ({ etag: 'e', checksums: {} })

function bytesOf(sizeBytes: number, first: number): Uint8Array {
  return new Uint8Array(sizeBytes).map((_, i) => (first + i) % 251)
}

async function* chunksOf(bytes: Uint8Array, sizeBytes = 300_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes)
}

async function readBack(
  storage: Awaited<ReturnType<Bodies['write']>>['storage'],
  start: number,
  end: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bodies.read(context(), storage, 0, start, end))
    chunks.push(chunk.slice())
  return Buffer.concat(chunks)
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => void setImmediate(resolve))
}

describe('writing', () => {
  test('a body of up to 64 KiB is one packed block, a longer one has blocks of 1 MiB, and one of 0 bytes none', async () => {
    for (const [sizeBytes, count] of [
      [0, 0],
      [1, 0],
      [PACKED_BYTES_MAX, 0],
      [PACKED_BYTES_MAX + 1, 1],
      [BLOCK_BYTES, 1],
      [BLOCK_BYTES + 1, 2],
      [3 * BLOCK_BYTES, 3],
    ] as const) {
      writes = []
      const bytes = bytesOf(sizeBytes, 5)
      const written = await bodies.write(context(), { chunks: chunksOf(bytes), finish }, OWNER)
      expect(written.sizeBytes).toBe(sizeBytes)
      expect(writes.map(({ key }) => blockIndexOf(key))).toEqual([...Array(count).keys()])
      if (count === 0) {
        expect(written.packed ?? new Uint8Array(0)).toEqual(bytes)
        expect(written.storage).toHaveLength(sizeBytes === 0 ? 0 : 1)
        continue
      }
      expect(Buffer.compare(await readBack(written.storage, 0, sizeBytes), bytes)).toBe(0)
      expect(new Set(writes.map(({ key }) => dataIdOf(key))).size).toBe(1)
    }
  })

  test('an attempt runs until its writer ends it, or its body fails (G5)', async () => {
    const good = await bodies.write(
      context(),
      { chunks: chunksOf(bytesOf(70_000, 1)), finish },
      OWNER,
    )
    expect(attempts.isOver(good.attempt.id)).toBe(false)
    expect(dataIdOf(writes[0]!.key)).toBe(good.attempt.id)
    expect(writes[0]!.owner).toBe(OWNER)
    good.attempt.end()
    expect(attempts.isOver(good.attempt.id)).toBe(true)
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(BLOCK_BYTES + 5)
      throw new Error('the client is gone')
    }
    await expect(bodies.write(context(), { chunks: broken(), finish }, OWNER)).rejects.toThrow(
      'gone',
    )
    expect(attempts.runningCount).toBe(0)
  })

  test('every block is on a majority before the body is finished (P7)', async () => {
    automatic = false
    let finished = false
    const body = {
      chunks: chunksOf(bytesOf(2 * BLOCK_BYTES + 9, 1)),
      finish: () => {
        finished = true
        return finish()
      },
    }
    const work = bodies.write(context(), body, OWNER)
    while (writes.length < 3) await turn()
    for (const write of writes.slice(0, 2)) write.acknowledge()
    await turn()
    expect(finished).toBe(false)
    writes[2]!.acknowledge()
    await work
    expect(finished).toBe(true)
  })
})

describe('slow and failing writes', () => {
  test.each([
    ['eight blocks are under way', false, 8],
    ['two are and blocks wait for room', true, 2],
  ])('no more of the body is read while %s', async (_name, crowded, count) => {
    automatic = false
    isCrowded = crowded
    let taken = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        taken++
        yield new Uint8Array(BLOCK_BYTES)
      }
    }
    bodies.write(context(), { chunks: endless(), finish }, OWNER).catch(() => {})
    for (let i = 0; i < 50; i++) await turn()
    expect(writes).toHaveLength(count)
    expect(taken).toBeLessThanOrEqual(count + 1)
    writes[0]!.acknowledge()
    for (let i = 0; i < 50; i++) await turn()
    expect(writes).toHaveLength(count + 1)
  })

  test('a failure of a block or of the body is thrown', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(BLOCK_BYTES + 5)
      throw new Error('the client is gone')
    }
    await expect(bodies.write(context(), { chunks: broken(), finish }, OWNER)).rejects.toThrow(
      'gone',
    )
    automatic = false
    const work = bodies.write(
      context(),
      { chunks: chunksOf(bytesOf(9 * BLOCK_BYTES, 1)), finish },
      OWNER,
    )
    work.catch(() => {})
    while (writes.length < 4) await turn()
    writes[1]!.fail()
    writes[0]!.acknowledge()
    await expect(work).rejects.toThrow('no majority')
  })
})

describe('buffers', () => {
  /** Buffers of writes that have not ended must not be filled again. */
  function expectUntouched(): void {
    for (const { bytes, copy } of writes) expect(Buffer.compare(bytes, copy)).toBe(0)
  }

  test('of a failed body are not reused until its blocks have ended', async () => {
    automatic = false
    const work = bodies.write(
      context(),
      { chunks: chunksOf(bytesOf(9 * BLOCK_BYTES, 1)), finish },
      OWNER,
    )
    work.catch(() => {})
    while (writes.length < 8) await turn()
    writes[0]!.fail()
    await expect(work).rejects.toThrow('no majority')
    for (let i = 0; i < 3; i++) {
      void bodies.write(
        context(),
        { chunks: chunksOf(bytesOf(3 * BLOCK_BYTES, 100 + i)), finish },
        OWNER,
      )
    }
    for (let i = 0; i < 50; i++) await turn()
    expect(writes.length).toBe(8 + 9)
    expectUntouched()
    expect(new Set(writes.map(({ bytes }) => bytes.buffer)).size).toBe(writes.length)
  })

  test('are reused once all replicas have answered, and not when one may still receive them', async () => {
    const body = () => ({ chunks: chunksOf(bytesOf(2 * BLOCK_BYTES, 1)), finish })
    automatic = false
    const work = bodies.write(context(), body(), OWNER)
    while (writes.length < 2) await turn()
    for (const write of writes) write.acknowledge()
    await work
    const [first, second] = writes
    first!.settle(true)
    second!.settle(false)
    await turn()
    automatic = true
    await bodies.write(context(), body(), OWNER)
    const later = writes.slice(2).map(({ bytes }) => bytes.buffer)
    expect(later).toContain(first!.bytes.buffer)
    expect(later).not.toContain(second!.bytes.buffer)
  })
})

describe('reading', () => {
  test('reads ranges across blocks and storages, to the byte', async () => {
    const sizes = [2 * BLOCK_BYTES + 11, PACKED_BYTES_MAX + 1, BLOCK_BYTES]
    const all: Uint8Array[] = []
    const storage = []
    for (const [i, sizeBytes] of sizes.entries()) {
      const bytes = bytesOf(sizeBytes, 17 * i)
      all.push(bytes)
      storage.push(
        ...(await bodies.write(context(), { chunks: chunksOf(bytes), finish }, OWNER)).storage,
      )
    }
    const whole = Buffer.concat(all)
    const edges = [
      0,
      1,
      BLOCK_BYTES - 1,
      BLOCK_BYTES,
      sizes[0]! - 1,
      sizes[0]!,
      sizes[0]! + sizes[1]!,
      whole.length,
    ]
    for (const start of edges) {
      for (const end of edges) {
        if (start >= end) continue
        const found = await readBack(storage, start, end)
        expect(Buffer.compare(found, whole.subarray(start, end))).toBe(0)
      }
    }
  })

  test('ends in an error without a good copy of a block, never in fewer bytes', async () => {
    const chunks = chunksOf(bytesOf(3 * BLOCK_BYTES, 1))
    const { storage } = await bodies.write(context(), { chunks, finish }, OWNER)
    blocks.delete(writes[1]!.key)
    await expect(readBack(storage, 0, 3 * BLOCK_BYTES)).rejects.toMatchObject({
      code: 'Unavailable',
    })
    blocks.set(writes[1]!.key, new Uint8Array(10))
    await expect(readBack(storage, 0, 3 * BLOCK_BYTES)).rejects.toMatchObject({
      code: 'Unavailable',
    })
  })
})
