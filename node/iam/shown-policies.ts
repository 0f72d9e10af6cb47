/** Managed policies as answers show them. */

import type { IamResult, ResultValue } from '../../gateway/port/iam-backend.ts'
import { entityArn } from '../../protocol/iam/identity.ts'
import type { PolicyRecord, PolicyVersion } from '../../protocol/iam/policy-record.ts'
import { shownTags } from './common.ts'
import { encodedDocument } from './documents.ts'
import { BUILT_IN_POLICIES } from './managed.ts'

/**
 * 'arn:aws:iam::123456789012:policy/path/name'; for a record that lists the holders of a built-in
 * policy, the built-in ARN.
 */
export function arnOf(policy: PolicyRecord): string {
  for (const builtIn of BUILT_IN_POLICIES.values()) if (builtIn.id === policy.id) return builtIn.arn
  return entityArn(policy.accountId, 'policy', policy.path, policy.name)
}

/** A PolicyVersion element, without the document. */
export function shownVersion({ number, createdMs }: PolicyVersion, isDefault: boolean) {
  return {
    VersionId: `v${number}`,
    IsDefaultVersion: isDefault,
    CreateDate: new Date(createdMs),
  }
}

/** The Policy element of GetPolicy and CreatePolicy. */
export function shownManaged(policy: PolicyRecord): { readonly [name: string]: ResultValue } {
  const { tags } = policy
  return {
    ...listedManaged(policy),
    Description: descriptionOf(policy),
    Tags: shownTags(tags),
  }
}

/** The Policy element of lists, which have neither description nor tags. */
export function listedManaged(policy: PolicyRecord): { readonly [name: string]: ResultValue } {
  return {
    PolicyName: policy.name,
    PolicyId: policy.id,
    Arn: arnOf(policy),
    Path: policy.path,
    DefaultVersionId: `v${policy.defaultVersion}`,
    AttachmentCount: new Set(policy.holders.map(({ id }) => id)).size,
    PermissionsBoundaryUsageCount: new Set(policy.bounded?.map(({ id }) => id)).size,
    IsAttachable: true,
    CreateDate: new Date(policy.createdMs),
    UpdateDate: new Date(policy.updatedMs),
  }
}

/** The ManagedPolicyDetail element: the policy with the documents of all its versions, the newest first. */
export function detailedManaged(policy: PolicyRecord): IamResult {
  const newest = policy.versions.toSorted((a, b) => b.number - a.number)
  return {
    ...listedManaged(policy),
    Description: descriptionOf(policy),
    PolicyVersionList: newest.map((version) => ({
      Document: encodedDocument(version.text),
      ...shownVersion(version, version.number === policy.defaultVersion),
    })),
  }
}

function descriptionOf(policy: PolicyRecord): string | undefined {
  const { description } = policy
  return description === '' ? BUILT_IN_POLICIES.get(arnOf(policy))?.description : description
}
