/**
 * Condition keys that the gateway fills in whenever they apply to a request. A key that is not one of
 * them and that the request does not carry is unknown: its value can't be told (evaluate.ts). A known key without
 * a value is absent.
 */

const KEYS = [
  'aws:CurrentTime',
  'aws:EpochTime',
  'aws:FederatedProvider',
  'aws:MultiFactorAuthAge',
  'aws:MultiFactorAuthPresent',
  'aws:PrincipalAccount',
  'aws:PrincipalArn',
  'aws:PrincipalIsAWSService',
  'aws:PrincipalOrgID',
  'aws:PrincipalType',
  'aws:Referer',
  'aws:RequestedRegion',
  'aws:ResourceAccount',
  'aws:SecureTransport',
  'aws:SourceAccount',
  'aws:SourceArn',
  'aws:SourceIp',
  'aws:SourceVpc',
  'aws:SourceVpce',
  'aws:TokenIssueTime',
  'aws:UserAgent',
  'aws:userid',
  'aws:username',
  'aws:ViaAWSService',
  'iam:PermissionsBoundary',
  'iam:PolicyARN',
  's3:authType',
  's3:delimiter',
  's3:if-match',
  's3:if-none-match',
  's3:max-keys',
  's3:ObjectCreationOperation',
  's3:object-lock-legal-hold',
  's3:object-lock-mode',
  's3:object-lock-remaining-retention-days',
  's3:object-lock-retain-until-date',
  's3:prefix',
  's3:RequestObjectTagKeys',
  's3:ResourceAccount',
  's3:signatureAge',
  's3:signatureversion',
  's3:VersionId',
  's3:x-amz-acl',
  's3:x-amz-content-sha256',
  's3:x-amz-copy-source',
  's3:x-amz-grant-full-control',
  's3:x-amz-grant-read',
  's3:x-amz-grant-read-acp',
  's3:x-amz-grant-write',
  's3:x-amz-grant-write-acp',
  's3:x-amz-metadata-directive',
  's3:x-amz-object-ownership',
  's3:x-amz-server-side-encryption',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
  's3:x-amz-server-side-encryption-customer-algorithm',
  's3:x-amz-storage-class',
  'sts:ExternalId',
  'sts:RoleSessionName',
]

/** Lower case. */
export const CONDITION_KEYS: ReadonlySet<string> = new Set(KEYS.map((key) => key.toLowerCase()))

/** Families of keys, lower case: 's3:ExistingObjectTag/colour'. */
export const EXISTING_TAG = 's3:existingobjecttag/'
export const REQUEST_TAG = 's3:requestobjecttag/'
const FAMILIES: readonly string[] = [EXISTING_TAG, REQUEST_TAG]

/**
 * What a token of an OIDC provider says, lower case: 'idp.example.org/path:sub'. Requests that no such token is behind have
 * no value for it. The name of a provider has a dot in its host, and no service has one in its prefix.
 */
const FEDERATED = /^[a-z0-9-]+\.[^:]{1,246}:(?:amr|aud|azp|oaud|sub)$/

/** A key as policies are compared by: the case of letters means nothing, also not in the key of a tag. */
export function conditionKeyOf(text: string): string {
  return text.toLowerCase()
}

/** `key` in lower case. */
export function isConditionKey(key: string): boolean {
  return (
    CONDITION_KEYS.has(key) ||
    FEDERATED.test(key) ||
    FAMILIES.some((family) => key.length > family.length && key.startsWith(family))
  )
}

/** Say who asks: the same condition means another thing for another principal (rights.ts). */
export function isPrincipalKey(key: string): boolean {
  return (
    key.startsWith('aws:principal') ||
    key === 'aws:userid' ||
    key === 'aws:username' ||
    key === 'aws:federatedprovider' ||
    FEDERATED.test(key)
  )
}
