/**
 * Memory that the core and all gateway threads share: blocks of 1 MiB in which bodies travel without being copied into
 * messages. There is one pool for all threads of a process, and it is the bound of what they hold together.
 *
 *   | word: blocks | word: poisoned | word: version of rights | word: owner of block 0 | … | to a page | block 0 | …
 *
 * Invariants:
 *   - a block has one owner at any time, named by its word; only the owner may read or write its bytes
 *   - the word changes by compare and exchange: a block that is given twice, or used by another than its owner, is found
 *   - a block is passed before the message that names it is sent
 *   - nobody waits for a block: when there is none, bytes travel inside messages (stream-sender.ts)
 *
 * A pool can be poisoned, for tests. Its free blocks are then full of one byte. Who reads a block too late sees that byte,
 * and a block that was written too late is found when it is taken again.
 */

import { assert } from '../../protocol/assert.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'

/** Which side of which link holds a block: `blockHolder`. 0 is nobody. */
export type BlockHolder = number

const NOBODY: BlockHolder = 0
const POISON = 0xdb
const PAGE_BYTES = 4096
/** Words in front of those of the owners. */
const HEAD_WORDS = 3
/** Counts how often the core has forgotten what rights are decided from. */
const RIGHTS_VERSION = 2

/** `link` counts the threads from 1. */
export function blockHolder(link: number, side: 'thread' | 'core'): BlockHolder {
  assert(link >= 1, 'links are counted from 1')
  return link * 2 + (side === 'core' ? 1 : 0)
}

/** Memory for this many blocks. What is never used costs address space only. */
export function createBlockMemory(
  blocks: number,
  options: { readonly poisoned?: boolean | undefined } = {},
): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(headBytes(blocks) + blocks * BLOCK_BYTES)
  const words = new Int32Array(memory, 0, HEAD_WORDS)
  words[0] = blocks
  if (options.poisoned === true) {
    words[1] = 1
    new Uint8Array(memory, headBytes(blocks)).fill(POISON)
  }
  return memory
}

function headBytes(blocks: number): number {
  return Math.ceil(((HEAD_WORDS + blocks) * 4) / PAGE_BYTES) * PAGE_BYTES
}

/** The pool as one thread sees it. Every thread makes its own from the same memory. */
export class SharedBlocks {
  readonly count: number
  readonly #head: Int32Array
  readonly #owners: Int32Array
  readonly #views: readonly Uint8Array[]
  readonly #poisoned: boolean

  constructor(memory: SharedArrayBuffer) {
    this.#head = new Int32Array(memory, 0, HEAD_WORDS)
    const [count = 0, poisoned] = this.#head
    this.count = count
    this.#owners = new Int32Array(memory, HEAD_WORDS * 4, count)
    this.#poisoned = poisoned === 1
    const start = headBytes(count)
    this.#views = Array.from(
      { length: count },
      (_, block) => new Uint8Array(memory, start + block * BLOCK_BYTES, BLOCK_BYTES),
    )
  }

  /**
   * A free block, which now belongs to `owner`; undefined when there is none. The first free one is taken, so that a
   * quiet process touches few of them. `keepFree`: leaves at least so many to others.
   */
  take(owner: BlockHolder, keepFree = 0): number | undefined {
    if (keepFree > 0 && this.free <= keepFree) return undefined
    for (let block = 0; block < this.count; block++) {
      if (Atomics.load(this.#owners, block) !== NOBODY) continue
      if (Atomics.compareExchange(this.#owners, block, NOBODY, owner) !== NOBODY) continue
      if (this.#poisoned) this.#checkPoison(block)
      return block
    }
    return undefined
  }

  /** The bytes of a block, for its owner. */
  view(block: number, owner: BlockHolder): Uint8Array {
    const view = this.#views[block]
    assert(view !== undefined && this.isOwner(block, owner), 'a block is used by its owner only')
    return view
  }

  /** From now on the other side owns the block. Called before the message that names it is sent. */
  pass(block: number, from: BlockHolder, to: BlockHolder): void {
    const found = Atomics.compareExchange(this.#owners, block, from, to)
    assert(found === from, 'a block is passed on by its owner only')
  }

  /** The block is free. Its owner must not look at it any more. */
  give(block: number, owner: BlockHolder): void {
    assert(this.isOwner(block, owner), 'a block is given back once, by its owner')
    if (this.#poisoned) this.#views[block]!.fill(POISON)
    this.pass(block, owner, NOBODY)
  }

  isOwner(block: number, owner: BlockHolder): boolean {
    return Atomics.load(this.#owners, block) === owner
  }

  /** Frees every block of an owner that will never touch one again, except those that `isHeld` names. */
  reclaim(owner: BlockHolder, isHeld: (block: number) => boolean): void {
    for (let block = 0; block < this.count; block++) {
      if (this.isOwner(block, owner) && !isHeld(block)) this.give(block, owner)
    }
  }

  /** How many blocks nobody owns at this moment. */
  get free(): number {
    let free = 0
    for (let block = 0; block < this.count; block++) {
      if (Atomics.load(this.#owners, block) === NOBODY) free++
    }
    return free
  }

  /** What a thread keeps of rights is void once this has changed (kept-answers.ts). */
  get rightsVersion(): number {
    return Atomics.load(this.#head, RIGHTS_VERSION)
  }

  /** All threads see it at once: a change that is answered after this needs no word of theirs. */
  raiseRightsVersion(): void {
    Atomics.add(this.#head, RIGHTS_VERSION, 1)
  }

  #checkPoison(block: number): void {
    const view = this.#views[block]!
    // All bytes are equal to the first one when the block is equal to itself one byte further.
    const isWhole = Buffer.compare(view.subarray(1), view.subarray(0, -1)) === 0
    assert(isWhole && view[0] === POISON, 'nobody writes to a block that was given back')
  }
}
