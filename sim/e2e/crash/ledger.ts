/**
 * What each key may hold. One writer owns a key, so its history is a line: the last acknowledged write,
 * and attempts whose outcome nobody knows (P4). After a crash the key must hold exactly one of them, whole.
 *
 * An attempt of unknown outcome stays possible after later acknowledged writes of the same process, since
 * it may still be under way; once every node has been killed and the key was read, the value is settled.
 */

import { seededBytes } from '../files.ts'

/** Undefined: no object. */
export type Value = { readonly seed: number; readonly sizeBytes: number } | undefined

interface Entry {
  acknowledged: Value
  readonly unknown: Value[]
}

export class Ledger {
  readonly #entries = new Map<string, Entry>()
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

  acknowledge(key: string, value: Value): void {
    this.#entry(key).acknowledged = value
    this.acknowledgedCount++
  }

  leaveUnknown(key: string, value: Value): void {
    this.#entry(key).unknown.push(value)
    this.unknownCount++
  }

  /** Checks what was read after a crash and settles the key. Throws when it is none of what may be. */
  settle(key: string, read: Uint8Array | undefined): Value {
    const entry = this.#entry(key)
    const candidates = [entry.acknowledged, ...entry.unknown]
    const found = candidates.find((value) => holds(value, read))
    if (found === undefined && !(read === undefined && candidates.includes(undefined))) {
      const may = candidates.map((value) =>
        value === undefined ? 'absent' : `${value.sizeBytes} bytes of seed ${value.seed}`,
      )
      const is = read === undefined ? 'absent' : `${read.length} bytes`
      throw new Error(`${key}: ${is}; acknowledged ${may[0]}, unknown ${may.slice(1).join(', ')}`)
    }
    entry.acknowledged = found
    entry.unknown.length = 0
    return found
  }
}

function holds(value: Value, read: Uint8Array | undefined): boolean {
  if (value === undefined || read === undefined) return value === read
  if (value.sizeBytes !== read.length) return false
  return Buffer.compare(seededBytes(value.seed, value.sizeBytes), read) === 0
}
