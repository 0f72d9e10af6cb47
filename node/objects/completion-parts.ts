/** The parts that a completion names: read by quorum lists of the upload's parts. */

import { byteString } from '../../protocol/bytes.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { PartRecord, StorageRecord } from '../../protocol/codec/versioned.ts'
import type { CompletedPart } from '../../gateway/port/uploads.ts'
import { checkedParts, checkOrder } from './completion-record.ts'
import type { UploadParts } from './upload-parts.ts'
import { uploadDataIds, type FencedPlace } from './upload-record.ts'

export class CompletionParts {
  readonly #parts: Pick<UploadParts, 'walk'>
  /** When it is left out, S3's 5 MiB. */
  readonly #partBytesMin: number | undefined

  /** @param partBytesMin for all parts but the last; S3's 5 MiB when it is left out */
  constructor(parts: Pick<UploadParts, 'walk'>, partBytesMin: number | undefined) {
    this.#parts = parts
    this.#partBytesMin = partBytesMin
  }

  /** The parts that the request names, in its order, checked as S3 checks them. Throws InvalidPart, InvalidPartOrder,
   * EntityTooSmall, EntityTooLarge. */
  async named(
    context: RequestContext,
    place: FencedPlace,
    named: readonly CompletedPart[],
  ): Promise<PartRecord[]> {
    checkOrder(named)
    const stored = new Map<number, PartRecord>()
    const expected = named.length + 1
    for await (const { part } of this.#parts.walk(context, place.fence, place, { expected })) {
      stored.set(part.partNumber, part)
    }
    return checkedParts(stored, named, this.#partBytesMin)
  }

  /** Are all of these data still those of the upload's parts? Asked after "completing" was chosen (step 3 of
   * completion.ts). */
  async areStillStored(
    context: RequestContext,
    place: FencedPlace,
    storage: readonly StorageRecord[],
  ): Promise<boolean> {
    const wanted = uploadDataIds(storage)
    const expected = storage.length + 1
    for await (const { part } of this.#parts.walk(context, place.fence, place, { expected })) {
      if (part.storage !== undefined) wanted.delete(byteString(part.storage.dataId))
    }
    return wanted.size === 0
  }
}
