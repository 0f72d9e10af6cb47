/**
 * Names of users and groups, which can be renamed: the record is stored under a unique id, and a register of the name
 * holds that id.
 *
 * Invariants:
 *   - N is the name of i when the register of N says i, and i's record exists and is called N
 *   - a record is written before the register of its name, and its tombstone is written before that register is
 *     dropped: a register that names a record which is gone is free for good, since ids are never used again
 *   - a rename (1) puts its token into the record, (2) claims the new name with it, (3) sets the name if the record
 *     still has the token (name-claims.ts)
 *   - the list of the account holds each (id, name) from before it could exist until after (T2)
 */

import type { DirectoryEntry } from '../../protocol/iam/name-record.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Random } from '../env/ports.ts'
import type { Directory } from './directory.ts'
import { accessDenied, alreadyExists, concurrentModification, noSuchEntity } from './errors.ts'
import { drawToken } from './ids.ts'
import { NameClaims } from './name-claims.ts'
import {
  ACCOUNT,
  byId,
  readAll,
  type RecordEdit,
  type RecordKind,
  type Records,
} from './records.ts'

/** What every entity with a name has in its record. */
export interface NamedEntity {
  readonly accountId: string
  /** Unique id, never used again. */
  readonly id: string
  readonly name: string
  /**
   * The token of the rename that is under way; '' when there is none. Only users and groups can be
   * renamed.
   */
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

/**
 * Finds, creates, renames and removes the entities of one kind by name, in all accounts. Holds no
 * state.
 */
export class Names<T extends NamedEntity> {
  readonly #options: NamesOptions<T>
  readonly #claims: NameClaims<T>

  constructor(options: NamesOptions<T>) {
    const { records, kind } = options
    this.#options = options
    this.#claims = new NameClaims({
      records,
      kind,
      recordName: byId,
      nameOf: ({ name }) => name,
      tokenOf: ({ renaming }) => renaming,
      withoutToken: (record) => ({ ...record, renaming: '' }),
    })
  }

  /**
   * Reads the record linearizably. Undefined when there is no such entity. Throws StoreError
   * Unavailable.
   */
  readById(context: RequestContext, accountId: string, id: string): Promise<T | undefined> {
    const { records, kind } = this.#options
    return records.read(context, kind, byId(accountId, id))
  }

  /**
   * The entity that has this name now. Undefined when none of the account has it. Throws StoreError
   * Unavailable.
   */
  async find(context: RequestContext, accountId: string, name: string): Promise<T | undefined> {
    const pointer = await this.#claims.holder(context, { scope: accountId, name })
    if (pointer === undefined) return undefined
    const record = await this.readById(context, accountId, pointer.id)
    return record?.name === name ? record : undefined
  }

  /** As `find`. Throws IamError NoSuchEntity when there is none. */
  async get(context: RequestContext, accountId: string, name: string): Promise<T> {
    const found = await this.find(context, accountId, name)
    if (found === undefined) throw this.#missing(name)
    return found
  }

  /**
   * The record behind an entry of the list. Undefined when the entry is of an entity that is gone or
   * has another name now.
   */
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

  /** Names of all entities that exist, in order. Reads each record. */
  async list(context: RequestContext, accountId: string): Promise<string[]> {
    const entries = await this.#options.directory.entries(context, accountId)
    const found = await readAll(entries, (entry) => this.ofEntry(context, accountId, entry))
    return found.filter((record) => record !== undefined).map(({ name }) => name)
  }

  /** Whether the account has an entity of this kind, or may have one under way (directory.ts). */
  isOccupied(context: RequestContext, accountId: string): Promise<boolean> {
    return this.#options.directory.isOccupied(context, accountId)
  }

  /**
   * Creates an entity under its name. (1) Enters it in the list, (2) looks whether the account is
   * closed, (3) writes the record, (4) claims the name. When it is broken off at any step, no named
   * entity is left.
   *
   * @throws IamError EntityAlreadyExists, LimitExceeded, or AccessDenied when the account is closed
   */
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
    const claim = { id, token: drawToken(this.#options.random) }
    if (!(await this.#claims.claim(context, { scope: accountId, name }, claim))) {
      await records.change(context, kind, byId(accountId, id), () => ({ remove: true }))
      await directory.drop(context, accountId, record)
      throw alreadyExists(word, name)
    }
    await directory.confirm(context, accountId, record)
  }

  /**
   * Changes the record under its id, so a rename at the same time does not matter. `edit` is pure and
   * may run several times. Returns the record as it is afterwards. Throws IamError NoSuchEntity, and
   * what `edit` throws.
   */
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

  /**
   * Gives the entity a new name in the three steps of the module's head. `edit` sets the new name,
   * and may set more. Throws IamError EntityAlreadyExists, ConcurrentModification when another rename
   * came in between, and LimitExceeded.
   */
  async rename(
    context: RequestContext,
    from: T,
    newName: string,
    edit: (current: T) => T,
  ): Promise<void> {
    const { directory, random, word } = this.#options
    const { accountId, id, name } = from
    const oldName = { scope: accountId, name }
    const old = await this.#claims.holder(context, oldName)
    await directory.enter(context, accountId, { id, name: newName })
    const token = drawToken(random)
    await this.change(context, from, (current) => {
      if (current.name !== name) throw concurrentModification()
      return { write: { ...current, renaming: token } }
    })
    if (!(await this.#claims.claim(context, { scope: accountId, name: newName }, { id, token }))) {
      await directory.drop(context, accountId, { id, name: newName })
      throw alreadyExists(word, newName)
    }
    await this.change(context, from, (current) => {
      if (current.renaming !== token || current.name !== name) throw concurrentModification()
      return { write: { ...edit(current), renaming: '' } }
    })
    if (old?.id === id) await this.#claims.release(context, oldName, old.token)
    await directory.drop(context, accountId, { id, name })
  }

  /**
   * Removes the record, then its name and its entry. `check` sees exactly the state that is removed,
   * and throws when it may not be removed. Throws IamError NoSuchEntity, ConcurrentModification after
   * a rename in between, and what `check` throws.
   */
  async remove(context: RequestContext, record: T, check: (current: T) => void): Promise<void> {
    const { directory } = this.#options
    const { accountId, id, name } = record
    const scoped = { scope: accountId, name }
    const pointer = await this.#claims.holder(context, scoped)
    await this.#removeRecord(context, record, check)
    if (pointer?.id === id) await this.#claims.release(context, scoped, pointer.token)
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

  #missing(name: string): Error {
    return noSuchEntity(this.#options.word, name)
  }
}
