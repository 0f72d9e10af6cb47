/**
 * What a listing shows of an object, read straight from the text of its register's bytes
 * (records.proto), since a page takes it a thousand times. Everything else is skipped by its length. Called for each key of a page by
 * node/objects/object-lists.ts.
 *
 * It reads field 2 of ObjectRecord, the versions, and stops after the first: versions are written from new to old, so
 * that is the current one. object.ts gives the same answer for a whole record; summary.test.ts compares the two.
 */

import { RecordVersionError } from '../codec/versioned.ts'
import { textOfUtf8 } from '../bytes.ts'
import type { ByteString } from '../ids.ts'

/** Shapes and units are those of VersionRecord in records.proto. What the record leaves out is empty or 0. */
export interface ObjectSummary {
  versionId: string
  sizeBytes: number
  etag: string
  lastModifiedMs: number
  storageClass: string
  /** The algorithm of the first checksum; empty when there is none. */
  checksumAlgorithm: string
  /** 0 none, 1 FULL_OBJECT, 2 COMPOSITE. */
  checksumType: number
}

/**
 * The current version; undefined when there is none, or it is a delete marker. The part of `text` from `start` to `end`
 * is a register's body, version byte included. Throws RecordVersionError for an unknown version (F20), and RangeError
 * when it is cut short.
 */
export function summaryOf(
  text: ByteString,
  start = 0,
  end = text.length,
): ObjectSummary | undefined {
  const version = start < end ? text.charCodeAt(start) : undefined
  if (version !== 1) throw new RecordVersionError(`record of version ${version}`)
  const fields = new TextFields(text, start + 1, end)
  while (fields.next()) {
    if (fields.field === 2) return versionSummary(fields.enter())
  }
  return undefined
}

function versionSummary(fields: TextFields): ObjectSummary | undefined {
  const summary: ObjectSummary = {
    versionId: '',
    sizeBytes: 0,
    etag: '',
    lastModifiedMs: 0,
    storageClass: '',
    checksumAlgorithm: '',
    checksumType: 0,
  }
  while (fields.next()) {
    switch (fields.field) {
      case 1:
        summary.versionId = fields.text()
        break
      case 2:
        if (fields.value !== 0) return undefined
        break
      case 3:
        summary.sizeBytes = fields.value
        break
      case 4:
        summary.etag = fields.text()
        break
      case 5:
        summary.lastModifiedMs = fields.value
        break
      case 6:
        summary.storageClass = fields.text()
        break
      case 9:
        if (summary.checksumAlgorithm === '') summary.checksumAlgorithm = nameOf(fields.enter())
        break
      case 10:
        summary.checksumType = fields.value
        break
      default:
        break
    }
  }
  return summary
}

/** The name of a PairRecord. */
function nameOf(fields: TextFields): string {
  let name = ''
  while (fields.next()) if (fields.field === 1) name = fields.text()
  return name
}

/** As FieldReader (codec/wire.ts), but of a ByteString: texts are pieces of it, without a copy of their bytes. */
class TextFields {
  field = 0
  value = 0
  readonly #text: ByteString
  readonly #limit: number
  #start = 0
  #at: number

  constructor(text: ByteString, start: number, end: number) {
    this.#text = text
    this.#at = start
    this.#limit = end
  }

  /** Goes to the next field. False at the end of the message. */
  next(): boolean {
    if (this.#at >= this.#limit) return false
    const tag = this.#varint()
    // A field of an unexpected type reads as empty.
    this.value = 0
    this.field = Math.floor(tag / 8)
    switch (tag % 8) {
      case 0:
        this.value = this.#varint()
        this.#start = this.#at
        break
      case 2: {
        const length = this.#varint()
        this.#start = this.#at
        this.#at += length
        break
      }
      case 1:
        this.#at += 8
        this.#start = this.#at
        break
      case 5:
        this.#at += 4
        this.#start = this.#at
        break
      default:
        throw new RangeError('unknown wire type')
    }
    if (this.#at > this.#limit) throw new RangeError('record cut short')
    return true
  }

  text(): string {
    return textOfUtf8(this.#text.slice(this.#start, this.#at))
  }

  /** The current field as a message of its own. */
  enter(): TextFields {
    return new TextFields(this.#text, this.#start, this.#at)
  }

  /** Up to 2^53 exactly; no field of a record is larger. */
  #varint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      if (this.#at >= this.#limit) throw new RangeError('record cut short')
      const byte = this.#text.charCodeAt(this.#at++)
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
      if (scale >= 2 ** 70) throw new RangeError('a number of more than ten bytes')
    }
  }
}
