/**
 * The entries of a page of objects as XML, straight from the packed page to bytes: a page has 1,000 of them. It writes the
 * elements of xml.ts and list.ts, and list-xml.test.ts compares the two.
 */

import { utf8 } from '../../protocol/bytes.ts'
import { Meter, type Work } from '../../protocol/work.ts'
import type { AnswerMemory } from '../http/answer-memory.ts'
import { ByteWriter } from '../http/byte-writer.ts'
import { encodeUrl, meteredName, xmlDate, type NameWriter } from '../http/xml.ts'
import { escapeXml } from '../http/xml-text.ts'
import { LISTED_TEXT, type ListedObjects } from '../port/listed-objects.ts'

const KEY = utf8('<Contents><Key>')
/** From behind the key to the ETag, around the time. */
const AROUND_TIME = ['</Key><LastModified>', '</LastModified><ETag>&quot;'] as const
/** As long as each time. */
const NO_TIME = '0000-00-00T00:00:00.000Z'
const ETAG_END = utf8('&quot;</ETag>')
const ETAG_END_SIZE = utf8('&quot;</ETag><Size>')
const ALGORITHM = utf8('<ChecksumAlgorithm>')
const CHECKSUM_TYPE = utf8('</ChecksumAlgorithm><ChecksumType>')
const CHECKSUM_TYPE_END_SIZE = utf8('</ChecksumType><Size>')
const SIZE_END = '</Size>'
const STANDARD = '<StorageClass>STANDARD</StorageClass></Contents>'
const STORAGE_CLASS = utf8('<StorageClass>')
const STORAGE_CLASS_END = utf8('</StorageClass></Contents>')
/** An entry with a short key and without checksums. */
const ENTRY_BYTES_EXPECTED = 272

/** More than an entry has between key and size, unless its ETag is a strange one. */
const MIDDLE_BYTES_MAX = 512
const NONE = -1

/** Bytes that `write` leaves as they are, wherever they stand. */
function plainBytes(write: NameWriter): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const character = String.fromCharCode(byte)
    return byte < 128 && write(character) === character ? 1 : 0
  })
}

const PLAIN_IN_XML = plainBytes(escapeXml)
const PLAIN_IN_URLS = plainBytes(encodeUrl)

/** The XML of owners in a page. */
export interface ListedOwners {
  /** Of entries without an owner of their own. */
  readonly common: string
  /** Of the others. Left out where all have the common one. */
  readonly of?: ((account: string) => string) | undefined
}

/** Writes one page. */
class EntryWriter {
  readonly #objects: ListedObjects
  readonly #write: NameWriter
  readonly #plain: Uint8Array
  readonly #ownerOf: ListedOwners['of']
  /** From behind the size to the end of the entry, or to its storage class. */
  readonly #standardEnd: Uint8Array
  readonly #sizeEnd: Uint8Array
  readonly #meter: Meter
  readonly #into: ByteWriter
  /** What is around the time, and the time that is written there now. Most entries of a page differ in few digits. */
  readonly #aroundTime = utf8(AROUND_TIME.join(NO_TIME))
  #lastMs = Number.NaN
  /** An object, and what its entry has between key and size: see #keepMiddle. */
  #kept = NONE
  readonly #middle = new Uint8Array(MIDDLE_BYTES_MAX)
  #middleBytes = 0
  /** The time and the length of the ETag in it. */
  #middleMs = Number.NaN
  #etagBytes = 0

  constructor(
    objects: ListedObjects,
    write: NameWriter,
    owners: ListedOwners,
    meter: Meter,
    into: ByteWriter,
  ) {
    this.#objects = objects
    this.#write = write
    this.#plain = write === encodeUrl ? PLAIN_IN_URLS : PLAIN_IN_XML
    this.#ownerOf = owners.of
    this.#standardEnd = utf8(SIZE_END + owners.common + STANDARD)
    this.#sizeEnd = utf8(SIZE_END + owners.common)
    this.#meter = meter
    this.#into = into
  }

  put(object: number): void {
    const [objects, into] = [this.#objects, this.#into]
    into.put(KEY)
    this.#putKey(object)
    if (this.#fitsMiddle(object)) into.putPart(this.#middle, 0, this.#middleBytes)
    else {
      const start = into.length
      this.#putMiddle(object)
      this.#keepMiddle(object, start)
    }
    into.putNumber(objects.sizeBytes(object))
    const ownerOf = objects.isEmpty(object, LISTED_TEXT.owner) ? undefined : this.#ownerOf
    const isStandard = objects.isEmpty(object, LISTED_TEXT.storageClass)
    if (ownerOf !== undefined) {
      const owner = ownerOf(objects.text(object, LISTED_TEXT.owner))
      into.putText(SIZE_END + owner + (isStandard ? STANDARD : ''))
    } else into.put(isStandard ? this.#standardEnd : this.#sizeEnd)
    if (!isStandard) {
      into.put(STORAGE_CLASS)
      into.putText(escapeXml(objects.text(object, LISTED_TEXT.storageClass)))
      into.put(STORAGE_CLASS_END)
    }
  }

  /** From behind the key to the size. */
  #putMiddle(object: number): void {
    const [objects, into] = [this.#objects, this.#into]
    into.put(this.#time(objects.lastModifiedMs(object)))
    this.#putText(object, LISTED_TEXT.etag)
    if (objects.isEmpty(object, LISTED_TEXT.checksumAlgorithm)) into.put(ETAG_END_SIZE)
    else {
      into.put(ETAG_END)
      into.put(ALGORITHM)
      this.#putText(object, LISTED_TEXT.checksumAlgorithm)
      into.put(CHECKSUM_TYPE)
      into.putText(objects.checksumType(object) ?? 'FULL_OBJECT')
      into.put(CHECKSUM_TYPE_END_SIZE)
    }
  }

  /** Keeps what was written of this object from `start` on: most objects of a page differ from it in time and ETag only. */
  #keepMiddle(object: number, start: number): void {
    const { etag } = LISTED_TEXT
    const written = this.#into.written(start)
    // A time that is longer than others is not where `#aroundTime` has it.
    const fits = this.#objects.lastModifiedMs(object) === this.#lastMs
    this.#kept = fits && written.length <= this.#middle.length ? object : NONE
    if (this.#kept === NONE) return
    this.#middle.set(written)
    this.#middleBytes = written.length
    this.#middleMs = this.#lastMs
    this.#etagBytes = this.#objects.end(object, etag) - this.#objects.start(object, etag)
  }

  /** Writes this object's time and ETag into what was kept. False when that differs from this object in more. */
  #fitsMiddle(object: number): boolean {
    const [objects, kept] = [this.#objects, this.#kept]
    if (kept === NONE || objects.checksumType(object) !== objects.checksumType(kept)) return false
    if (!this.#hasAlgorithmOf(object, kept)) return false
    const start = objects.start(object, LISTED_TEXT.etag)
    const end = objects.end(object, LISTED_TEXT.etag)
    const around = this.#time(objects.lastModifiedMs(object))
    if (around !== this.#aroundTime || end - start !== this.#etagBytes) return false
    const [{ texts }, middle] = [objects, this.#middle]
    if (this.#middleMs !== this.#lastMs) middle.set(around)
    this.#middleMs = this.#lastMs
    for (let at = start, to = around.length; at < end; at++, to++) middle[to] = texts[at]!
    return true
  }

  #hasAlgorithmOf(object: number, other: number): boolean {
    const [objects, text] = [this.#objects, LISTED_TEXT.checksumAlgorithm]
    let at = objects.start(object, text)
    const end = objects.end(object, text)
    let otherAt = objects.start(other, text)
    if (end - at !== objects.end(other, text) - otherAt) return false
    while (at < end) if (objects.texts[at++] !== objects.texts[otherAt++]) return false
    return true
  }

  #putKey(object: number): void {
    const [{ texts }, plain] = [this.#objects, this.#plain]
    const start = this.#objects.start(object, LISTED_TEXT.key)
    const end = this.#objects.end(object, LISTED_TEXT.key)
    for (let at = start; at < end; at++) {
      if (plain[texts[at]!] === 0) {
        const key = this.#objects.text(object, LISTED_TEXT.key)
        this.#into.putText(meteredName(key, this.#write, this.#meter))
        return
      }
    }
    this.#into.putPart(texts, start, end)
  }

  /** One that needs no escaping. */
  #putText(object: number, text: (typeof LISTED_TEXT)['etag' | 'checksumAlgorithm']): void {
    const { texts } = this.#objects
    this.#into.putPart(texts, this.#objects.start(object, text), this.#objects.end(object, text))
  }

  /** From behind the key to the ETag. */
  #time(timeMs: number): Uint8Array {
    const bytes = this.#aroundTime
    if (timeMs !== this.#lastMs) {
      const text = xmlDate(timeMs)
      // Years above 9999 take more room.
      if (text.length !== NO_TIME.length) return utf8(AROUND_TIME.join(text))
      const start = AROUND_TIME[0].length
      for (let i = 0; i < text.length; i++) bytes[start + i] = text.charCodeAt(i)
      this.#lastMs = timeMs
    }
    return bytes
  }
}

/**
 * The document: `head`, the entries, `tail`. In slices (work-queue.ts). The caller
 * gives the bytes back to `memory` when they have left.
 */
export function* listingXml(
  objects: ListedObjects,
  write: NameWriter,
  owners: ListedOwners,
  head: string,
  tail: string,
  memory: AnswerMemory,
): Work<Uint8Array> {
  const meter = new Meter()
  const expected = (ENTRY_BYTES_EXPECTED + owners.common.length) * objects.length
  const into = new ByteWriter(head.length + expected + tail.length, memory)
  into.putText(head)
  const entries = new EntryWriter(objects, write, owners, meter, into)
  for (let object = 0; object < objects.length; object++) {
    const before = into.length
    entries.put(object)
    meter.take(into.length - before)
    if (meter.isDue()) yield
  }
  into.putText(tail)
  return into.finish()
}
