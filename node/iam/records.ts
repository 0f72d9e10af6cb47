/**
 * Records of identities on registers: one register for each, read linearizably and changed one at a
 * time. Callers decide the order in which several are changed, and say it beside their steps.
 *
 * The name of a record is the last part of its register's key (protocol/keyspace/register-key.ts):
 *
 *     by id      ACCOUNT#ID       users, groups, roles, policies
 *     by name    ACCOUNT/NAME     what holds the id of the entity with this name
 *     list       ACCOUNT/SHARD/   some entries of the list of an account's entities
 *     alone      ID               access keys and accounts
 */

import { EMPTY_BYTES, utf8ByteString } from '../../protocol/bytes.ts'
import { accountCodec, type RecordCodec } from '../../protocol/codec/versioned.ts'
import type { AccountRecord } from '../../protocol/codec/versioned.ts'
import { accessKeyCodec, type AccessKeyRecord } from '../../protocol/iam/access-key-record.ts'
import { groupCodec, type GroupRecord } from '../../protocol/iam/group-record.ts'
import {
  directoryCodec,
  nameCodec,
  type DirectoryRecord,
  type NameRecord,
} from '../../protocol/iam/name-record.ts'
import { userCodec, type UserRecord } from '../../protocol/iam/user-record.ts'
import { providerCodec, type ProviderRecord } from '../../protocol/iam/provider-record.ts'
import type { Keyspace } from '../../protocol/keyspace/key.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import type { SystemKind } from '../../protocol/keyspace/space.ts'
import type { ChangeResult } from '../../protocol/register/proposer-options.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { ChangeOutcome } from '../quorum/register-change.ts'
import { mapInBatches } from '../tools/in-batches.ts'

/** One kind of record: in which space it is stored and how it is written. */
export interface RecordKind<T> {
  /** The space of its registers. A kind, its names and its list share one. */
  readonly space: SystemKind
  /** Decoding throws RecordVersionError or ShapeError for what another program version wrote (F20). */
  readonly codec: RecordCodec<T>
}

/** By account and unique id: `byId`. */
export const USER: RecordKind<UserRecord> = { space: 'user', codec: userCodec }
export const GROUP: RecordKind<GroupRecord> = { space: 'group', codec: groupCodec }
/** By the key's id alone. */
export const ACCESS_KEY: RecordKind<AccessKeyRecord> = {
  space: 'access-key',
  codec: accessKeyCodec,
}
/** By the account's id. Its buckets belong to objects/buckets.ts: keep them unchanged. */
export const ACCOUNT: RecordKind<AccountRecord> = { space: 'account', codec: accountCodec }

/** An OIDC provider, by account and unique id: `byId`. */
export const PROVIDER: RecordKind<ProviderRecord> = {
  space: 'identity-provider',
  codec: providerCodec,
}

/** By account and name: `byName`. */
export function nameKind(space: SystemKind): RecordKind<NameRecord> {
  return { space, codec: nameCodec }
}

/** A shard of an account's list: `directoryOf`. */
export function directoryKind(space: SystemKind): RecordKind<DirectoryRecord> {
  return { space, codec: directoryCodec }
}

/** The name of an entity's record. The character after the account tells it from the name of `byName`. */
export function byId(accountId: string, id: string): string {
  return `${accountId}#${id}`
}

/** The name of the register that holds the id of the entity with this name. */
export function byName(accountId: string, name: string): string {
  return `${accountId}/${name}`
}

/**
 * The name of one shard of an account's list. It is a number and a slash: names of entities have no slash, except those of
 * OIDC providers, which begin with a host.
 */
export function directoryOf(accountId: string, shard: number): string {
  return `${accountId}/${shard}/`
}

/**
 * What a change makes of the current record: the new one, a tombstone, or nothing. An error that
 * `edit` throws is thrown to the caller once the state that caused it is known to be chosen (P3).
 */
export type RecordEdit<T> =
  | { readonly write: T }
  /** Writes a tombstone. */
  | { readonly remove: true }
  | { readonly keep: true }

/** What a change has done. */
export interface Changed<T> {
  /** False when `edit` kept the record as it was. */
  readonly written: boolean
  /** The record that the change replaced; undefined when there was none. */
  readonly before: T | undefined
  /** The record after the change. */
  readonly after: T | undefined
}

/**
 * How many records one request reads at the same time. More would make one long list slow down all other requests of
 * the node.
 */
export const READS_AT_ONCE = 32

/** The results of `read` in the order of the items, READS_AT_ONCE at a time. Rejects with the first error. */
export function readAll<T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> {
  return mapInBatches(items, READS_AT_ONCE, read)
}

/** Told which record was changed. The record's content is not passed: the listener reads it again. */
export type ChangeListener = (kind: RecordKind<unknown>, name: string) => void

/**
 * Reads and changes records through the register client. One for each node, shared by all modules of
 * this room.
 */
export class Records {
  readonly #registers: RegisterClient
  readonly #keyspace: () => Keyspace
  #changed: ChangeListener = () => {}

  constructor(registers: RegisterClient, keyspace: () => Keyspace) {
    this.#registers = registers
    this.#keyspace = keyspace
  }

  /** Told of every record that this node has changed or may have changed. At most one listener. */
  onChange(listener: ChangeListener): void {
    this.#changed = listener
  }

  /**
   * Reads a record linearizably. Undefined when there is none, or a tombstone. Throws StoreError
   * Unavailable when no majority answers in time.
   */
  async read<T>(
    context: RequestContext,
    kind: RecordKind<T>,
    name: string,
  ): Promise<T | undefined> {
    const { accepted } = await this.#registers.read(context, { key: this.#key(kind, name) })
    return recordOf(kind, accepted?.value)
  }

  /**
   * Changes one record atomically. `edit` is pure, and called again on each retry with the record as
   * it is then.
   *
   * @throws what `edit` throws, or StoreError Unavailable: then the change may have happened (P4)
   */
  async change<T>(
    context: RequestContext,
    kind: RecordKind<T>,
    name: string,
    edit: (current: T | undefined) => RecordEdit<T>,
  ): Promise<Changed<T>> {
    let refused: { readonly error: unknown } | undefined
    const request = {
      key: this.#key(kind, name),
      change: (current: RegisterValue | undefined): ChangeResult => {
        refused = undefined
        try {
          const result = edit(recordOf(kind, current))
          if ('keep' in result) return { keep: true }
          const after = 'write' in result ? result.write : undefined
          const body = after === undefined ? EMPTY_BYTES : kind.codec.encode(after)
          return { write: { tombstone: after === undefined, body, blocks: [] } }
        } catch (error) {
          refused = { error }
          return { keep: true }
        }
      },
    }
    let outcome: ChangeOutcome | undefined
    try {
      outcome = await this.#registers.change(context, request)
    } finally {
      // A change that failed may have happened (P4).
      if (outcome?.type !== 'kept') this.#changed(kind as RecordKind<unknown>, name)
    }
    if (outcome.type === 'written') {
      const { before, value } = outcome
      return { written: true, before: recordOf(kind, before), after: recordOf(kind, value) }
    }
    // Assigned in the closure, which the compiler does not follow.
    const refusal = refused as { readonly error: unknown } | undefined
    if (refusal !== undefined) throw refusal.error
    const current = recordOf(kind, outcome.current?.value)
    return { written: false, before: current, after: current }
  }

  #key<T>(kind: RecordKind<T>, name: string) {
    return systemRegister(kind.space, utf8ByteString(name), this.#keyspace())
  }
}

function recordOf<T>(kind: RecordKind<T>, value: RegisterValue | undefined): T | undefined {
  return value === undefined || value.tombstone ? undefined : kind.codec.decode(value.body)
}
