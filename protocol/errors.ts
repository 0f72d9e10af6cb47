/**
 * What the store can answer besides success. The gateway maps each code to AWS's status and text at
 * one place (gateway/http/errors.ts); nothing else throws on purpose.
 */

export type StoreErrorCode =
  | 'NoSuchBucket'
  | 'BucketAlreadyExists'
  | 'BucketAlreadyOwnedByYou'
  | 'BucketNotEmpty'
  | 'TooManyBuckets'
  | 'NoSuchKey'
  | 'NoSuchVersion'
  /** 405: the version named is a delete marker. */
  | 'IsDeleteMarker'
  | 'ExpiredToken'
  | 'InvalidToken'
  | 'NoSuchUpload'
  | 'InvalidPart'
  | 'InvalidPartOrder'
  | 'EntityTooSmall'
  | 'EntityTooLarge'
  | 'PreconditionFailed'
  /** 403: object lock protects the version (T10). */
  | 'ObjectLocked'
  /** 409: versioning and object lock of a bucket do not go together. */
  | 'InvalidBucketState'
  /** 403: the bucket holds as much as its quota allows. */
  | 'QuotaExceeded'
  /** 400: the token of a rename was used for another one. */
  | 'TokenMismatch'
  /** A key of the cluster that encrypts data does not exist, or is disabled. */
  | 'NoSuchEncryptionKey'
  | 'EncryptionKeyDisabled'
  /** 409: a concurrent operation got in the way (ConditionalRequestConflict, OperationAborted). */
  | 'Conflict'
  /** 503 with the reason: no quorum, an outcome that is unknown (P4), or overload. The client retries. */
  | 'Unavailable'
  /** 507: no replica set has room. */
  | 'InsufficientStorage'
  /** 500: data is lost or damaged beyond what the replicas can mend. */
  | 'DataLost'

export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode
  readonly details: Readonly<Record<string, string | number>>

  constructor(
    code: StoreErrorCode,
    message: string = code,
    details: Readonly<Record<string, string | number>> = {},
  ) {
    super(message)
    this.code = code
    this.details = details
  }
}

/** More is asked for than can be done: asking less often helps (503 SlowDown). */
export class OverloadedError extends StoreError {
  constructor(message: string) {
    super('Unavailable', message)
  }
}

/** What was to be read has been replaced or deleted since its metadata was read, and its blocks are gone:
 * the metadata is to be read again, once (R4). */
export class ReplacedError extends StoreError {
  constructor() {
    super('Unavailable', 'the object was replaced while it was read')
  }
}
