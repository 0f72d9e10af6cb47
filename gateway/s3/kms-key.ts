/**
 * Keys of the cluster as SSE-KMS names them, and the rights that their use needs.
 *
 *   arn:aws:kms:REGION:ACCOUNT:key/NAME     a key that `shoal kms create NAME` made in that account
 *   arn:aws:kms:REGION:ACCOUNT:key/shoal-s3 the cluster's own key, for requests that name none: as aws/s3 in AWS
 *
 * A key is used by callers of its account alone, whose policies must allow kms:GenerateDataKey for writes and kms:Decrypt for
 * reads and parts. The cluster's own key needs no right besides the one to the object.
 */

import { CLUSTER_KEY_NAME } from '../../protocol/iam/key-ring-record.ts'
import { S3Error } from '../http/errors.ts'
import { DEFAULT_KEY_ID } from '../port/encryption.ts'
import { invalidArgument } from './common.ts'
import type { Call } from './operation.ts'

/** A key of the cluster. */
export interface KmsKey {
  /** For KeyBackend: `ACCOUNT/NAME`, or DEFAULT_KEY_ID. */
  readonly keyId: string
  /** The ARN. */
  readonly name: string
}

const ARN = /^arn:aws:kms:([^:]*):(\d{12}):key\/(.*)$/
/** AWS's name of the key that is used when none is named. */
const DEFAULT_ALIAS = 'alias/aws/s3'

/**
 * The key of that id, ARN or alias; the cluster's own without any. A bare id is one of `accountId`. Throws
 * KMS.NotFoundException for what can be no key of this region.
 */
export function namedKey(call: Call, given: string | undefined, accountId: string): KmsKey {
  const arn = ARN.exec(given ?? '')
  const [, region = call.region, account = accountId, id = given ?? DEFAULT_KEY_ID] = arn ?? []
  if (region !== call.region) throw notFound(`Invalid arn ${region}`)
  const name = `arn:aws:kms:${region}:${account}:key/${id}`
  if (id === DEFAULT_KEY_ID) return { keyId: id, name }
  if (id === DEFAULT_ALIAS) return namedKey(call, undefined, accountId)
  if (!CLUSTER_KEY_NAME.test(id)) throw notFound(`Invalid keyId '${id}'`)
  return { keyId: `${account}/${id}`, name }
}

export function notFound(text: string): S3Error {
  return new S3Error('KMS.NotFoundException', text)
}

/**
 * As in AWS, whoever uses such a key signs with version 4, and has the right to it. Throws InvalidArgument, AccessDenied.
 */
export async function authorizeKey(
  call: Call,
  action: 'kms:GenerateDataKey' | 'kms:Decrypt',
  { keyId, name }: KmsKey,
): Promise<void> {
  if (call.auth.version !== 4) {
    throw invalidArgument(
      'Authorization',
      'null',
      'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.',
    )
  }
  if (keyId === DEFAULT_KEY_ID) return
  // No policy of a key can allow other accounts to use it.
  if (ARN.exec(name)?.[2] !== call.identity.accountId) throw new S3Error('AccessDenied')
  await call.authorizeOwn(action, name)
}
