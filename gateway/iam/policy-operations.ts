/** The rows of managed policies, and of what answers about an account's policies as a whole. */

import {
  documentRule,
  iamAction,
  onAnything,
  onPolicy,
  pageRules,
  pathPrefixRule,
  pathRule,
  policyArnRule,
  policyNameRule,
  tagKeysRule,
  tagsRule,
  type IamAction,
} from './action.ts'
import {
  boolean,
  choice,
  list,
  plainText,
  record,
  required,
  type ParameterRules,
} from './parameters.ts'

const versionId = plainText(16, /^v[1-9][0-9]*(\.[A-Za-z0-9-]*)?$/)

export const POLICY_ACTIONS: readonly IamAction[] = [
  iamAction(
    'CreatePolicy',
    { of: 'future', kind: 'policy', name: 'PolicyName', path: 'Path' },
    {
      ...policyNameRule,
      Path: pathRule,
      PolicyDocument: required(documentRule),
      Description: plainText(1_000, undefined, 0),
      Tags: tagsRule,
    },
  ),
  iamAction('GetPolicy', onPolicy, { PolicyArn: required(policyArnRule) }),
  iamAction(
    'ListPolicies',
    { of: 'kind', kind: 'policy' },
    {
      Scope: choice('All', 'AWS', 'Local'),
      OnlyAttached: boolean,
      PathPrefix: pathPrefixRule,
      PolicyUsageFilter: choice('PermissionsPolicy', 'PermissionsBoundary'),
      ...pageRules,
    },
  ),
  iamAction('DeletePolicy', onPolicy, { PolicyArn: required(policyArnRule) }),
  iamAction('CreatePolicyVersion', onPolicy, {
    PolicyArn: required(policyArnRule),
    PolicyDocument: required(documentRule),
    SetAsDefault: boolean,
  }),
  iamAction('GetPolicyVersion', onPolicy, {
    PolicyArn: required(policyArnRule),
    VersionId: required(versionId),
  }),
  iamAction('ListPolicyVersions', onPolicy, { PolicyArn: required(policyArnRule), ...pageRules }),
  iamAction('SetDefaultPolicyVersion', onPolicy, {
    PolicyArn: required(policyArnRule),
    VersionId: required(versionId),
  }),
  iamAction('DeletePolicyVersion', onPolicy, {
    PolicyArn: required(policyArnRule),
    VersionId: required(versionId),
  }),
  iamAction('TagPolicy', onPolicy, {
    PolicyArn: required(policyArnRule),
    Tags: required(tagsRule),
  }),
  iamAction('UntagPolicy', onPolicy, {
    PolicyArn: required(policyArnRule),
    TagKeys: required(tagKeysRule),
  }),
  iamAction('ListPolicyTags', onPolicy, { PolicyArn: required(policyArnRule), ...pageRules }),
  iamAction('ListEntitiesForPolicy', onPolicy, {
    PolicyArn: required(policyArnRule),
    EntityFilter: choice('User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy'),
    PathPrefix: pathPrefixRule,
    PolicyUsageFilter: choice('PermissionsPolicy', 'PermissionsBoundary'),
    ...pageRules,
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
  PermissionsBoundaryPolicyInputList: list(documentRule, 1),
  ResourcePolicy: plainText(131_072),
  ResourceOwner: plainText(2_048),
  CallerArn: plainText(2_048),
  ...pageRules,
}

export const SUMMARY_ACTIONS: readonly IamAction[] = [
  iamAction('GetAccountSummary', onAnything, {}),
  iamAction('GetAccountAuthorizationDetails', onAnything, {
    Filter: list(choice('User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy'), 5),
    ...pageRules,
  }),
  iamAction('GetContextKeysForCustomPolicy', onAnything, {
    PolicyInputList: required(list(documentRule, 100)),
  }),
  iamAction(
    'GetContextKeysForPrincipalPolicy',
    { of: 'arn', parameter: 'PolicySourceArn' },
    {
      PolicySourceArn: required(plainText(2_048, undefined, 20)),
      PolicyInputList: list(documentRule, 100),
    },
  ),
  iamAction(
    'SimulatePrincipalPolicy',
    { of: 'arn', parameter: 'PolicySourceArn' },
    {
      PolicySourceArn: required(plainText(2_048, undefined, 20)),
      PolicyInputList: list(documentRule, 100),
      ...simulation,
    },
  ),
  iamAction('SimulateCustomPolicy', onAnything, {
    PolicyInputList: required(list(documentRule, 100)),
    ...simulation,
  }),
]
