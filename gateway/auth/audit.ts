/**
 * The audit log: one line for each change of an identity or a policy, including refused ones. The written
 * documents are not logged, because they may contain keys and other secrets (F37).
 */

import type { Identity } from '../port/identity.ts'
import { sourceIp } from './condition-values.ts'
import type { GatewayLogger } from '../port/logger.ts'
import type { QueryRecord } from '../port/iam-backend.ts'
import type { S3Request } from '../http/request.ts'

/** What a line of the audit log says. */
export interface Audited {
  readonly identity: Identity
  /** For example 's3:PutBucketPolicy'. */
  readonly action: string
  /** ARN. */
  readonly target: string
  /** Other names in the request, for example of a key or a policy. */
  readonly names?: Readonly<Record<string, string>> | undefined
  readonly request: S3Request
  readonly requestId: string
  /** 'done', or the code of the error. */
  readonly outcome: string
}

/** Writes one line at level `info`, marked `audit: true`. */
export function auditLine(logger: GatewayLogger, audited: Audited): void {
  const { identity, action, target, names, request, requestId, outcome } = audited
  logger.info(
    {
      audit: true,
      actor: identity.principalArn,
      accountId: identity.accountId,
      action,
      target,
      ...names,
      sourceIp: sourceIp(request),
      requestId,
      outcome,
    },
    'audit',
  )
}

/** The fields of the line, by parameter. Only parameters that are names, never documents or secrets. */
const NAMES: Readonly<Record<string, string>> = {
  UserName: 'userName',
  NewUserName: 'newUserName',
  GroupName: 'groupName',
  NewGroupName: 'newGroupName',
  RoleName: 'roleName',
  PolicyName: 'policyName',
  PolicyArn: 'policyArn',
  OpenIDConnectProviderArn: 'providerArn',
  Url: 'url',
  ClientID: 'clientId',
  PermissionsBoundary: 'permissionsBoundary',
  VersionId: 'versionId',
  AccessKeyId: 'accessKeyId',
  Status: 'status',
  AccountId: 'account',
  AccountAlias: 'accountAlias',
  BucketsMax: 'bucketsMax',
}
const NAME_CHARACTERS_MAX = 256

/** The names in a form, at most 256 characters each, by the field of the line. */
export function auditedNames(form: QueryRecord): Record<string, string> {
  const names: Record<string, string> = {}
  for (const [parameter, field] of Object.entries(NAMES)) {
    const value = form[parameter]
    if (typeof value === 'string') names[field] = value.slice(0, NAME_CHARACTERS_MAX)
  }
  return names
}
