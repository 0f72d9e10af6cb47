/** Why an operation on a bucket fails: the texts reach the client. */

import { StoreError } from '../../protocol/errors.ts'

export function bucketBusy(): StoreError {
  return new StoreError('Conflict', 'another operation on this bucket is in progress')
}

export function bucketRecreated(): StoreError {
  return new StoreError('Unavailable', 'the bucket was deleted and created again meanwhile')
}

export function noSuchBucket(name: string): StoreError {
  return new StoreError('NoSuchBucket', 'The specified bucket does not exist', {
    BucketName: name,
  })
}
