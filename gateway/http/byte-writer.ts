/**
 * Writes an answer of many small pieces as bytes. Text that is joined out of thousands of pieces costs more: an object for
 * each piece, a copy into one text, and a copy of that as UTF-8.
 */

import { utf8 } from '../../protocol/bytes.ts'
import type { AnswerMemory } from './answer-memory.ts'

/** Up to this length a loop is faster than the copy of the runtime. */
const LOOP_BYTES_MAX = 48
const DIGIT_0 = 48

/** Grows as needed. */
export class ByteWriter {
  readonly #memory: AnswerMemory
  #bytes: Uint8Array
  #length = 0

  /** `expectedBytes` cost no growing. More are fine. */
  constructor(expectedBytes: number, memory: AnswerMemory) {
    this.#memory = memory
    this.#bytes = memory.take(Math.max(64, expectedBytes))
  }

  get length(): number {
    return this.#length
  }

  put(bytes: Uint8Array): void {
    this.putPart(bytes, 0, bytes.length)
  }

  putPart(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    this.#reserve(length)
    const into = this.#bytes
    let at = this.#length
    if (length <= LOOP_BYTES_MAX) for (let i = start; i < end; i++) into[at++] = bytes[i]!
    else into.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at)
    this.#length += length
  }

  /** As UTF-8. */
  putText(text: string): void {
    const start = this.#length
    this.#reserve(text.length)
    const into = this.#bytes
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) {
        this.put(utf8(text.slice(i)))
        return
      }
      into[start + i] = code
      this.#length++
    }
  }

  /** In decimal digits. `value` is a whole number from 0 to 2^53. */
  putNumber(value: number): void {
    if (value >= 1e9) {
      this.putText(String(value))
      return
    }
    let digits = 1
    for (let limit = 10; value >= limit; limit *= 10) digits++
    this.#reserve(digits)
    let left = value
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      const rest = Math.trunc(left / 10)
      this.#bytes[at] = DIGIT_0 + left - 10 * rest
      left = rest
    }
    this.#length += digits
  }

  /** What was written from `start` on, as a view: it counts until something more is written. */
  written(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.#length)
  }

  /** What was written. Nothing may be written any more. The caller gives it back to the memory that it comes from. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const larger = this.#memory.take(2 * (this.#length + count))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#memory.give(this.#bytes)
    this.#bytes = larger
  }
}
