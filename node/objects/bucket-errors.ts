/** Why an operation on a bucket fails: the texts reach the client. */

import { StoreError } from '../../protocol/errors.ts'

/** 409: the caller may try again. */
export function bucketBusy(): StoreError {
  return new StoreError('Conflict', 'another operation on this bucket is in progress')
}

/** 503: the caller's decision was about another incarnation, so nothing was done in its name. */
export function bucketRecreated(): StoreError {
  return new StoreError('Unavailable', 'the bucket was deleted and created again meanwhile')
}

/** 404. */
export function noSuchBucket(name: string): StoreError {
  return new StoreError('NoSuchBucket', 'The specified bucket does not exist', {
    BucketName: name,
  })
}
