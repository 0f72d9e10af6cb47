/**
 * How far a walk has come in each shard, and which shard has the next name: a binary heap of cursors (lister.ts). Rows
 * stay in the buffers in which they came (protocol/rpc/list-reply.ts), and are compared there. A row becomes an object when
 * it is taken, and its name a text only for those who ask for one.
 */

import { byteString, bytesOf, EMPTY_BYTES } from '../../protocol/bytes.ts'
import { bodyPlaceOf, isTombstoneState } from '../../protocol/codec/state.ts'
import type { ByteString, RegisterKey } from '../../protocol/ids.ts'
import type { KeyRange } from '../../protocol/keyspace/key.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type { ListRows } from '../../protocol/rpc/list-reply.ts'

/** Bytes of a key before the name: partition, space, bucket id, shard. */
const NAME_AT = 2 + 1 + 16 + 2

/** A live register. Tombstones are left out. Its bytes stay as they are while anybody holds it. */
export class ListedRegister {
  /** Holds the key and the body, and more. Do not change it. */
  readonly bytes: Uint8Array
  readonly keyStart: number
  readonly keyEnd: number
  /** The body of the register's value. */
  readonly bodyStart: number
  readonly bodyEnd: number

  constructor(
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    bodyStart: number,
    bodyEnd: number,
  ) {
    this.bytes = bytes
    this.keyStart = keyStart
    this.keyEnd = keyEnd
    this.bodyStart = bodyStart
    this.bodyEnd = bodyEnd
  }

  static of(key: RegisterKey, body: Uint8Array): ListedRegister {
    const bytes = new Uint8Array(key.length + body.length)
    bytes.set(bytesOf(key))
    bytes.set(body, key.length)
    return new ListedRegister(bytes, 0, key.length, key.length, bytes.length)
  }

  /** Where the name begins: the part of the key behind bucket id and shard. It ends where the key does. */
  get nameStart(): number {
    return this.keyStart + NAME_AT
  }

  get name(): ByteString {
    return latin1(this.bytes, this.nameStart, this.keyEnd)
  }

  get key(): RegisterKey {
    return latin1(this.bytes, this.keyStart, this.keyEnd) as RegisterKey
  }

  /** A copy of the value's body. */
  get body(): Uint8Array {
    return this.bytes.slice(this.bodyStart, this.bodyEnd)
  }
}

/** A byte for each character. */
function latin1(bytes: Uint8Array, start: number, end: number): ByteString {
  return Buffer.prototype.latin1Slice.call(bytes, start, end)
}

/** Values of registers that were read alone, by their place among the rows. Undefined: there is no such register. */
export type ResolvedRows = ReadonlyMap<number, RegisterValue | undefined>

/** Rows of one shard, ascending, from one answer or merged from several. */
export class ShardRows {
  readonly #rows: ListRows
  readonly #resolved: ResolvedRows | undefined

  constructor(rows: ListRows, resolved?: ResolvedRows) {
    this.#rows = rows
    this.#resolved = resolved
  }

  get length(): number {
    return this.#rows.length
  }

  get bytes(): Uint8Array {
    return this.#rows.bytes
  }

  nameStart(row: number): number {
    return this.#rows.keyStart(row) + NAME_AT
  }

  nameEnd(row: number): number {
    return this.#rows.keyEnd(row)
  }

  /** Undefined for a register that is absent or a tombstone. */
  register(row: number): ListedRegister | undefined {
    const rows = this.#rows
    if (this.#resolved?.has(row) === true) {
      const value = this.#resolved.get(row)
      if (value === undefined || value.tombstone) return undefined
      return ListedRegister.of(byteString(rows.key(row)) as RegisterKey, value.body)
    }
    const { bytes } = rows
    const start = rows.stateStart(row)
    if (isTombstoneState(bytes, start)) return undefined
    const end = rows.stateEnd(row)
    const bodyStart = Math.min(bodyPlaceOf(bytes, start), end)
    return new ListedRegister(bytes, rows.keyStart(row), rows.keyEnd(row), bodyStart, end)
  }

  /** The first row from `row` on whose name is not below `name`. */
  firstFrom(row: number, name: ByteString): number {
    let [low, high] = [row, this.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (isBelow(this.bytes, this.nameStart(middle), this.nameEnd(middle), name)) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Whether the bytes from `start` to `end` come before `text`. */
function isBelow(bytes: Uint8Array, start: number, end: number, text: ByteString): boolean {
  const length = Math.min(end - start, text.length)
  for (let i = 0; i < length; i++) {
    const difference = bytes[start + i]! - text.charCodeAt(i)
    if (difference !== 0) return difference < 0
  }
  return end - start < text.length
}

/** How far the walk has come in one shard. */
export class ListCursor {
  readonly shard: number
  /** What has not been asked for yet. */
  range: KeyRange<RegisterKey>
  /** The shard has no rows beyond those here. */
  finished = false
  /** The name of the next row is what is in `bytes` from `nameStart` to `nameEnd`. It says nothing without rows. */
  bytes: Uint8Array = EMPTY_BYTES
  nameStart = 0
  nameEnd = 0
  /** Rows that are here. */
  left = 0
  /** With this many rows left or fewer, the shard is asked again when another one has to be. */
  #low = 0
  /** Of the first of them, the rows before `#at` are taken. */
  readonly #ahead: ShardRows[] = []
  #at = 0

  constructor(shard: number, range: KeyRange<RegisterKey>) {
    this.shard = shard
    this.range = range
  }

  /** The next row of this shard is not known: nothing may be taken from other shards before it is. */
  get isDry(): boolean {
    return this.left === 0 && !this.finished
  }

  /** Whether the shard takes part when another one has to be asked. */
  get isLow(): boolean {
    return !this.finished && this.left <= this.#low
  }

  /** Adds what was asked for: rows below `covered`, where the range begins from now on. */
  add(rows: ShardRows, covered: ByteString): void {
    if (rows.length > 0) this.#ahead.push(rows)
    this.left += rows.length
    this.#low = rows.length / 2
    const { end } = this.range
    this.finished = covered >= end
    this.range = { start: (covered < end ? covered : end) as RegisterKey, end }
    this.#look()
  }

  /** Takes the next row. Undefined when its register is absent or a tombstone. */
  take(): ListedRegister | undefined {
    const register = this.#ahead[0]!.register(this.#at)
    this.#pass(this.#at + 1)
    return register
  }

  /** Passes over the rows below `name`. */
  skipTo(name: ByteString): void {
    while (this.left > 0 && isBelow(this.bytes, this.nameStart, this.nameEnd, name)) {
      this.#pass(this.#ahead[0]!.firstFrom(this.#at, name))
    }
  }

  /** Whether this cursor's next row comes before the other's. Both have one. */
  isBefore(other: ListCursor): boolean {
    const [bytes, others] = [this.bytes, other.bytes]
    const end = this.nameEnd
    const othersEnd = other.nameEnd
    let at = this.nameStart
    for (let i = other.nameStart; at < end && i < othersEnd; at++, i++) {
      const difference = bytes[at]! - others[i]!
      if (difference !== 0) return difference < 0
    }
    return end - this.nameStart < othersEnd - other.nameStart
  }

  /** Goes on to a later row of the first rows, or to the end of them. */
  #pass(row: number): void {
    this.left -= row - this.#at
    this.#at = row
    if (row === this.#ahead[0]!.length) {
      this.#ahead.shift()
      this.#at = 0
    }
    this.#look()
  }

  #look(): void {
    const rows = this.#ahead[0]
    if (rows === undefined) return
    this.bytes = rows.bytes
    this.nameStart = rows.nameStart(this.#at)
    this.nameEnd = rows.nameEnd(this.#at)
  }
}

/** The queue of the cursors that have rows. */
export function cursorQueue(cursors: readonly ListCursor[]): ListCursor[] {
  // An ascending list is a heap.
  return cursors.filter((cursor) => cursor.left > 0).sort((a, b) => (a.isBefore(b) ? -1 : 1))
}

/** Moves the top, which has a new name, down to its place. */
export function sinkTop(queue: ListCursor[]): void {
  const top = queue[0]!
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= queue.length) break
    if (child + 1 < queue.length && queue[child + 1]!.isBefore(queue[child]!)) child++
    if (!queue[child]!.isBefore(top)) break
    queue[at] = queue[child]!
    at = child
  }
  queue[at] = top
}
