/** Reads objects: which version, where its bytes are, and what to do when they are gone (R4). */

import { byteString } from '../../protocol/bytes.ts'
import {
  manifestCodec,
  type ObjectRecord,
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
import { GoneError, type Pages } from './pages.ts'
import type { PackedBlock } from '../replica/host-replies.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import { objectInfoOf, versionIdText } from './versions.ts'

export interface ObjectReadsOptions {
  readonly registers: RegisterClient
  readonly bodies: Bodies
  readonly pages: Pages
  readonly losses: BlockLosses
}

interface Asked {
  readonly key: string
  /** Left out for the current version. */
  readonly versionId?: string | undefined
  readonly withData: boolean
}

export class ObjectReads {
  readonly #options: ObjectReadsOptions

  constructor(options: ObjectReadsOptions) {
    this.#options = options
  }

  /** Throws NoSuchKey, NoSuchVersion, IsDeleteMarker as Backend.getObject says. */
  async get(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    asked: Asked,
  ): Promise<ObjectReader> {
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

  async #get(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    { key: name, versionId, withData }: Asked,
  ): Promise<ObjectReader> {
    const { accepted, block } = await this.#options.registers.read(context, {
      key,
      fence: bucket,
      withBlock: withData && versionId === undefined,
    })
    const record = objectOf(accepted?.value)
    const version = await this.#readable(context, key, record, name, versionId)
    const storage = await this.#storage(context, key, version, block)
    const info = objectInfoOf(name, version, storage)
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
    if (version.sizeBytes === 0) return { info, versioned, read, bytes: new Uint8Array(0) }
    const only = storage.length === 1 ? storage[0] : undefined
    // A slower replica may have sent the block of an older state.
    const packed =
      only?.packed === true && packedBlockKey(key, dataId(byteString(only.dataId))) === block?.key
    if (packed && block?.bytes.length === version.sizeBytes) {
      return { info, versioned, read, bytes: block.bytes }
    }
    return { info, versioned, read }
  }

  /** The version that a GET is for, or why there is none to return. */
  async #readable(
    context: RequestContext,
    key: RegisterKey,
    record: ObjectRecord,
    name: string,
    versionId: string | undefined,
  ): Promise<VersionRecord> {
    if (versionId === undefined) {
      const newest = record.versions[0]
      if (newest === undefined) throw new StoreError('NoSuchKey', undefined, { Key: name })
      if (!newest.deleteMarker) return newest
      const details = { Key: name, DeleteMarker: 'true', VersionId: versionIdText(newest) }
      throw new StoreError('NoSuchKey', undefined, details)
    }
    const wanted = wantedOf(record, versionId)
    const version = wanted && (await this.#options.pages.find(context, key, record, wanted))
    if (version === undefined) {
      throw new StoreError('NoSuchVersion', undefined, { Key: name, VersionId: versionId })
    }
    if (!version.deleteMarker) return version
    throw new StoreError('IsDeleteMarker', undefined, {
      Key: name,
      VersionId: versionId,
      LastModifiedMs: version.lastModifiedMs,
    })
  }

  /** The object still refers to this version, so its data must exist. */
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

/** When no replica returns a block, the version may be gone, if no chunk was sent yet (R4), or its data is lost. */
async function* untilReplaced(
  chunks: AsyncIterable<Uint8Array>,
  fate: (block: BlockKey) => Promise<'replaced' | 'away' | 'lost'>,
): AsyncGenerator<Uint8Array> {
  let begun = false
  try {
    for await (const chunk of chunks) {
      begun = true
      yield chunk
    }
  } catch (error) {
    if (!(error instanceof MissingBlockError)) throw error
    const found = await fate(error.block)
    if (found === 'lost') throw dataLost()
    if (found === 'replaced' && !begun) throw new ReplacedError()
    throw error
  }
}
