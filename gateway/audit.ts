/**
 * The audit log: one line for each change of an identity or a policy, also for one that was refused. What
 * was written stays out of it: documents may hold what nobody else should read, and keys (row 37).
 */

import type { Identity } from './backend.ts'
import { sourceIp } from './condition-values.ts'
import type { GatewayLogger } from './gate.ts'
import type { S3Request } from './request.ts'

export interface Audited {
  readonly identity: Identity
  /** 's3:PutBucketPolicy'. */
  readonly action: string
  /** ARN. */
  readonly target: string
  readonly request: S3Request
  readonly requestId: string
  /** 'done', or the code of the error. */
  readonly outcome: string
}

export function auditLine(logger: GatewayLogger, audited: Audited): void {
  const { identity, action, target, request, requestId, outcome } = audited
  logger.info(
    {
      audit: true,
      actor: identity.principalArn,
      accountId: identity.accountId,
      action,
      target,
      sourceIp: sourceIp(request),
      requestId,
      outcome,
    },
    'audit',
  )
}
