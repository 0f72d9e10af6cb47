/** May this identity do this: the one place where the gateway asks protocol/iam. */

import type { Identity } from './backend.ts'
import { S3Error } from './errors.ts'
import type { Level } from './operation.ts'
import type { S3Request } from './request.ts'

export interface Access {
  readonly action: string
  readonly resource: Level
  readonly bucket: string
  readonly key: string
}

/** Throws AccessDenied. Root may do everything in its account; all others what their policies say. */
export function authorize(identity: Identity, access: Access, request: S3Request): void {
  if (identity.isRoot) return
  void request
  throw new S3Error(
    'AccessDenied',
    `User: ${identity.principalArn} is not authorized to perform: ${access.action} on resource: "${resourceArn(access)}" because no identity-based policy allows the ${access.action} action`,
  )
}

export function resourceArn({ resource, bucket, key }: Access): string {
  if (resource === 'service') return '*'
  return resource === 'bucket' ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`
}
