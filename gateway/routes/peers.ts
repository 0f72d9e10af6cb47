/**
 * What the documents of other stores say that they implement, for a column each in docs/s3-compatibility.md. Nothing
 * here was tried: it repeats each project's own page, which may have changed since. An operation that a page does not
 * mention is in neither list.
 */

interface OtherStore {
  readonly name: string
  /** The project's own page about S3. */
  readonly page: string
  readonly implements: ReadonlySet<string>
  readonly lacks: ReadonlySet<string>
}

/** Operations that all of these stores name as implemented. */
const COMMON =
  'CreateBucket DeleteBucket GetBucketLocation HeadBucket ListBuckets HeadObject CopyObject DeleteObject DeleteObjects GetObject ListObjects ListObjectsV2 PutObject AbortMultipartUpload CompleteMultipartUpload CreateMultipartUpload ListMultipartUploads ListParts UploadPart UploadPartCopy'
const LIFECYCLE =
  'GetBucketLifecycleConfiguration PutBucketLifecycleConfiguration DeleteBucketLifecycle'
const VERSIONS = 'GetBucketVersioning PutBucketVersioning ListObjectVersions'
const POLICIES = 'GetBucketPolicy PutBucketPolicy DeleteBucketPolicy GetBucketPolicyStatus'
const ACLS = 'GetBucketAcl PutBucketAcl GetObjectAcl PutObjectAcl'
const TAGS =
  'GetBucketTagging PutBucketTagging DeleteBucketTagging GetObjectTagging PutObjectTagging DeleteObjectTagging'
const CORS = 'GetBucketCors PutBucketCors DeleteBucketCors'
const WEBSITE = 'GetBucketWebsite PutBucketWebsite DeleteBucketWebsite'
const LOCKS =
  'GetObjectLockConfiguration PutObjectLockConfiguration GetObjectRetention PutObjectRetention GetObjectLegalHold PutObjectLegalHold'
const ENCRYPTION = 'GetBucketEncryption PutBucketEncryption DeleteBucketEncryption'
const NOTIFICATIONS = 'GetBucketNotificationConfiguration PutBucketNotificationConfiguration'
const REPLICATION = 'GetBucketReplication PutBucketReplication DeleteBucketReplication'
const LOGGING = 'GetBucketLogging PutBucketLogging'
const PAYMENT = 'GetBucketRequestPayment PutBucketRequestPayment'
const BLOCKS = 'GetPublicAccessBlock PutPublicAccessBlock DeletePublicAccessBlock'
const OWNERSHIP =
  'GetBucketOwnershipControls PutBucketOwnershipControls DeleteBucketOwnershipControls'
const REPORTS =
  'GetBucketInventoryConfiguration PutBucketInventoryConfiguration DeleteBucketInventoryConfiguration GetBucketMetricsConfiguration PutBucketMetricsConfiguration DeleteBucketMetricsConfiguration GetBucketAnalyticsConfiguration PutBucketAnalyticsConfiguration DeleteBucketAnalyticsConfiguration GetBucketIntelligentTieringConfiguration PutBucketIntelligentTieringConfiguration DeleteBucketIntelligentTieringConfiguration'

/** Read on 2026-12-03. */
export const PEERS: readonly OtherStore[] = [
  {
    name: 'Garage',
    page: 'https://garagehq.deuxfleurs.fr/documentation/reference-manual/s3-compatibility/',
    implements: names(COMMON, 'PostObject', LIFECYCLE, WEBSITE, CORS),
    lacks: names(POLICIES, ACLS, VERSIONS, LOCKS, REPLICATION),
  },
  {
    name: 'MinIO',
    page: 'https://min.io/docs/minio/linux/reference/s3-api-compatibility.html',
    implements: names(
      COMMON,
      VERSIONS,
      LIFECYCLE,
      POLICIES,
      TAGS,
      LOCKS,
      ENCRYPTION,
      NOTIFICATIONS,
      REPLICATION,
      'GetObjectAttributes RestoreObject SelectObjectContent',
    ),
    lacks: names(
      'GetObjectAcl PutObjectAcl PutBucketAcl GetObjectTorrent CreateSession',
      'PutBucketCors DeleteBucketCors PutBucketWebsite PutBucketAccelerateConfiguration',
      'PutBucketRequestPayment',
      LOGGING,
      BLOCKS,
      OWNERSHIP,
      REPORTS,
    ),
  },
  {
    name: 'Ceph',
    page: 'https://docs.ceph.com/en/latest/radosgw/s3/',
    implements: names(
      COMMON,
      'PostObject',
      VERSIONS,
      LIFECYCLE,
      POLICIES,
      ACLS,
      TAGS,
      WEBSITE,
      NOTIFICATIONS,
      LOGGING,
      PAYMENT,
    ),
    lacks: names(),
  },
]

function names(...lists: readonly string[]): ReadonlySet<string> {
  return new Set(lists.flatMap((list) => list.split(' ')))
}
