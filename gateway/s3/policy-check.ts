/** What the gateway asks about a bucket's policy. */

import { S3Error } from '../errors.ts'

/** Checks a policy and says whether it is public. Until there is something to check it with: 501. */
export function judgePolicy(_text: string, _bucket: string): boolean {
  throw new S3Error('NotImplemented', 'Bucket policies are not implemented')
}
