/** Who asks in the generated cases, and whom their policies name. For tests only. */

import type { ResolvedPrincipal } from '../principal.ts'
import type { RawCaller, RawPrincipal } from './oracle.ts'

export const CASE_ACCOUNT_ONE = '111111111111'
export const CASE_ACCOUNT_TWO = '222222222222'
export const caseArn = (account: string, name: string): string => `arn:aws:iam::${account}:${name}`

export function caseUser(accountId: string, userName: string): RawCaller {
  const arn = caseArn(accountId, `user/${userName}`)
  return {
    accountId,
    arn,
    type: 'User',
    isRoot: false,
    userId: `AIDA${userName}${accountId}`,
    userName,
  }
}

function root(accountId: string): RawCaller {
  const arn = caseArn(accountId, 'root')
  return { accountId, arn, type: 'Account', isRoot: true, userId: accountId }
}

function session(accountId: string): RawCaller {
  return {
    accountId,
    arn: `arn:aws:sts::${accountId}:assumed-role/role/s`,
    roleArn: caseArn(accountId, 'role/role'),
    type: 'AssumedRole',
    isRoot: false,
    userId: accountId === CASE_ACCOUNT_ONE ? 'AROAROLE:s' : 'AROATWO:s',
  }
}

/** Whoever has a token of this OIDC provider. */
function federated(name: string, id: string): RawCaller {
  return { accountId: '', arn: provider(name), type: 'Federated', isRoot: false, userId: id }
}

const provider = (name: string): string => caseArn(CASE_ACCOUNT_ONE, `oidc-provider/${name}`)

/** They ask trust policies only. The second one was never resolved. */
export const CASE_TOKENS = [federated('idp.io/x', 'AOIPONE'), federated('new.io', 'AOIPNEW')]

export const CASE_CALLERS: readonly (RawCaller | 'anonymous')[] = [
  'anonymous',
  root(CASE_ACCOUNT_ONE),
  caseUser(CASE_ACCOUNT_ONE, 'ann'),
  caseUser(CASE_ACCOUNT_ONE, 'bob'),
  session(CASE_ACCOUNT_ONE),
  root(CASE_ACCOUNT_TWO),
  caseUser(CASE_ACCOUNT_TWO, 'ann'),
  session(CASE_ACCOUNT_TWO),
]

/** Bob was never resolved, and account two's ann is another than the policy was given. */
export const CASE_RESOLVED: readonly ResolvedPrincipal[] = [
  { arn: caseArn(CASE_ACCOUNT_ONE, 'user/ann'), id: `AIDAann${CASE_ACCOUNT_ONE}` },
  { arn: caseArn(CASE_ACCOUNT_TWO, 'user/ann'), id: 'AIDAbefore' },
  { arn: caseArn(CASE_ACCOUNT_ONE, 'role/role'), id: 'AROAROLE' },
  { arn: caseArn(CASE_ACCOUNT_TWO, 'role/role'), id: 'AROATWO' },
  { arn: 'arn:aws:sts::111111111111:assumed-role/role/s', id: 'AROAROLE:s' },
  { arn: provider('idp.io/x'), id: 'AOIPONE' },
  { arn: provider('old.io'), id: 'AOIPOLD' },
]

export const CASE_PRINCIPALS: readonly RawPrincipal[] = [
  '*',
  { AWS: '*' },
  { AWS: CASE_ACCOUNT_ONE },
  { AWS: caseArn(CASE_ACCOUNT_ONE, 'root') },
  { AWS: [CASE_ACCOUNT_TWO, caseArn(CASE_ACCOUNT_ONE, 'user/bob')] },
  { AWS: caseArn(CASE_ACCOUNT_ONE, 'user/ann') },
  {
    AWS: [
      caseArn(CASE_ACCOUNT_TWO, 'user/ann'),
      caseArn(CASE_ACCOUNT_TWO, 'role/role'),
      caseArn(CASE_ACCOUNT_TWO, 'root'),
    ],
  },
  { AWS: ['arn:aws:sts::111111111111:assumed-role/role/s', caseArn(CASE_ACCOUNT_ONE, 'user/ann')] },
  { AWS: [caseArn(CASE_ACCOUNT_ONE, 'role/role'), '*'] },
  { Service: 's3.amazonaws.com' },
  { CanonicalUser: 'x', Federated: ['y'], AWS: caseArn(CASE_ACCOUNT_ONE, 'role/role') },
  { Federated: provider('idp.io/x') },
  { Federated: [provider('old.io'), provider('new.io'), provider('idp.io/x')] },
  { Federated: provider('new.io'), AWS: caseArn(CASE_ACCOUNT_ONE, 'user/ann') },
]
