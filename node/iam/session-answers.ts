/** What the actions of STS that give sessions have in common: the policies that limit one, and how it is shown. */

import { IamError, type IamCall, type IamResult } from '../../gateway/port/iam-backend.ts'
import type { RoleRecord } from '../../protocol/iam/role-record.ts'
import { checkDocument } from './documents.ts'
import { noSuchEntity, validationError } from './errors.ts'
import { managedPolicyId, type RecordReader } from './holdings.ts'
import { integerParameter, recordsOf, textParameter } from './parameters.ts'
import type { Records } from './records.ts'
import { HOUR_SECONDS, packedPercent, type IssuedSession, type SessionSubject } from './sessions.ts'

/**
 * The session policies of a request, each by ARN and id. Throws IamError MalformedPolicyDocument,
 * PackedPolicyTooLarge, NoSuchEntity.
 */
export async function sessionLimits(
  records: Pick<Records, 'read'>,
  call: IamCall,
  accountId: string,
): Promise<Pick<SessionSubject, 'policy' | 'policyArns' | 'policyIds'>> {
  const given = textParameter(call, 'Policy')
  if (given !== undefined) checkDocument(given, 'identity')
  // It was checked to be plain JSON: only white space is removed.
  const policy = given === undefined ? '' : JSON.stringify(JSON.parse(given))
  const arns = recordsOf(call, 'PolicyArns').map((item) => item['arn'] as string)
  const policyArns = [...new Set(arns)]
  const read: RecordReader = (kind, name) => records.read(call.context, kind, name)
  const policyIds: string[] = []
  for (const arn of policyArns) {
    const id = await managedPolicyId(read, accountId, arn)
    if (id === undefined) throw noSuchEntity('policy', arn)
    policyIds.push(id)
  }
  if (packedPercent({ policy, policyArns }) > 100) {
    throw new IamError(
      'PackedPolicyTooLarge',
      400,
      'The session policies and tags together are larger than a session token can hold.',
    )
  }
  return { policy, policyArns, policyIds }
}

/** How long the session of a role is to last. Throws IamError ValidationError beyond what the role allows. */
export function roleSessionSeconds(call: IamCall, role: RoleRecord): number {
  const seconds = integerParameter(call, 'DurationSeconds') ?? HOUR_SECONDS
  if (seconds > role.maxSessionSeconds) {
    throw validationError(
      'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    )
  }
  return seconds
}

/** The Credentials element of an answer. */
export function sessionCredentials(issued: IssuedSession): IamResult {
  return {
    AccessKeyId: issued.accessKeyId,
    SecretAccessKey: issued.secretAccessKey,
    SessionToken: issued.token,
    Expiration: new Date(issued.expiresMs),
  }
}

/** The AssumedRoleUser element of an answer. */
export function assumedRoleUser(issued: IssuedSession): IamResult {
  return {
    AssumedRoleId: `${issued.entityId}:${issued.sessionName}`,
    Arn: issued.principalArn,
  }
}

/** The PackedPolicySize element, in percent. Undefined for a session without limits, where AWS leaves it out. */
export function packedPolicySize(issued: IssuedSession): number | undefined {
  const isLimited = issued.policy !== '' || issued.policyArns.length > 0
  return isLimited ? issued.packedPolicyPercent : undefined
}
