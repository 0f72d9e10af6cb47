/**
 * Budgets that count for all threads of a process, in memory that they share. A thread that dies takes the process with
 * it, so nothing has to be given back for it.
 *
 *   | key, to 64 bytes | places | smallBodies | bodies | connections | waiting |
 *   each of them:  | total, to 16 words | first row of slots | second row |
 *
 * Invariants:
 *   - the total is never above the size: it changes by compare and exchange
 *   - what a name holds is in two slots, one of each row, so neither has less than that. The smaller one is its estimate
 *   - a request gets something only if, after it was added to both slots, the estimate is within the share. Of several that
 *     add for a name at once, the last one sees all others. So a name never has more than its share. Two that see each
 *     other may both be refused, though one would have fitted
 *   - when everything is given back, every word is 0
 *
 * Names that have a slot in common make an estimate too high. It is wrong only when both slots are shared, and a request
 * is refused for it only when others fill both up to the name's share. All names together hold at most twice the
 * size, so at most 2/s names can hold a share of s. A name is refused wrongly with a probability of (2/s / ROW_SLOTS)²
 * while they do: 2 in 10 million at s = 0.25, 2 in 10,000 at s = 0.01, the smallest. The many that hold little do not
 * add up to that: of 4,096 requests of as many callers, a slot has 1 or 2. The slots of a name come from a hash with
 * a key drawn at the start, so a caller cannot choose names that meet another one's.
 */

import { hash } from 'node:crypto'
import { assert } from '../../protocol/assert.ts'
import { remembering } from '../http/remembered.ts'
import {
  BUDGETS,
  ownBudgets,
  type Budget,
  type Budgets,
  type Lease,
  type ShareHolder,
} from './shares.ts'

const KEY_BYTES = 16
/** One line of the processor's cache, so that the totals of two budgets never share one. */
const HEAD_BYTES = 64
const HEAD_WORDS = HEAD_BYTES / 4
/** A power of two. */
const ROW_SLOTS = 2 ** 14
const BUDGET_BYTES = HEAD_BYTES + 2 * ROW_SLOTS * 4
/** How many names' slots each thread keeps. */
const NAMES_MAX = 4096
/** Words have 31 bits, and a slot holds at most twice the size. Larger sizes are counted in units of several bytes. */
const UNITS_MAX = 2 ** 28

/**
 * Memory for the limits of all gateways of a process, 640 KiB of which little is touched. The core makes it once, and each
 * thread gives it to its gateway (`GatewayOptions.sharedLimits`). All of them must have the same limits.
 */
export function createLimitsMemory(randomBytes: (length: number) => Uint8Array): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(HEAD_BYTES + BUDGETS.length * BUDGET_BYTES)
  new Uint8Array(memory).set(randomBytes(KEY_BYTES))
  return memory
}

/** The budgets of a gateway: in this memory, or without one its own. */
export function budgetsOf(memory: SharedArrayBuffer | undefined): Budgets {
  if (memory === undefined) return ownBudgets
  const key = Buffer.from(memory, 0, KEY_BYTES).toString('hex')
  const slotsOf = remembering(NAMES_MAX, (name) => slotsFor(key, name))
  return (name, size) => {
    const at = HEAD_BYTES + BUDGETS.indexOf(name) * BUDGET_BYTES
    return new ProcessBudget(new Int32Array(memory, at, BUDGET_BYTES / 4), size, slotsOf)
  }
}

/** Where a name is counted: the index of a word in each row. */
type Slots = readonly [number, number]

function slotsFor(key: string, name: string): Slots {
  const digest = hash('sha256', `${key} ${name}`, 'buffer')
  const [first, second] = [digest.readUInt32LE(0), digest.readUInt32LE(4)]
  return [HEAD_WORDS + (first % ROW_SLOTS), HEAD_WORDS + ROW_SLOTS + (second % ROW_SLOTS)]
}

/** The slots of a holder, and the most that it may have. */
interface Claim {
  readonly slots: Slots
  readonly unitsMax: number
}

/** One resource, as one thread sees it. */
class ProcessBudget implements Budget {
  /** How many bytes or requests one unit is. */
  readonly unit: number
  readonly #size: number
  readonly #words: Int32Array
  readonly #slotsOf: (name: string) => Slots
  used = 0

  constructor(words: Int32Array, size: number, slotsOf: (name: string) => Slots) {
    this.#words = words
    this.#size = size
    this.#slotsOf = slotsOf
    this.unit = Math.max(1, Math.ceil(size / UNITS_MAX))
  }

  take(holders: readonly ShareHolder[], amount: number): Lease | undefined {
    const lease = new ProcessLease(this, holders)
    return lease.grow(amount) ? lease : undefined
  }

  claimsOf(holders: readonly ShareHolder[]): readonly Claim[] {
    return holders.map(({ name, share }) => ({
      slots: this.#slotsOf(name),
      unitsMax: Math.floor((share * this.#size) / this.unit),
    }))
  }

  /** Returns false, and changes nothing, when it does not fit. */
  add(claims: readonly Claim[], units: number): boolean {
    if (units === 0) return true
    // Most refusals end here. They write nothing that would get in the way of others.
    if (!this.#areWithin(claims, units) || !this.#reserve(units)) return false
    if (this.count(claims, units)) return true
    this.release(units)
    return false
  }

  /** Takes from the total what is counted for no holder any more. */
  release(units: number): void {
    if (units === 0) return
    const before = Atomics.sub(this.#words, 0, units)
    assert(before >= units, 'no more is given back than was taken')
  }

  /** Counts for holders what is part of the total already. Returns false, and changes nothing, when they have too much. */
  count(claims: readonly Claim[], units: number): boolean {
    if (units === 0) return true
    for (const { slots } of claims) this.#change(slots, units)
    if (this.#areWithin(claims, 0)) return true
    this.uncount(claims, units)
    return false
  }

  /** The slots only: the total stays. */
  uncount(claims: readonly Claim[], units: number): void {
    if (units === 0) return
    for (const { slots } of claims) this.#change(slots, -units)
  }

  #change(slots: Slots, units: number): void {
    Atomics.add(this.#words, slots[0], units)
    Atomics.add(this.#words, slots[1], units)
  }

  /** Whether the holders may have so many more. */
  #areWithin(claims: readonly Claim[], more: number): boolean {
    const words = this.#words
    for (const { slots, unitsMax } of claims) {
      const held = Math.min(Atomics.load(words, slots[0]), Atomics.load(words, slots[1]))
      if (held + more > unitsMax) return false
    }
    return true
  }

  #reserve(units: number): boolean {
    const sizeUnits = Math.floor(this.#size / this.unit)
    let total = Atomics.load(this.#words, 0)
    while (total + units <= sizeUnits) {
      const found = Atomics.compareExchange(this.#words, 0, total, total + units)
      if (found === total) return true
      total = found
    }
    return false
  }
}

class ProcessLease implements Lease {
  readonly #budget: ProcessBudget
  #claims: readonly Claim[]
  /** `held`, rounded up. */
  #units = 0
  held = 0

  constructor(budget: ProcessBudget, holders: readonly ShareHolder[]) {
    this.#budget = budget
    this.#claims = budget.claimsOf(holders)
  }

  grow(amount: number): boolean {
    const units = Math.ceil((this.held + amount) / this.#budget.unit)
    if (!this.#budget.add(this.#claims, units - this.#units)) return false
    this.#units = units
    this.held += amount
    this.#budget.used += amount
    return true
  }

  /** The total never goes down meanwhile: another thread could take what is to be moved. */
  moveTo(holders: readonly ShareHolder[]): boolean {
    this.#budget.uncount(this.#claims, this.#units)
    this.#claims = this.#budget.claimsOf(holders)
    if (this.#budget.count(this.#claims, this.#units)) return true
    this.#release()
    return false
  }

  giveBack(): void {
    this.#budget.uncount(this.#claims, this.#units)
    this.#release()
  }

  #release(): void {
    this.#budget.release(this.#units)
    this.#budget.used -= this.held
    this.#units = 0
    this.held = 0
  }
}
