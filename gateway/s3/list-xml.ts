/**
 * The entries of a page of objects as XML, straight from the packed page to bytes: a page has 1,000 of them. It writes the
 * elements of xml.ts and list.ts, and list-xml.test.ts compares the two.
 */

import { utf8 } from '../../protocol/bytes.ts'
import { Meter, type Work } from '../../protocol/work.ts'
import { ByteWriter } from '../http/byte-writer.ts'
import { encodeUrl, meteredName, xmlDate, type NameWriter } from '../http/xml.ts'
import { escapeXml } from '../http/xml-text.ts'
import { LISTED_TEXT, type ListedObjects } from '../port/listed-objects.ts'

const KEY = utf8('<Contents><Key>')
const LAST_MODIFIED = utf8('</Key><LastModified>')
const ETAG = utf8('</LastModified><ETag>&quot;')
const ETAG_END = utf8('&quot;</ETag>')
const ALGORITHM = utf8('<ChecksumAlgorithm>')
const CHECKSUM_TYPE = utf8('</ChecksumAlgorithm><ChecksumType>')
const CHECKSUM_TYPE_END = utf8('</ChecksumType>')
const SIZE = utf8('<Size>')
const SIZE_END = utf8('</Size>')
const STANDARD = utf8('<StorageClass>STANDARD</StorageClass></Contents>')
const STORAGE_CLASS = utf8('<StorageClass>')
const STORAGE_CLASS_END = utf8('</StorageClass></Contents>')
/** An entry with a short key and without checksums. */
const ENTRY_BYTES_EXPECTED = 272

/** Bytes that `write` leaves as they are, wherever they stand. */
function plainBytes(write: NameWriter): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const character = String.fromCharCode(byte)
    return byte < 128 && write(character) === character ? 1 : 0
  })
}

const PLAIN_IN_XML = plainBytes(escapeXml)
const PLAIN_IN_URLS = plainBytes(encodeUrl)

/** Writes one page. */
class EntryWriter {
  readonly #objects: ListedObjects
  readonly #write: NameWriter
  readonly #plain: Uint8Array
  readonly #owner: Uint8Array
  readonly #meter: Meter
  readonly #into: ByteWriter
  /** The text of a time is made once for neighbours that share it. */
  #lastMs = Number.NaN
  #lastDate = ''

  constructor(
    objects: ListedObjects,
    write: NameWriter,
    owner: string,
    meter: Meter,
    into: ByteWriter,
  ) {
    this.#objects = objects
    this.#write = write
    this.#plain = write === encodeUrl ? PLAIN_IN_URLS : PLAIN_IN_XML
    this.#owner = utf8(owner)
    this.#meter = meter
    this.#into = into
  }

  put(object: number): void {
    const [objects, into] = [this.#objects, this.#into]
    into.put(KEY)
    this.#putKey(object)
    into.put(LAST_MODIFIED)
    into.putText(this.#date(objects.lastModifiedMs(object)))
    into.put(ETAG)
    this.#putText(object, LISTED_TEXT.etag)
    into.put(ETAG_END)
    if (!objects.isEmpty(object, LISTED_TEXT.checksumAlgorithm)) {
      into.put(ALGORITHM)
      this.#putText(object, LISTED_TEXT.checksumAlgorithm)
      into.put(CHECKSUM_TYPE)
      into.putText(objects.checksumType(object) ?? 'FULL_OBJECT')
      into.put(CHECKSUM_TYPE_END)
    }
    into.put(SIZE)
    into.putNumber(objects.sizeBytes(object))
    into.put(SIZE_END)
    into.put(this.#owner)
    if (objects.isEmpty(object, LISTED_TEXT.storageClass)) into.put(STANDARD)
    else {
      into.put(STORAGE_CLASS)
      into.putText(escapeXml(objects.text(object, LISTED_TEXT.storageClass)))
      into.put(STORAGE_CLASS_END)
    }
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

  #date(timeMs: number): string {
    if (timeMs !== this.#lastMs) {
      this.#lastDate = xmlDate(timeMs)
      this.#lastMs = timeMs
    }
    return this.#lastDate
  }
}

/** The document: `head`, the entries, `tail`. `owner` is the XML of each entry's owner. In slices (work-queue.ts). */
export function* listingXml(
  objects: ListedObjects,
  write: NameWriter,
  owner: string,
  head: string,
  tail: string,
): Work<Uint8Array> {
  const meter = new Meter()
  const expected = (ENTRY_BYTES_EXPECTED + owner.length) * objects.length
  const into = new ByteWriter(head.length + expected + tail.length)
  into.putText(head)
  const entries = new EntryWriter(objects, write, owner, meter, into)
  for (let object = 0; object < objects.length; object++) {
    const before = into.length
    entries.put(object)
    meter.take(into.length - before)
    if (meter.isDue()) yield
  }
  into.putText(tail)
  return into.finish()
}
