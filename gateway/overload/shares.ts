/**
 * One bounded resource that many callers use at once. A caller gets some of what is left, but never more than its
 * share of the whole, so that no caller can take everything.
 *
 * A caller is counted under several names, from the narrow to the wide (a user and its account), each of
 * which has a share. Names that hold nothing are forgotten.
 *
 * `SharedBudget` counts for one gateway. Where several threads are one gateway together, process-budget.ts counts.
 */

/** One name under which use is counted. `share` is its part of the whole, 0 to 1. */
export interface ShareHolder {
  readonly name: string
  readonly share: number
}

/** What one request holds, until it gives it back. */
export interface Lease {
  readonly held: number
  /** Returns false, and changes nothing, when there is no more for this caller now. */
  grow(amount: number): boolean
  /** Counts all of it for other holders from now on. Returns false, and gives it back, when they have too much. */
  moveTo(holders: readonly ShareHolder[]): boolean
  giveBack(): void
}

/** A resource of a fixed size, such as requests in flight or bytes of memory. */
export interface Budget {
  /** What is held through this object. The budgets of other threads say how much is held there. */
  readonly used: number
  /** Undefined when there is no more for this caller now. */
  take(holders: readonly ShareHolder[], amount: number): Lease | undefined
}

/** The resources of a gateway that are counted. */
export const BUDGETS = ['places', 'smallBodies', 'bodies', 'connections', 'waiting'] as const

/** Makes the budget of one of them. */
export type Budgets = (name: (typeof BUDGETS)[number], size: number) => Budget

/** For a gateway on one thread. */
export const ownBudgets: Budgets = (_name, size) => new SharedBudget(size)

/** Counts in one thread. */
export class SharedBudget implements Budget {
  readonly size: number
  readonly #held = new Map<string, number>()
  #used = 0

  constructor(size: number) {
    this.size = size
  }

  get used(): number {
    return this.#used
  }

  heldBy(name: string): number {
    return this.#held.get(name) ?? 0
  }

  take(holders: readonly ShareHolder[], amount: number): Lease | undefined {
    const lease = new BudgetLease(this, holders)
    return lease.grow(amount) ? lease : undefined
  }

  add(holders: readonly ShareHolder[], amount: number): boolean {
    if (this.#used + amount > this.size) return false
    for (const { name, share } of holders) {
      if (this.heldBy(name) + amount > share * this.size) return false
    }
    this.#change(holders, amount)
    return true
  }

  remove(holders: readonly ShareHolder[], amount: number): void {
    this.#change(holders, -amount)
  }

  #change(holders: readonly ShareHolder[], amount: number): void {
    this.#used += amount
    for (const { name } of holders) {
      const held = this.heldBy(name) + amount
      if (held > 0) this.#held.set(name, held)
      else this.#held.delete(name)
    }
  }
}

class BudgetLease implements Lease {
  readonly #budget: SharedBudget
  #holders: readonly ShareHolder[]
  held = 0

  constructor(budget: SharedBudget, holders: readonly ShareHolder[]) {
    this.#budget = budget
    this.#holders = holders
  }

  grow(amount: number): boolean {
    if (!this.#budget.add(this.#holders, amount)) return false
    this.held += amount
    return true
  }

  moveTo(holders: readonly ShareHolder[]): boolean {
    const { held } = this
    this.giveBack()
    this.#holders = holders
    return this.grow(held)
  }

  giveBack(): void {
    this.#budget.remove(this.#holders, this.held)
    this.held = 0
  }
}
