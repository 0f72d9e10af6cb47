/** CreateBucket on full disks is answered 507 by every node and leaves nothing behind (F6, P4). */

import { expect, test } from 'vitest'
import {
  backendOf,
  bytesLike,
  codeOf,
  context,
  onCluster,
  put,
  request,
  calmSleep,
} from '../testing/calm-cluster.ts'

for (const nodes of [1, 3]) {
  test(`CreateBucket on full disks is 507: ${nodes} nodes`, async () => {
    await onCluster(
      nodes,
      async (cluster) => {
        // First full for bodies only, then for everything.
        for (let node = 0; node < nodes; node++) {
          cluster.diskOf(node).capacityBytes = 16 << 20
        }
        await calmSleep(cluster, 6_000)
        for (let i = 0; ; i++) {
          const code = await codeOf(put(backendOf(cluster, 0), `key ${i}`, bytesLike(120_000, i)))
          if (code !== 'ok') break
        }
        for (let i = 0; ; i++) {
          const code = await codeOf(put(backendOf(cluster, 0), `small ${i}`, bytesLike(10, i)))
          if (code !== 'ok') break
        }
        for (let node = 0; node < nodes; node++) {
          const code = await codeOf(
            backendOf(cluster, node).createBucket(context(), request(`full-${node}`)),
          )
          expect(code).toBe('InsufficientStorage')
          expect(await codeOf(backendOf(cluster, node).headBucket(context(), `full-${node}`))).toBe(
            'NoSuchBucket',
          )
        }
      },
      { segmentSizeBytes: 1 << 20 },
    )
  })
}
