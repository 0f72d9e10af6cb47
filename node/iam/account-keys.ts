/**
 * Access keys of an account's root. The account's record alone says which there are and which are active:
 *
 *   'AKIA…'    active
 *   '-AKIA…'   inactive, or on its way in or out
 *
 * so that of two who take away the last two active keys at once, one is refused. The key's own register
 * holds the secret, and is written before the key is listed as active and removed after it no longer is.
 */

import type { AccountRecord } from '../../protocol/codec/versioned.ts'

const OFF = '-'

export interface RootKey {
  readonly id: string
  readonly active: boolean
}

export function rootKeysOf({ rootKeys }: Pick<AccountRecord, 'rootKeys'>): RootKey[] {
  return rootKeys.map((entry) => ({
    id: entry.startsWith(OFF) ? entry.slice(OFF.length) : entry,
    active: !entry.startsWith(OFF),
  }))
}

/** With this key as it is to be; undefined: without it. */
export function withRootKey(
  account: AccountRecord,
  id: string,
  active: boolean | undefined,
): AccountRecord {
  const others = rootKeysOf(account).filter((key) => key.id !== id)
  const keys = active === undefined ? others : [...others, { id, active }]
  return { ...account, rootKeys: keys.map((key) => (key.active ? key.id : OFF + key.id)) }
}
