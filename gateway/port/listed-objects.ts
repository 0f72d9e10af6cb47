/**
 * The objects of one page of a listing, packed: their texts one behind the other in one array of bytes, their numbers in
 * another. A page has up to 1,000 objects, and an object of JavaScript for each, with its texts, costs more than to find and
 * to send it. So it passes from storage to the answer in this shape, also between threads.
 */

import { grown, utf8, utf8Text } from '../../protocol/bytes.ts'
import type { ChecksumAlgorithm } from './body.ts'

/** An entry of a listing of objects. */
export interface ListedObject {
  readonly key: string
  readonly sizeBytes: number
  readonly etag: string
  readonly lastModifiedMs: number
  readonly storageClass: string
  readonly versionId: string
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined
  readonly checksumType?: 'FULL_OBJECT' | 'COMPOSITE' | undefined
  /** The account that owns it, where it is not the bucket's. */
  readonly owner?: string | undefined
}

/** Texts of an object, in the order in which they are packed: UTF-8. */
export const LISTED_TEXT = {
  key: 0,
  etag: 1,
  versionId: 2,
  /** Empty: STANDARD. */
  storageClass: 3,
  /** Empty: none. */
  checksumAlgorithm: 4,
  /** Empty: the account of the bucket. */
  owner: 5,
} as const
type ListedText = (typeof LISTED_TEXT)[keyof typeof LISTED_TEXT]

/** Numbers of an object: where each text ends, then these. */
const SIZE_BYTES = 6
const LAST_MODIFIED_MS = 7
const CHECKSUM_TYPE = 8
const NUMBERS = 9

/** By the number that stands for them. */
const CHECKSUM_TYPES = [undefined, 'FULL_OBJECT', 'COMPOSITE'] as const

/** Read by gateway/s3/list.ts, which takes the bytes as they are, and by tests as objects. */
export class ListedObjects implements Iterable<ListedObject> {
  readonly texts: Uint8Array
  readonly numbers: Float64Array
  #giveBack: (() => void) | undefined

  /**
   * Both are kept. `new ListedObjects(texts, numbers)` makes a page again out of what a thread was sent. `giveBack` is
   * called once, when the page is released.
   */
  constructor(texts: Uint8Array, numbers: Float64Array, giveBack?: () => void) {
    this.texts = texts
    this.numbers = numbers
    this.#giveBack = giveBack
  }

  /** Gives back the page's memory, which is used again: nobody may read the page after that. A page that is never released is
   * left to the collector. */
  release(): void {
    const giveBack = this.#giveBack
    this.#giveBack = undefined
    giveBack?.()
  }

  static of(objects: Iterable<ListedObject>): ListedObjects {
    const packer = new ListedObjectPacker()
    for (const each of objects) {
      const standard = each.storageClass === 'STANDARD'
      const texts = [
        each.key,
        each.etag,
        each.versionId,
        standard ? '' : each.storageClass,
        each.checksumAlgorithm ?? '',
        each.owner ?? '',
      ]
      for (const text of texts) {
        const bytes = utf8(text)
        packer.text(bytes, 0, bytes.length)
      }
      const type = CHECKSUM_TYPES.indexOf(each.checksumType)
      packer.finishObject(each.sizeBytes, each.lastModifiedMs, type)
    }
    return packer.finish()
  }

  get length(): number {
    return this.numbers.length / NUMBERS
  }

  start(object: number, text: ListedText): number {
    if (text > 0) return this.end(object, (text - 1) as ListedText)
    return object === 0 ? 0 : this.end(object - 1, LISTED_TEXT.owner)
  }

  end(object: number, text: ListedText): number {
    return this.numbers[NUMBERS * object + text]!
  }

  isEmpty(object: number, text: ListedText): boolean {
    return this.start(object, text) === this.end(object, text)
  }

  text(object: number, text: ListedText): string {
    return utf8Text(this.texts.subarray(this.start(object, text), this.end(object, text)))
  }

  sizeBytes(object: number): number {
    return this.numbers[NUMBERS * object + SIZE_BYTES]!
  }

  lastModifiedMs(object: number): number {
    return this.numbers[NUMBERS * object + LAST_MODIFIED_MS]!
  }

  checksumType(object: number): ListedObject['checksumType'] {
    return CHECKSUM_TYPES[this.numbers[NUMBERS * object + CHECKSUM_TYPE]!]
  }

  at(object: number): ListedObject {
    const algorithm = this.text(object, LISTED_TEXT.checksumAlgorithm)
    const owner = this.text(object, LISTED_TEXT.owner)
    return {
      key: this.text(object, LISTED_TEXT.key),
      sizeBytes: this.sizeBytes(object),
      etag: this.text(object, LISTED_TEXT.etag),
      lastModifiedMs: this.lastModifiedMs(object),
      storageClass: this.text(object, LISTED_TEXT.storageClass) || 'STANDARD',
      versionId: this.text(object, LISTED_TEXT.versionId),
      checksumAlgorithm: algorithm === '' ? undefined : (algorithm as ChecksumAlgorithm),
      checksumType: this.checksumType(object),
      owner: owner === '' ? undefined : owner,
    }
  }

  *[Symbol.iterator](): Generator<ListedObject, undefined> {
    for (let object = 0; object < this.length; object++) yield this.at(object)
  }
}

/** For the texts of one object: most keys are shorter than this leaves for them. */
const TEXT_BYTES_EXPECTED = 128

/** Makes a page. For each object call `text` for its six texts in their order, then `finishObject`. */
export class ListedObjectPacker {
  #texts: Uint8Array
  #numbers: Float64Array
  #textBytes = 0
  #count = 0

  /** `expected` objects cost no growing. More are fine. */
  constructor(expected = 1) {
    this.#texts = new Uint8Array(expected * TEXT_BYTES_EXPECTED)
    this.#numbers = new Float64Array(expected * NUMBERS)
  }

  /** Copies a text out of a buffer. */
  text(from: Uint8Array, start: number, end: number): void {
    if (this.#textBytes + end - start > this.#texts.length)
      this.#texts = grown(this.#texts, this.#textBytes, end - start)
    const into = this.#texts
    let at = this.#textBytes
    // For so few bytes a loop is faster than a view and its copy.
    for (let i = start; i < end; i++) into[at++] = from[i]!
    this.#textBytes = at
    if (this.#count === this.#numbers.length) this.#growNumbers()
    this.#numbers[this.#count++] = at
  }

  /** `checksumType`: 0 none, 1 FULL_OBJECT, 2 COMPOSITE. */
  finishObject(sizeBytes: number, lastModifiedMs: number, checksumType: number): void {
    const numbers = this.#numbers
    numbers[this.#count++] = sizeBytes
    numbers[this.#count++] = lastModifiedMs
    numbers[this.#count++] = checksumType
  }

  /** The memory that it has. */
  get sizeBytes(): number {
    return this.#texts.byteLength + this.#numbers.byteLength
  }

  /** The page, whose memory is the packer's. Call it once, or again after `clear`. */
  finish(giveBack?: () => void): ListedObjects {
    return new ListedObjects(
      this.#texts.subarray(0, this.#textBytes),
      this.#numbers.subarray(0, this.#count),
      giveBack,
    )
  }

  /** Forgets the page that was made, which nobody reads any more. */
  clear(): void {
    this.#textBytes = 0
    this.#count = 0
  }

  #growNumbers(): void {
    const larger = new Float64Array(2 * this.#numbers.length + NUMBERS)
    larger.set(this.#numbers)
    this.#numbers = larger
  }
}
