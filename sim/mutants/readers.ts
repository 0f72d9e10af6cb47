/** Breaks of R4: what is taken from under its readers. */

import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { Readers } from '../../node/replica/readers.ts'
import {
  backendOf,
  BUCKET,
  bytesLike,
  context,
  onCluster,
  put,
  calmSleep,
} from '../testing/calm-cluster.ts'
import type { NodeMutant, MutantScenario } from './mutant.ts'

const SPACE = { reclaimDelayMs: 2_000, scanPauseMs: 30_000, tombstoneDelayMs: 3_000 }

/** An object is deleted through one node while a client of another one, which has not all of its blocks,
 * reads it slowly. */
const slowReader: MutantScenario = async ({ seed, adapt }) => {
  const found: string[] = []
  await onCluster(
    5,
    async (cluster) => {
      const bytes = bytesLike(6 * BLOCK_BYTES)
      await put(backendOf(cluster, 0), 'key', bytes)
      const request = { bucket: BUCKET, key: 'key', withData: true }
      const reader = await backendOf(cluster, 1).getObject(context(), request)
      let sizeBytes = 0
      try {
        for await (const chunk of reader.read(0, bytes.length)) {
          if (sizeBytes === 0) {
            await backendOf(cluster, 0).deleteObject(context(), { bucket: BUCKET, key: 'key' })
          }
          sizeBytes += chunk.length
          await calmSleep(cluster, 30_000)
        }
      } catch (error) {
        found.push(`a reader was cut after ${sizeBytes} bytes: ${String(error)}`)
      }
    },
    { seed, space: SPACE, adapt },
  )
  return found
}

export const READER_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'reader-timed-not-counted',
    rule: 'R4',
    breaks: 'blocks of what was deleted are freed after a delay, whoever still reads them',
    by: 'a client that reads slowly',
    scenario: slowReader,
    caughtAs: /a reader was cut/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Readers.prototype, 'isRead', () => () => false)
    },
  },
  {
    name: 'readers-of-this-node-only',
    rule: 'R4',
    breaks: 'a node tells no other what its clients are reading',
    by: 'a client that reads slowly through another node',
    scenario: slowReader,
    caughtAs: /a reader was cut/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Readers.prototype, 'learn', () => () => {})
    },
  },
]
