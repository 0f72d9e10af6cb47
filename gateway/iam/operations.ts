/**
 * The actions of the query API: those of AWS's IAM and STS, and Shoal's own for accounts. Each says which right it
 * needs on which resources, and which parameters it accepts; all others are refused (docs/s3-compatibility.md, rule
 * 1).
 *
 * Names, patterns and most limits follow AWS's API references of IAM and STS. query-api.ts checks requests against
 * this table, node/iam carries the actions out, and `GET /?capabilities` and the documents show it (table.ts).
 */

import {
  ACCESS_KEY_ID,
  ACCOUNT_ID,
  GROUP_NAME,
  PATH,
  POLICY_ARN,
  POLICY_NAME,
  USER_NAME,
} from '../../protocol/iam/identity.ts'
import {
  boolean,
  choice,
  integer,
  list,
  record,
  required,
  plainText,
  type ParameterRules,
} from './parameters.ts'
import type { ResourceRule } from './resource.ts'
import type { QueryService } from './xml.ts'

/** The definition of one action. */
export interface IamAction {
  /** AWS's name of the action. */
  readonly name: string
  readonly service: QueryService
  /** The right that it needs. */
  readonly action: string
  /** The right is needed on all of these. */
  readonly resources: readonly ResourceRule[]
  /**
   * `gate`: the policies of the caller decide, on each of `resources`. `nobody`: every signed request may do it.
   * `handler`: the backend decides, since that needs more than the caller's policies, such as the trust policy of a
   * role.
   */
  readonly authorizedBy: 'gate' | 'handler' | 'nobody'
  readonly parameters: ParameterRules
  /** Changes identities or policies: it gets a line in the audit log, also when it is refused. */
  readonly mutating: boolean
}

/** Parameters that many actions share. The names are those of the parameters. */
const path = plainText(512, PATH)
const pathPrefix = plainText(512, /^\/[!-~]{0,511}$/)
const page: ParameterRules = { Marker: plainText(320), MaxItems: integer(1, 1_000) }
const tags = list(
  record({ Key: required(plainText(128)), Value: required(plainText(256, undefined, 0)) }),
  50,
)
const tagKeys = list(plainText(128), 50)
/** A policy document. Its own limits are checked where it is stored. */
const document = plainText(131_072)
const policyArn = plainText(2_048, POLICY_ARN)
const arns = (max: number) => list(record({ arn: required(policyArn) }), max)

const user = { UserName: required(plainText(64, USER_NAME)) }
const userOrCaller = { UserName: plainText(64, USER_NAME) }
const group = { GroupName: required(plainText(128, GROUP_NAME)) }
const role = { RoleName: required(plainText(64, USER_NAME)) }
const policyName = { PolicyName: required(plainText(128, POLICY_NAME)) }

/** What an action is about: `onUser` is the user in UserName; `onUserOrCaller` is the caller without it. */
const onUser: ResourceRule = { of: 'entity', kind: 'user', parameter: 'UserName' }
const onUserOrCaller: ResourceRule = { ...onUser, orCaller: true }
const onGroup: ResourceRule = { of: 'entity', kind: 'group', parameter: 'GroupName' }
const onRole: ResourceRule = { of: 'entity', kind: 'role', parameter: 'RoleName' }
const boundary = { PermissionsBoundary: plainText(2_048, POLICY_ARN, 20) }
const onPolicy: ResourceRule = { of: 'arn', parameter: 'PolicyArn' }
const onAnything: ResourceRule = { of: 'anything' }

/**
 * An action of IAM with the usual fields: the right of its name, decided by the gate, audited unless it only reads.
 */
function iam(
  name: string,
  resources: ResourceRule | readonly ResourceRule[],
  parameters: ParameterRules,
  extras: Partial<IamAction> = {},
): IamAction {
  return {
    name,
    service: 'iam',
    action: `iam:${name}`,
    resources: Array.isArray(resources) ? resources : [resources as ResourceRule],
    authorizedBy: 'gate',
    parameters,
    mutating: !/^(Get|List|Simulate)/.test(name),
    ...extras,
  }
}

const users: readonly IamAction[] = [
  iam(
    'CreateUser',
    { of: 'future', kind: 'user', name: 'UserName', path: 'Path' },
    { ...user, Path: path, Tags: tags, ...boundary },
  ),
  iam('GetUser', onUserOrCaller, userOrCaller),
  iam('ListUsers', { of: 'kind', kind: 'user' }, { PathPrefix: pathPrefix, ...page }),
  iam(
    'UpdateUser',
    [
      onUser,
      { of: 'future', kind: 'user', name: 'NewUserName', path: 'NewPath', from: 'UserName' },
    ],
    { ...user, NewUserName: plainText(64, USER_NAME), NewPath: path },
  ),
  iam('DeleteUser', onUser, user),
  iam('TagUser', onUser, { ...user, Tags: required(tags) }),
  iam('UntagUser', onUser, { ...user, TagKeys: required(tagKeys) }),
  iam('ListUserTags', onUser, { ...user, ...page }),
]

const groups: readonly IamAction[] = [
  iam(
    'CreateGroup',
    { of: 'future', kind: 'group', name: 'GroupName', path: 'Path' },
    { ...group, Path: path },
  ),
  iam('GetGroup', onGroup, { ...group, ...page }),
  iam('ListGroups', { of: 'kind', kind: 'group' }, { PathPrefix: pathPrefix, ...page }),
  iam(
    'UpdateGroup',
    [
      onGroup,
      { of: 'future', kind: 'group', name: 'NewGroupName', path: 'NewPath', from: 'GroupName' },
    ],
    { ...group, NewGroupName: plainText(128, GROUP_NAME), NewPath: path },
  ),
  iam('DeleteGroup', onGroup, group),
  iam('AddUserToGroup', onGroup, { ...group, ...user }),
  iam('RemoveUserFromGroup', onGroup, { ...group, ...user }),
  iam('ListGroupsForUser', onUser, { ...user, ...page }),
]

const keyId = plainText(128, ACCESS_KEY_ID, 3)

const accessKeys: readonly IamAction[] = [
  iam('CreateAccessKey', onUserOrCaller, userOrCaller),
  iam('ListAccessKeys', onUserOrCaller, { ...userOrCaller, ...page }),
  iam('UpdateAccessKey', onUserOrCaller, {
    ...userOrCaller,
    AccessKeyId: required(keyId),
    Status: required(choice('Active', 'Inactive')),
  }),
  iam('DeleteAccessKey', onUserOrCaller, { ...userOrCaller, AccessKeyId: required(keyId) }),
  iam('GetAccessKeyLastUsed', onAnything, { AccessKeyId: required(keyId) }),
]

/** The actions on inline and attached policies, which users, groups and roles share. */
function holderActions(
  word: 'User' | 'Group' | 'Role',
  on: ResourceRule,
  holder: ParameterRules,
): IamAction[] {
  const plural = `${word}Policies`
  return [
    iam(`Put${word}Policy`, on, { ...holder, ...policyName, PolicyDocument: required(document) }),
    iam(`Get${word}Policy`, on, { ...holder, ...policyName }),
    iam(`Delete${word}Policy`, on, { ...holder, ...policyName }),
    iam(`List${plural}`, on, { ...holder, ...page }),
    iam(`Attach${word}Policy`, on, { ...holder, PolicyArn: required(policyArn) }),
    iam(`Detach${word}Policy`, on, { ...holder, PolicyArn: required(policyArn) }),
    iam(`ListAttached${plural}`, on, { ...holder, PathPrefix: pathPrefix, ...page }),
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
    iam(`Put${word}PermissionsBoundary`, on, { ...holder, PermissionsBoundary }),
    iam(`Delete${word}PermissionsBoundary`, on, holder),
  ]
}

const roles: readonly IamAction[] = [
  iam(
    'CreateRole',
    { of: 'future', kind: 'role', name: 'RoleName', path: 'Path' },
    {
      ...role,
      Path: path,
      AssumeRolePolicyDocument: required(document),
      Description: plainText(1_000, undefined, 0),
      MaxSessionDuration: integer(3_600, 43_200),
      Tags: tags,
      ...boundary,
    },
  ),
  iam('GetRole', onRole, role),
  iam('ListRoles', { of: 'kind', kind: 'role' }, { PathPrefix: pathPrefix, ...page }),
  iam('UpdateRole', onRole, {
    ...role,
    Description: plainText(1_000, undefined, 0),
    MaxSessionDuration: integer(3_600, 43_200),
  }),
  iam('UpdateRoleDescription', onRole, {
    ...role,
    Description: required(plainText(1_000, undefined, 0)),
  }),
  iam('UpdateAssumeRolePolicy', onRole, { ...role, PolicyDocument: required(document) }),
  iam('DeleteRole', onRole, role),
  iam('TagRole', onRole, { ...role, Tags: required(tags) }),
  iam('UntagRole', onRole, { ...role, TagKeys: required(tagKeys) }),
  iam('ListRoleTags', onRole, { ...role, ...page }),
]

/** `v1`, `v2` …: the versions of a managed policy. */
const versionId = plainText(16, /^v[1-9][0-9]*(\.[A-Za-z0-9-]*)?$/)

const policies: readonly IamAction[] = [
  iam(
    'CreatePolicy',
    { of: 'future', kind: 'policy', name: 'PolicyName', path: 'Path' },
    {
      ...policyName,
      Path: path,
      PolicyDocument: required(document),
      Description: plainText(1_000, undefined, 0),
      Tags: tags,
    },
  ),
  iam('GetPolicy', onPolicy, { PolicyArn: required(policyArn) }),
  iam(
    'ListPolicies',
    { of: 'kind', kind: 'policy' },
    {
      Scope: choice('All', 'AWS', 'Local'),
      OnlyAttached: boolean,
      PathPrefix: pathPrefix,
      PolicyUsageFilter: choice('PermissionsPolicy', 'PermissionsBoundary'),
      ...page,
    },
  ),
  iam('DeletePolicy', onPolicy, { PolicyArn: required(policyArn) }),
  iam('CreatePolicyVersion', onPolicy, {
    PolicyArn: required(policyArn),
    PolicyDocument: required(document),
    SetAsDefault: boolean,
  }),
  iam('GetPolicyVersion', onPolicy, {
    PolicyArn: required(policyArn),
    VersionId: required(versionId),
  }),
  iam('ListPolicyVersions', onPolicy, { PolicyArn: required(policyArn), ...page }),
  iam('SetDefaultPolicyVersion', onPolicy, {
    PolicyArn: required(policyArn),
    VersionId: required(versionId),
  }),
  iam('DeletePolicyVersion', onPolicy, {
    PolicyArn: required(policyArn),
    VersionId: required(versionId),
  }),
  iam('ListEntitiesForPolicy', onPolicy, {
    PolicyArn: required(policyArn),
    EntityFilter: choice('User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy'),
    PathPrefix: pathPrefix,
    PolicyUsageFilter: choice('PermissionsPolicy', 'PermissionsBoundary'),
    ...page,
  }),
]

/** The parameters that both simulations share. */
const simulation: ParameterRules = {
  ActionNames: required(list(plainText(128, undefined, 3), 100)),
  ResourceArns: list(plainText(2_048), 100),
  ContextEntries: list(
    record({
      ContextKeyName: required(plainText(256)),
      ContextKeyType: choice(
        'string',
        'stringList',
        'numeric',
        'numericList',
        'boolean',
        'booleanList',
        'ip',
        'ipList',
        'binary',
        'binaryList',
        'date',
        'dateList',
      ),
      ContextKeyValues: list(plainText(1_024, undefined, 0), 100),
    }),
    100,
  ),
  PermissionsBoundaryPolicyInputList: list(document, 1),
  ResourcePolicy: plainText(131_072),
  ResourceOwner: plainText(2_048),
  CallerArn: plainText(2_048),
  ...page,
}

const summaries: readonly IamAction[] = [
  iam('GetAccountSummary', onAnything, {}),
  iam(
    'SimulatePrincipalPolicy',
    { of: 'arn', parameter: 'PolicySourceArn' },
    {
      PolicySourceArn: required(plainText(2_048, undefined, 20)),
      PolicyInputList: list(document, 100),
      ...simulation,
    },
  ),
  iam('SimulateCustomPolicy', onAnything, {
    PolicyInputList: required(list(document, 100)),
    ...simulation,
  }),
]

/** Shoal's own actions. `iam:*` does not allow them, and only the first account can have these rights. */
function shoal(name: string, parameters: ParameterRules, parameter?: string): IamAction {
  const on: ResourceRule =
    parameter === undefined ? { of: 'account' } : { of: 'account', parameter }
  return iam(name, on, parameters, { action: `shoal:${name}` })
}

const account = { AccountId: required(plainText(12, ACCOUNT_ID)) }
const accountName = plainText(64, /^[!-~]([ -~]*[!-~])?$/)

const accounts: readonly IamAction[] = [
  shoal('CreateAccount', { Name: required(accountName), BucketsMax: integer(1, 10_000) }),
  shoal('ListAccounts', page),
  shoal('GetAccount', account, 'AccountId'),
  shoal(
    'UpdateAccount',
    // 0 resets to the default of the cluster.
    { ...account, Name: accountName, BucketsMax: integer(0, 10_000) },
    'AccountId',
  ),
  shoal('DeleteAccount', account, 'AccountId'),
]

/** An action of STS: its rights begin with `sts:`, and it changes no identity. */
function sts(
  name: string,
  resource: ResourceRule,
  authorizedBy: IamAction['authorizedBy'],
  parameters: ParameterRules,
): IamAction {
  return iam(name, resource, parameters, {
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
    Policy: document,
    PolicyArns: arns(10),
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
  ...policies,
  ...summaries,
  ...accounts,
  ...sessions,
]

/** By name. */
export const IAM_ACTIONS: ReadonlyMap<string, IamAction> = new Map(
  actions.map((action) => [action.name, action]),
)
