/**
 * Names of users and groups, which can be renamed: the record is stored under a unique id, and a register of the name
 * holds that id.
 *
 * Invariants:
 *   - N is the name of i when the register of N says i, and i's record exists and is called N
 *   - a record is written before the register of its name, and its tombstone is written before that register is
 *     dropped: a register that names a record which is gone is free for good, since ids are never used again
 *   - a rename (1) puts its token into the record, (2) claims the new name with it, (3) sets the name if the record
 *     still has the token. A request that wants a name that was claimed, and that is not the record's own, removes
 *     the token from the record first: then (3) never happens, and the name is free
 *   - the list of the account holds each (id, name) from before it could exist until after (T2)
 */

import type { DirectoryEntry, NameRecord } from '../../protocol/iam/name-record.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Random } from '../env/ports.ts'
import type { Directory } from './directory.ts'
import { accessDenied, alreadyExists, concurrentModification, noSuchEntity } from './errors.ts'
import { drawToken } from './ids.ts'
import {
  ACCOUNT,
  byId,
  byName,
  nameKind,
  readAll,
  type RecordEdit,
  type RecordKind,
  type Records,
} from './records.ts'

export interface NamedEntity {
  readonly accountId: string
  readonly id: string
  readonly name: string
  /** For entities that can be renamed. */
  readonly renaming?: string
}

export interface NamesOptions<T extends NamedEntity> {
  readonly records: Records
  readonly random: Random
  readonly kind: RecordKind<T>
  readonly directory: Directory
  /** 'user', 'group': for messages. */
  readonly word: string
}

export class Names<T extends NamedEntity> {
  readonly #options: NamesOptions<T>

  constructor(options: NamesOptions<T>) {
    this.#options = options
  }

  /** Undefined when there is no such entity. Throws Unavailable. */
  readById(context: RequestContext, accountId: string, id: string): Promise<T | undefined> {
    const { records, kind } = this.#options
    return records.read(context, kind, byId(accountId, id))
  }

  /** Undefined when no entity of the account has the name. Throws Unavailable. */
  async find(context: RequestContext, accountId: string, name: string): Promise<T | undefined> {
    const { records, kind } = this.#options
    const pointer = await records.read(context, nameKind(kind.space), byName(accountId, name))
    if (pointer === undefined) return undefined
    const record = await this.readById(context, accountId, pointer.id)
    return record?.name === name ? record : undefined
  }

  /** Throws NoSuchEntity. */
  async get(context: RequestContext, accountId: string, name: string): Promise<T> {
    const found = await this.find(context, accountId, name)
    if (found === undefined) throw this.#missing(name)
    return found
  }

  /** The record of an entry of the list, when the entry is true. */
  async ofEntry(
    context: RequestContext,
    accountId: string,
    { id, name }: DirectoryEntry,
  ): Promise<T | undefined> {
    const found = await this.find(context, accountId, name)
    return found?.id === id ? found : undefined
  }

  /** The list itself: it may name too many, never too few. */
  entries(context: RequestContext, accountId: string): Promise<readonly DirectoryEntry[]> {
    return this.#options.directory.entries(context, accountId)
  }

  /** Names of all entities that exist. */
  async list(context: RequestContext, accountId: string): Promise<string[]> {
    const entries = await this.#options.directory.entries(context, accountId)
    const found = await readAll(entries, (entry) => this.ofEntry(context, accountId, entry))
    return found.filter((record) => record !== undefined).map(({ name }) => name)
  }

  /** Does one exist, or may one be under way? */
  isOccupied(context: RequestContext, accountId: string): Promise<boolean> {
    return this.#options.directory.isOccupied(context, accountId)
  }

  /** Throws EntityAlreadyExists, or LimitExceeded. When it is broken off at any step, no named entity is left. */
  async create(context: RequestContext, record: T): Promise<void> {
    const { records, kind, directory, word } = this.#options
    const { accountId, id, name } = record
    if ((await this.find(context, accountId, name)) !== undefined) throw alreadyExists(word, name)
    await directory.enter(context, accountId, record)
    // A deletion of the account looks for entries after closing it: one of the two sees the other.
    if ((await records.read(context, ACCOUNT, accountId))?.closed === true) {
      await directory.drop(context, accountId, record)
      throw accessDenied('The account is closed.')
    }
    await records.change(context, kind, byId(accountId, id), () => ({ write: record }))
    if (!(await this.#claim(context, record, name, drawToken(this.#options.random)))) {
      await records.change(context, kind, byId(accountId, id), () => ({ remove: true }))
      await directory.drop(context, accountId, record)
      throw alreadyExists(word, name)
    }
    await directory.confirm(context, accountId, record)
  }

  /** Changes the record under its id. Throws NoSuchEntity, and what `edit` throws. */
  async change(
    context: RequestContext,
    { accountId, id, name }: NamedEntity,
    edit: (current: T) => RecordEdit<T>,
  ): Promise<T> {
    const { records, kind } = this.#options
    const { after } = await records.change(context, kind, byId(accountId, id), (current) => {
      if (current === undefined) throw this.#missing(name)
      return edit(current)
    })
    if (after === undefined) throw this.#missing(name)
    return after
  }

  /** `edit` sets the new name, and may set more. Throws EntityAlreadyExists, ConcurrentModification. */
  async rename(
    context: RequestContext,
    from: T,
    newName: string,
    edit: (current: T) => T,
  ): Promise<void> {
    const { records, kind, directory, random, word } = this.#options
    const { accountId, id, name } = from
    const old = await records.read(context, nameKind(kind.space), byName(accountId, name))
    await directory.enter(context, accountId, { id, name: newName })
    const token = drawToken(random)
    await this.change(context, from, (current) => {
      if (current.name !== name) throw concurrentModification()
      return { write: { ...current, renaming: token } }
    })
    if (!(await this.#claim(context, from, newName, token))) {
      await directory.drop(context, accountId, { id, name: newName })
      throw alreadyExists(word, newName)
    }
    await this.change(context, from, (current) => {
      if (current.renaming !== token || current.name !== name) throw concurrentModification()
      return { write: { ...edit(current), renaming: '' } }
    })
    if (old?.id === id) await this.#release(context, accountId, name, old.token)
    await directory.drop(context, accountId, { id, name })
  }

  /** `check` sees the state that is removed, and throws when it may not be removed. */
  async remove(context: RequestContext, record: T, check: (current: T) => void): Promise<void> {
    const { records, kind, directory } = this.#options
    const { accountId, id, name } = record
    const names = nameKind(kind.space)
    const pointer = await records.read(context, names, byName(accountId, name))
    await this.#removeRecord(context, record, check)
    if (pointer?.id === id) await this.#release(context, accountId, name, pointer.token)
    await directory.drop(context, accountId, record)
  }

  async #removeRecord(
    context: RequestContext,
    { accountId, id, name }: T,
    check: (current: T) => void,
  ): Promise<void> {
    const { records, kind } = this.#options
    await records.change(context, kind, byId(accountId, id), (current) => {
      if (current === undefined) throw this.#missing(name)
      if (current.name !== name) throw concurrentModification()
      check(current)
      return { remove: true }
    })
  }

  /** False when the name belongs to another entity. */
  async #claim(
    context: RequestContext,
    { accountId, id }: NamedEntity,
    name: string,
    token: string,
  ): Promise<boolean> {
    const { records, kind } = this.#options
    const names = nameKind(kind.space)
    for (;;) {
      const held = await records.read(context, names, byName(accountId, name))
      if (held !== undefined && held.id !== id) {
        if (!(await this.#wrest(context, accountId, name, held))) return false
      }
      const { written } = await records.change(
        context,
        names,
        byName(accountId, name),
        (current) => {
          const free = current === undefined || current.id === id || current.token === held?.token
          return free ? { write: { id, token } } : { keep: true }
        },
      )
      if (written) return true
    }
  }

  /** True when this claim will never lead to a name: no rename that is under way can set the name any more, and one
   * that begins now makes a new claim. */
  async #wrest(
    context: RequestContext,
    accountId: string,
    name: string,
    held: NameRecord,
  ): Promise<boolean> {
    const { records, kind } = this.#options
    let taken = false
    await records.change(context, kind, byId(accountId, held.id), (current) => {
      taken = current?.name === name
      if (current === undefined || taken || !current.renaming) return { keep: true }
      return { write: { ...current, renaming: '' } }
    })
    return !taken
  }

  /** Nothing happens when the name was claimed again meanwhile. */
  async #release(
    context: RequestContext,
    accountId: string,
    name: string,
    token: string,
  ): Promise<void> {
    const { records, kind } = this.#options
    await records.change(context, nameKind(kind.space), byName(accountId, name), (current) =>
      current?.token === token ? { remove: true } : { keep: true },
    )
  }

  #missing(name: string): Error {
    return noSuchEntity(this.#options.word, name)
  }
}
