/** Breaks of object lock (T10): whose clock ends it, and what becomes of it when a version moves. */

import { RegisterProposer } from '../../protocol/register/proposer.ts'
import { isLacking } from '../../protocol/object/pages.ts'
import type { ObjectLock } from '../../gateway/port/objects.ts'
import { ObjectChanges, type ObjectEdit } from '../../node/objects/object-changes.ts'
import { Objects } from '../../node/objects/objects.ts'
import type { NodeChange } from '../../node/quorum/register-change.ts'
import { RegisterClient } from '../../node/quorum/register-client.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  calmSleep,
  codeOf,
  context,
  HEADERS,
} from '../testing/calm-cluster.ts'
import { simulated, type NodeMutant } from './mutant.ts'
import { scene } from './scene.ts'

const LOCKS = simulated({ workloads: ['locks'] })
const YEAR_MS = 31_536_000_000
const RETAINED_MS = 60_000
const NAMED = { bucket: BUCKET, key: 'key' }

/**
 * Two versions of one key are locked, by retention and by a hold. One clock is a year ahead, and every node tries to remove
 * them, in the register and in pages. Retention ends when the clocks of the other two have passed it.
 */
const lockedVersions = scene(3, async ({ cluster, found }) => {
  const change = { versioning: 'Enabled', objectLock: {} } as const
  await backendOf(cluster, 0).changeBucket(context(), { bucket: BUCKET, change })
  cluster.jumpClock(1, YEAR_MS)
  const untilMs = cluster.clock.nowMs() + RETAINED_MS
  const retention = { mode: 'compliance', untilMs } as const
  const put = (node: number, lock?: ObjectLock) =>
    backendOf(cluster, node).putObject(context(), {
      ...NAMED,
      headers: { ...HEADERS, lock },
      body: bodyOf(bytesLike(10)),
    })
  const { versionId: retained } = await put(0, { retention })
  const { versionId: held } = await put(2, { legalHold: true })
  const remove = (node: number, versionId: string): Promise<string> =>
    codeOf(
      backendOf(cluster, node).deleteObject(context(), {
        ...NAMED,
        versionId,
        bypassGovernance: true,
      }),
    )
  const tryAll = async (): Promise<void> => {
    for (const versionId of [retained, held]) {
      for (const node of [0, 1, 2]) {
        const code = await remove(node, versionId)
        if (code !== 'ObjectLocked') found.push(`a locked version: ${code} (T10)`)
      }
    }
  }
  await tryAll()
  for (let number = 0; number < 20; number++) {
    const code = await codeOf(put(number % 3))
    if (code !== 'ok') found.push(`a put beside locked versions: ${code} (T10)`)
  }
  await tryAll()
  await calmSleep(cluster, RETAINED_MS + 1_000)
  // Both replicas beside the one that is ahead have passed it.
  const ended = await remove(1, retained)
  if (ended !== 'ok') found.push(`a version whose lock has ended: ${ended} (T10)`)
  const still = await remove(1, held)
  if (still !== 'ObjectLocked') found.push(`a version with a hold: ${still} (T10)`)
})

/** The clock of the first replica that promised, which is most often the proposer's own. */
const firstClocks = new WeakMap<RegisterProposer, number>()

export const LOCK_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'lock-ends-by-one-clock',
    rule: 'T10',
    breaks: 'a lock ends when the clock of the replica that answers first has passed it',
    by: 'locked versions, and one clock that is a year ahead',
    scenario: lockedVersions,
    caughtAs: /a locked version: ok/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        RegisterProposer.prototype,
        'onReply',
        (original) =>
          function (this: RegisterProposer, from, request, reply) {
            if (reply.type !== 'promised') return original.call(this, from, request, reply)
            const clockMs = firstClocks.get(this) ?? reply.clockMs ?? 0
            firstClocks.set(this, clockMs)
            return original.call(this, from, request, { ...reply, clockMs })
          },
      )
    },
  },
  {
    name: 'lock-lost-in-pages',
    rule: 'T10',
    breaks: 'a version that moves into a page leaves its lock behind',
    by: 'locked versions that move into pages',
    scenario: lockedVersions,
    caughtAs: /a put beside locked versions: ObjectLocked/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        ObjectChanges.prototype,
        'run',
        (original) =>
          function (this: ObjectChanges, ctx, bucket, key, edit, extras) {
            return original.call(
              this,
              ctx,
              bucket,
              key,
              (input) => {
                const result = edit(input)
                if (result === undefined || isLacking(result)) return result
                const made = result.made.map(({ dataId, page }) => {
                  const versions = page.versions.map(({ lock, ...rest }) =>
                    lock === undefined ? rest : { ...rest },
                  )
                  return { dataId, page: { ...page, versions } }
                })
                return { ...result, made }
              },
              extras,
            )
          },
      )
    },
  },
  {
    name: 'default-retention-by-own-clock',
    rule: 'T10',
    breaks: 'the default retention of a bucket begins at the time of the node that writes',
    by: 'locks, with one clock a year ahead',
    scenario: LOCKS,
    caughtAs: /a default retention of governance, off by/,
    seedsMax: 5,
    slow: true,
    patch: (patches) => {
      patches.method(
        ObjectChanges.prototype,
        'run',
        (original) =>
          function (this: ObjectChanges, ctx, bucket, key, edit, extras) {
            const early: ObjectEdit = (input) => edit({ ...input, clockMs: 0 })
            return original.call(this, ctx, bucket, key, early, extras)
          },
      )
    },
  },
  {
    name: 'bypass-without-asking',
    rule: 'T10',
    breaks: 'every delete passes over governance mode',
    by: 'locks',
    scenario: LOCKS,
    caughtAs: /a delete without bypass: gone/,
    seedsMax: 5,
    slow: true,
    patch: (patches) => {
      patches.method(
        Objects.prototype,
        'delete',
        (original) =>
          function (this: Objects, ctx, request) {
            return original.call(this, ctx, { ...request, bypassGovernance: true })
          },
      )
    },
  },
  {
    name: 'lock-judged-before-the-race',
    rule: 'T10',
    breaks:
      'a change of an object is proposed again as it was judged at first, whatever has been chosen since',
    by: 'locks and deletes of one version through different gateways',
    scenario: LOCKS,
    caughtAs: /locked and deleted|lock has become|NoSuchVersion \(T10\)/,
    seedsMax: 20,
    slow: true,
    patch: (patches) => {
      patches.method(
        RegisterClient.prototype,
        'change',
        (original) =>
          function (this: RegisterClient, ctx, request) {
            if (request.fence === undefined || request.block !== undefined) {
              return original.call(this, ctx, request)
            }
            let first: ReturnType<NodeChange> | undefined
            const change: NodeChange = (...now) => {
              if (first !== undefined && 'write' in first) return first
              return (first = request.change(...now))
            }
            return original.call(this, ctx, { ...request, change })
          },
      )
    },
  },
]
