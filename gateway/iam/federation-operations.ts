/** The rows of OIDC providers, and of the sessions that their tokens are exchanged for. */

import {
  documentRule,
  iamAction,
  onAnything,
  pageRules,
  policyArns,
  tagKeysRule,
  tagsRule,
  type IamAction,
} from './action.ts'
import { integer, list, plainText, required } from './parameters.ts'
import type { ResourceRule } from './resource.ts'

const provider = { OpenIDConnectProviderArn: required(plainText(2_048, undefined, 20)) }
const onProvider: ResourceRule = { of: 'arn', parameter: 'OpenIDConnectProviderArn' }
const clientId = plainText(255)
const thumbprints = list(plainText(40, undefined, 40), 5)

export const PROVIDER_ACTIONS: readonly IamAction[] = [
  iamAction(
    'CreateOpenIDConnectProvider',
    { of: 'provider', parameter: 'Url' },
    {
      Url: required(plainText(255)),
      ClientIDList: list(clientId, 100),
      ThumbprintList: thumbprints,
      Tags: tagsRule,
    },
  ),
  iamAction('GetOpenIDConnectProvider', onProvider, provider),
  iamAction('ListOpenIDConnectProviders', onAnything, {}),
  iamAction('DeleteOpenIDConnectProvider', onProvider, provider),
  iamAction('AddClientIDToOpenIDConnectProvider', onProvider, {
    ...provider,
    ClientID: required(clientId),
  }),
  iamAction('RemoveClientIDFromOpenIDConnectProvider', onProvider, {
    ...provider,
    ClientID: required(clientId),
  }),
  iamAction('UpdateOpenIDConnectProviderThumbprint', onProvider, {
    ...provider,
    ThumbprintList: required(thumbprints),
  }),
  iamAction('TagOpenIDConnectProvider', onProvider, { ...provider, Tags: required(tagsRule) }),
  iamAction('UntagOpenIDConnectProvider', onProvider, {
    ...provider,
    TagKeys: required(tagKeysRule),
  }),
  iamAction('ListOpenIDConnectProviderTags', onProvider, { ...provider, ...pageRules }),
]

export const FEDERATION_ACTIONS: readonly IamAction[] = [
  {
    ...iamAction(
      'AssumeRoleWithWebIdentity',
      { of: 'arn', parameter: 'RoleArn' },
      {
        RoleArn: required(plainText(2_048, undefined, 20)),
        RoleSessionName: required(plainText(64, /^[\w+=,.@-]*$/, 2)),
        WebIdentityToken: required(plainText(20_000, undefined, 4)),
        DurationSeconds: integer(900, 43_200),
        Policy: documentRule,
        PolicyArns: policyArns(10),
      },
    ),
    service: 'sts',
    action: 'sts:AssumeRoleWithWebIdentity',
    authorizedBy: 'handler',
    mutating: false,
    unsigned: true,
  },
]
