/**
 * Lists of an account's entities of one kind: one register each, a superset (T2). An entry is written
 * before its entity and removed after it, and names the entity's id: so one that is removed late is never
 * that of a successor under the same name.
 *
 * A creator that died leaves an entry without an entity. Lists pass it over; when the account's limit is
 * reached, entries that have stood a while without an entity are dropped. The entity of a creator that was
 * only very slow is entered again by it (`enter` once more at its end), so the clock delays cleaning and
 * decides nothing (G4).
 */

import type { DirectoryEntry } from '../../protocol/iam/name-record.ts'
import type { SystemKind } from '../../protocol/keyspace/space.ts'
import type { RequestContext } from '../../gateway/backend.ts'
import type { Clock } from '../env/ports.ts'
import { directoryKind, directoryOf, type RecordKind, type Records } from './records.ts'
import type { DirectoryRecord } from '../../protocol/iam/name-record.ts'

const STALE_AFTER_MS = 60_000
const WIDTH = 32

export interface DirectoryOptions {
  readonly records: Records
  readonly clock: Clock
  readonly space: SystemKind
  /** More are refused with `full`. */
  readonly entriesMax: number
  readonly full: () => Error
  /** Does this entry's entity stand? */
  readonly stands: (
    context: RequestContext,
    accountId: string,
    entry: DirectoryEntry,
  ) => Promise<boolean>
}

export class Directory {
  readonly #options: DirectoryOptions
  readonly #kind: RecordKind<DirectoryRecord>

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#kind = directoryKind(options.space)
  }

  /** Ordered by name. */
  async entries(context: RequestContext, accountId: string): Promise<readonly DirectoryEntry[]> {
    const record = await this.#options.records.read(context, this.#kind, directoryOf(accountId))
    return [...(record?.entries ?? [])].sort((a, b) => compareTexts(a.name, b.name))
  }

  /** Throws `full`. Nothing changes when the entry is there already. */
  async enter(
    context: RequestContext,
    accountId: string,
    { id, name }: { readonly id: string; readonly name: string },
  ): Promise<void> {
    const { clock, entriesMax, full } = this.#options
    for (let swept = false; ; swept = true) {
      let overfull = false
      await this.#change(context, accountId, (entries) => {
        overfull = false
        if (entries.some((entry) => entry.id === id && entry.name === name)) return undefined
        // A rename has two entries for a while.
        const ids = new Set(entries.map((entry) => entry.id)).add(id)
        overfull = ids.size > entriesMax
        return overfull ? undefined : [...entries, { id, name, createdMs: clock.nowMs() }]
      })
      if (!overfull) return
      if (swept || !(await this.#sweep(context, accountId))) throw full()
    }
  }

  async drop(
    context: RequestContext,
    accountId: string,
    { id, name }: { readonly id: string; readonly name: string },
  ): Promise<void> {
    await this.#change(context, accountId, (entries) => {
      const left = entries.filter((entry) => entry.id !== id || entry.name !== name)
      return left.length === entries.length ? undefined : left
    })
  }

  /** True when something was dropped. */
  async #sweep(context: RequestContext, accountId: string): Promise<boolean> {
    const { clock, stands } = this.#options
    const now = clock.nowMs()
    const old = (await this.entries(context, accountId)).filter(
      ({ createdMs }) => now - createdMs > STALE_AFTER_MS,
    )
    const dead: DirectoryEntry[] = []
    for (let at = 0; at < old.length; at += WIDTH) {
      const some = old.slice(at, at + WIDTH)
      const stand = await Promise.all(some.map((entry) => stands(context, accountId, entry)))
      dead.push(...some.filter((_, index) => stand[index] === false))
    }
    if (dead.length === 0) return false
    const isDead = (entry: DirectoryEntry): boolean =>
      dead.some((each) => each.id === entry.id && each.name === entry.name)
    await this.#change(context, accountId, (entries) => {
      const left = entries.filter((entry) => !isDead(entry))
      return left.length === entries.length ? undefined : left
    })
    return true
  }

  async #change(
    context: RequestContext,
    accountId: string,
    edit: (entries: readonly DirectoryEntry[]) => readonly DirectoryEntry[] | undefined,
  ): Promise<void> {
    const name = directoryOf(accountId)
    await this.#options.records.change(context, this.#kind, name, (current) => {
      const entries = edit(current?.entries ?? [])
      return entries === undefined ? { keep: true } : { write: { entries } }
    })
  }
}

/** By code units: names are ASCII. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
