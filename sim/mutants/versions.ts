/** Breaks of the order of versions (T4), of their ids (T5), and of the pages that hold older ones (T9, G5). */

import { byteString } from '../../protocol/bytes.ts'
import type { AclGrant } from '../../protocol/iam/acl.ts'
import { isLacking } from '../../protocol/object/pages.ts'
import type { Edited } from '../../protocol/object/versions.ts'
import {
  ObjectChanges,
  type ObjectEdit,
  type EditInput,
} from '../../node/objects/object-changes.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  HEADERS,
} from '../testing/calm-cluster.ts'
import { simulated, type NodeMutant } from './mutant.ts'
import type { Patches } from './patches.ts'
import { scene } from './scene.ts'

const VERSIONS = simulated({ workloads: ['versions'] })

/** Every edit of an object's record is made of what `shown` returns for its input, and its result goes through `change`. */
function edited(
  patches: Patches,
  change: (result: Edited, input: EditInput) => Edited,
  shown = (input: EditInput): EditInput => input,
): void {
  patches.method(
    ObjectChanges.prototype,
    'run',
    (original) =>
      function (this: ObjectChanges, context, bucket, key, edit, block) {
        const broken: ObjectEdit = (input) => {
          const result = edit(shown(input))
          return result === undefined || isLacking(result) ? result : change(result, input)
        }
        return original.call(this, context, bucket, key, broken, block)
      },
  )
}

/** Stores three versions of one key through two nodes; the clock of the second one is an hour slow. */
const threeVersions = scene(3, async ({ cluster, found }) => {
  const change = { versioning: 'Enabled' } as const
  await backendOf(cluster, 0).changeBucket(context(), { bucket: BUCKET, change })
  cluster.jumpClock(1, -3_600_000)
  let last = { versionId: '', lastModifiedMs: 0 }
  for (const [number, node] of [0, 1, 0].entries()) {
    const body = bodyOf(bytesLike(10, number))
    const named = { bucket: BUCKET, key: 'key' }
    const request = { ...named, headers: HEADERS, body }
    const written = await backendOf(cluster, node).putObject(context(), request)
    const { versionId, lastModifiedMs } = written
    if (lastModifiedMs <= last.lastModifiedMs) found.push('Last-Modified has gone back (T4)')
    if (number > 0 && versionId >= last.versionId) {
      found.push('the id of a newer version sorts behind that of an older one (T5)')
    }
    const code = await codeOf(
      backendOf(cluster, 2).getObject(context(), { ...named, versionId, withData: false }),
    )
    if (code !== 'ok') found.push(`a version that was just stored is ${code} (T5)`)
    last = written
  }
})

/** Puts tags and lists on versions of one key, then more versions, and reads all of it again. */
const taggedVersions = scene(3, async ({ cluster, found }) => {
  const change = { versioning: 'Enabled' } as const
  await backendOf(cluster, 0).changeBucket(context(), { bucket: BUCKET, change })
  const named = { bucket: BUCKET, key: 'key' }
  const written: { versionId: string; lastModifiedMs: number }[] = []
  for (let number = 0; number < 20; number++) {
    const body = bodyOf(bytesLike(10, number))
    const tags = [{ key: 'number', value: String(number) }]
    const acl = { owner: String(number) }
    const request = { ...named, headers: { ...HEADERS, tags, acl }, body }
    written.push(await backendOf(cluster, number % 3).putObject(context(), request))
    const { versionId } = written[number >> 1]!
    const grants: AclGrant[] = [{ account: String(number >> 1), permission: 'READ' }]
    const changed = { tags: [{ key: 'number', value: String(number >> 1) }], grants }
    await backendOf(cluster, 1).changeObject(context(), { ...named, versionId, change: changed })
  }
  for (const [number, { versionId, lastModifiedMs }] of written.entries()) {
    const request = { ...named, versionId, withData: false }
    const { info } = await backendOf(cluster, 2).getObject(context(), request)
    if (info.tags?.[0]?.value !== String(number)) found.push('a version has lost its tags (T9)')
    if (info.acl?.owner !== String(number)) found.push('a version has lost its owner (T9)')
    const account = info.acl?.grants?.[0]?.account
    if (number < 10 && account !== String(number)) found.push('a version has lost its list (T9)')
    if (info.lastModifiedMs !== lastModifiedMs) found.push('tags have changed Last-Modified (T4)')
  }
})

export const VERSION_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'last-modified-from-the-clock',
    rule: 'T4',
    breaks: "Last-Modified is what the node's clock says, whatever the version before has",
    by: 'versions of one key through nodes whose clocks differ by an hour',
    scenario: threeVersions,
    caughtAs: /Last-Modified has gone back/,
    seedsMax: 1,
    patch: (patches) => {
      edited(
        patches,
        (result) => result,
        (input) => ({ ...input, record: { ...input.record, lastModifiedMs: 0 } }),
      )
    },
  },
  {
    name: 'tags-change-last-modified',
    rule: 'T4',
    breaks: 'a change of tags is timed like a write',
    by: 'versions of one key whose tags change',
    scenario: taggedVersions,
    caughtAs: /changed Last-Modified/,
    seedsMax: 1,
    patch: (patches) => {
      edited(patches, (result, { record }) => {
        const [newest, ...older] = result.record.versions
        // Only a change of tags uses no sequence up.
        if (newest === undefined || result.record.sequence !== record.sequence) return result
        const versions = [{ ...newest, lastModifiedMs: newest.lastModifiedMs + 1 }, ...older]
        return { ...result, record: { ...result.record, versions } }
      })
    },
  },
  {
    name: 'tags-lost-in-pages',
    rule: 'T9',
    breaks: 'a version that moves into a page leaves its tags behind',
    by: 'versions of one key whose tags change',
    scenario: taggedVersions,
    caughtAs: /lost its tags/,
    seedsMax: 1,
    patch: (patches) => {
      edited(patches, (result) => ({
        ...result,
        made: result.made.map(({ dataId, page }) => {
          const versions = page.versions.map((version) => ({ ...version, tags: [] }))
          return { dataId, page: { ...page, versions } }
        }),
      }))
    },
  },
  {
    name: 'owner-lost-with-list',
    rule: 'T9',
    breaks: 'a change of a list takes the version for one of the account of the bucket',
    by: 'versions of one key whose lists change',
    scenario: taggedVersions,
    caughtAs: /lost its owner/,
    seedsMax: 1,
    patch: (patches) => {
      edited(patches, (result, { record }) => {
        // Only a change of tags and lists uses no sequence up.
        if (result.record.sequence !== record.sequence) return result
        const versions = result.record.versions.map((each) =>
          each.acl?.listed === true ? { ...each, acl: { ...each.acl, owner: '' } } : each,
        )
        return { ...result, record: { ...result.record, versions } }
      })
    },
  },
  {
    name: 'version-id-not-inverted',
    rule: 'T5',
    breaks: 'a version id begins with the sequence itself, not with the inverted one',
    by: 'three versions of one key',
    scenario: threeVersions,
    caughtAs: /sorts behind|NoSuchVersion/,
    seedsMax: 1,
    patch: (patches) => {
      edited(patches, (result) => {
        const [newest, ...older] = result.record.versions
        if (newest === undefined || newest.versionId === '') return result
        const sequence = newest.sequence.toString(16).padStart(16, '0')
        const versionId = sequence + newest.versionId.slice(16)
        return {
          ...result,
          record: { ...result.record, versions: [{ ...newest, versionId }, ...older] },
        }
      })
    },
  },
  {
    name: 'spill-loses-a-version',
    rule: 'T9',
    breaks: 'of the versions that move into a page the oldest is left out',
    by: 'workload versions',
    scenario: VERSIONS,
    caughtAs: /not listed|NoSuchVersion/,
    seedsMax: 6,
    slow: true,
    patch: (patches) => {
      edited(patches, (result) => ({
        ...result,
        made: result.made.map(({ dataId, page }) => {
          const { versions } = page
          const kept = versions.length > 1 ? versions.slice(0, -1) : versions
          return { dataId, page: { ...page, versions: kept } }
        }),
      }))
    },
  },
  {
    name: 'page-released-while-named',
    rule: 'G5',
    breaks: 'a write releases the pages that its record still points to',
    by: 'checker of space, workload versions',
    scenario: VERSIONS,
    caughtAs: /freed, but named|Unavailable|in the end/,
    seedsMax: 6,
    slow: true,
    patch: (patches) => {
      edited(patches, (result, { record }) => {
        const named = new Set(result.record.pages.map(({ dataId }) => byteString(dataId)))
        const kept = record.pages.filter(({ dataId }) => named.has(byteString(dataId)))
        // As data of a version that is gone: an edit may not drop a page that it has not read (T10).
        const storage = kept.map(({ dataId }) => ({ dataId, sizeBytes: 1, packed: true }))
        const version = { ...result.record.versions[0]!, storage, manifest: new Uint8Array(0) }
        return { ...result, removed: [...result.removed, version] }
      })
    },
  },
]
