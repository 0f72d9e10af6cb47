/**
 * Actions of S3 by what they act on, as AWS's service authorization reference lists them: also those that
 * Shoal has no operation for, since policies written for AWS name them. A test holds the table of
 * operations (gateway/routes/operations.ts) against it.
 */

/** On a bucket: the resource is arn:aws:s3:::bucket. */
const BUCKET = [
  'CreateBucket DeleteBucket DeleteBucketOwnershipControls DeleteBucketPolicy DeleteBucketWebsite',
  'GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl GetBucketCORS',
  'GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration GetBucketNotification',
  'GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus',
  'GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketVersioning',
  'GetBucketWebsite GetEncryptionConfiguration GetIntelligentTieringConfiguration',
  'GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration',
  'GetReplicationConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions',
  'PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAbac PutBucketAcl PutBucketCORS',
  'PutBucketLogging PutBucketNotification PutBucketObjectLockConfiguration',
  'PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketRequestPayment',
  'PutBucketTagging PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration',
  'PutIntelligentTieringConfiguration PutInventoryConfiguration PutLifecycleConfiguration',
  'PutMetricsConfiguration PutReplicationConfiguration CreateBucketMetadataTableConfiguration',
  'DeleteBucketMetadataTableConfiguration CreateSession TagResource UntagResource',
  'ListTagsForResource UpdateBucketMetadataAnnotationTableConfiguration',
  'UpdateBucketMetadataInventoryTableConfiguration UpdateBucketMetadataJournalTableConfiguration',
]

/** On an object: arn:aws:s3:::bucket/key. */
const OBJECT = [
  'AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectAnnotation',
  'DeleteObjectTagging GetObjectAnnotation PutObjectAnnotation',
  'DeleteObjectVersion DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAttributes',
  'GetObjectLegalHold GetObjectRetention GetObjectTagging GetObjectTorrent GetObjectVersion',
  'GetObjectVersionAcl GetObjectVersionAttributes GetObjectVersionForReplication',
  'GetObjectVersionTagging GetObjectVersionTorrent InitiateReplication ListMultipartUploadParts',
  'ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl PutObjectLegalHold PutObjectRetention',
  'PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging ReplicateDelete ReplicateObject',
  'ReplicateTags RestoreObject UpdateObjectEncryption',
]

function named(lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.flatMap((line) => line.split(' ')).map((name) => `s3:${name.toLowerCase()}`))
}

/** Lower case, with 's3:'. */
export const S3_BUCKET_ACTIONS = named(BUCKET)
/** Lower case, with 's3:'. */
export const S3_OBJECT_ACTIONS = named(OBJECT)
