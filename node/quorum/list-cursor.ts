/**
 * How far a walk has come in each shard, and which shard has the next name: a binary heap of cursors (lister.ts). Rows
 * stay in the buffers in which they came (protocol/rpc/list-reply.ts). A row becomes an object when it is taken.
 */

import { byteString } from '../../protocol/bytes.ts'
import { bodyPlaceOf, isTombstoneState } from '../../protocol/codec/state.ts'
import type { ByteString, RegisterKey } from '../../protocol/ids.ts'
import type { KeyRange } from '../../protocol/keyspace/key.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type { ListRows } from '../../protocol/rpc/list-reply.ts'

/** Bytes of a key before the name: partition, space, bucket id, shard. */
const NAME_AT = 2 + 1 + 16 + 2

/** A live register. Tombstones are left out. */
export class ListedRegister {
  /** The part of the key behind bucket id and shard. */
  readonly name: ByteString
  /** The body of the register's value is what is in `text` from `start` to `end`. */
  readonly text: ByteString
  readonly start: number
  readonly end: number
  /** The part of the key before the name. */
  readonly #head: ByteString

  constructor(head: ByteString, name: ByteString, text: ByteString, start: number, end: number) {
    this.#head = head
    this.name = name
    this.text = text
    this.start = start
    this.end = end
  }

  static of(key: RegisterKey, body: Uint8Array): ListedRegister {
    const head = key.slice(0, NAME_AT)
    return new ListedRegister(head, key.slice(NAME_AT), byteString(body), 0, body.length)
  }

  get key(): RegisterKey {
    return (this.#head + this.name) as RegisterKey
  }

  /** A copy of the value's body. */
  get body(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.end - this.start)
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.text.charCodeAt(this.start + i)
    return bytes
  }
}

/** Values of registers that were read alone, by their place among the rows. Undefined: there is no such register. */
export type ResolvedRows = ReadonlyMap<number, RegisterValue | undefined>

/**
 * Rows of one shard, ascending, from one answer or merged from several. Their bytes are made one text: names and fields
 * are pieces of it, which cost no copy.
 */
export class ShardRows {
  readonly #rows: ListRows
  readonly #resolved: ResolvedRows | undefined
  readonly #text: ByteString
  /** Where the text begins in the bytes of the rows. */
  readonly #base: number
  /** What all keys begin with, before their names. */
  readonly #head: ByteString

  constructor(rows: ListRows, resolved?: ResolvedRows) {
    this.#rows = rows
    this.#resolved = resolved
    const last = rows.length - 1
    // A message may have the fields of a row in any order.
    this.#base = last < 0 ? 0 : Math.min(rows.keyStart(0), rows.stateStart(0))
    const end = last < 0 ? 0 : Math.max(rows.keyEnd(last), rows.stateEnd(last))
    this.#text = Buffer.prototype.latin1Slice.call(rows.bytes, this.#base, end)
    const headAt = last < 0 ? 0 : rows.keyStart(0) - this.#base
    this.#head = this.#text.slice(headAt, headAt + NAME_AT)
  }

  get length(): number {
    return this.#rows.length
  }

  name(row: number): ByteString {
    const rows = this.#rows
    return this.#text.slice(
      rows.keyStart(row) + NAME_AT - this.#base,
      rows.keyEnd(row) - this.#base,
    )
  }

  /** Undefined for a register that is absent or a tombstone. */
  register(row: number, name: ByteString): ListedRegister | undefined {
    const rows = this.#rows
    if (this.#resolved?.has(row) === true) {
      const value = this.#resolved.get(row)
      if (value === undefined || value.tombstone) return undefined
      return ListedRegister.of((this.#head + name) as RegisterKey, value.body)
    }
    const start = rows.stateStart(row)
    if (isTombstoneState(rows.bytes, start)) return undefined
    const end = rows.stateEnd(row) - this.#base
    const bodyAt = Math.min(bodyPlaceOf(rows.bytes, start) - this.#base, end)
    return new ListedRegister(this.#head, name, this.#text, bodyAt, end)
  }

  /** The first row from `row` on whose name is not below `name`. */
  firstFrom(row: number, name: ByteString): number {
    let [low, high] = [row, this.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.name(middle) < name) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** How far the walk has come in one shard. */
export class ListCursor {
  readonly shard: number
  /** What has not been asked for yet. */
  range: KeyRange<RegisterKey>
  /** The shard has no rows beyond those here. */
  finished = false
  /** The name of the next row; undefined without rows. */
  name: ByteString | undefined
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
    const register = this.#ahead[0]!.register(this.#at, this.name!)
    this.#pass(this.#at + 1)
    return register
  }

  /** Passes over the rows below `name`. */
  skipTo(name: ByteString): void {
    while (this.name !== undefined && this.name < name) {
      this.#pass(this.#ahead[0]!.firstFrom(this.#at, name))
    }
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
    this.name = this.#ahead[0]?.name(this.#at)
  }
}

/** The queue of the cursors that have rows. */
export function cursorQueue(cursors: readonly ListCursor[]): ListCursor[] {
  // An ascending list is a heap.
  return cursors.filter((cursor) => cursor.left > 0).sort((a, b) => (a.name! < b.name! ? -1 : 1))
}

/** Moves the top, which has a new name, down to its place. */
export function sinkTop(queue: ListCursor[]): void {
  const top = queue[0]!
  const name = top.name!
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= queue.length) break
    if (child + 1 < queue.length && queue[child + 1]!.name! < queue[child]!.name!) child++
    if (queue[child]!.name! >= name) break
    queue[at] = queue[child]!
    at = child
  }
  queue[at] = top
}
