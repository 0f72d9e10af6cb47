/**
 * Reads objects: which version, where its bytes are, and what to do when they are gone (R4). Called by objects.ts for GET, HEAD and
 * the source of a copy.
 *
 * Invariants:
 *   - one read of the register fixes version, blocks and checksums; the bytes come from blocks that never change
 *   - a block that is missing is reported as lost only when the register still named it after every replica was asked
 *   - once a byte was sent, the answer never changes to another version: it fails instead
 */

import { byteString } from '../../protocol/bytes.ts'
import {
  manifestCodec,
  type ObjectRecord,
  type StorageRecord,
  type VersionRecord,
} from '../../protocol/codec/versioned.ts'
import { ReplacedError, StoreError } from '../../protocol/errors.ts'
import { dataId, type BlockKey, type RegisterKey } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectOf } from '../../protocol/object/object.ts'
import { NULL_VERSION_ID } from '../../protocol/object/version-id.ts'
import { VERSIONING, wantedOf } from '../../protocol/object/versions.ts'
import type { ObjectReader } from '../../gateway/port/objects.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Bodies } from '../quorum/body.ts'
import { MissingBlockError } from '../quorum/missing-block.ts'
import { dataLost } from './loss-check.ts'
import type { BlockLosses } from './losses.ts'
import type { Bucket } from './bucket.ts'
import { expirationIn } from './bucket-lifecycle.ts'
import { GoneError, type Pages } from './pages.ts'
import type { PackedBlock } from '../replica/host-replies.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import { objectInfoOf, unreadable, versionIdText } from './versions.ts'

export interface ObjectReadsOptions {
  readonly registers: RegisterClient
  readonly bodies: Bodies
  readonly pages: Pages
  readonly losses: BlockLosses
}

/** What is wanted of an object. */
interface Asked {
  readonly key: string
  /** Left out for the current version. */
  readonly versionId?: string | undefined
  /** Whether the packed block should come with the state: one round trip for a small object. */
  readonly withData: boolean
}

/** An object that was found. */
export interface FoundObject {
  readonly reader: ObjectReader
  readonly version: VersionRecord
  /** The complete list, also when the version has a manifest instead. */
  readonly storage: readonly StorageRecord[]
}

export class ObjectReads {
  readonly #options: ObjectReadsOptions

  constructor(options: ObjectReadsOptions) {
    this.#options = options
  }

  /**
   * Resolves with the version's description and a way to read its bytes. Throws NoSuchKey, NoSuchVersion and
   * IsDeleteMarker as Backend.getObject says, DataLost, and Unavailable.
   *
   * A page or manifest that is gone means that the register was changed meanwhile, so everything is read once more.
   * When the same block is missing again and no replica has it, it is lost.
   */
  async get(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    asked: Asked,
  ): Promise<ObjectReader> {
    return (await this.find(context, bucket, key, asked)).reader
  }

  /** As `get`, with the version's record. */
  async find(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    asked: Asked,
  ): Promise<FoundObject> {
    try {
      return await this.#get(context, bucket, key, asked)
    } catch (error) {
      if (!(error instanceof GoneError)) throw error
      const { block } = error
      const lost = await this.#options.losses.isLost(block)
      try {
        // The register has changed by now (R4).
        return await this.#get(context, bucket, key, asked)
      } catch (again) {
        if (!lost || !(again instanceof GoneError) || again.block !== block) throw again
        const versionId = asked.versionId ?? NULL_VERSION_ID
        this.#options.losses.note(bucket, { register: key, versionId, sizeBytes: 0 })
        throw dataLost()
      }
    }
  }

  /** One try. Throws GoneError when a page or manifest that the register named is gone. */
  async #get(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    { key: name, versionId, withData }: Asked,
  ): Promise<FoundObject> {
    const { accepted, block } = await this.#options.registers.read(context, {
      key,
      fence: bucket,
      withBlock: withData && versionId === undefined,
    })
    const record = objectOf(accepted?.value)
    const version = await this.#readable(context, key, record, name, versionId)
    const storage = await this.#storage(context, key, version, block)
    const isCurrent = version.sequence === record.versions[0]?.sequence
    const info = {
      ...objectInfoOf(name, version, storage),
      expiration: isCurrent ? expirationIn(bucket, key, version) : undefined,
    }
    const versioned = bucket.record.versioning !== VERSIONING.never
    const read = (start: number, end: number): AsyncIterable<Uint8Array> => {
      const chunks = this.#options.bodies.read(context, storage, partitionOfKey(key), start, end)
      return untilReplaced(chunks, async (block) => {
        // The order matters: what the register still names after all replicas have answered was not just freed (R4).
        const lost = await this.#options.losses.isLost(block)
        if (!(await this.#isStillNamed(context, bucket, key, version))) return 'replaced'
        if (!lost) return 'away'
        const { sizeBytes } = version
        const versionId = versionIdText(version)
        this.#options.losses.note(bucket, { register: key, versionId, sizeBytes })
        return 'lost'
      })
    }
    const found = (bytes?: Uint8Array): FoundObject => ({
      reader: { info, versioned, read, bytes },
      version,
      storage,
    })
    if (version.sizeBytes === 0) return found(new Uint8Array(0))
    const only = storage.length === 1 ? storage[0] : undefined
    // A slower replica may have sent the block of an older state.
    const packed =
      only?.packed === true && packedBlockKey(key, dataId(byteString(only.dataId))) === block?.key
    if (packed && block?.bytes.length === only.sizeBytes) {
      return found(block.bytes)
    }
    return found()
  }

  /** The version that a GET is for. Throws NoSuchKey, NoSuchVersion or IsDeleteMarker when there is none to return. */
  async #readable(
    context: RequestContext,
    key: RegisterKey,
    record: ObjectRecord,
    name: string,
    versionId: string | undefined,
  ): Promise<VersionRecord> {
    const version =
      versionId === undefined
        ? record.versions[0]
        : await this.#named(context, key, record, versionId)
    const refusal = unreadable(name, versionId, version)
    if (version === undefined || refusal !== undefined) throw refusal ?? new StoreError('NoSuchKey')
    return version
  }

  async #named(
    context: RequestContext,
    key: RegisterKey,
    record: ObjectRecord,
    versionId: string,
  ): Promise<VersionRecord | undefined> {
    const wanted = wantedOf(record, versionId)
    return wanted && this.#options.pages.find(context, key, record, wanted)
  }

  /** Whether the object still refers to this version, so that its data must exist. */
  async #isStillNamed(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    version: VersionRecord,
  ): Promise<boolean> {
    const { accepted } = await this.#options.registers.read(context, { key, fence: bucket })
    const record = objectOf(accepted?.value)
    return (await this.#options.pages.find(context, key, record, version)) !== undefined
  }

  /** Where the version's bytes are: in its record, or listed in its manifest, which may have come with the state. */
  async #storage(
    context: RequestContext,
    key: RegisterKey,
    version: VersionRecord,
    block: PackedBlock | undefined,
  ): Promise<VersionRecord['storage']> {
    if (version.manifest.length === 0) return version.storage
    const manifestKey = packedBlockKey(key, dataId(byteString(version.manifest)))
    if (block?.key === manifestKey) return manifestCodec.decode(block.bytes).storage
    context.rounds++
    return this.#options.pages.manifest(context, key, version)
  }
}

/**
 * Passes the chunks on. When no replica returns a block, `fate` finds out why. Throws DataLost when it is lost,
 * ReplacedError when the version is gone and no chunk was sent yet (R4: the caller begins again), and otherwise the
 * error itself.
 */
function untilReplaced(
  chunks: AsyncGenerator<Uint8Array>,
  fate: (block: BlockKey) => Promise<'replaced' | 'away' | 'lost'>,
): AsyncIterable<Uint8Array> {
  let begun = false
  const failed = async (error: unknown): Promise<never> => {
    if (!(error instanceof MissingBlockError)) throw error
    const found = await fate(error.block)
    if (found === 'lost') throw dataLost()
    if (found === 'replaced' && !begun) throw new ReplacedError()
    throw error
  }
  // No generator around the one of the chunks: that would cost a few promises more for each of them.
  const iterator: AsyncIterator<Uint8Array> = {
    next: () =>
      chunks.next().then((step) => {
        begun = true
        return step
      }, failed),
    return: () => chunks.return(undefined),
  }
  return { [Symbol.asyncIterator]: () => iterator }
}
