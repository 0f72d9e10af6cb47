/**
 * Listings of objects and of their versions, folded by delimiter. They walk the registers of all the bucket's shards in the order
 * of their names (quorum/lister.ts), and make pages of what they find.
 *
 * Invariants:
 *   - a page never exceeds its limit, counted in entries and prefixes together
 *   - a page's marker names the last entry that was taken, so that the next page neither repeats nor skips one   (T1)
 *   - every entry was in a chosen state at some instant of the call                                              (T1, R2)
 */

import { textOfUtf8, utf8, utf8ByteString } from '../../protocol/bytes.ts'
import type { ObjectRecord } from '../../protocol/codec/versioned.ts'
import type { BlockKey, ByteString, RegisterKey } from '../../protocol/ids.ts'
import { shardOf } from '../../protocol/keyspace/key.ts'
import { objectRange, objectRegister } from '../../protocol/keyspace/register-key.ts'
import { objectOf, objectOfBody } from '../../protocol/object/object.ts'
import { ObjectSummary } from '../../protocol/object/summary.ts'
import {
  NULL_VERSION_ID,
  sequenceOfVersionId,
  VERSION_RANDOM_BYTES,
  versionIdOf,
} from '../../protocol/object/version-id.ts'
import type {
  ListedVersion,
  ListVersionsPage,
  ListVersionsRequest,
} from '../../gateway/port/versions.ts'
import type { ListedObjectPacker } from '../../gateway/port/listed-objects.ts'
import type { ListPage, ListRequest } from '../../gateway/port/objects.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { BlockLosses } from './losses.ts'
import type { Bucket } from './bucket.ts'
import type { ListedRegister } from '../quorum/list-cursor.ts'
import type { Lister, ListWalk } from '../quorum/lister.ts'
import { PageMemory } from './page-memory.ts'
import { GoneError, type Pages } from './pages.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import { listedVersionOf } from './versions.ts'

export interface ObjectListsOptions {
  readonly registers: RegisterClient
  readonly lister: Lister
  readonly pages: Pages
  readonly losses: Pick<BlockLosses, 'isLost'>
  readonly partitionBits: () => number
}

/** Sorts above every UTF-8 key with the prefix before it. */
const ABOVE_KEYS = '\xff'
/** When a page is gone, the register was changed. It is read again at most this often. */
const REREADS_MAX = 3
/** For the place in a list of a version whose id may be 'null'. */
const NO_RANDOM = new Uint8Array(VERSION_RANDOM_BYTES)

/** How names are folded: at the first delimiter behind the prefix. An empty delimiter folds nothing. */
interface Folding {
  readonly prefix: ByteString
  readonly delimiter: ByteString
}

/** The place within one key: the version last listed. */
interface Expansion {
  readonly name: ByteString
  readonly key: RegisterKey
  /** Replaced when the register is read again because a page is gone. */
  record: ObjectRecord
  /** Versions with lower sequences are to be listed. */
  below: number
}

/** Called by objects.ts, which has opened the bucket. */
export class ObjectLists {
  readonly #options: ObjectListsOptions
  readonly #memory = new PageMemory()

  constructor(options: ObjectListsOptions) {
    this.#options = options
  }

  /**
   * Current versions, ordered by key, folded by the delimiter. Delete markers are left out. `next` is there when there
   * is more: the last key or prefix of this page. Throws Unavailable, and what the bucket's fence throws.
   */
  async objects(context: RequestContext, bucket: Bucket, request: ListRequest): Promise<ListPage> {
    const { limit } = request
    const folding = foldingOf(request)
    const walk = this.#walk(context, bucket, folding, request.after, limit)
    const page = new ObjectsPage(limit, this.#memory)
    if (limit === 0) return page.end()
    const summary = new ObjectSummary()
    for (;;) {
      const entry = walk.take() ?? (await walk.next())
      if (entry === undefined) return page.end()
      if (!summary.read(entry.bytes, entry.bodyStart, entry.bodyEnd)) continue
      if (page.isFull) return page.more()
      const common = commonPrefixOf(entry, folding)
      if (common === undefined) page.take(entry, summary)
      else {
        page.takePrefix(common)
        walk.skipTo(common + ABOVE_KEYS)
      }
    }
  }

  /**
   * All versions and delete markers, ordered by key and then newest first, folded by the delimiter. It begins behind
   * the key marker, or behind the version marker within that key. Throws Unavailable, also when a page of old versions
   * is out of reach.
   */
  async versions(
    context: RequestContext,
    bucket: Bucket,
    request: ListVersionsRequest,
  ): Promise<ListVersionsPage> {
    const folding = foldingOf(request)
    const page = new VersionsPage(request.limit)
    if (request.limit === 0) return page.end()
    const started = await this.#marked(context, bucket, request, folding)
    if (started !== undefined && !(await this.#expand(context, bucket, page, started))) {
      return page.more()
    }
    const walk = this.#walk(context, bucket, folding, request.keyMarker, request.limit)
    for (;;) {
      const entry = walk.take() ?? (await walk.next())
      if (entry === undefined) return page.end()
      const record = objectOfBody(entry.body)
      if (record.versions.length === 0) continue
      const common = commonPrefixOf(entry, folding)
      if (common !== undefined) {
        if (!page.takePrefix(common)) return page.more()
        walk.skipTo(common + ABOVE_KEYS)
      } else {
        const expansion = { name: entry.name, key: entry.key, record, below: Infinity }
        if (!(await this.#expand(context, bucket, page, expansion))) return page.more()
      }
    }
  }

  /** A quorum list: true when there is no version and no delete marker. Objects with tickets only count as gone. */
  async isEmpty(context: RequestContext, bucket: Bucket): Promise<boolean> {
    const walk = this.#walk(context, bucket, { prefix: '', delimiter: '' }, undefined, 1)
    for (;;) {
      const entry = walk.take() ?? (await walk.next())
      if (entry === undefined) return true
      if (objectOfBody(entry.body).versions.length > 0) return false
    }
  }

  /** The key in the middle of which the marker is. Undefined when the list begins at the start of a key. */
  async #marked(
    context: RequestContext,
    bucket: Bucket,
    { keyMarker, versionIdMarker }: ListVersionsRequest,
    folding: Folding,
  ): Promise<Expansion | undefined> {
    if (keyMarker === undefined || keyMarker === '' || versionIdMarker === undefined)
      return undefined
    const name = utf8ByteString(keyMarker)
    if (!name.startsWith(folding.prefix) || commonPrefix(name, folding) !== undefined) {
      return undefined
    }
    const shard = shardOf(bucket.id, name, bucket.shards)
    const key = objectRegister(bucket.id, shard, name, this.#options.partitionBits())
    const record = await this.#read(context, bucket, key)
    return { name, key, record, below: belowMarker(record, versionIdMarker) }
  }

  /**
   * Adds the versions of one key to the page, newest first. False when the page is full and there is more.
   *
   * When a page of old versions is gone, the register is read again and the list goes on behind the last version that
   * was taken (R4).
   */
  async #expand(
    context: RequestContext,
    bucket: Bucket,
    page: VersionsPage,
    expansion: Expansion,
  ): Promise<boolean> {
    const { name, key } = expansion
    /** Pages that no replica has. If the register still names one after that, the page is skipped (A5). */
    const missing = new Set<BlockKey>()
    const lost = new Set<BlockKey>()
    for (let reread = 0; ;) {
      const { record, below } = expansion
      const current = record.versions[0]?.sequence
      try {
        const versions = this.#options.pages.versions(context, key, record, below, lost)
        for await (const version of versions) {
          const isLatest = version.sequence === current
          if (!page.take(listedVersionOf(name, version, isLatest), version.sequence)) return false
          expansion.below = version.sequence
        }
        return true
      } catch (error) {
        if (!(error instanceof GoneError)) throw error
        const { block } = error
        if (missing.has(block)) lost.add(block)
        else if (await this.#options.losses.isLost(block)) missing.add(block)
        else if (reread++ === REREADS_MAX) throw error
        expansion.record = await this.#read(context, bucket, key)
      }
    }
  }

  /** Linearizable. */
  async #read(context: RequestContext, bucket: Bucket, key: RegisterKey): Promise<ObjectRecord> {
    const { accepted } = await this.#options.registers.read(context, { key, fence: bucket })
    return objectOf(accepted?.value)
  }

  /**
   * A walk over all shards, behind the marker. One more row than the limit is expected, to know whether there is more.
   */
  #walk(
    context: RequestContext,
    bucket: Bucket,
    folding: Folding,
    marker: string | undefined,
    limit: number,
  ): ListWalk {
    const bits = this.#options.partitionBits()
    let after = marker === undefined ? undefined : utf8ByteString(marker)
    // An earlier page ended with a common prefix: everything below it is skipped.
    if (after !== undefined && commonPrefix(after, folding) === after) after += ABOVE_KEYS
    return this.#options.lister.walk(context, {
      bucket,
      shards: Array.from({ length: bucket.shards }, (_, shard) => shard),
      range: (shard, behind) => objectRange(bucket.id, shard, folding.prefix, behind, bits),
      after,
      expected: limit + 1,
    })
  }
}

const NULL_VERSION_BYTES = utf8(NULL_VERSION_ID)

/** Objects and prefixes until the limit is reached. */
class ObjectsPage {
  readonly #limit: number
  readonly #memory: PageMemory
  readonly #packer: ListedObjectPacker
  readonly #prefixes: string[] = []
  #count = 0
  /** What was taken last. */
  #lastObject: ListedRegister | undefined
  #lastPrefix: ByteString = ''

  constructor(limit: number, memory: PageMemory) {
    this.#limit = limit
    this.#memory = memory
    this.#packer = memory.take(limit)
  }

  get isFull(): boolean {
    return this.#count >= this.#limit
  }

  take(entry: ListedRegister, summary: ObjectSummary): void {
    const { bytes, versionId, etag, storageClass, checksumAlgorithm, owner } = summary
    const packer = this.#packer
    packer.text(entry.bytes, entry.nameStart, entry.keyEnd)
    packer.text(bytes, etag.start, etag.end)
    if (versionId.end > versionId.start) packer.text(bytes, versionId.start, versionId.end)
    else packer.text(NULL_VERSION_BYTES, 0, NULL_VERSION_BYTES.length)
    packer.text(bytes, storageClass.start, storageClass.end)
    packer.text(bytes, checksumAlgorithm.start, checksumAlgorithm.end)
    packer.text(bytes, owner.start, owner.end)
    packer.finishObject(summary.sizeBytes, summary.lastModifiedMs, summary.checksumType)
    this.#lastObject = entry
    this.#count++
  }

  takePrefix(common: ByteString): void {
    this.#prefixes.push(textOfUtf8(common))
    this.#lastObject = undefined
    this.#lastPrefix = common
    this.#count++
  }

  /** The page, with the key or prefix behind which the next one begins. */
  more(): ListPage {
    return { ...this.end(), next: textOfUtf8(this.#lastObject?.name ?? this.#lastPrefix) }
  }

  /** The last page: without a marker. Call it once. */
  end(): ListPage {
    return { objects: this.#memory.finish(this.#packer), prefixes: this.#prefixes }
  }
}

/** Versions and prefixes until the limit is reached. */
class VersionsPage {
  readonly #limit: number
  readonly #versions: ListedVersion[] = []
  readonly #prefixes: string[] = []
  #last: Pick<ListVersionsPage, 'nextKeyMarker' | 'nextVersionIdMarker'> = {}

  constructor(limit: number) {
    this.#limit = limit
  }

  /** False when the page is full. */
  take(version: ListedVersion, sequence: number): boolean {
    if (this.#full()) return false
    this.#versions.push(version)
    const { key, versionId } = version
    // The place of the null version must be known even if it is gone by the next page.
    const place = versionId === NULL_VERSION_ID ? versionIdOf(sequence, NO_RANDOM) : versionId
    this.#last = { nextKeyMarker: key, nextVersionIdMarker: place }
    return true
  }

  /** False when the page is full. */
  takePrefix(common: ByteString): boolean {
    if (this.#full()) return false
    const text = textOfUtf8(common)
    this.#prefixes.push(text)
    this.#last = { nextKeyMarker: text }
    return true
  }

  /** The page, with the place at which the next one begins. */
  more(): ListVersionsPage {
    return { ...this.end(), ...this.#last }
  }

  /** The last page: without a marker. */
  end(): ListVersionsPage {
    return { versions: this.#versions, prefixes: this.#prefixes }
  }

  #full(): boolean {
    return this.#versions.length + this.#prefixes.length >= this.#limit
  }
}

/**
 * The sequence below which the list goes on within the marked key. A forged marker names no version of this key:
 * nothing more of the key is listed then.
 */
function belowMarker(record: ObjectRecord, versionIdMarker: string): number {
  // The place of a null version that is gone is not known: list the key from its start rather than too little.
  if (versionIdMarker === NULL_VERSION_ID) return record.nullSequence || Infinity
  return sequenceOfVersionId(versionIdMarker) ?? 0
}

function foldingOf(request: { prefix: string; delimiter?: string | undefined }): Folding {
  return {
    prefix: utf8ByteString(request.prefix),
    delimiter: utf8ByteString(request.delimiter ?? ''),
  }
}

/** The same for a row, whose name becomes a text only when names are folded. */
function commonPrefixOf(entry: ListedRegister, folding: Folding): ByteString | undefined {
  return folding.delimiter === '' ? undefined : commonPrefix(entry.name, folding)
}

/** The name up to and with its first delimiter behind the prefix. Undefined when the name is not folded. */
function commonPrefix(name: ByteString, { prefix, delimiter }: Folding): ByteString | undefined {
  if (delimiter === '' || !name.startsWith(prefix)) return undefined
  const cut = name.indexOf(delimiter, prefix.length)
  return cut < 0 ? undefined : name.slice(0, cut + delimiter.length)
}
