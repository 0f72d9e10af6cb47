/** Breaks of R4: blocks that are freed while a client still reads them. */

import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { Readers } from '../../node/replica/readers.ts'
import { backendOf, BUCKET, bytesLike, context, put, calmSleep } from '../testing/calm-cluster.ts'
import type { NodeMutant } from './mutant.ts'
import { scene } from './scene.ts'

const SPACE = { reclaimDelayMs: 2_000, scanPauseMs: 30_000, tombstoneDelayMs: 3_000 }

/** A client reads an object slowly through a node that lacks some of its blocks. Meanwhile another node deletes the
 * object. */
const slowReader = scene(
  5,
  async ({ cluster, found }) => {
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
  { space: SPACE },
)

export const READER_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'reader-timed-not-counted',
    rule: 'R4',
    breaks: 'blocks of a deleted object are freed after a delay although they are still read',
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
