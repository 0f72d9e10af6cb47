/**
 * What each key may hold. One writer owns a key, so its history is a line: the last acknowledged write,
 * and attempts of unknown outcome (P4). At any time the key must hold exactly one of them, whole.
 *
 * An attempt of unknown outcome may be on a minority of the replicas and surface at any later time, also
 * after a crash and after a read that did not meet it (R1), until a write of a later life of the cluster is
 * acknowledged: that one's ballot is above it. Within one life its proposer may still be at work.
 */

import { seededBytes } from '../files.ts'

/** What a key holds. Undefined when there is no object. */
export type Value = { readonly seed: number; readonly sizeBytes: number } | undefined

interface Entry {
  acknowledged: Value
  unknown: { readonly value: Value; readonly life: number }[]
}

export class Ledger {
  readonly #entries = new Map<string, Entry>()
  /** Raised when every node was killed. */
  #life = 1
  acknowledgedCount = 0
  unknownCount = 0

  #entry(key: string): Entry {
    let entry = this.#entries.get(key)
    if (entry === undefined)
      this.#entries.set(key, (entry = { acknowledged: undefined, unknown: [] }))
    return entry
  }

  get keys(): string[] {
    return [...this.#entries.keys()].sort()
  }

  crashed(): void {
    this.#life++
  }

  acknowledge(key: string, value: Value): void {
    const entry = this.#entry(key)
    entry.acknowledged = value
    entry.unknown = entry.unknown.filter(({ life }) => life === this.#life)
    this.acknowledgedCount++
  }

  leaveUnknown(key: string, value: Value): void {
    this.#entry(key).unknown.push({ value, life: this.#life })
    this.unknownCount++
  }

  /** Checks what was read, which is the past of whatever is read next. Throws when it may not be. */
  settle(key: string, read: Uint8Array | undefined): Value {
    const entry = this.#entry(key)
    const candidates = [entry.acknowledged, ...entry.unknown.map(({ value }) => value)]
    const at = candidates.findIndex((value) => holds(value, read))
    if (at === -1) {
      const may = candidates.map((value) =>
        value === undefined ? 'absent' : `${value.sizeBytes} bytes of seed ${value.seed}`,
      )
      const is = read === undefined ? 'absent' : `${read.length} bytes`
      throw new Error(`${key}: ${is}; acknowledged ${may[0]}, unknown ${may.slice(1).join(', ')}`)
    }
    if (at > 0) entry.unknown.splice(at - 1, 1)
    entry.acknowledged = candidates[at]
    return candidates[at]
  }
}

function holds(value: Value, read: Uint8Array | undefined): boolean {
  if (value === undefined || read === undefined) return value === read
  if (value.sizeBytes !== read.length) return false
  return Buffer.compare(seededBytes(value.seed, value.sizeBytes), read) === 0
}
