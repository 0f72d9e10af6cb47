/**
 * The actions of the query API: those of AWS's IAM and STS, and Shoal's own for accounts. Each says which right it
 * needs on which resources, and which parameters it accepts; all others are refused (docs/s3-compatibility.md, rule
 * 1).
 *
 * Names, patterns and most limits follow AWS's API references of IAM and STS. query-api.ts checks requests against
 * this table, node/iam carries the actions out, and `GET /?capabilities` and the documents show it (table.ts).
 */

import { ACCESS_KEY_ID, GROUP_NAME, POLICY_ARN, USER_NAME } from '../../protocol/iam/identity.ts'
import { CLUSTER_KEY_NAME } from '../../protocol/iam/key-ring-record.ts'
import {
  documentRule,
  iamAction,
  onAnything,
  pageRules,
  pathPrefixRule,
  pathRule,
  policyArnRule,
  policyArns,
  policyNameRule,
  tagKeysRule,
  tagsRule,
  type IamAction,
} from './action.ts'
import { ACCOUNT_ACTIONS } from './account-operations.ts'
import { FEDERATION_ACTIONS, PROVIDER_ACTIONS } from './federation-operations.ts'
import { choice, integer, required, plainText, type ParameterRules } from './parameters.ts'
import { POLICY_ACTIONS, SUMMARY_ACTIONS } from './policy-operations.ts'
import type { ResourceRule } from './resource.ts'

const user = { UserName: required(plainText(64, USER_NAME)) }
const userOrCaller = { UserName: plainText(64, USER_NAME) }
const group = { GroupName: required(plainText(128, GROUP_NAME)) }
const role = { RoleName: required(plainText(64, USER_NAME)) }

/** What an action is about: `onUser` is the user in UserName; `onUserOrCaller` is the caller without it. */
const onUser: ResourceRule = { of: 'entity', kind: 'user', parameter: 'UserName' }
const onUserOrCaller: ResourceRule = { ...onUser, orCaller: true }
const onGroup: ResourceRule = { of: 'entity', kind: 'group', parameter: 'GroupName' }
const onRole: ResourceRule = { of: 'entity', kind: 'role', parameter: 'RoleName' }
const boundary = { PermissionsBoundary: plainText(2_048, POLICY_ARN, 20) }

const users: readonly IamAction[] = [
  iamAction(
    'CreateUser',
    { of: 'future', kind: 'user', name: 'UserName', path: 'Path' },
    { ...user, Path: pathRule, Tags: tagsRule, ...boundary },
  ),
  iamAction('GetUser', onUserOrCaller, userOrCaller),
  iamAction(
    'ListUsers',
    { of: 'kind', kind: 'user' },
    { PathPrefix: pathPrefixRule, ...pageRules },
  ),
  iamAction(
    'UpdateUser',
    [
      onUser,
      { of: 'future', kind: 'user', name: 'NewUserName', path: 'NewPath', from: 'UserName' },
    ],
    { ...user, NewUserName: plainText(64, USER_NAME), NewPath: pathRule },
  ),
  iamAction('DeleteUser', onUser, user),
  iamAction('TagUser', onUser, { ...user, Tags: required(tagsRule) }),
  iamAction('UntagUser', onUser, { ...user, TagKeys: required(tagKeysRule) }),
  iamAction('ListUserTags', onUser, { ...user, ...pageRules }),
]

const groups: readonly IamAction[] = [
  iamAction(
    'CreateGroup',
    { of: 'future', kind: 'group', name: 'GroupName', path: 'Path' },
    { ...group, Path: pathRule },
  ),
  iamAction('GetGroup', onGroup, { ...group, ...pageRules }),
  iamAction(
    'ListGroups',
    { of: 'kind', kind: 'group' },
    { PathPrefix: pathPrefixRule, ...pageRules },
  ),
  iamAction(
    'UpdateGroup',
    [
      onGroup,
      { of: 'future', kind: 'group', name: 'NewGroupName', path: 'NewPath', from: 'GroupName' },
    ],
    { ...group, NewGroupName: plainText(128, GROUP_NAME), NewPath: pathRule },
  ),
  iamAction('DeleteGroup', onGroup, group),
  iamAction('AddUserToGroup', onGroup, { ...group, ...user }),
  iamAction('RemoveUserFromGroup', onGroup, { ...group, ...user }),
  iamAction('ListGroupsForUser', onUser, { ...user, ...pageRules }),
]

const keyId = plainText(128, ACCESS_KEY_ID, 3)

const accessKeys: readonly IamAction[] = [
  iamAction('CreateAccessKey', onUserOrCaller, userOrCaller),
  iamAction('ListAccessKeys', onUserOrCaller, { ...userOrCaller, ...pageRules }),
  iamAction('UpdateAccessKey', onUserOrCaller, {
    ...userOrCaller,
    AccessKeyId: required(keyId),
    Status: required(choice('Active', 'Inactive')),
  }),
  iamAction('DeleteAccessKey', onUserOrCaller, { ...userOrCaller, AccessKeyId: required(keyId) }),
  iamAction('GetAccessKeyLastUsed', onAnything, { AccessKeyId: required(keyId) }),
]

/** The actions on inline and attached policies, which users, groups and roles share. */
function holderActions(
  word: 'User' | 'Group' | 'Role',
  on: ResourceRule,
  holder: ParameterRules,
): IamAction[] {
  const plural = `${word}Policies`
  return [
    iamAction(`Put${word}Policy`, on, {
      ...holder,
      ...policyNameRule,
      PolicyDocument: required(documentRule),
    }),
    iamAction(`Get${word}Policy`, on, { ...holder, ...policyNameRule }),
    iamAction(`Delete${word}Policy`, on, { ...holder, ...policyNameRule }),
    iamAction(`List${plural}`, on, { ...holder, ...pageRules }),
    iamAction(`Attach${word}Policy`, on, { ...holder, PolicyArn: required(policyArnRule) }),
    iamAction(`Detach${word}Policy`, on, { ...holder, PolicyArn: required(policyArnRule) }),
    iamAction(`ListAttached${plural}`, on, { ...holder, PathPrefix: pathPrefixRule, ...pageRules }),
  ]
}

/** The actions on the permissions boundary, which users and roles share. */
function boundaryActions(
  word: 'User' | 'Role',
  on: ResourceRule,
  holder: ParameterRules,
): IamAction[] {
  const PermissionsBoundary = required(boundary.PermissionsBoundary)
  return [
    iamAction(`Put${word}PermissionsBoundary`, on, { ...holder, PermissionsBoundary }),
    iamAction(`Delete${word}PermissionsBoundary`, on, holder),
  ]
}

const roles: readonly IamAction[] = [
  iamAction(
    'CreateRole',
    { of: 'future', kind: 'role', name: 'RoleName', path: 'Path' },
    {
      ...role,
      Path: pathRule,
      AssumeRolePolicyDocument: required(documentRule),
      Description: plainText(1_000, undefined, 0),
      MaxSessionDuration: integer(3_600, 43_200),
      Tags: tagsRule,
      ...boundary,
    },
  ),
  iamAction('GetRole', onRole, role),
  iamAction(
    'ListRoles',
    { of: 'kind', kind: 'role' },
    { PathPrefix: pathPrefixRule, ...pageRules },
  ),
  iamAction('UpdateRole', onRole, {
    ...role,
    Description: plainText(1_000, undefined, 0),
    MaxSessionDuration: integer(3_600, 43_200),
  }),
  iamAction('UpdateRoleDescription', onRole, {
    ...role,
    Description: required(plainText(1_000, undefined, 0)),
  }),
  iamAction('UpdateAssumeRolePolicy', onRole, { ...role, PolicyDocument: required(documentRule) }),
  iamAction('DeleteRole', onRole, role),
  iamAction('TagRole', onRole, { ...role, Tags: required(tagsRule) }),
  iamAction('UntagRole', onRole, { ...role, TagKeys: required(tagKeysRule) }),
  iamAction('ListRoleTags', onRole, { ...role, ...pageRules }),
]

/** Actions about keys that encrypt objects (`shoal kms`): Shoal's own, with the rights of AWS's KMS. */
function kms(name: string, right: string, parameters: ParameterRules): IamAction {
  return iamAction(name, onAnything, parameters, { action: `kms:${right}` })
}

const key = { KeyName: required(plainText(64, CLUSTER_KEY_NAME)) }

const keys: readonly IamAction[] = [
  kms('CreateEncryptionKey', 'CreateKey', key),
  kms('ListEncryptionKeys', 'ListKeys', {}),
  kms('RotateEncryptionKey', 'RotateKeyOnDemand', key),
  kms('EnableEncryptionKey', 'EnableKey', key),
  kms('DisableEncryptionKey', 'DisableKey', key),
]

/** An action of STS: its rights begin with `sts:`, and it changes no identity. */
function sts(
  name: string,
  resource: ResourceRule,
  authorizedBy: IamAction['authorizedBy'],
  parameters: ParameterRules,
): IamAction {
  return iamAction(name, resource, parameters, {
    service: 'sts',
    action: `sts:${name}`,
    authorizedBy,
    mutating: false,
  })
}

const sessions: readonly IamAction[] = [
  sts('GetCallerIdentity', onAnything, 'nobody', {}),
  sts('GetAccessKeyInfo', onAnything, 'gate', { AccessKeyId: required(keyId) }),
  sts('GetSessionToken', onAnything, 'handler', { DurationSeconds: integer(900, 129_600) }),
  sts('AssumeRole', { of: 'arn', parameter: 'RoleArn' }, 'handler', {
    RoleArn: required(plainText(2_048, undefined, 20)),
    RoleSessionName: required(plainText(64, /^[\w+=,.@-]*$/, 2)),
    DurationSeconds: integer(900, 43_200),
    Policy: documentRule,
    PolicyArns: policyArns(10),
    ExternalId: plainText(1_224, undefined, 2),
  }),
]

const actions: readonly IamAction[] = [
  ...users,
  ...groups,
  ...accessKeys,
  ...holderActions('User', onUser, user),
  ...boundaryActions('User', onUser, user),
  ...holderActions('Group', onGroup, group),
  ...roles,
  ...holderActions('Role', onRole, role),
  ...boundaryActions('Role', onRole, role),
  ...POLICY_ACTIONS,
  ...PROVIDER_ACTIONS,
  ...SUMMARY_ACTIONS,
  ...ACCOUNT_ACTIONS,
  ...keys,
  ...sessions,
  ...FEDERATION_ACTIONS,
]

/** By name. */
export const IAM_ACTIONS: ReadonlyMap<string, IamAction> = new Map(
  actions.map((action) => [action.name, action]),
)
