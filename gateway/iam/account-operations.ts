/** The rows of accounts: their aliases, which AWS has too, and Shoal's own actions. */

import { ACCOUNT_ALIAS, ACCOUNT_ID } from '../../protocol/iam/identity.ts'
import { iamAction, onAnything, pageRules, type IamAction } from './action.ts'
import { integer, plainText, required, type ParameterRules } from './parameters.ts'
import type { ResourceRule } from './resource.ts'

const alias = { AccountAlias: required(plainText(63, ACCOUNT_ALIAS, 3)) }

/** Shoal's own actions. `iam:*` does not allow them, and only the first account can have these rights. */
function shoal(name: string, parameters: ParameterRules, parameter?: string): IamAction {
  const on: ResourceRule =
    parameter === undefined ? { of: 'account' } : { of: 'account', parameter }
  return iamAction(name, on, parameters, { action: `shoal:${name}` })
}

const account = { AccountId: required(plainText(12, ACCOUNT_ID)) }
const accountName = plainText(64, /^[!-~]([ -~]*[!-~])?$/)

export const ACCOUNT_ACTIONS: readonly IamAction[] = [
  iamAction('CreateAccountAlias', onAnything, alias),
  iamAction('ListAccountAliases', onAnything, pageRules),
  iamAction('DeleteAccountAlias', onAnything, alias),
  shoal('CreateAccount', { Name: required(accountName), BucketsMax: integer(1, 10_000) }),
  shoal('ListAccounts', pageRules),
  shoal('GetAccount', account, 'AccountId'),
  shoal(
    'UpdateAccount',
    // 0 resets to the default of the cluster.
    { ...account, Name: accountName, BucketsMax: integer(0, 10_000) },
    'AccountId',
  ),
  shoal('DeleteAccount', account, 'AccountId'),
]
