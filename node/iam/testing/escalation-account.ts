/** The account that mallory attacks: what it contains, who may do what there, and the requests that measure it. */

import { allow, deny, FIRST_ACCOUNT } from './world.ts'

export const ADMIN = 'arn:aws:iam::aws:policy/AdministratorAccess'
export const iamArn = (rest: string): string => `arn:aws:iam::${FIRST_ACCOUNT}:${rest}`
export const MALLORY = iamArn('user/mallory')
export const policyArn = (name: string): string => iamArn(`policy/${name}`)

export function documentOf(...statements: readonly object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements })
}

export function trust(principal: unknown, more: object = {}): string {
  const Principal = principal === '*' ? '*' : { AWS: principal }
  return documentOf({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole', ...more })
}

const GHOST = { Condition: { StringEquals: { 'aws:username': 'ghost' } } }
const objects = (bucket: string, below = '*'): string => `arn:aws:s3:::${bucket}/${below}`
const on = (Effect: string, Principal: unknown, Action: string, Resource: string, more = {}) => ({
  Effect,
  Principal,
  Action,
  Resource,
  ...more,
})

export const IDP = 'idp.example.org'
/** The audience of mallory's token. */
export const HER_CLIENT = 'hers'

export const BUCKETS = ['open', 'ledger', 'secret', 'named', 'vault', 'work', 'shared'] as const

export const BUCKET_POLICIES: Readonly<Record<string, string>> = {
  ledger: documentOf(
    on('Allow', { AWS: MALLORY }, 's3:GetObject', objects('ledger', 'own/*')),
    on('Deny', { AWS: MALLORY }, 's3:GetObject', objects('ledger', 'secret/*')),
    on('Deny', '*', 's3:GetObject', objects('ledger', 'byname/*'), {
      Condition: { StringEquals: { 'aws:username': 'mallory' } },
    }),
  ),
  secret: documentOf(on('Allow', { AWS: iamArn('user/trusted') }, 's3:*', objects('secret'))),
  named: documentOf(on('Allow', '*', 's3:GetObject', objects('named'), GHOST)),
  shared: documentOf(on('Allow', '*', 's3:GetObject', objects('shared'))),
}

export type AccountStep = readonly [action: string, parameters: Readonly<Record<string, string>>]

export const putPolicy = (
  word: string,
  name: string,
  PolicyName: string,
  PolicyDocument: string,
): AccountStep => [`Put${word}Policy`, { [`${word}Name`]: name, PolicyName, PolicyDocument }]
const role = (RoleName: string, AssumeRolePolicyDocument: string): AccountStep => [
  'CreateRole',
  { RoleName, AssumeRolePolicyDocument },
]
const managed = (PolicyName: string, PolicyDocument: string): AccountStep => [
  'CreatePolicy',
  { PolicyName, PolicyDocument },
]

export const ACCOUNT_STEPS: readonly AccountStep[] = [
  ...['mallory', 'trusted', 'deputy', 'puppet', 'tame', 'victim', 'broker'].map(
    (UserName): AccountStep => ['CreateUser', { UserName }],
  ),
  managed('held', allow('s3:ListBucket', 'arn:aws:s3:::open')),
  managed('unheld', allow('*')),
  managed('wall', deny('s3:GetObject', objects('open', 'wall/*'))),
  managed('fence', deny('s3:PutObject', objects('ledger'))),
  managed('limit', allow('s3:GetObject', objects('open'))),
  ['CreatePolicyVersion', { PolicyArn: policyArn('held'), PolicyDocument: allow('*') }],
  putPolicy('User', 'mallory', 'base', allow('s3:GetObject', objects('open'))),
  putPolicy('User', 'mallory', 'own', allow('s3:*', objects('ledger'))),
  putPolicy('User', 'mallory', 'deny', deny('s3:GetObject', objects('open', 'private/*'))),
  putPolicy('User', 'victim', 'x', allow('s3:*', objects('vault'))),
  ['AttachUserPolicy', { UserName: 'mallory', PolicyArn: policyArn('held') }],
  ['AttachUserPolicy', { UserName: 'mallory', PolicyArn: policyArn('wall') }],
  // May do everything, within what mallory has.
  ['AttachUserPolicy', { UserName: 'tame', PolicyArn: ADMIN }],
  ['PutUserPermissionsBoundary', { UserName: 'tame', PermissionsBoundary: policyArn('limit') }],
  ['PutUserPermissionsBoundary', { UserName: 'puppet', PermissionsBoundary: policyArn('limit') }],
  ['CreateGroup', { GroupName: 'staff' }],
  putPolicy('Group', 'staff', 'deny', deny('s3:DeleteObject', objects('ledger'))),
  ['AttachGroupPolicy', { GroupName: 'staff', PolicyArn: policyArn('fence') }],
  ['AddUserToGroup', { GroupName: 'staff', UserName: 'mallory' }],
  ['CreateGroup', { GroupName: 'admins' }],
  ['AttachGroupPolicy', { GroupName: 'admins', PolicyArn: ADMIN }],
  role('boss', trust(iamArn('user/deputy'))),
  ['AttachRolePolicy', { RoleName: 'boss', PolicyArn: ADMIN }],
  role('worker', trust(MALLORY)),
  putPolicy('Role', 'worker', 'x', allow('s3:GetObject', objects('work'))),
  putPolicy('Role', 'worker', 'deny', deny('s3:GetObject', objects('work', 'private/*'))),
  role('shadow', trust(FIRST_ACCOUNT, GHOST)),
  putPolicy('Role', 'shadow', 'x', allow('s3:*', objects('vault'))),
  ['CreateOpenIDConnectProvider', { Url: `https://${IDP}`, 'ClientIDList.member.1': 'app' }],
  // Mallory has a token, for another audience than the provider's tokens count for.
  [
    'CreateRole',
    {
      RoleName: 'web',
      AssumeRolePolicyDocument: documentOf({
        Effect: 'Allow',
        Principal: { Federated: iamArn(`oidc-provider/${IDP}`) },
        Action: 'sts:AssumeRoleWithWebIdentity',
      }),
    },
  ],
  putPolicy('Role', 'web', 'x', allow('s3:*', objects('vault'))),
  role('power', trust(iamArn('user/broker'))),
  ['AttachRolePolicy', { RoleName: 'power', PolicyArn: ADMIN }],
  [
    'CreateRole',
    {
      RoleName: 'apart',
      AssumeRolePolicyDocument: documentOf(
        { Effect: 'Allow', Principal: { AWS: FIRST_ACCOUNT }, Action: 'sts:AssumeRole' },
        { Effect: 'Deny', Principal: { AWS: MALLORY }, Action: 'sts:AssumeRole' },
      ),
    },
  ],
  ['AttachRolePolicy', { RoleName: 'apart', PolicyArn: ADMIN }],
]

export const ESCALATION_ROLES = ['boss', 'worker', 'shadow', 'power', 'apart', 'ghost']
/** Those that are tried with a token of the account's OIDC provider. */
export const TOKEN_ROLES = ['web', 'worker', 'ghost']

/** Rights are measured by the answers to these requests. */
export const RIGHTS_PROBES: readonly (readonly [action: string, resource: string])[] = [
  ...[
    'open/x',
    'open/private/x',
    'open/wall/x',
    'ledger/x',
    'ledger/own/x',
    'ledger/secret/x',
    'ledger/byname/x',
    'secret/x',
    'named/x',
    'vault/x',
    'work/x',
    'work/private/x',
    'shared/x',
  ].map((path) => ['s3:GetObject', `arn:aws:s3:::${path}`] as const),
  ['s3:ListBucket', 'arn:aws:s3:::open'],
  ['s3:PutObject', objects('ledger', 'x')],
  ['s3:DeleteObject', objects('ledger', 'x')],
  ['s3:PutObject', objects('vault', 'x')],
  ['s3:PutBucketPolicy', 'arn:aws:s3:::vault'],
  ['s3:CreateBucket', 'arn:aws:s3:::fresh'],
  ['iam:CreateUser', iamArn('user/probe')],
  ['iam:AttachUserPolicy', iamArn('user/victim')],
  ['iam:CreateAccessKey', iamArn('user/trusted')],
  ['iam:DeleteUser', iamArn('user/app/victim')],
]
