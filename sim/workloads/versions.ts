/**
 * Versioned keys, each with one writer, so that its versions are a list that grows and shrinks in a known
 * order: every version that was acknowledged and not deleted can be read by its id, has its bytes and is
 * listed, through any node; one that was deleted is gone. What is in doubt may be there or not.
 */

import type { Backend } from '../../gateway/port/backend.ts'
import type { ListedVersion } from '../../gateway/port/versions.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  Clients,
  clientContext,
  granted,
  labelled,
  putRequest,
  readTag,
  type Workload,
} from './clients.ts'
import { encryptedPut } from './encryption.ts'

const BUCKET = 'versioned'
const THINK_MS_MAX = 150

interface Known {
  readonly versionId: string
  /** Undefined for a delete marker. */
  readonly tag: number | undefined
  readonly lastModifiedMs: number
  /** What its tags say; 0 for none. */
  label: number
  /** Changes of its tags that are in doubt: they may have happened, or happen yet. */
  readonly labels: Set<number>
}

interface Key {
  readonly name: string
  /** Oldest first. */
  versions: Known[]
  /** Tags and markers whose write is in doubt: they may show as unknown versions. */
  readonly doubtful: Set<number | 'marker'>
  /** Version ids whose deletion is in doubt. */
  readonly dying: Set<string>
}

export class VersionsWorkload implements Workload {
  readonly #clients: Clients
  readonly #keys: Key[]
  #tag = 1_000_000

  constructor(cluster: SimulatedCluster, keys: number) {
    this.#clients = new Clients(cluster)
    this.#keys = Array.from({ length: keys }, (_, i) => ({
      name: `versions/${i}`,
      versions: [],
      doubtful: new Set(),
      dying: new Set(),
    }))
  }

  get violations(): string[] {
    return this.#clients.violations
  }

  get counts(): { done: number; unknown: number } {
    return this.#clients.counts
  }

  async prepare(backend: Backend): Promise<void> {
    await backend.createBucket(clientContext('CreateBucket'), {
      bucket: BUCKET,
      ownerAccount: '1',
      region: 'sim',
    })
    await backend.changeBucket(clientContext('PutBucketVersioning'), {
      bucket: BUCKET,
      change: { versioning: 'Enabled' },
    })
  }

  async run(isOver: () => boolean): Promise<void> {
    await Promise.all(
      this.#keys.map(async (key) => {
        while (!isOver()) {
          await this.#clients.think(THINK_MS_MAX)
          await this.#step(key)
        }
      }),
    )
  }

  async #step(key: Key): Promise<void> {
    const dice = this.#clients.cluster.random()
    if (dice < 0.42) return this.#put(key)
    if (dice < 0.54) return this.#label(key)
    if (dice < 0.62) return this.#mark(key)
    if (dice < 0.75) return this.#remove(key)
    if (dice < 0.9) return this.#readOne(key)
    return this.#list(key, undefined)
  }

  async #put(key: Key): Promise<void> {
    const tag = ++this.#tag
    const label = tag % 2 === 0 ? tag : 0
    const outcome = await this.#clients.ask(`version put ${key.name} ${tag}`, (backend) =>
      encryptedPut(
        backend,
        clientContext('PutObject'),
        putRequest(BUCKET, key.name, tag, label),
        tag,
      ),
    )
    if (outcome === 'unknown') key.doubtful.add(tag)
    else if ('code' in outcome) this.violations.push(`put of ${key.name}: ${outcome.code}`)
    else if (key.versions.some(({ versionId }) => versionId === outcome.value.versionId)) {
      this.violations.push(`${key.name}: version id ${outcome.value.versionId} twice (T5)`)
    } else {
      const { versionId, lastModifiedMs } = outcome.value
      key.versions.push({ versionId, tag, lastModifiedMs, label, labels: new Set() })
    }
  }

  /** Other tags and another list for one version, or none. */
  async #label(key: Key): Promise<void> {
    const version = this.#clients.pick(key.versions)
    if (version === undefined) return
    const { versionId } = version
    const drawn = ++this.#tag
    const label = drawn % 5 === 0 ? 0 : drawn
    const outcome = await this.#clients.ask(
      `version label ${key.name} ${versionId} ${label}`,
      (backend) =>
        backend.changeObject(clientContext('PutObjectTagging'), {
          bucket: BUCKET,
          key: key.name,
          versionId,
          change: { tags: label === 0 ? [] : labelled(label), grants: granted(label) },
        }),
    )
    if (outcome === 'unknown') return void version.labels.add(label)
    if (!('code' in outcome)) version.label = label
    else if (outcome.code === 'NoSuchVersion' && key.dying.has(versionId)) return
    else if (outcome.code !== 'IsDeleteMarker' || version.tag !== undefined) {
      this.violations.push(`tags of ${key.name} version ${versionId}: ${outcome.code}`)
    }
  }

  async #mark(key: Key): Promise<void> {
    const outcome = await this.#clients.ask(`version mark ${key.name}`, (backend) =>
      backend.deleteObject(clientContext('DeleteObject'), { bucket: BUCKET, key: key.name }),
    )
    if (outcome === 'unknown') return void key.doubtful.add('marker')
    if ('code' in outcome) return void this.violations.push(`delete: ${outcome.code}`)
    const { versionId, deleteMarker } = outcome.value
    if (versionId === undefined || !deleteMarker) {
      this.violations.push(`a delete of ${key.name} made no marker`)
    } else {
      key.versions.push({
        versionId,
        tag: undefined,
        lastModifiedMs: 0,
        label: 0,
        labels: new Set(),
      })
    }
  }

  /** One version for good: also how a marker goes, which restores what was before. */
  async #remove(key: Key): Promise<void> {
    const version = this.#clients.pick(key.versions)
    if (version === undefined) return
    const { versionId } = version
    const outcome = await this.#clients.ask(`version remove ${key.name} ${versionId}`, (backend) =>
      backend.deleteObject(clientContext('DeleteObject'), {
        bucket: BUCKET,
        key: key.name,
        versionId,
      }),
    )
    if (outcome === 'unknown') key.dying.add(versionId)
    else if ('code' in outcome) this.violations.push(`delete of a version: ${outcome.code}`)
    if (outcome !== 'unknown') {
      key.dying.delete(versionId)
      key.versions = key.versions.filter((each) => each.versionId !== versionId)
    }
  }

  async #readOne(key: Key, backend?: Backend): Promise<void> {
    const version = this.#clients.pick(key.versions)
    if (version === undefined) return
    await this.#check(key, version, backend)
  }

  async #check(key: Key, version: Known, backend?: Backend): Promise<void> {
    const { versionId, tag } = version
    const named = { bucket: BUCKET, key: key.name, versionId }
    const outcome = await this.#clients.ask(
      `version get ${key.name} ${versionId}`,
      (node) => readTag(node, named),
      backend,
    )
    if (outcome === 'unknown') {
      if (backend !== undefined) this.violations.push(`${key.name} can't be read in the end`)
      return
    }
    const found = 'code' in outcome ? outcome.code : outcome.value.tag
    if (found === 'NoSuchVersion' && key.dying.has(versionId)) return
    if (found !== (tag ?? 'IsDeleteMarker')) {
      this.violations.push(`${key.name} version ${versionId}: ${found}, not ${tag ?? 'a marker'}`)
    }
    if ('code' in outcome) return
    const { wrong, label, lastModifiedMs } = outcome.value
    if (wrong !== undefined) this.violations.push(`${key.name} version ${versionId}: ${wrong}`)
    if (label !== version.label && !version.labels.has(label)) {
      this.violations.push(
        `${key.name} version ${versionId}: tags and list ${label}, not ${version.label}`,
      )
    }
    if (lastModifiedMs !== version.lastModifiedMs) {
      this.violations.push(`${key.name} version ${versionId}: Last-Modified has changed`)
    }
  }

  /** Its versions as listed, newest first, are those that are known, and what is in doubt. */
  async #list(key: Key, backend: Backend | undefined): Promise<void> {
    const outcome = await this.#clients.ask(
      `version list ${key.name}`,
      async (node) => {
        const found: ListedVersion[] = []
        let marker: { keyMarker?: string | undefined; versionIdMarker?: string | undefined } = {}
        do {
          const page = await node.listVersions(clientContext('ListObjectVersions'), {
            bucket: BUCKET,
            prefix: key.name,
            limit: 7,
            ...marker,
          })
          found.push(...page.versions.filter((version) => version.key === key.name))
          marker = { keyMarker: page.nextKeyMarker, versionIdMarker: page.nextVersionIdMarker }
        } while (marker.keyMarker !== undefined && marker.keyMarker <= key.name)
        return found
      },
      backend,
    )
    if (outcome === 'unknown' || 'code' in outcome) {
      if (backend !== undefined) this.violations.push(`${key.name} can't be listed in the end`)
      return
    }
    const listed = outcome.value.map(({ versionId }) => versionId)
    const known = new Map(key.versions.map((version) => [version.versionId, version]))
    const order = key.versions.map(({ versionId }) => versionId).reverse()
    const missing = order.filter((id) => !listed.includes(id) && !key.dying.has(id))
    const inOrder = listed.filter((id) => known.has(id))
    const expected = order.filter((id) => listed.includes(id))
    if (missing.length > 0) this.violations.push(`${key.name}: ${missing.join(', ')} not listed`)
    if (inOrder.join() !== expected.join()) {
      this.violations.push(`${key.name}: listed as ${inOrder.join()}, not ${expected.join()}`)
    }
    for (const { versionId, etag, deleteMarker } of outcome.value) {
      if (known.has(versionId)) continue
      const doubt = deleteMarker ? 'marker' : Number(etag)
      if (!key.doubtful.has(doubt)) this.violations.push(`${key.name}: ${versionId} from nobody`)
    }
    const latest = outcome.value.filter(({ isLatest }) => isLatest)
    if (outcome.value.length > 0 && (latest.length !== 1 || !outcome.value[0]?.isLatest)) {
      this.violations.push(`${key.name}: the latest version is not the first one`)
    }
  }

  async checkCalm(): Promise<void> {
    for (const number of this.#clients.cluster.numbers) {
      const backend = this.#clients.cluster.node(number)?.backend
      if (backend === undefined) continue
      for (const key of this.#keys) {
        await this.#list(key, backend)
        for (const version of key.versions) await this.#check(key, version, backend)
      }
    }
  }
}
