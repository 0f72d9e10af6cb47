/** `removeAfter`: a member that is gone for longer is removed and its data copied again, provided that the others
 * have room. */

import { expect, test } from 'vitest'
import type { MemberChange } from '../../protocol/layout/member-change.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  bytesLike,
  get,
  nodeOf,
  onCluster,
  put,
  calmSleep,
  calmUntil,
} from '../testing/calm-cluster.ts'

const REMOVE_AFTER_MS = 60_000
const OBJECTS = 24
const OBJECT_BYTES = 300_000
const LEFT = [0, 1, 2]

function isSettled(cluster: SimulatedCluster, members: number): boolean {
  const { entry } = nodeOf(cluster, 0).layout.current()!
  return entry.state === 'STABLE' && entry.members.length === members && !entry.sources?.length
}

async function apply(cluster: SimulatedCluster, change: MemberChange): Promise<void> {
  await nodeOf(cluster, 0).layout.changes.apply(change)
  await calmUntil(cluster, 'the layout is at rest', () => isSettled(cluster, 4), 100, 600_000)
}

test('a member that is gone is kept while the others have no room for its data, and removed when they have', async () => {
  await onCluster(
    4,
    async (cluster) => {
      for (let i = 0; i < OBJECTS; i++) {
        await put(backendOf(cluster, i % 4), `key ${i}`, bytesLike(OBJECT_BYTES, i))
      }
      const ids = [0, 1, 2, 3].map((number) => nodeOf(cluster, number).nodeId)
      const { members } = await nodeOf(cluster, 0).admin.status()
      const used = Math.max(...members.map(({ usedBytes }) => usedBytes!))
      // Each of four holds three quarters of the data; of three each would hold all of it.
      const tight = Math.ceil(used * 1.2)
      for (const nodeId of ids) await apply(cluster, { kind: 'set', nodeId, capacityBytes: tight })
      cluster.kill(3, true)
      await calmSleep(cluster, 5 * REMOVE_AFTER_MS)
      expect(isSettled(cluster, 4)).toBe(true)
      const kept = await nodeOf(cluster, 0).admin.status()
      expect(kept.canLoseANode).toBe(false)
      expect(kept.warnings.join('\n')).toMatch(
        /is away: start it again.*--replace .*shoal layout remove /,
      )

      for (const number of LEFT) {
        const change = { kind: 'set', nodeId: ids[number]!, capacityBytes: 4 * tight } as const
        await nodeOf(cluster, 0).layout.changes.apply(change)
        await calmUntil(
          cluster,
          'the layout is at rest',
          () => isSettled(cluster, 4) || isSettled(cluster, 3),
          100,
          600_000,
        )
      }
      await calmUntil(cluster, 'the layout is at rest', () => isSettled(cluster, 3), 100, 600_000)
      const { members: left } = nodeOf(cluster, 0).layout.current()!
      expect(left.map(({ nodeId }) => nodeId)).not.toContain(ids[3])
      await calmUntil(
        cluster,
        'nothing is left to pull',
        () => LEFT.every((number) => nodeOf(cluster, number).resync.pendingCount === 0),
        100,
        600_000,
      )
      const whole = await nodeOf(cluster, 1).admin.status()
      expect([whole.partitions.whole, whole.warnings]).toEqual([whole.partitions.total, []])
      expect(whole.canLoseANode).toBe(true)
      // With three copies, one is enough to read and two are enough to agree.
      cluster.kill(0, false)
      for (let i = 0; i < OBJECTS; i++) {
        const found = await get(backendOf(cluster, 1 + (i % 2)), `key ${i}`)
        expect(Buffer.compare(found, bytesLike(OBJECT_BYTES, i))).toBe(0)
      }
    },
    { seed: 3, removeAfterMs: REMOVE_AFTER_MS },
  )
})
