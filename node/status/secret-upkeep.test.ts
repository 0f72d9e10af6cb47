/** Rotations of the cluster secret, and the keys that are encrypted with it. */

import { expect, test } from 'vitest'
import { nodeId } from '../../protocol/ids.ts'
import type { SecretRecord } from '../../protocol/layout/secret.ts'
import { SecretUpkeep, type SecretUpkeepOptions } from './secret-upkeep.ts'

function recordOf(generation: number): SecretRecord {
  const id = String(generation).padStart(32, '0')
  return { generation, id, previousId: '', sinceMs: 0, overlapMs: 0, rootSealed: '' }
}

test.each([
  [undefined, 1],
  [recordOf(2), 2],
])('no rotation follows one of which the keys know nothing yet: %o', async (before, generation) => {
  let record = before
  const asked: unknown[] = []
  const upkeep = new SecretUpkeep({
    self: nodeId('12D3KooWGRUNeA2YqUxMRvAqHV8VqwkvMjdfHEBmr6xVGNPpLu3N'),
    layout: {
      secrets: {
        get record() {
          return record
        },
        rotate: (_overlapMs: number, from: number) => {
          asked.push(from)
          return Promise.reject(new Error('another rotation came first'))
        },
      },
    } as unknown as SecretUpkeepOptions['layout'],
    rotation: {
      // Another member rotates at the same time.
      encryptAll: async () => {
        record = recordOf(generation + 1)
        return 0
      },
    },
    peers: { connected: () => false },
    clock: { nowMs: () => 0, monotonicMs: () => 0, after: () => () => {} } as never,
    logger: { debug() {}, info() {}, warn() {}, error() {} } as never,
  })
  await expect(upkeep.rotate(0)).rejects.toThrow('another rotation')
  expect(asked).toEqual([generation])
})
