/** Whatever the write path produces, the read path accepts: frames, pages and blocks up to their largest size. */

import { expect, test } from 'vitest'
import { byteString, utf8ByteString } from '../../protocol/bytes.ts'
import { dataId } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByObject } from '../../protocol/keyspace/owner.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { bytesLike, context, nodeOf, onCluster } from '../testing/calm-cluster.ts'

test('a block that rides with a register comes back whatever its size: a list of 10,000 parts', async () => {
  for (const nodes of [1, 3]) {
    await onCluster(nodes, async (cluster) => {
      const { registers } = nodeOf(cluster, 0)
      const bits = nodeOf(cluster, 0).layout.current()!.partitionBits
      const key = objectRegister('b'.repeat(16) as never, 0, utf8ByteString('key'), bits)
      for (const parts of [64, 2_500, 10_000]) {
        const bytes = bytesLike(parts * 34)
        const attempt = dataId(byteString(bytesLike(24, parts)))
        const block = { key: packedBlockKey(key, attempt), owner: ownedByObject(key), bytes }
        await registers.change(context(), {
          key,
          block,
          change: () => ({
            write: { tombstone: false, body: bytesLike(100), blocks: [block.key] },
          }),
        })
        const read = await registers.read(context(), { key, withBlock: true })
        expect(read.block?.bytes).toEqual(bytes)
      }
    })
  }
})
