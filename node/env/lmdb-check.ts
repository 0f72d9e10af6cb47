/**
 * Verifies an LMDB file that no clean stop has left, without using LMDB. LMDB has no checksums. It follows every
 * page number that it reads, and a number that leads outside the file kills the process (F4).
 *
 * A page of 4 KiB, little-endian:
 *
 * ```
 *  0 number (64)   8 transaction (64)   16 pad (16)   18 flags (16)   20 lower (16)   22 upper (16)
 * 24 offsets of the nodes, each minus 24 (16 each; lower bytes of them), free space, nodes from upper + 24 on
 *    overflow pages: 20 how many pages (32), 24 data
 * node    0 low (16)   2 high (16)   4 flags (16)   6 key length (16)   8 key, data
 *         leaf: data length = high ‖ low; flag 1: the data is the number of an overflow page
 *         branch: page number = flags ‖ high ‖ low
 * meta    24 magic   28 format   48, 96 trees: flags at 4, depth at 6, branch, leaf, overflow pages at 8, 16,
 *         24, entries at 32, root at 40   144 last page   152 transaction
 * ```
 *
 * Checked is what holds in a sound file: every page is where its number says, of the kind that its parent expects,
 * reached once, and not free; keys ascend and are between those of the parent; nodes are inside their page; there
 * are as many pages and entries as the meta page says. The caller checks the contents of the rows.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const PAGE_BYTES = 4_096
const HEADER_BYTES = 24
const NODE_BYTES = 8
const MAGIC = 0xbeefc0de
const FORMAT = 2
const TREES_AT = { free: 48, main: 96 } as const
const TREE_FLAGS = { free: 0x1008, main: 0 } as const
const LAST_PAGE_AT = 144
const TRANSACTION_AT = 152
const NO_PAGE = 0xffff_ffff_ffff_ffffn
const BRANCH = 1
const LEAF = 2
const OVERFLOW = 4
const BIG_DATA = 1
const PAGES_MAX = 2 ** 31

export interface RowCheck {
  /**
   * Called for each row with views that are valid until it returns. Returns what is wrong with the row, or
   * undefined.
   */
  row(key: Uint8Array, value: Uint8Array): string | undefined
  /** All rows were given, in order. */
  end?(): string | undefined
}

/** What is wrong with the file; undefined when nothing is. */
export function checkLmdb(path: string, check?: RowCheck): string | undefined {
  const file = openSync(path, 'r')
  try {
    new Checker(file, check).run()
    return check?.end?.()
  } catch (error) {
    if (error instanceof Damaged) return error.message
    throw error
  } finally {
    closeSync(file)
  }
}

/** The message says what is wrong with the file. */
class Damaged extends Error {}

/** What the meta page says of one of the two trees. LMDB keeps its free pages in a tree of their own. */
interface Tree {
  readonly name: 'free' | 'main'
  readonly depth: number
  readonly root: bigint
  readonly pages: readonly [branch: number, leaf: number, overflow: number]
  readonly entries: number
}

/** Half-open; undefined: no bound on this side. */
interface Bounds {
  readonly first: Buffer | undefined
  readonly behind: Buffer | undefined
}

/** One pass over a file. Throws Damaged at the first fault. */
class Checker {
  readonly #file: number
  readonly #check: RowCheck | undefined
  #lastPage = 0
  #transaction = 0n
  /** 1: in use, 2: free. */
  #used = new Uint8Array(0)
  #counts = { branch: 0, leaf: 0, overflow: 0, entries: 0 }
  /** The key before, in the tree that is being walked. */
  #before: Buffer | undefined

  constructor(file: number, check: RowCheck | undefined) {
    this.#file = file
    this.#check = check
  }

  run(): void {
    const meta = this.#newestMeta()
    this.#transaction = meta.readBigUInt64LE(TRANSACTION_AT)
    const last = meta.readBigUInt64LE(LAST_PAGE_AT)
    expect(last < PAGES_MAX, 'the last page is out of range')
    this.#lastPage = Number(last)
    const { size } = fstatSync(this.#file)
    // The file may end before the last pages where these are free.
    expect(size >= 2 * PAGE_BYTES, 'the file is too short')
    this.#used = new Uint8Array(this.#lastPage + 1)
    this.#tree(treeOf(meta, 'free'))
    this.#tree(treeOf(meta, 'main'))
  }

  /** Pages 0 and 1 are written in turns. The one of the later transaction counts. */
  #newestMeta(): Buffer {
    const metas = [0, 1].map((number) => this.#read(number))
    for (const meta of metas) {
      expect(meta.readUInt32LE(HEADER_BYTES) === MAGIC, 'no meta page')
      expect(meta.readUInt32LE(HEADER_BYTES + 4) === FORMAT, 'another format')
    }
    const [a, b] = metas as [Buffer, Buffer]
    const isNewer = a.readBigUInt64LE(TRANSACTION_AT) >= b.readBigUInt64LE(TRANSACTION_AT)
    return isNewer ? a : b
  }

  /** Walks a tree from its root, and compares what it found with what the meta page says. */
  #tree(tree: Tree): void {
    const { name, root, depth, pages, entries } = tree
    this.#counts = { branch: 0, leaf: 0, overflow: 0, entries: 0 }
    this.#before = undefined
    if (root === NO_PAGE) expect(depth === 0 && entries === 0, `the ${name} tree has no root`)
    else this.#page(name, root, depth, { first: undefined, behind: undefined })
    const { branch, leaf, overflow } = this.#counts
    const same = branch === pages[0] && leaf === pages[1] && overflow === pages[2]
    expect(same && this.#counts.entries === entries, `the ${name} tree is not all there`)
  }

  /** A page of the tree, `depth` levels above the bottom. Its keys must be within the bounds. */
  #page(name: Tree['name'], number: bigint, depth: number, bounds: Bounds): void {
    const page = this.#take(number)
    const isLeaf = depth === 1
    expect(page.readUInt16LE(18) === (isLeaf ? LEAF : BRANCH), `page ${number} is of another kind`)
    this.#counts[isLeaf ? 'leaf' : 'branch']++
    const lower = page.readUInt16LE(20)
    const upper = page.readUInt16LE(22)
    expect(
      lower % 2 === 0 && lower <= upper && upper <= PAGE_BYTES - HEADER_BYTES,
      `page ${number} has wrong bounds`,
    )
    const nodes = lower / 2
    expect(nodes > 0, `page ${number} is empty`)
    const starts: number[] = []
    for (let i = 0; i < nodes; i++) {
      const at = page.readUInt16LE(HEADER_BYTES + 2 * i) + HEADER_BYTES
      expect(
        at >= upper + HEADER_BYTES && at % 2 === 0 && at + NODE_BYTES <= PAGE_BYTES,
        `a node of page ${number} is outside of it`,
      )
      starts.push(at)
    }
    if (isLeaf) this.#leaf(name, page, starts, bounds)
    else this.#branch(name, page, starts, depth, bounds)
  }

  #branch(
    name: Tree['name'],
    page: Buffer,
    starts: readonly number[],
    depth: number,
    bounds: Bounds,
  ): void {
    // The first key of a branch counts as lower than all others, whatever it is.
    const keys = starts.map((at, i) => (i === 0 ? bounds.first : this.#key(page, at)))
    for (let i = 1; i < starts.length; i++) {
      const inOrder =
        isInOrder(name, keys[i - 1], keys[i]) && isInOrder(name, keys[i], bounds.behind)
      expect(inOrder, 'keys are out of order')
    }
    for (const [i, at] of starts.entries()) {
      const child =
        BigInt(page.readUInt16LE(at)) |
        (BigInt(page.readUInt16LE(at + 2)) << 16n) |
        (BigInt(page.readUInt16LE(at + 4)) << 32n)
      const behind = i + 1 < starts.length ? keys[i + 1] : bounds.behind
      this.#page(name, child, depth - 1, { first: keys[i], behind })
    }
  }

  #leaf(name: Tree['name'], page: Buffer, starts: readonly number[], bounds: Bounds): void {
    for (const at of starts) {
      const key = this.#key(page, at)
      const fits =
        (this.#before === undefined || isInOrder(name, this.#before, key)) &&
        (bounds.first === undefined || !isInOrder(name, key, bounds.first)) &&
        isInOrder(name, key, bounds.behind)
      expect(fits, 'keys are out of order')
      this.#before = Buffer.from(key)
      this.#counts.entries++
      const value = this.#value(page, at, key.length)
      if (name === 'free') this.#freePages(value)
      else {
        const wrong = this.#check?.row(key, value)
        expect(wrong === undefined, wrong ?? '')
      }
    }
  }

  #key(page: Buffer, at: number): Buffer {
    const length = page.readUInt16LE(at + 6)
    expect(length > 0 && at + NODE_BYTES + length <= PAGE_BYTES, 'a key is outside of its page')
    return page.subarray(at + NODE_BYTES, at + NODE_BYTES + length)
  }

  #value(page: Buffer, at: number, keyLength: number): Buffer {
    const length = page.readUInt16LE(at) + page.readUInt16LE(at + 2) * 0x10000
    const flags = page.readUInt16LE(at + 4)
    expect(flags === 0 || flags === BIG_DATA, 'a row is of another kind')
    const start = at + NODE_BYTES + keyLength
    if (flags === 0) {
      expect(start + length <= PAGE_BYTES, 'a row is outside of its page')
      return page.subarray(start, start + length)
    }
    expect(start + 8 <= PAGE_BYTES, 'a row is outside of its page')
    return this.#overflow(page.readBigUInt64LE(start), length)
  }

  /** The data of a row that does not fit into a page: `length` bytes, in pages one behind the other. */
  #overflow(number: bigint, length: number): Buffer {
    const count = Math.ceil((HEADER_BYTES + length) / PAGE_BYTES)
    const first = this.#take(number)
    expect(first.readUInt16LE(18) === OVERFLOW, `page ${number} is of another kind`)
    expect(first.readUInt32LE(20) === count, `page ${number} has another length`)
    for (let i = 1; i < count; i++) this.#claim(Number(number) + i, 1)
    this.#counts.overflow += count
    const whole = Buffer.alloc(HEADER_BYTES + length)
    const read = readSync(this.#file, whole, 0, whole.length, Number(number) * PAGE_BYTES)
    expect(read === whole.length, 'the file is cut short')
    return whole.subarray(HEADER_BYTES)
  }

  /** `value`: a count, then that many numbers. Zeros are gaps; minus n comes before the first of n pages. */
  #freePages(value: Buffer): void {
    expect(value.length >= 8, 'a list of free pages is cut short')
    const count = Number(value.readBigInt64LE(0))
    expect(count >= 0 && 8 * (count + 1) <= value.length, 'a list of free pages is cut short')
    let length = 1
    for (let i = 1; i <= count; i++) {
      const entry = value.readBigInt64LE(8 * i)
      if (entry === 0n) continue
      if (entry < 0n) {
        length = -Number(entry)
        continue
      }
      expect(length <= this.#lastPage, 'a list of free pages names too many')
      for (let k = 0; k < length; k++) this.#claim(Number(entry) + k, 2)
      length = 1
    }
  }

  /** A page that is in use. */
  #take(number: bigint): Buffer {
    expect(number <= BigInt(this.#lastPage), `page ${number} is not one of the file`)
    this.#claim(Number(number), 1)
    const page = this.#read(Number(number))
    expect(page.readBigUInt64LE(0) === number, `page ${number} is in the wrong place`)
    expect(page.readBigUInt64LE(8) <= this.#transaction, `page ${number} is of the future`)
    return page
  }

  /** Each page of the file has one use. */
  #claim(number: number, as: 1 | 2): void {
    expect(number >= 2 && number <= this.#lastPage, `page ${number} is not one of the file`)
    expect(this.#used[number] === 0, `page ${number} is there twice`)
    this.#used[number] = as
  }

  #read(number: number): Buffer {
    const page = Buffer.allocUnsafe(PAGE_BYTES)
    const read = readSync(this.#file, page, 0, PAGE_BYTES, number * PAGE_BYTES)
    expect(read === PAGE_BYTES, 'the file is cut short')
    return page
  }
}

function treeOf(meta: Buffer, name: Tree['name']): Tree {
  const at = TREES_AT[name]
  const count = (offset: number): number => Number(meta.readBigUInt64LE(at + offset))
  // The field also holds flags of the environment, such as OVERLAPPING_SYNC, in the tree of free pages.
  expect(meta.readUInt16LE(at + 4) === TREE_FLAGS[name], `the ${name} tree is of another kind`)
  return {
    name,
    depth: meta.readUInt16LE(at + 6),
    pages: [count(8), count(16), count(24)],
    entries: count(32),
    root: meta.readBigUInt64LE(at + 40),
  }
}

/** Whether `a` comes before `b`. True when one of them is undefined. */
function isInOrder(name: Tree['name'], a: Buffer | undefined, b: Buffer | undefined): boolean {
  if (a === undefined || b === undefined) return true
  if (name === 'main') return Buffer.compare(a, b) < 0
  return a.length === 8 && b.length === 8 && a.readBigUInt64LE(0) < b.readBigUInt64LE(0)
}

/** For what a sound file has. A file that has it not is damaged. */
function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new Damaged(otherwise)
}
