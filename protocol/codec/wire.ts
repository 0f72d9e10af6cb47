/**
 * Fields of protobuf messages by hand, for the records that every request decodes and encodes: some ten
 * times as fast as the generated codecs, and the same bytes.
 *
 * ```
 * message   field, field …                      in ascending order of numbers, as the generated codecs write them
 * field     varint (number * 8 + type), then:
 *           type 0   varint
 *           type 1   8 bytes          skipped: records.proto has none
 *           type 2   varint length, so many bytes: a text in UTF-8, bytes, or a message
 *           type 5   4 bytes          skipped: records.proto has none
 * varint    7 bits to a byte, the lowest first; bit 7 says that another byte follows
 * ```
 *
 * What a field means is the caller's: object-record.ts for whole records, protocol/object/summary.ts for listings. Both
 * skip fields whose numbers they do not know.
 */

import { byteString, grown, utf8, utf8Text } from '../bytes.ts'
import { assert } from '../assert.ts'
import { checkInput } from '../input.ts'

const VARINT = 0
/** What the tenth byte of a varint is multiplied by. protobuf writes no longer ones. */
const VARINT_SCALE_MAX = 2 ** 63
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

/**
 * One field of a message after the other:
 *
 *     while (reader.next()) switch (reader.field) { case 1: … reader.value … }
 *
 * `value`, `start` and `end` are those of the current field. A field whose type is not the expected one reads as zero
 * or empty. `next` throws RangeError when a field goes past the end of its message, or has a wire type that proto3
 * lacks.
 */
export class FieldReader {
  /** The number of the current field, as in records.proto. */
  field = 0
  /** The value of a varint. */
  value = 0
  /** Where the bytes of a field with a length begin and end. */
  start = 0
  end = 0
  #bytes: Uint8Array
  #limit: number
  #at: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.#at = start
    this.#limit = end
  }

  /** Begins anew with another message. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes
    this.#at = start
    this.#limit = end
  }

  /** Goes on inside the current field, which is a message, and not behind it. */
  enter(): void {
    this.#at = this.start
    this.#limit = this.end
  }

  /** Goes to the next field. False at the end of the message. */
  next(): boolean {
    if (this.#at >= this.#limit) return false
    const tag = this.#varint()
    // A field of an unexpected type reads as empty.
    this.value = 0
    this.start = this.end = this.#at
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

  /** The current field as text. Most texts are ASCII, which need no decoder. */
  text(): string {
    for (let at = this.start; at < this.end; at++) {
      if (this.#bytes[at]! > 127) return utf8Text(this.bytes())
    }
    return byteString(this.bytes())
  }

  /** The current field as a view of the message: copy it when the message's bytes will be reused. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.start, this.end) as Uint8Array<ArrayBuffer>
  }

  /** The current field as a message of its own. Read it before `next`, or after: it does not move this reader. */
  message(): FieldReader {
    return new FieldReader(this.#bytes, this.start, this.end)
  }

  /** Up to 2^53 exactly; no field of a record is larger. Throws RangeError after 10 bytes without an end. */
  #varint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      if (this.#at >= this.#limit) throw new RangeError('record cut short')
      const byte = this.#bytes[this.#at++]!
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
      // Without an end the value becomes NaN, and then the reader finds no end of the message either.
      if (scale > VARINT_SCALE_MAX) throw new RangeError('a varint of more than 10 bytes')
    }
  }
}

/**
 * Writes fields one behind the other; zero and empty ones are left out, as proto3 does. Write them in ascending order:
 * then the bytes are those of the generated codec. It keeps its memory from message to message (`clear`).
 */
export class FieldWriter {
  #bytes = new Uint8Array(1_024)
  #length = 0

  /** A whole number of at least 0, up to 2^53 − 1. */
  number(field: number, value: number): void {
    if (value === 0) return
    checkInput(Number.isSafeInteger(value) && value > 0, 'numbers of records are whole')
    this.#varint(field * 8 + VARINT)
    this.#varint(value)
  }

  /** True is written as 1. False is left out. */
  flag(field: number, value: boolean): void {
    this.number(field, Number(value))
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length > 0) this.element(field, value)
  }

  /** One element of a repeated field, which is written even when it is empty. */
  element(field: number, value: Uint8Array): void {
    this.#varint(field * 8 + BYTES)
    this.#varint(value.length)
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  /** UTF-8. It is written as ASCII first, and again from its beginning when that turns out to be wrong. */
  text(field: number, value: string): void {
    if (value === '') return
    this.#reserve(value.length + 12)
    const start = this.#length
    this.#varint(field * 8 + BYTES)
    this.#varint(value.length)
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i)
      if (code > 127) {
        this.#length = start
        this.element(field, utf8(value))
        return
      }
      this.#bytes[this.#length++] = code
    }
  }

  /** A field that is a message: `write` writes its fields. An empty message is written, with length 0. */
  message<T>(field: number, value: T, write: (writer: FieldWriter, value: T) => void): void {
    this.#varint(field * 8 + BYTES)
    // One byte for the length, which most often is enough.
    this.#reserve(1)
    const start = ++this.#length
    write(this, value)
    const lengthBytes = this.#length - start
    const more = varintBytes(lengthBytes) - 1
    if (more > 0) {
      this.#reserve(more)
      this.#bytes.copyWithin(start + more, start, this.#length)
    }
    const end = this.#length + more
    assert(end <= this.#bytes.length, 'a message has room for its length')
    this.#length = start - 1
    this.#varint(lengthBytes)
    this.#length = end
  }

  /** A copy of what was written, behind `head` bytes for the caller, such as the version byte. */
  finish(head: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(head + this.#length)
    bytes.set(this.#bytes.subarray(0, this.#length), head)
    return bytes
  }

  /** Begins another message in the same memory. */
  clear(): this {
    this.#length = 0
    return this
  }

  #varint(value: number): void {
    this.#reserve(8)
    let left = value
    while (left > 127) {
      this.#bytes[this.#length++] = (left % 128) + 128
      left = Math.floor(left / 128)
    }
    this.#bytes[this.#length++] = left
  }

  /** Makes room for `count` more bytes. */
  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    this.#bytes = grown(this.#bytes, this.#length, count)
  }
}

/** How many bytes a varint of this value takes. */
function varintBytes(value: number): number {
  let count = 1
  for (let left = value; left > 127; left = Math.floor(left / 128)) count++
  return count
}
