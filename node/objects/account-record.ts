/**
 * An account's register, in the space `account`. Buckets and identities share it: account-buckets.ts changes the list of buckets,
 * node/iam/ changes name, alias, root keys and `closed`. Each passes on the fields of the other as it found them.
 */

import { utf8ByteString } from '../../protocol/bytes.ts'
import { accountCodec, type AccountRecord } from '../../protocol/codec/versioned.ts'
import type { Keyspace } from '../../protocol/keyspace/key.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { RegisterClient } from '../quorum/register-client.ts'

/** Where an account's record is, and through what it is read and changed. */
export interface AccountPlace {
  readonly registers: RegisterClient
  readonly keyspace: () => Keyspace
  readonly accountId: string
}

/** The record of an account that was never written. For a while the cluster's first account is one. */
export function accountOf(value: RegisterValue | undefined, accountId: string): AccountRecord {
  if (value !== undefined) return accountCodec.decode(value.body)
  return {
    accountId,
    buckets: [],
    bucketsMax: 0,
    name: '',
    createdMs: 0,
    rootKeys: [],
    closed: false,
    alias: '',
    aliasClaim: '',
  }
}

/**
 * Linearizable. An account that was never written has an empty record. Throws Unavailable, and RecordVersionError for a
 * record of a later program.
 */
export async function readAccount(
  context: RequestContext,
  { registers, keyspace, accountId }: AccountPlace,
): Promise<AccountRecord> {
  const key = systemRegister('account', utf8ByteString(accountId), keyspace())
  const { accepted } = await registers.read(context, { key })
  return accountOf(accepted?.value, accountId)
}

/**
 * One change of the newest record. `edit` passes on the fields that it does not change, and may return undefined to
 * keep the record. It is called again on each retry, so it must be pure.
 *
 * Resolves with the record that is chosen afterwards. Throws Unavailable when it is not known whether the change has
 * happened.
 */
export async function changeAccount(
  context: RequestContext,
  { registers, keyspace, accountId }: AccountPlace,
  edit: (account: AccountRecord) => AccountRecord | undefined,
): Promise<{ readonly type: 'written' | 'kept'; readonly account: AccountRecord }> {
  const key = systemRegister('account', utf8ByteString(accountId), keyspace())
  const { type, ...outcome } = await registers.change(context, {
    key,
    change: (current) => {
      const next = edit(accountOf(current, accountId))
      if (next === undefined) return { keep: true }
      return { write: { tombstone: false, body: accountCodec.encode(next), blocks: [] } }
    },
  })
  const value = 'value' in outcome ? outcome.value : outcome.current?.value
  return { type, account: accountOf(value, accountId) }
}
