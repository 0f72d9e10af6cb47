/** What all workloads share: any node's backend, patience, contents that a number gives. */

import { StoreError, type StoreErrorCode } from '../../protocol/errors.ts'
import type { Backend } from '../../gateway/port/backend.ts'
import type { Tag } from '../../gateway/port/bucket-documents.ts'
import type { ObjectHeaders } from '../../gateway/port/objects.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { AclGrant } from '../../protocol/iam/acl.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { decrypted } from './encryption.ts'

/** A client gives up on a node that does not answer: what it asked for may still happen. */
const CLIENT_TIMEOUT_MS = 20_000
const TIMEOUT = new Error('no answer in time')

/** Something that works on the cluster until the time is over, and reports in the end what was wrong. */
export interface Workload {
  readonly violations: string[]
  readonly counts: { done: number; unknown: number }
  /** Its buckets, through one node, before anything goes wrong. */
  prepare(backend: Backend): Promise<void>
  run(isOver: () => boolean): Promise<void>
  /** Once all is calm and level. */
  checkCalm(): Promise<void>
}

export function clientContext(operation: string): RequestContext {
  return { operation, signal: new AbortController().signal, rounds: 0 }
}

export class Clients {
  readonly cluster: SimulatedCluster
  readonly violations: string[] = []
  readonly counts = { done: 0, unknown: 0 }

  constructor(cluster: SimulatedCluster) {
    this.cluster = cluster
  }

  get nowMs(): number {
    return this.cluster.clock.monotonicMs()
  }

  /** The backend of a node that is up, drawn again each time. */
  anyBackend(): Backend | undefined {
    const up: Backend[] = []
    for (const i of this.cluster.numbers) {
      const node = this.cluster.node(i)
      if (node !== undefined) up.push(node.backend)
    }
    return up[Math.floor(this.cluster.random() * up.length)]
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.cluster.random() * list.length)]
  }

  /** Thinks for a time of up to `maxMs`. */
  think(maxMs: number): Promise<void> {
    const delayMs = this.cluster.random() * maxMs * this.cluster.thinkFactor
    return new Promise((resolve) => void this.cluster.clock.after(delayMs, resolve))
  }

  /**
   * The result, the code of a definite refusal, or 'unknown'. Unavailable, no room, and no answer in time
   * leave the outcome open; anything that is not a StoreError is a violation.
   */
  async ask<T>(
    title: string,
    call: (backend: Backend) => Promise<T>,
    backend = this.anyBackend(),
  ): Promise<{ value: T } | { code: StoreErrorCode } | 'unknown'> {
    if (backend === undefined) return 'unknown'
    let outcome: { value: T } | { code: StoreErrorCode } | 'unknown'
    try {
      outcome = { value: await this.#withDeadline(call(backend)) }
    } catch (error) {
      const refused = error instanceof StoreError && !leavesOpen(error)
      outcome = refused ? { code: error.code } : 'unknown'
      if (!(error instanceof StoreError) && error !== TIMEOUT) {
        this.violations.push(`${title} threw ${String(error)}`)
      }
    }
    if (outcome === 'unknown') this.counts.unknown++
    else this.counts.done++
    const shown = outcome === 'unknown' ? outcome : 'code' in outcome ? outcome.code : 'ok'
    this.cluster.trace(`${title} ${shown}`)
    return outcome
  }

  async #withDeadline<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {})
    let cancel = (): void => {}
    const late = new Promise<never>((_, reject) => {
      // oxlint-disable-next-line prefer-promise-reject-errors
      cancel = this.cluster.clock.after(CLIENT_TIMEOUT_MS, () => reject(TIMEOUT))
    })
    try {
      return await Promise.race([work, late])
    } finally {
      cancel()
    }
  }
}

/** What it refuses may have happened, or happen yet. */
export function leavesOpen({ code }: StoreError): boolean {
  return code === 'Unavailable' || code === 'InsufficientStorage'
}

/** Most are small; some are packed but large, some are in blocks of their own. */
export function writtenContent(tag: number): Uint8Array {
  const sizeBytes = tag % 11 === 0 ? 90_000 + tag : tag % 5 === 0 ? 20_000 : tag % 700
  return new Uint8Array(sizeBytes).fill(tag % 251)
}

export function writtenBody(
  bytes: Uint8Array,
  etag: string,
): Parameters<Backend['putObject']>[1]['body'] {
  const finish = () => ({ etag, checksums: {} })
  if (bytes.length <= 65_536) return { bytes, finish }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000)
  }
  return { sizeBytes: bytes.length, chunks: chunks(), finish }
}

export function putRequest(
  bucket: string,
  key: string,
  tag: number,
  label = 0,
): Parameters<Backend['putObject']>[1] {
  return {
    bucket,
    key,
    headers: {
      system: {},
      user: {},
      storageClass: 'STANDARD',
      ...labels(tag, label),
    },
    body: writtenBody(writtenContent(tag), String(tag)),
  }
}

/** What a read has found. */
export interface ReadVersion {
  readonly tag: number
  readonly versionId: string
  readonly lastModifiedMs: number
  /** What its tags and its list were made of; 0 when it has neither. */
  readonly label: number
  readonly wrong?: string
}

/** Tags of an object that say a number, which is not 0. Some are so long that versions have to move into pages. */
export function labelled(label: number): readonly Tag[] {
  const key = 'label'
  if (label % 3 > 0) return [{ key, value: String(label) }]
  const value = String(label).padEnd(200, '-')
  return [{ key, value }, ...[1, 2, 3].map((each) => ({ key: `more ${each}`, value }))]
}

/** Grants of a list that say the same number, none for 0. */
export function granted(label: number): readonly AclGrant[] {
  if (label === 0) return []
  const anybody: AclGrant = { group: 'AllUsers', permission: label % 2 === 0 ? 'READ' : 'READ_ACP' }
  return [{ account: String(label), permission: 'FULL_CONTROL' }, anybody]
}

/** Tags and a list of a new object that say the label, and an owner of some that says the tag. */
export function labels(tag: number, label: number): Pick<ObjectHeaders, 'tags' | 'acl'> {
  const grants = label === 0 ? {} : { grants: granted(label) }
  return {
    tags: label === 0 ? undefined : labelled(label),
    acl: { ...grants, owner: ownerOf(tag) },
  }
}

function ownerOf(tag: number): string | undefined {
  return tag % 4 === 0 ? String(tag) : undefined
}

/** NaN for tags and lists that `labels` does not make. */
function labelOf({ tags = [], acl }: Pick<ObjectHeaders, 'tags' | 'acl'>): number {
  const label = labelOfTags(tags)
  return JSON.stringify(acl?.grants ?? []) === JSON.stringify(granted(label)) ? label : NaN
}

function labelOfTags(tags: readonly Tag[]): number {
  if (tags.length === 0) return 0
  const label = parseInt(tags[0]?.value ?? '', 10)
  return JSON.stringify(tags) === JSON.stringify(labelled(label)) ? label : NaN
}

/** Reads all of it. The tag of what is there; undefined with a complaint when the bytes are wrong. */
export async function readTag(
  backend: Backend,
  named: { bucket: string; key: string; versionId?: string | undefined },
): Promise<ReadVersion> {
  const context = clientContext('GetObject')
  const stored = await backend.getObject(context, { ...named, withData: true })
  const reader = await decrypted(backend, context, named, stored)
  const { sizeBytes, etag, versionId, lastModifiedMs, acl } = reader.info
  const tag = Number(etag)
  const read = { tag, versionId, lastModifiedMs, label: labelOf(reader.info) }
  if (acl?.owner !== ownerOf(tag)) return { ...read, wrong: `of ${acl?.owner ?? 'nobody'}` }
  const expected = writtenContent(tag)
  let at = 0
  const chunks = reader.bytes === undefined ? reader.read(0, sizeBytes) : [reader.bytes]
  for await (const chunk of chunks) {
    if (Buffer.compare(chunk, expected.subarray(at, at + chunk.length)) !== 0) {
      return { ...read, wrong: `wrong bytes at ${at}` }
    }
    at += chunk.length
  }
  if (at === expected.length) return read
  return { ...read, wrong: `${at} bytes instead of ${expected.length}` }
}
