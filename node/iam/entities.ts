/** What users, groups, roles and managed policies do alike: their names and the list of an account, and pages of them. */

import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import type { EntityRecord } from '../../protocol/iam/entity.ts'
import type { IamTag } from '../../protocol/iam/record.ts'
import { shownTags, type ModuleOptions } from './common.ts'
import { compareTexts, Directory } from './directory.ts'
import { limitExceeded } from './errors.ts'
import { Names, type NamedEntity } from './names.ts'
import { pageOf, readPage, type IamPage } from './page.ts'
import { textParameter } from './parameters.ts'
import type { RecordKind } from './records.ts'

/** What differs between the kinds of entity. */
export interface EntityNamesOptions<T> {
  /** The record of the entity. Its space also holds the registers of names and the list. */
  readonly kind: RecordKind<T>
  /** 'user', 'group': for messages. */
  readonly word: string
  /** AWS's name of the limit: 'UsersPerAccount'. */
  readonly quota: string
  /** How many entities of this kind an account may have. */
  readonly entriesMax: number
}

/**
 * The names of one kind of entity, with the list and the limit of each account. Each module makes its
 * own at its construction.
 */
export function entityNames<T extends NamedEntity>(
  { records, clock, random }: Pick<ModuleOptions, 'records' | 'clock' | 'random'>,
  { kind, word, quota, entriesMax }: EntityNamesOptions<T>,
): Names<T> {
  const directory = new Directory({
    records,
    clock,
    space: kind.space,
    entriesMax,
    full: () => limitExceeded(`Cannot exceed quota for ${quota}: ${entriesMax}`),
    exists: async (context, accountId, entry) =>
      (await names.ofEntry(context, accountId, entry)) !== undefined,
  })
  const names: Names<T> = new Names({ records, random, kind, directory, word })
  return names
}

/**
 * The page of the account's entities that the call asks for: those below `PathPrefix`, by name, each
 * as `show` makes it. Entries of the list without an entity are skipped. Throws IamError
 * ValidationError for a bad Marker.
 */
export async function entityPage<T extends EntityRecord, Shown>(
  call: IamCall,
  names: Names<T>,
  show: (record: T) => Shown | Promise<Shown>,
): Promise<IamPage<Shown>> {
  const { context, caller } = call
  const prefix = textParameter(call, 'PathPrefix') ?? '/'
  return readPage(
    await names.entries(context, caller.accountId),
    pageOf(call),
    ({ name }) => name,
    async (entry) => {
      const record = await names.ofEntry(context, caller.accountId, entry)
      return record?.path.startsWith(prefix) === true ? show(record) : undefined
    },
  )
}

/** The answer of ListUserTags and ListRoleTags: the page of `tags` that the call asks for, by key. */
export async function tagPage(call: IamCall, tags: readonly IamTag[]): Promise<IamResult> {
  const { items, more } = await readPage(
    [...tags].sort((a, b) => compareTexts(a.key, b.key)),
    pageOf(call),
    ({ key }) => key,
    (tag) => Promise.resolve(tag),
  )
  return { Tags: shownTags(items) ?? [], ...more }
}
