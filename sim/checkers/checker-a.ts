/**
 * Checker A, white box (docs/correctness.md 9): from what every proposer and reader of the cluster learnt.
 *
 *   - one ballot carries one value                                            (P1)
 *   - real time implies ballot order: what was known before an operation began is not undone by it
 *   - a write replaced exactly the state below it: its condition held on its predecessor (P2, P3, P5)
 *   - a register that was there is absent only after a tombstone, be it one of which only its proposal is
 *     known: of a proposer that died, or gave up                                          (G2)
 */

import type { OperationId, RegisterKey } from '../../protocol/ids.ts'
import { compareBallots, type Ballot } from '../../protocol/register/ballot.ts'
import type { RegisterEvent } from '../../node/quorum/register-events.ts'

interface Known {
  readonly ballot: Ballot
  readonly operation: OperationId
  readonly tombstone: boolean
}

interface Write extends Known {
  readonly base: OperationId | undefined
  /** It began on nothing, and there may have been a tombstone that was not seen as chosen. */
  readonly forgotten: boolean
}

interface Register {
  /** By ballot, as text. */
  readonly values: Map<string, OperationId>
  /** Chosen states by the instant at which some node knew them: ballots rise along it. */
  readonly known: { atMs: number; ballot: Ballot; tombstone: boolean }[]
  readonly writes: Write[]
  readonly chosen: Map<string, Known>
  /** Tombstones of unknown fate, by the instant at which they were proposed last. */
  readonly doubtful: Map<OperationId, number>
}

export class CheckerA {
  readonly violations: string[] = []
  events = 0
  readonly #registers = new Map<RegisterKey, Register>()

  /** `atMs`: now, when the outcome is known. */
  note(event: RegisterEvent, atMs: number, who: string): void {
    this.events++
    const register = this.#register(event.key)
    const { ballot, operation, tombstone = false } = event
    if (event.type === 'proposed' && tombstone && operation !== undefined) {
      register.doubtful.set(operation, atMs)
    }
    if (event.type === 'proposed' || event.type === 'unknown') return
    const before = latestBefore(register.known, event.startedMs)
    if (ballot === undefined || operation === undefined) {
      if (before !== undefined && !mayBeForgotten(register, before.ballot))
        this.#violation(event, who, `absent ${at(atMs)} after it was known to be present`)
      return
    }
    const name = ballotText(ballot)
    const other = register.values.get(name)
    if (other !== undefined && other !== operation) {
      this.#violation(event, who, `two values at ballot ${name}`)
    }
    register.values.set(name, operation)
    if (before !== undefined) {
      const order = compareBallots(ballot, before.ballot)
      if (order < 0 || (order === 0 && event.type === 'written')) {
        this.#violation(
          event,
          who,
          `ballot ${name} ${at(atMs)} although ${ballotText(before.ballot)} was known before`,
        )
      }
    }
    const last = register.known.at(-1)
    if (last === undefined || compareBallots(ballot, last.ballot) > 0) {
      register.known.push({ atMs, ballot, tombstone })
    }
    register.chosen.set(name, { ballot, operation, tombstone })
    register.doubtful.delete(operation)
    if (event.type === 'written') {
      const forgotten = event.base === undefined && register.doubtful.size > 0
      register.writes.push({ ballot, operation, tombstone, base: event.base, forgotten })
      // What was proposed before this write began was chosen below it, or never is.
      for (const [other, sinceMs] of register.doubtful) {
        if (sinceMs < event.startedMs) register.doubtful.delete(other)
      }
    }
  }

  /** When everything is over: each write's base is what was chosen right below it. */
  finish(): void {
    for (const [key, register] of this.#registers) {
      const chosen = [...register.chosen.values()].sort((a, b) =>
        compareBallots(a.ballot, b.ballot),
      )
      for (const write of register.writes) {
        const below = chosen.filter(
          ({ ballot, operation }) =>
            operation !== write.operation && compareBallots(ballot, write.ballot) < 0,
        )
        const predecessor = below.at(-1)?.operation
        if (predecessor === write.base) continue
        // Forgotten between (G2).
        if (write.base === undefined && below.at(-1)?.tombstone === true) continue
        if (write.forgotten) continue
        // Between them there may be one that was not seen as chosen: its proposer died, or never learnt of it.
        const seen = chosen.some(({ operation }) => operation === write.base)
        if (write.base !== undefined && !seen) continue
        this.violations.push(
          `write ${text(write.operation)} at ${ballotText(write.ballot)} of ${text(key)} replaced ` +
            `${text(write.base)}, but ${text(predecessor)} was chosen below it`,
        )
      }
    }
  }

  #register(key: RegisterKey): Register {
    let register = this.#registers.get(key)
    if (register === undefined) {
      register = {
        values: new Map(),
        known: [],
        writes: [],
        chosen: new Map(),
        doubtful: new Map(),
      }
      this.#registers.set(key, register)
    }
    return register
  }

  #violation(event: RegisterEvent, who: string, what: string): void {
    this.violations.push(`${who}: ${event.type} of ${text(event.key)}: ${what}`)
  }
}

/** A tombstone at `ballot` or above is known, or may be there. */
function mayBeForgotten({ chosen, doubtful }: Register, ballot: Ballot): boolean {
  if (doubtful.size > 0) return true
  for (const known of chosen.values()) {
    if (known.tombstone && compareBallots(known.ballot, ballot) >= 0) return true
  }
  return false
}

/** The highest ballot that was known at an instant before `atMs`. */
function latestBefore(
  known: Register['known'],
  atMs: number,
): Register['known'][number] | undefined {
  return known.findLast((each) => each.atMs < atMs)
}

function at(atMs: number): string {
  return `at ${Math.round(atMs)} ms`
}

function ballotText(ballot: Ballot): string {
  return `${ballot.counter}.${text(ballot.proposer)}`
}

function text(bytes: string | undefined): string {
  return bytes === undefined ? 'nothing' : Buffer.from(bytes, 'latin1').toString('hex').slice(0, 60)
}
