/**
 * Lists of an account's entities of one kind, a superset (T2), spread by id over a few registers so that none grows
 * large. An entry is written before its entity and removed after it. It names the entity's id, so a late removal
 * never removes the entry of a successor under the same name.
 *
 * The account's limit counts entries. Entities that are created at the same moment may exceed it by a few.
 *
 * A creator that died leaves an entry without an entity. Lists skip it. When the account's limit is reached, entries
 * that have had no entity for a while are dropped. A creator that was only very slow enters its entity again
 * (`confirm` at its end), so the clock delays cleaning and decides nothing (G4).
 */

import type { DirectoryEntry } from '../../protocol/iam/name-record.ts'
import type { SystemKind } from '../../protocol/keyspace/space.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Clock } from '../env/ports.ts'
import { directoryKind, directoryOf, readAll, type RecordKind, type Records } from './records.ts'
import type { DirectoryRecord } from '../../protocol/iam/name-record.ts'

/** Registers for each list. Fixed for good: entries are found by it. */
const SHARDS = 8
/**
 * From this age on an entry without an entity may be dropped. Younger ones may belong to a creation
 * that is under way.
 */
const STALE_AFTER_MS = 60_000

export interface DirectoryOptions {
  /** Where the shards are kept. */
  readonly records: Records
  /** The wall clock, which dates entries. It delays cleaning and decides nothing else. */
  readonly clock: Clock
  /** The kind of entity that is listed. It is also the space of the list's registers. */
  readonly space: SystemKind
  /**
   * How many entities one account may have. One more is refused with `full`, unless stale entries can
   * be dropped.
   */
  readonly entriesMax: number
  readonly full: () => Error
  /** Does the entity of this entry exist? */
  readonly exists: (
    context: RequestContext,
    accountId: string,
    entry: DirectoryEntry,
  ) => Promise<boolean>
}

/**
 * The lists of one kind of entity in all accounts. names.ts uses it for users, groups, roles and
 * policies, accounts.ts for accounts.
 */
export class Directory {
  readonly #options: DirectoryOptions
  readonly #kind: RecordKind<DirectoryRecord>

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#kind = directoryKind(options.space)
  }

  /**
   * All entries of the account, ordered by name. Reads every shard. An entry may name an entity that
   * does not exist. Throws StoreError Unavailable.
   */
  async entries(context: RequestContext, accountId: string): Promise<readonly DirectoryEntry[]> {
    const { records } = this.#options
    const shards = await Promise.all(
      Array.from({ length: SHARDS }, (_, shard) =>
        records.read(context, this.#kind, directoryOf(accountId, shard)),
      ),
    )
    return shards
      .flatMap((record) => record?.entries ?? [])
      .sort((a, b) => compareTexts(a.name, b.name))
  }

  /**
   * Whether the account has an entity, or may have one under way: an entry that is younger than
   * STALE_AFTER_MS counts without a look. Asked when an account is deleted.
   */
  async isOccupied(context: RequestContext, accountId: string): Promise<boolean> {
    const { clock, exists } = this.#options
    for (const entry of await this.entries(context, accountId)) {
      if (clock.nowMs() - entry.createdMs < STALE_AFTER_MS) return true
      if (await exists(context, accountId, entry)) return true
    }
    return false
  }

  /**
   * Adds an entry before its entity is created. Nothing changes when it is there already. Throws
   * `full`, or StoreError Unavailable.
   */
  async enter(
    context: RequestContext,
    accountId: string,
    { id, name }: { readonly id: string; readonly name: string },
  ): Promise<void> {
    const { entriesMax, full } = this.#options
    const entries = await this.entries(context, accountId)
    if (entries.some((entry) => entry.id === id && entry.name === name)) return
    // A rename has two entries for a while.
    const ids = new Set(entries.map((entry) => entry.id)).add(id)
    if (ids.size > entriesMax && !(await this.#sweep(context, accountId, entries))) throw full()
    await this.confirm(context, accountId, { id, name })
  }

  /**
   * Adds an entry for an entity that exists, whatever the limit says. A creation that took longer
   * than STALE_AFTER_MS may have lost its entry to a sweep, so each creation ends with this.
   */
  async confirm(
    context: RequestContext,
    accountId: string,
    { id, name }: { readonly id: string; readonly name: string },
  ): Promise<void> {
    await this.#change(context, accountId, id, (entries) => {
      if (entries.some((entry) => entry.id === id && entry.name === name)) return undefined
      return [...entries, { id, name, createdMs: Math.floor(this.#options.clock.nowMs()) }]
    })
  }

  /** Removes an entry after its entity is gone. Nothing happens when it is gone already. */
  async drop(
    context: RequestContext,
    accountId: string,
    { id, name }: { readonly id: string; readonly name: string },
  ): Promise<void> {
    await this.#change(context, accountId, id, (entries) => {
      const left = entries.filter((entry) => entry.id !== id || entry.name !== name)
      return left.length === entries.length ? undefined : left
    })
  }

  /** Drops stale entries whose entity does not exist. Returns whether there was one. */
  async #sweep(
    context: RequestContext,
    accountId: string,
    entries: readonly DirectoryEntry[],
  ): Promise<boolean> {
    const { clock, exists } = this.#options
    const now = clock.nowMs()
    const old = entries.filter(({ createdMs }) => now - createdMs > STALE_AFTER_MS)
    let dropped = false
    const present = await readAll(old, (entry) => exists(context, accountId, entry))
    for (const [index, entry] of old.entries()) {
      if (present[index] === true) continue
      await this.drop(context, accountId, entry)
      dropped = true
    }
    return dropped
  }

  /**
   * Changes the shard of this id. `edit` returns undefined when nothing is to change; it is pure and
   * may run several times.
   */
  async #change(
    context: RequestContext,
    accountId: string,
    id: string,
    edit: (entries: readonly DirectoryEntry[]) => readonly DirectoryEntry[] | undefined,
  ): Promise<void> {
    const name = directoryOf(accountId, shardOf(id))
    await this.#options.records.change(context, this.#kind, name, (current) => {
      const entries = edit(current?.entries ?? [])
      return entries === undefined ? { keep: true } : { write: { entries } }
    })
  }
}

/** Ids are random, so their last characters spread evenly. */
function shardOf(id: string): number {
  return (id.charCodeAt(id.length - 1) + 3 * id.charCodeAt(id.length - 2)) % SHARDS
}

/** By code units: names are ASCII. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
