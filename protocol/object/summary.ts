/**
 * What a listing shows of an object, read straight from the bytes of its register (records.proto),
 * since a page takes it a thousand times. Everything else is skipped by its length.
 */

import { textOfUtf8, byteString } from '../bytes.ts'
import { RecordVersionError } from '../codec/versioned.ts'

export interface ObjectSummary {
  versionId: string
  sizeBytes: number
  etag: string
  lastModifiedMs: number
  storageClass: string
  /** Of the first checksum: its algorithm. Empty: none. */
  checksumAlgorithm: string
  checksumType: number
}

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

/** The current version; undefined when there is none, or it is a delete marker. */
export function summaryOf(body: Uint8Array): ObjectSummary | undefined {
  if (body[0] !== 1) throw new RecordVersionError(`record of version ${body[0]}`)
  const reader = new FieldReader(body, 1, body.length)
  while (reader.next()) {
    if (reader.field === 2) return versionSummary(body, reader.start, reader.end)
  }
  return undefined
}

function versionSummary(bytes: Uint8Array, start: number, end: number): ObjectSummary | undefined {
  const summary: ObjectSummary = {
    versionId: '',
    sizeBytes: 0,
    etag: '',
    lastModifiedMs: 0,
    storageClass: '',
    checksumAlgorithm: '',
    checksumType: 0,
  }
  const reader = new FieldReader(bytes, start, end)
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        summary.versionId = reader.text()
        break
      case 2:
        if (reader.value !== 0) return undefined
        break
      case 3:
        summary.sizeBytes = reader.value
        break
      case 4:
        summary.etag = reader.text()
        break
      case 5:
        summary.lastModifiedMs = reader.value
        break
      case 6:
        summary.storageClass = reader.text()
        break
      case 9:
        if (summary.checksumAlgorithm === '') {
          const pair = new FieldReader(bytes, reader.start, reader.end)
          while (pair.next()) if (pair.field === 1) summary.checksumAlgorithm = pair.text()
        }
        break
      case 10:
        summary.checksumType = reader.value
        break
      default:
        break
    }
  }
  return summary
}

/** One field of a protobuf message after the other. Throws RangeError when it is cut short. */
class FieldReader {
  field = 0
  /** Of a varint. */
  value = 0
  /** Of a field with a length. */
  start = 0
  end = 0
  readonly #bytes: Uint8Array
  readonly #limit: number
  #at: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.#at = start
    this.#limit = end
  }

  next(): boolean {
    if (this.#at >= this.#limit) return false
    const tag = this.#varint()
    this.field = Math.floor(tag / 8)
    switch (tag % 8) {
      case VARINT:
        this.value = this.#varint()
        break
      case BYTES: {
        const length = this.#varint()
        this.start = this.#at
        this.end = this.#at + length
        this.#at = this.end
        break
      }
      case FIXED64:
        this.#at += 8
        break
      case FIXED32:
        this.#at += 4
        break
      default:
        throw new RangeError('unknown wire type')
    }
    if (this.#at > this.#limit) throw new RangeError('record cut short')
    return true
  }

  text(): string {
    return textOfUtf8(byteString(this.#bytes.subarray(this.start, this.end)))
  }

  #varint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      if (this.#at >= this.#limit) throw new RangeError('record cut short')
      const byte = this.#bytes[this.#at++]!
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
    }
  }
}
