import { expect, test } from 'vitest'
import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { encodeState } from '../../protocol/codec/state.ts'
import { operationId, proposerId, type BucketId, type ByteString } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRange, objectRegister } from '../../protocol/keyspace/register-key.ts'
import { LIST_REPLY } from '../../protocol/rpc/list-reply.ts'
import { fitsFrame } from '../net/framing.ts'
import { applyRecord } from './apply-record.ts'
import { RECORD } from './record-types.ts'
import { ListService } from './list-service.ts'
import type { AcceptorHost } from './acceptor-host.ts'
import { HeldStore } from '../log/testing/held-store.ts'

const BUCKET = 'b'.repeat(16) as BucketId
const SHARDS = 256

/** As long as the largest tags and metadata make it. */
const STATE = encodeState({
  ballot: { counter: 1, proposer: proposerId('p'.repeat(16)) },
  value: {
    operation: operationId('o'.repeat(16)),
    tombstone: false,
    body: new Uint8Array(6_000),
    blocks: [],
  },
})

test('a reply about 256 shards of long keys and large states fits into a frame, and goes on', async () => {
  const held = new HeldStore(applyRecord)
  const intervals = Array.from({ length: SHARDS }, (_, shard) => {
    const range = objectRange(BUCKET, shard, '' as ByteString, undefined, 14)
    for (let i = 0; i < 2; i++) {
      const key = objectRegister(BUCKET, shard, `${i}`.padEnd(1_024, 'k') as ByteString, 14)
      const partition = partitionOfKey(key)
      void held.append([{ type: RECORD.register, partition, key, body: STATE }])
    }
    return { start: bytesOf(range.start), end: bytesOf(range.end), digestOnly: false }
  })
  const lists = new ListService({
    store: held.store,
    host: {
      generations: { current: () => 0, flushed: () => 1, raise: () => Promise.resolve() },
    } as unknown as AcceptorHost,
    epoch: () => 1,
    isReplica: () => true,
  })
  let left = intervals
  let rows = 0
  for (let rounds = 0; left.length > 0 && rounds < 20; rounds++) {
    const reply = await lists.list({
      epoch: 1,
      fenceBucket: bytesOf(BUCKET),
      fenceGeneration: 1,
      limit: 100,
      intervalBytesMax: 0,
      alone: false,
      intervals: left,
    })
    expect(fitsFrame(LIST_REPLY.encode(reply), undefined)).toBe(true)
    rows += reply.intervals.reduce((sum, each) => sum + each.rows.length, 0)
    left = left.flatMap((interval, i) => {
      const { coveredEnd } = reply.intervals[i]!
      if (byteString(coveredEnd) >= byteString(interval.end)) return []
      return [{ ...interval, start: bytesOf(byteString(coveredEnd)) }]
    })
  }
  expect(left).toEqual([])
  expect(rows).toBe(2 * SHARDS)
})
