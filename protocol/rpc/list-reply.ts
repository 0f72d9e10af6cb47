/**
 * Answers to list requests. The rows of an interval stay as they are in the message: one buffer, and where in it each
 * key and state is. The bytes on the wire are those of WireListReply in messages.proto; list-reply.test.ts compares the
 * two.
 *
 * ```
 * reply     1 kind   2 epoch   3 generation   4 interval, once for each
 * interval  1 row, once for each   2 digest   3 covered end
 * row       1 key    2 state, left out when it is empty
 * ```
 */

import { EMPTY_BYTES, grown } from '../bytes.ts'
import { assert } from '../assert.ts'
import { FieldReader, FieldWriter } from '../codec/wire.ts'

/** What a replica answers to a list request. Fields as in WireListReply. */
export interface ListReply {
  readonly kind: number
  readonly epoch: number
  readonly generation: number
  readonly intervals: readonly ListInterval[]
}

/** The rows of one interval of the request, or their digest. */
export interface ListInterval {
  readonly rows: ListRows
  readonly digest: Uint8Array
  /** Everything of the interval below this key is in the answer. */
  readonly coveredEnd: Uint8Array
}

/** Up to this length a loop is faster than a view and its copy. Most states are longer, and most keys are not. */
const LOOP_BYTES_MAX = 64
/** Places of a row: where its key and its state begin and end. */
const PLACES = 4

/** Keys and states of registers, ascending by key. An empty state is that of a damaged register. */
export class ListRows {
  static readonly none = new ListRows(EMPTY_BYTES, new Int32Array(0), true)
  /** Holds all keys and states, and more. Do not change it. */
  readonly bytes: Uint8Array
  readonly #places: Int32Array
  readonly #isPacked: boolean

  /** `places` has four numbers for each row. `isPacked`: `bytes` are the rows as a message has them, and nothing else. */
  constructor(bytes: Uint8Array, places: Int32Array, isPacked = false) {
    this.bytes = bytes
    this.#places = places
    this.#isPacked = isPacked
  }

  static of(rows: readonly { readonly key: Uint8Array; readonly state: Uint8Array }[]): ListRows {
    const packer = new RowPacker()
    for (const { key, state } of rows) packer.add(key, 0, key.length, state, 0, state.length)
    return packer.finish()
  }

  get length(): number {
    return this.#places.length / PLACES
  }

  keyStart(row: number): number {
    return this.#places[PLACES * row]!
  }

  keyEnd(row: number): number {
    return this.#places[PLACES * row + 1]!
  }

  stateStart(row: number): number {
    return this.#places[PLACES * row + 2]!
  }

  stateEnd(row: number): number {
    return this.#places[PLACES * row + 3]!
  }

  /** A view. */
  key(row: number): Uint8Array {
    return this.bytes.subarray(this.keyStart(row), this.keyEnd(row))
  }

  /** A view. */
  state(row: number): Uint8Array {
    return this.bytes.subarray(this.stateStart(row), this.stateEnd(row))
  }

  /** As field 1 of an interval. */
  encoded(): Uint8Array {
    if (this.#isPacked) return this.bytes
    const packer = new RowPacker()
    const { bytes } = this
    for (let row = 0; row < this.length; row++) {
      packer.add(
        bytes,
        this.keyStart(row),
        this.keyEnd(row),
        bytes,
        this.stateStart(row),
        this.stateEnd(row),
      )
    }
    return packer.finish().bytes
  }

  hasState(row: number): boolean {
    return this.stateEnd(row) > this.stateStart(row)
  }
}

/** Tags of fields with a length: the number of the field, times 8, and 2. Rows and keys are the first field, and so on. */
const ROW_TAG = 0x0a
const KEY_TAG = 0x0a
const STATE_TAG = 0x12
const DIGEST_TAG = 0x12
const COVERED_TAG = 0x1a
const INTERVAL_TAG = 0x22

/** Writes rows one behind the other as a message has them. It keeps its memory from one lot of rows to the next. */
export class RowPacker {
  #bytes = new Uint8Array(4_096)
  #length = 0
  #places = new Int32Array(PLACES * 64)
  /** How many places are noted. */
  #count = 0

  /** Forgets rows that were not finished. */
  clear(): this {
    this.#length = 0
    this.#count = 0
    return this
  }

  /** Copies the key and the state out of two buffers. */
  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    state: Uint8Array,
    stateStart: number,
    stateEnd: number,
  ): void {
    const rowBytes = fieldBytes(keyEnd - keyStart) + fieldBytes(stateEnd - stateStart)
    this.#reserve(headBytes(rowBytes) + rowBytes)
    if (this.#count === this.#places.length) this.#growPlaces()
    this.#length = putHead(this.#bytes, this.#length, ROW_TAG, rowBytes)
    this.#copy(KEY_TAG, key, keyStart, keyEnd)
    this.#copy(STATE_TAG, state, stateStart, stateEnd)
  }

  /** The rows since the last call, in memory of their own. */
  finish(): ListRows {
    const rows = new ListRows(
      this.#bytes.slice(0, this.#length),
      this.#places.slice(0, this.#count),
      true,
    )
    this.clear()
    return rows
  }

  #copy(tag: number, from: Uint8Array, start: number, end: number): void {
    const into = this.#bytes
    const at = end > start ? putHead(into, this.#length, tag, end - start) : this.#length
    if (end - start > LOOP_BYTES_MAX) into.set(from.subarray(start, end), at)
    else for (let i = start, to = at; i < end; i++, to++) into[to] = from[i]!
    this.#length = at + end - start
    this.#places[this.#count++] = at
    this.#places[this.#count++] = this.#length
  }

  #growPlaces(): void {
    const larger = new Int32Array(2 * this.#places.length)
    larger.set(this.#places)
    this.#places = larger
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    this.#bytes = grown(this.#bytes, this.#length, count)
  }
}

/** What a field of so many bytes takes in a message. An empty one is left out. */
function fieldBytes(sizeBytes: number): number {
  return sizeBytes === 0 ? 0 : headBytes(sizeBytes) + sizeBytes
}

/** A tag, and the length as a varint. */
function headBytes(sizeBytes: number): number {
  assert(sizeBytes < 2 ** 28, 'a length takes at most four bytes')
  if (sizeBytes < 1 << 7) return 2
  if (sizeBytes < 1 << 14) return 3
  return sizeBytes < 1 << 21 ? 4 : 5
}

/** Returns where the field's content begins. */
function putHead(into: Uint8Array, start: number, tag: number, sizeBytes: number): number {
  let at = start
  into[at++] = tag
  let left = sizeBytes
  while (left > 127) {
    into[at++] = (left & 127) | 128
    left >>>= 7
  }
  into[at++] = left
  return at
}

/** Returns where the field ends. */
function putField(into: Uint8Array, start: number, tag: number, bytes: Uint8Array): number {
  if (bytes.length === 0) return start
  const at = putHead(into, start, tag, bytes.length)
  into.set(bytes, at)
  return at + bytes.length
}

/** In place of the generated codec (calls.ts). `decode` throws RangeError for bytes that are cut short. */
export const LIST_REPLY = {
  encode({ kind, epoch, generation, intervals = [] }: Partial<ListReply>): Uint8Array<ArrayBuffer> {
    const head = new FieldWriter()
    head.number(1, kind ?? 0)
    head.number(2, epoch ?? 0)
    head.number(3, generation ?? 0)
    const start = head.finish(0)
    const sizes = intervals.map(({ rows, digest, coveredEnd }) => {
      return rows.encoded().length + fieldBytes(digest.length) + fieldBytes(coveredEnd.length)
    })
    const total = sizes.reduce((sum, size) => sum + headBytes(size) + size, start.length)
    const into = new Uint8Array(total)
    into.set(start)
    let at = start.length
    for (const [i, { rows, digest, coveredEnd }] of intervals.entries()) {
      at = putHead(into, at, INTERVAL_TAG, sizes[i]!)
      into.set(rows.encoded(), at)
      at = putField(into, at + rows.encoded().length, DIGEST_TAG, digest)
      at = putField(into, at, COVERED_TAG, coveredEnd)
    }
    assert(at === total, 'the message ends where its last interval does')
    return into
  },

  decode(bytes: Uint8Array): ListReply {
    let [kind, epoch, generation] = [0, 0, 0]
    const intervals: ListInterval[] = []
    const reader = new FieldReader(bytes, 0, bytes.length)
    while (reader.next()) {
      if (reader.field === 1) kind = reader.value
      else if (reader.field === 2) epoch = reader.value
      else if (reader.field === 3) generation = reader.value
      else if (reader.field === 4) intervals.push(readInterval(bytes, reader.message()))
    }
    return { kind, epoch, generation, intervals }
  },
}

function readInterval(bytes: Uint8Array, reader: FieldReader): ListInterval {
  const places: number[] = []
  let [digest, coveredEnd] = [EMPTY_BYTES, EMPTY_BYTES]
  while (reader.next()) {
    if (reader.field === 1) readRow(reader.message(), places)
    else if (reader.field === 2) digest = reader.bytes()
    else if (reader.field === 3) coveredEnd = reader.bytes()
  }
  return { rows: new ListRows(bytes, Int32Array.from(places)), digest, coveredEnd }
}

function readRow(reader: FieldReader, places: number[]): void {
  let [keyStart, keyEnd, stateStart, stateEnd] = [0, 0, 0, 0]
  while (reader.next()) {
    if (reader.field === 1) [keyStart, keyEnd] = [reader.start, reader.end]
    else if (reader.field === 2) [stateStart, stateEnd] = [reader.start, reader.end]
  }
  places.push(keyStart, keyEnd, stateStart, stateEnd)
}
