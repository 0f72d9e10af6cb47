/**
 * Access keys of an account's root. The account's record alone says which there are and which are active:
 *
 *   'AKIA…'    active
 *   '-AKIA…'   inactive, or being added or removed
 *
 * so that when two requests remove the last two active keys at once, one of them is refused. The key's own register
 * holds the secret. It is written before the key is listed as active, and removed after the key is no longer listed
 * so.
 */

import type { AccountRecord } from '../../protocol/codec/versioned.ts'

/** What an entry begins with when the key is not active. No key id begins with it. */
const OFF = '-'

/** One entry of `rootKeys` in an account's record, decoded. */
export interface RootKey {
  readonly id: string
  /** False while the key is inactive, and while it is being added or removed. */
  readonly active: boolean
}

/** The entries of the record, in its order. */
export function rootKeysOf({ rootKeys }: Pick<AccountRecord, 'rootKeys'>): RootKey[] {
  return rootKeys.map((entry) => ({
    id: entry.startsWith(OFF) ? entry.slice(OFF.length) : entry,
    active: !entry.startsWith(OFF),
  }))
}

/**
 * The record with this key as it is to be, at the end of the list. With `active` undefined the key is
 * taken out. Other keys stay as they are.
 */
export function withRootKey(
  account: AccountRecord,
  id: string,
  active: boolean | undefined,
): AccountRecord {
  const others = rootKeysOf(account).filter((key) => key.id !== id)
  const keys = active === undefined ? others : [...others, { id, active }]
  return { ...account, rootKeys: keys.map((key) => (key.active ? key.id : OFF + key.id)) }
}
