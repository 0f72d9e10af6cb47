/**
 * Uploads that are completed, aborted or left to themselves. No client waits for what is in doubt: the space of
 * all of it must come back (the checker of space looks), and a completed object has its bytes.
 */

import type { Backend } from '../../gateway/port/backend.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  writtenBody,
  Clients,
  writtenContent,
  clientContext,
  labels,
  readTag,
  type Workload,
} from './clients.ts'
import { encryptionOf } from './encryption.ts'

const BUCKET = 'uploads'
const THINK_MS_MAX = 300

export class UploadsWorkload implements Workload {
  readonly #clients: Clients
  /** For each key, which has one writer: the tag that was completed last, and those in doubt, which may show at
   * any later time, because a node that meets a completion under way ends it. */
  readonly #keys = new Map<string, { last?: number; readonly doubtful: Set<number> }>()
  #tag = 4_000_000

  constructor(cluster: SimulatedCluster) {
    this.#clients = new Clients(cluster)
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
  }

  async run(isOver: () => boolean): Promise<void> {
    const client = async (key: string): Promise<void> => {
      while (!isOver()) {
        await this.#clients.think(THINK_MS_MAX)
        await this.#one(key)
      }
    }
    await Promise.all([client('upload/a'), client('upload/b')])
  }

  async #one(key: string): Promise<void> {
    const tag = ++this.#tag
    const named = { bucket: BUCKET, key }
    const begun = await this.#clients.ask(`upload ${key} ${tag}`, async (backend) => {
      const context = clientContext('CreateMultipartUpload')
      const how = tag % 2 === 0 ? await encryptionOf(backend, context, named, tag) : undefined
      const headers = { system: {}, user: {}, storageClass: 'STANDARD', ...labels(tag, tag) }
      const encryption = how?.record
      return { how, ...(await backend.createUpload(context, { ...named, headers, encryption })) }
    })
    if (begun === 'unknown' || 'code' in begun) return
    const { uploadId, how } = begun.value
    const body = (): Parameters<Backend['putPart']>[1]['body'] => {
      const plain = writtenBody(writtenContent(tag), String(tag))
      return how?.encrypted(plain) ?? plain
    }
    const part = (): Promise<unknown> =>
      this.#clients.ask(`part ${key} ${tag}`, (backend) =>
        backend.putPart(clientContext('UploadPart'), {
          ...named,
          uploadId,
          partNumber: 1,
          body: body(),
        }),
      )
    await part()
    const dice = this.#clients.cluster.random()
    // The same part once more: what it held before has to go.
    if (dice < 0.3) await part()
    // A client that is never heard of again: its upload is listed and aborted in the end.
    if (dice > 0.8) return
    if (dice > 0.6) {
      await this.#clients.ask(`abort ${key} ${tag}`, (backend) =>
        backend.abortUpload(clientContext('AbortMultipartUpload'), { ...named, uploadId }),
      )
      return
    }
    const done = await this.#clients.ask(`complete ${key} ${tag}`, (backend) =>
      backend.completeUpload(clientContext('CompleteMultipartUpload'), {
        ...named,
        uploadId,
        parts: [{ partNumber: 1, etag: String(tag), checksums: {} }],
        finish: () => ({ etag: String(tag), checksums: {} }),
      }),
    )
    const known = this.#keys.get(key) ?? { doubtful: new Set<number>() }
    if (done === 'unknown') known.doubtful.add(tag)
    else if (!('code' in done)) known.last = tag
    else if (done.code !== 'InvalidPart' && done.code !== 'NoSuchUpload') {
      this.violations.push(`completion of ${key}: ${done.code}`)
    }
    this.#keys.set(key, known)
  }

  /** Aborts what is left, so that nothing open keeps its parts. */
  async checkCalm(): Promise<void> {
    const backend = this.#clients.anyBackend()
    if (backend === undefined) return
    for (;;) {
      const { uploads } = await backend.listUploads(clientContext('ListMultipartUploads'), {
        bucket: BUCKET,
        prefix: '',
        limit: 100,
      })
      if (uploads.length === 0) break
      for (const { key, uploadId } of uploads) {
        await backend.abortUpload(clientContext('AbortMultipartUpload'), {
          bucket: BUCKET,
          key,
          uploadId,
        })
      }
    }
    for (const [key, { last, doubtful }] of this.#keys) {
      const outcome = await this.#clients.ask(`upload in the end ${key}`, (node) =>
        readTag(node, { bucket: BUCKET, key }),
      )
      if (outcome === 'unknown') this.violations.push(`${key} can't be read in the end`)
      else if ('code' in outcome) {
        if (outcome.code === 'NoSuchKey' && last === undefined) continue
        this.violations.push(`${key}: ${outcome.code}, not ${last}`)
      } else {
        const { tag, label, wrong } = outcome.value
        if (label !== tag) this.violations.push(`${key}: tags and list ${label}, not ${tag}`)
        if (tag !== last && !doubtful.has(tag)) this.violations.push(`${key}: ${tag}, not ${last}`)
        if (wrong !== undefined) this.violations.push(`${key}: ${wrong}`)
      }
    }
  }
}
