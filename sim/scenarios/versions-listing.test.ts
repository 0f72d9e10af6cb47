/** Listings of registers that are large: replies stay within a message, and nothing is left out. */

import { expect, test } from 'vitest'
import {
  backendOf,
  BUCKET,
  bodyOf,
  bytesLike,
  context,
  HEADERS,
  keysOf,
  onCluster,
} from '../testing/calm-cluster.ts'

test('450 keys with metadata of 2 KiB each: listed whole through every node', async () => {
  await onCluster(3, async (cluster) => {
    const keys = Array.from({ length: 450 }, (_, i) => `key ${String(i).padStart(4, '0')}`)
    const headers = { ...HEADERS, user: { large: 'x'.repeat(2_000) } }
    for (const [i, key] of keys.entries()) {
      const body = bodyOf(bytesLike(10, i))
      await backendOf(cluster, i % 3).putObject(context(), { bucket: BUCKET, key, headers, body })
    }
    for (const node of [0, 1, 2]) {
      const counted = context()
      const request = { bucket: BUCKET, prefix: '', limit: 1_000 }
      const { versions } = await backendOf(cluster, node).listVersions(counted, request)
      expect(versions.map(({ key }) => key)).toEqual(keys)
      // Equal digests over the same rows: no second round for each first one.
      expect(counted.rounds).toBeLessThan(8)
      expect(await keysOf(backendOf(cluster, node), 70)).toEqual(keys)
    }
  })
})
