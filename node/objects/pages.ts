/**
 * Reads what an object's register points to: pages of older versions, and manifests.
 *
 * Pages never change, but an edit replaces them, and replaced pages are freed after a while. So a page that is gone
 * means that the register has changed, and has to be read again (R4).
 */

import { byteString } from '../../protocol/bytes.ts'
import {
  manifestCodec,
  pageCodec,
  type ObjectRecord,
  type PageRecord,
  type PageRefRecord,
  type StorageRecord,
  type VersionRecord,
} from '../../protocol/codec/versioned.ts'
import { dataId, type BlockKey, type DataId, type RegisterKey } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import {
  find,
  isLacking,
  PAGE_FAN_OUT,
  pageIdOf,
  type Versions,
  type Wanted,
} from '../../protocol/object/pages.ts'
import { dataIdsOf } from '../../protocol/object/versions.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { MissingBlockError } from '../quorum/missing-block.ts'
import type { Replicator } from '../quorum/replicator.ts'

/**
 * No replica has a good copy of a page or manifest that the register named when it was read. The register may have
 * changed since, or the block may be lost: read it again, then ask loss-check.ts.
 */
export class GoneError extends MissingBlockError {}

const NOTHING_LOST: ReadonlySet<BlockKey> = new Set()

/** A decoded page, and how many bytes its block has. */
export interface ReadPage {
  readonly page: PageRecord
  readonly sizeBytes: number
}

/**
 * Called by object-reads.ts, object-lists.ts and object-changes.ts, and by the collector through Objects.references.
 */
export class Pages {
  readonly #replicator: Replicator

  constructor(replicator: Replicator) {
    this.#replicator = replicator
  }

  /** One page. Undefined when no replica that answered has it. */
  async read(
    context: RequestContext,
    key: RegisterKey,
    ref: PageRefRecord,
  ): Promise<ReadPage | undefined> {
    const bytes = await this.#replicator.read(context, packedBlockKey(key, pageIdOf(ref)))
    return bytes === undefined
      ? undefined
      : { page: pageCodec.decode(bytes), sizeBytes: bytes.length }
  }

  /**
   * One version, found through the pages on its path: one page for each level. Undefined when the object has no such
   * version. Throws GoneError.
   */
  async find(
    context: RequestContext,
    key: RegisterKey,
    record: ObjectRecord,
    wanted: Wanted,
  ): Promise<VersionRecord | undefined> {
    const known = new Map<DataId, PageRecord>()
    for (;;) {
      const found = find(record, wanted, known)
      if (!isLacking(found)) return found
      context.rounds++
      known.set(pageIdOf(found.lacking), await this.#must(context, key, found.lacking))
    }
  }

  /**
   * Versions with a sequence below `below`, newest first. Pages are read as they are needed; those in `lost` are
   * skipped. Throws GoneError for any other page that is gone.
   */
  async *versions(
    context: RequestContext,
    key: RegisterKey,
    { versions, pages }: Versions,
    below = Infinity,
    lost: ReadonlySet<BlockKey> = NOTHING_LOST,
  ): AsyncGenerator<VersionRecord> {
    for (const version of versions) if (version.sequence < below) yield version
    const there = pages.filter((ref) => !lost.has(packedBlockKey(key, pageIdOf(ref))))
    for await (const page of this.#below(context, key, there, below)) {
      yield* this.versions(context, key, page, below, lost)
    }
  }

  /**
   * Every data id that the record refers to: data of its versions, manifests and what they list, pages. Reads all pages
   * and manifests, and throws GoneError when one is gone, because then the list would be too short.
   */
  async *references(
    context: RequestContext,
    key: RegisterKey,
    { versions, pages }: Versions,
  ): AsyncGenerator<DataId> {
    for (const version of versions) {
      yield* dataIdsOf(version)
      if (version.manifest.length === 0) continue
      for (const part of await this.manifest(context, key, version)) {
        if (part.sizeBytes > 0) yield dataId(byteString(part.dataId))
      }
    }
    for (const ref of pages) yield pageIdOf(ref)
    for await (const page of this.#below(context, key, pages, Infinity)) {
      yield* this.references(context, key, page)
    }
  }

  /** The parts of a version whose list of parts is a manifest. Throws GoneError. */
  async manifest(
    context: RequestContext,
    key: RegisterKey,
    version: VersionRecord,
  ): Promise<StorageRecord[]> {
    const id = dataId(byteString(version.manifest))
    const block = packedBlockKey(key, id)
    const bytes = await this.#replicator.read(context, block)
    if (bytes === undefined) throw new GoneError(block, 'the list of parts')
    return manifestCodec.decode(bytes).storage
  }

  /** Pages with something below `below`, a few read at once. */
  async *#below(
    context: RequestContext,
    key: RegisterKey,
    refs: readonly PageRefRecord[],
    below: number,
  ): AsyncGenerator<PageRecord> {
    const needed = refs.filter(({ oldest }) => oldest < below)
    // Often only the first versions of a list are wanted.
    for (let at = 0, count = 1; at < needed.length; count = PAGE_FAN_OUT) {
      context.rounds++
      const some = needed.slice(at, at + count)
      at += some.length
      for (const page of await Promise.all(some.map((ref) => this.#must(context, key, ref)))) {
        yield page
      }
    }
  }

  /** The page, or GoneError. */
  async #must(context: RequestContext, key: RegisterKey, ref: PageRefRecord): Promise<PageRecord> {
    const read = await this.read(context, key, ref)
    if (read === undefined) {
      throw new GoneError(packedBlockKey(key, pageIdOf(ref)), 'a page of older versions')
    }
    return read.page
  }
}
