/** A damaged removal is written again once; then nothing of it is left to mend (D7). */

import { expect, test } from 'vitest'
import { bucketId, type RegisterKey } from '../../protocol/ids.ts'
import { RECORD_HEADER_BYTES } from '../../protocol/codec/record.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { segmentPath } from '../../node/log/segment.ts'
import { registerGone } from '../../node/replica/removal-records.ts'
import { RowsWorld } from './rows-world.ts'

const BUCKET = bucketId('c'.repeat(16))
const [KEY, OTHER, THIRD] = [0, 0, 1].map((shard, i) =>
  objectRegister(BUCKET, shard, `key ${i}`, 4),
) as [RegisterKey, RegisterKey, RegisterKey]

test('a scrub mends a damaged removal, and the next one finds nothing', async () => {
  const world = new RowsWorld(1)
  await world.open()
  const store = world.store!
  const floor = (counter: number) => ({ counter, proposer: 'p' }) as never
  const work = async (): Promise<number> => {
    await world.append(world.records.registerRecord(KEY))
    // In a later segment than what it removed, so that it must outlive that one.
    while (store.end().end.segment < 3) await world.append(world.records.registerRecord(THIRD))
    const [at] = await store.append([registerGone(KEY, floor(1_000_000))])
    // The floor's row points to a later removal of the same partition.
    await world.append(world.records.registerRecord(OTHER))
    await store.append([registerGone(OTHER, floor(2_000_000))])
    await store.commitIndex()
    world.disk.corrupt(segmentPath(at!.segment), at!.offset + RECORD_HEADER_BYTES + KEY.length, 1)
    return at!.segment
  }
  await world.clock.settle(work())
  expect((await world.scrub()).counts).toMatchObject({ bad: 1, mended: 1, left: 0 })
  expect((await world.scrub()).counts).toMatchObject({ bad: 0, left: 0 })
})
