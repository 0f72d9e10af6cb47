/** Writers of few keys through all nodes, without any fault: the outcome of a write is known (P4, P6). */

import { expect, test } from 'vitest'
import type { Backend } from '../../gateway/port/backend.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  HEADERS,
  onCluster,
} from '../testing/calm-cluster.ts'

const NODES = 3
const WRITES = 20
/** A share of all writes. A write that sixty others overtake before its second try no longer learns its outcome. */
const UNKNOWN_SHARE_MAX = 0.002

interface Load {
  readonly writers: number
  readonly keys: number
  readonly latencyMsMax: number
}

const LOADS: readonly Load[] = [
  { writers: 12, keys: 2, latencyMsMax: 2 },
  { writers: 24, keys: 3, latencyMsMax: 2 },
  { writers: 12, keys: 2, latencyMsMax: 40 },
  { writers: 6, keys: 2, latencyMsMax: 150 },
]

type Write = (backend: Backend, key: string, writer: number) => Promise<unknown>

const put: Write = (backend, key, writer) =>
  backend.putObject(context(), {
    bucket: BUCKET,
    key,
    headers: HEADERS,
    body: bodyOf(bytesLike(10, writer)),
  })

const putOrDelete: Write = (backend, key, writer) =>
  writer % 3 === 0
    ? backend.deleteObject(context(), { bucket: BUCKET, key })
    : put(backend, key, writer)

/** How often each code was answered. */
async function codesOf(load: Load, write: Write): Promise<Map<string, number>> {
  const { writers, keys, latencyMsMax } = load
  const counts = new Map<string, number>()
  await onCluster(NODES, async (cluster) => {
    cluster.wires.faults.latencyMsMax = latencyMsMax
    const one = async (writer: number): Promise<void> => {
      for (let i = 0; i < WRITES; i++) {
        const key = `key ${(writer + i) % keys}`
        const code = await codeOf(write(backendOf(cluster, writer % NODES), key, writer))
        counts.set(code, (counts.get(code) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: writers }, (_, writer) => one(writer)))
  })
  return counts
}

test('writers that contend for a few keys learn what became of their writes', async () => {
  const all = new Map<string, number>()
  for (const load of LOADS) {
    for (const write of [put, putOrDelete]) {
      for (const [code, count] of await codesOf(load, write)) {
        all.set(code, (all.get(code) ?? 0) + count)
      }
    }
  }
  const { ok = 0, Unavailable: unknown = 0, ...others } = Object.fromEntries(all)
  expect(others).toEqual({})
  expect(unknown / (ok + unknown)).toBeLessThanOrEqual(UNKNOWN_SHARE_MAX)
})
