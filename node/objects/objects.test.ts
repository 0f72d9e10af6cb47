import { expect, test } from 'vitest'
import { bytesOf, u32 } from '../../protocol/bytes.ts'
import { dataId, type BlockKey } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Bodies } from '../quorum/body.ts'
import type { Replicator } from '../quorum/replicator.ts'
import type { Clock, Random } from '../env/ports.ts'
import { Bucket } from './bucket.ts'
import { BUCKET_LIVE } from './bucket-record.ts'
import type { Buckets } from './buckets.ts'
import { Objects } from './objects.ts'
import type { PackedBlock } from '../replica/host-replies.ts'
import { MemoryRegisters } from './testing/memory-registers.ts'

function context(): RequestContext {
  return { operation: 'Test', signal: new AbortController().signal, rounds: 0 }
}

test('a block that a slower replica sent with an older state is not used as the body', async () => {
  const memory = new MemoryRegisters()
  const bucket = new Bucket(
    {
      name: 'bucket',
      incarnation: new Uint8Array(16),
      generation: 0,
      state: BUCKET_LIVE,
      ownerAccount: '1',
      createdMs: 0,
      region: '',
      shards: 16,
      versioning: 0,
      policy: '',
      publicAccessBlock: 0,
      abortRules: [],
      documents: [],
      principals: [],
    },
    () => Promise.reject(new Error('not asked')),
  )
  let attempt = 0
  const ids = [1, 2].map((number) => dataId('d'.repeat(20) + u32(number)))
  const bodies = {
    write: async (_context: unknown, body: { bytes: Uint8Array; finish(): object }) => ({
      finished: body.finish(),
      storage: [{ dataId: bytesOf(ids[attempt++]!), sizeBytes: body.bytes.length, packed: true }],
      sizeBytes: body.bytes.length,
      packed: body.bytes,
      attempt: { id: ids[attempt - 1], end: () => {} },
    }),
    read: async function* () {
      yield bytesOf('new')
    },
  } as unknown as Bodies
  const objects = new Objects({
    registers: memory.registers,
    buckets: { open: () => Promise.resolve(bucket) } as unknown as Buckets,
    bodies,
    replicator: {} as Replicator,
    lister: memory.lister,
    clock: { nowMs: () => 1 } as Clock,
    random: { bytes: (length: number) => new Uint8Array(length) } as Random,
    partitionBits: () => 6,
  })
  const named = { bucket: 'bucket', key: 'key' }
  for (const text of ['old', 'new']) {
    const finish = () => ({ etag: text, checksums: {} })
    const headers = { system: {}, user: {}, storageClass: 'STANDARD' }
    await objects.put(context(), { ...named, headers, body: { bytes: bytesOf(text), finish } })
  }
  const keyOf = (i: number): BlockKey => packedBlockKey(objects.key(bucket, 'key'), ids[i]!)
  const read = memory.read.bind(memory)
  const withBlock = async (block: PackedBlock): Promise<Uint8Array | undefined> => {
    memory.read = async (...request) => ({ ...((await read(...request)) as object), block })
    return (await objects.get(context(), { ...named, withData: true })).bytes
  }
  expect(await withBlock({ key: keyOf(0), bytes: bytesOf('old') })).toBeUndefined()
  expect(await withBlock({ key: keyOf(1), bytes: bytesOf('new') })).toEqual(bytesOf('new'))
})
