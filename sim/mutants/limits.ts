/** Breaks of limits and deadlines: D11, F9c and F19b, pages and frames. */

import { utf8ByteString } from '../../protocol/bytes.ts'
import type { BucketId } from '../../protocol/ids.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { SyncAnswers } from '../../node/repair/sync-answers.ts'
import { PeerHealth } from '../../node/quorum/peer-health.ts'
import { Peers } from '../../node/quorum/peers.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  BUCKET,
  bytesLike,
  context,
  get,
  keysOf,
  nodeOf,
  put,
  untilLevel,
} from '../testing/calm-cluster.ts'
import type { NodeMutant } from './mutant.ts'
import { scene } from './scene.ts'

/** Complains when `work` takes longer than a hedge and some rounds may. */
async function inTime(
  cluster: SimulatedCluster,
  what: string,
  work: () => Promise<unknown>,
): Promise<string[]> {
  const startedMs = cluster.clock.monotonicMs()
  const late = new Promise<true>((resolve) => void cluster.clock.after(20_000, () => resolve(true)))
  if ((await Promise.race([work().then(() => false), late])) === true) {
    return [`${what} has no answer after 20 s`]
  }
  const tookMs = cluster.clock.monotonicMs() - startedMs
  return tookMs > 1_500 ? [`${what} took ${Math.round(tookMs)} ms`] : []
}

/** One of three nodes does not answer. Lists and changes of settings are asked of the other two. */
const deaf = scene(3, async ({ cluster, found }) => {
  for (let i = 0; i < 5; i++) await put(backendOf(cluster, 0), `key-${i}`, bytesLike(10))
  cluster.wires.deafen(cluster.idOf(2))
  for (const node of [0, 1]) {
    const backend = backendOf(cluster, node)
    found.push(
      ...(await inTime(cluster, 'a list beside a deaf peer', () => keysOf(backend))),
      ...(await inTime(cluster, 'a setting beside a deaf peer', () =>
        backend.changeBucket(context(), {
          bucket: BUCKET,
          change: { versioning: node === 0 ? 'Enabled' : 'Suspended' },
        }),
      )),
    )
  }
  cluster.wires.undeafen(cluster.idOf(2))
})

/** The disk of one of three nodes hangs. Its node can still read from the other two. */
const hung = scene(3, async ({ cluster, found }) => {
  await put(backendOf(cluster, 0), 'large', bytesLike(1_200_000))
  cluster.diskOf(2).hang()
  found.push(
    ...(await inTime(cluster, 'a GET through a node whose disk hangs', () =>
      get(backendOf(cluster, 2), 'large'),
    )),
  )
  cluster.diskOf(2).release()
})

/** More than a thousand keys of 1,024 bytes are written while one replica is down. */
const longKeys = scene(3, async ({ cluster, found }) => {
  const { registers, layout } = nodeOf(cluster, 0)
  const bits = layout.current()!.partitionBits
  cluster.kill(2, false)
  const keys = Array.from({ length: 1_050 }, (_, i) =>
    objectRegister(
      'b'.repeat(16) as BucketId,
      0,
      utf8ByteString(`${i}`.padStart(6, '0').padEnd(1_024, 'k')),
      bits,
    ),
  )
  for (let at = 0; at < keys.length; at += 50) {
    await Promise.all(
      keys.slice(at, at + 50).map((key) =>
        registers.change(context(), {
          key,
          change: () => ({ write: { tombstone: true, body: new Uint8Array(1), blocks: [] } }),
        }),
      ),
    )
  }
  await cluster.start(2)
  await untilLevel(cluster, 20_000).catch((error: unknown) => found.push(String(error)))
})

export const LIMIT_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'page-bounded-in-rows',
    rule: 'F21',
    breaks:
      'a page of the rows of a partition ends after a number of rows, whatever its size in bytes',
    by: 'a replica that missed a thousand keys of 1,024 bytes',
    scenario: longKeys,
    caughtAs: /not level/,
    seedsMax: 1,
    slow: true,
    patch: (patches) => {
      patches.method(
        SyncAnswers.prototype,
        'enumerate',
        (original) =>
          function (this: SyncAnswers, peer, request) {
            const whole = original.call(this, peer, request)
            while (whole.more && whole.keys.length < request.limit) {
              const after = whole.keys.at(-1)!
              const limit = request.limit - whole.keys.length
              const page = original.call(this, peer, { ...request, after, limit })
              whole.keys.push(...page.keys)
              whole.ballots.push(...page.ballots)
              whole.generations.push(...page.generations)
              whole.more = page.more
            }
            return whole
          },
      )
    },
  },
  {
    name: 'list-waits-for-all',
    rule: 'F19b',
    breaks:
      'no other node is asked in place of one that does not answer, and a slow node is not remembered as slow',
    by: 'lists and settings beside a deaf peer',
    scenario: deaf,
    caughtAs: /a list beside a deaf peer/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(PeerHealth.prototype, 'mayHedge', () => () => false)
      patches.method(PeerHealth.prototype, 'isSlow', () => () => false)
    },
  },
  {
    name: 'local-disk-without-deadline',
    rule: 'D11',
    breaks: 'a node waits without a deadline for what its own disk holds',
    by: 'a GET through a node whose disk hangs',
    scenario: hung,
    caughtAs: /a GET through a node whose disk hangs has no answer/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(PeerHealth.prototype, 'mayHedge', () => () => false)
      patches.method(PeerHealth.prototype, 'isSlow', () => () => false)
      patches.method(
        Peers.prototype,
        'readOwnBlock',
        (original) =>
          function (this: Peers, key, options, into) {
            return original.call(this, key, { ...options, timeoutMs: 1e9 }, into)
          },
      )
    },
  },
]
