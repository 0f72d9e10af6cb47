/** Tags and access control lists of objects and versions through whole clusters: linearizable with writes, and kept whatever
 * is rebuilt. */

import { expect, test } from 'vitest'
import type { AclGrant } from '../../protocol/iam/acl.ts'
import type { Tag } from '../../gateway/port/bucket-documents.ts'
import type { ObjectFacts } from '../../gateway/port/objects.ts'
import { isLinearizableFor, type HistoryCall } from '../checkers/linearizability.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  HEADERS,
  onCluster,
  calmSleep,
} from '../testing/calm-cluster.ts'

const NAMED = { bucket: BUCKET, key: 'key' }

const GRANTS: readonly AclGrant[] = [
  { account: '2', permission: 'FULL_CONTROL' },
  { group: 'LogDelivery', permission: 'WRITE' },
]

function tags(value: number | string): readonly Tag[] {
  return [{ key: 'value', value: String(value) }]
}

async function read(cluster: SimulatedCluster, node: number, versionId?: string) {
  const request = { ...NAMED, versionId, withData: false }
  return (await backendOf(cluster, node).getObject(context(), request)).info
}

function write(cluster: SimulatedCluster, node: number, name: string, given?: readonly Tag[]) {
  const body = bodyOf(bytesLike(10), name)
  return backendOf(cluster, node).putObject(context(), {
    ...NAMED,
    headers: { ...HEADERS, tags: given, acl: { owner: name } },
    body,
  })
}

/** What a key is: the ETag of its object and its tag. */
type State = readonly [etag: string, tag: string]
type Step =
  | { readonly type: 'put'; readonly etag: string }
  | { readonly type: 'tag'; readonly value: string }
  | { readonly type: 'read'; readonly state: State }

test('writes, changes of tags and reads of one key are linearizable', async () => {
  for (const seed of [1, 2, 3]) {
    await onCluster(
      3,
      async (cluster) => {
        const history: HistoryCall<Step>[] = []
        await write(cluster, 0, 'first')
        let drawn = 0
        const perform = async (node: number): Promise<Step> => {
          const name = String(++drawn)
          const dice = cluster.random()
          if (dice < 0.3) {
            await write(cluster, node, name)
            return { type: 'put', etag: name }
          }
          if (dice < 0.65) {
            const request = { ...NAMED, change: { tags: tags(name) } }
            await backendOf(cluster, node).changeObject(context(), request)
            return { type: 'tag', value: name }
          }
          const info = await read(cluster, node)
          return { type: 'read', state: [info.etag, info.tags?.[0]?.value ?? ''] }
        }
        const client = async (node: number): Promise<void> => {
          for (let i = 0; i < 12; i++) {
            await calmSleep(cluster, cluster.random() * 20)
            const calledMs = cluster.clock.monotonicMs()
            const step = await perform(node)
            history.push({ step, calledMs, returnedMs: cluster.clock.monotonicMs() })
          }
        }
        await Promise.all([0, 1, 2, 0, 1].map(client))
        const next = (step: Step, state: State): State | undefined => {
          if (step.type === 'put') return [step.etag, '']
          if (step.type === 'tag') return [state[0], step.value]
          return JSON.stringify(step.state) === JSON.stringify(state) ? state : undefined
        }
        expect(isLinearizableFor<Step, State>(history, ['first', ''], next)).toBe(true)
        const seen = history.flatMap(({ step }) => (step.type === 'read' ? [step.state[1]] : []))
        expect(new Set(seen).size).toBeGreaterThan(3)
      },
      { seed },
    )
  }
})

test('tags, owners and lists of versions survive pages, restarts and rebuilt indexes', async () => {
  await onCluster(3, async (cluster) => {
    await backendOf(cluster, 0).changeBucket(context(), {
      bucket: BUCKET,
      change: { versioning: 'Enabled' },
    })
    const versions: string[] = []
    for (let i = 0; i < 30; i++) {
      versions.push((await write(cluster, i % 3, String(i), tags(i))).versionId)
    }
    const expected = versions.map((_, i) => (i % 4 === 0 ? `changed ${i}` : String(i)))
    for (const [i, versionId] of versions.entries()) {
      if (i % 4 !== 0) continue
      const change = { tags: tags(`changed ${i}`), grants: GRANTS }
      await backendOf(cluster, (i + 1) % 3).changeObject(context(), { ...NAMED, versionId, change })
    }
    const change = { tags: tags('newest') }
    const newest = await backendOf(cluster, 1).changeObject(context(), { ...NAMED, change })
    expect(newest.versionId).toBe(versions.at(-1))
    expected[29] = 'newest'
    for (const number of [0, 1, 2]) {
      cluster.kill(number, false)
      expect(await cluster.rebuildIndex(number)).toEqual({ damaged: 0 })
      await cluster.start(number)
      await calmSleep(cluster, 2_000)
    }
    for (const [i, versionId] of versions.entries()) {
      const info = await read(cluster, i % 3, versionId)
      expect([info.etag, info.tags]).toEqual([String(i), tags(expected[i]!)])
      const grants = i % 4 === 0 ? { grants: GRANTS } : {}
      expect(info.acl).toEqual({ owner: String(i), ...grants })
    }
  })
})

test('a change that was judged by something else is refused and changes nothing', async () => {
  await onCluster(3, async (cluster) => {
    await write(cluster, 0, 'one', tags('old'))
    const { versionId } = await read(cluster, 1)
    const change = { tags: tags('new') }
    const acl = { owner: 'one' }
    const changed = (judged: ObjectFacts): Promise<string> =>
      codeOf(backendOf(cluster, 2).changeObject(context(), { ...NAMED, change, judged }))
    expect(await changed({ versionId, tags: tags('other'), acl })).toBe('Conflict')
    expect(await changed({ versionId, tags: tags('old') })).toBe('Conflict')
    expect(await changed({ versionId })).toBe('Conflict')
    expect(await changed(null)).toBe('Conflict')
    expect((await read(cluster, 1)).tags).toEqual(tags('old'))
    expect(await changed({ versionId, tags: tags('old'), acl })).toBe('ok')
    expect((await read(cluster, 1)).tags).toEqual(tags('new'))
    const request = { bucket: BUCKET, key: 'missing', change }
    expect(await codeOf(backendOf(cluster, 0).changeObject(context(), request))).toBe('NoSuchKey')
  })
})
