/**
 * What AWS's service model names for each operation of S3: the request, its query parameters, its headers (lower-case).
 * Made by `node .config/s3-model.ts`; a test says when the model of AWS's SDK has more.
 */

type Line = readonly [request: string, query: string, headers: string]

export const DOCUMENTED: Readonly<Record<string, Line>> = {
  AbortMultipartUpload: [
    'DELETE object',
    'uploadId',
    'x-amz-expected-bucket-owner x-amz-if-match-initiated-time x-amz-request-payer',
  ],
  CompleteMultipartUpload: [
    'POST object',
    'uploadId',
    'if-match if-none-match x-amz-checksum-crc32 x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-md5 x-amz-checksum-sha1 x-amz-checksum-sha256 x-amz-checksum-sha512 x-amz-checksum-type x-amz-checksum-xxhash128 x-amz-checksum-xxhash3 x-amz-checksum-xxhash64 x-amz-expected-bucket-owner x-amz-mp-object-size x-amz-request-payer x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5',
  ],
  CopyObject: [
    'PUT object',
    '',
    'cache-control content-disposition content-encoding content-language content-type expires if-match if-none-match x-amz-acl x-amz-checksum-algorithm x-amz-copy-source x-amz-copy-source-if-match x-amz-copy-source-if-modified-since x-amz-copy-source-if-none-match x-amz-copy-source-if-unmodified-since x-amz-copy-source-server-side-encryption-customer-algorithm x-amz-copy-source-server-side-encryption-customer-key x-amz-copy-source-server-side-encryption-customer-key-md5 x-amz-expected-bucket-owner x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write-acp x-amz-meta-* x-amz-metadata-directive x-amz-object-annotation-directive x-amz-object-lock-event-hold x-amz-object-lock-event-hold-duration-days x-amz-object-lock-event-hold-duration-years x-amz-object-lock-legal-hold x-amz-object-lock-mode x-amz-object-lock-retain-until-date x-amz-request-payer x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id x-amz-server-side-encryption-bucket-key-enabled x-amz-server-side-encryption-context x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5 x-amz-source-expected-bucket-owner x-amz-storage-class x-amz-tagging x-amz-tagging-directive x-amz-website-redirect-location',
  ],
  CreateBucket: [
    'PUT bucket',
    '',
    'x-amz-acl x-amz-bucket-namespace x-amz-bucket-object-lock-enabled x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write x-amz-grant-write-acp x-amz-object-ownership',
  ],
  CreateBucketMetadataConfiguration: [
    'POST bucket?metadataConfiguration',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  CreateBucketMetadataTableConfiguration: [
    'POST bucket?metadataTable',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  CreateMultipartUpload: [
    'POST object?uploads',
    '',
    'cache-control content-disposition content-encoding content-language content-type expires x-amz-acl x-amz-checksum-algorithm x-amz-checksum-type x-amz-expected-bucket-owner x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write-acp x-amz-meta-* x-amz-object-lock-event-hold x-amz-object-lock-event-hold-duration-days x-amz-object-lock-event-hold-duration-years x-amz-object-lock-legal-hold x-amz-object-lock-mode x-amz-object-lock-retain-until-date x-amz-request-payer x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id x-amz-server-side-encryption-bucket-key-enabled x-amz-server-side-encryption-context x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5 x-amz-storage-class x-amz-tagging x-amz-website-redirect-location',
  ],
  CreateSession: [
    'GET bucket?session',
    '',
    'x-amz-create-session-mode x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id x-amz-server-side-encryption-bucket-key-enabled x-amz-server-side-encryption-context',
  ],
  DeleteBucket: ['DELETE bucket', '', 'x-amz-expected-bucket-owner'],
  DeleteBucketAnalyticsConfiguration: [
    'DELETE bucket?analytics',
    'id',
    'x-amz-expected-bucket-owner',
  ],
  DeleteBucketCors: ['DELETE bucket?cors', '', 'x-amz-expected-bucket-owner'],
  DeleteBucketEncryption: ['DELETE bucket?encryption', '', 'x-amz-expected-bucket-owner'],
  DeleteBucketIntelligentTieringConfiguration: [
    'DELETE bucket?intelligent-tiering',
    'id',
    'x-amz-expected-bucket-owner',
  ],
  DeleteBucketInventoryConfiguration: [
    'DELETE bucket?inventory',
    'id',
    'x-amz-expected-bucket-owner',
  ],
  DeleteBucketLifecycle: ['DELETE bucket?lifecycle', '', 'x-amz-expected-bucket-owner'],
  DeleteBucketMetadataConfiguration: [
    'DELETE bucket?metadataConfiguration',
    '',
    'x-amz-expected-bucket-owner',
  ],
  DeleteBucketMetadataTableConfiguration: [
    'DELETE bucket?metadataTable',
    '',
    'x-amz-expected-bucket-owner',
  ],
  DeleteBucketMetricsConfiguration: ['DELETE bucket?metrics', 'id', 'x-amz-expected-bucket-owner'],
  DeleteBucketOwnershipControls: [
    'DELETE bucket?ownershipControls',
    '',
    'x-amz-expected-bucket-owner',
  ],
  DeleteBucketPolicy: ['DELETE bucket?policy', '', 'x-amz-expected-bucket-owner'],
  DeleteBucketReplication: ['DELETE bucket?replication', '', 'x-amz-expected-bucket-owner'],
  DeleteBucketTagging: ['DELETE bucket?tagging', '', 'x-amz-expected-bucket-owner'],
  DeleteBucketWebsite: ['DELETE bucket?website', '', 'x-amz-expected-bucket-owner'],
  DeleteObject: [
    'DELETE object',
    'versionId',
    'if-match x-amz-bypass-governance-retention x-amz-expected-bucket-owner x-amz-if-match-last-modified-time x-amz-if-match-size x-amz-mfa x-amz-request-payer',
  ],
  DeleteObjectAnnotation: [
    'DELETE object?annotation',
    'annotationName versionId',
    'x-amz-expected-bucket-owner x-amz-object-if-match x-amz-request-payer',
  ],
  DeleteObjectTagging: ['DELETE object?tagging', 'versionId', 'x-amz-expected-bucket-owner'],
  DeleteObjects: [
    'POST bucket?delete',
    '',
    'x-amz-bypass-governance-retention x-amz-expected-bucket-owner x-amz-mfa x-amz-request-payer x-amz-sdk-checksum-algorithm',
  ],
  DeletePublicAccessBlock: ['DELETE bucket?publicAccessBlock', '', 'x-amz-expected-bucket-owner'],
  GetBucketAbac: ['GET bucket?abac', '', 'x-amz-expected-bucket-owner'],
  GetBucketAccelerateConfiguration: [
    'GET bucket?accelerate',
    '',
    'x-amz-expected-bucket-owner x-amz-request-payer',
  ],
  GetBucketAcl: ['GET bucket?acl', '', 'x-amz-expected-bucket-owner'],
  GetBucketAnalyticsConfiguration: ['GET bucket?analytics', 'id', 'x-amz-expected-bucket-owner'],
  GetBucketCors: ['GET bucket?cors', '', 'x-amz-expected-bucket-owner'],
  GetBucketEncryption: ['GET bucket?encryption', '', 'x-amz-expected-bucket-owner'],
  GetBucketIntelligentTieringConfiguration: [
    'GET bucket?intelligent-tiering',
    'id',
    'x-amz-expected-bucket-owner',
  ],
  GetBucketInventoryConfiguration: ['GET bucket?inventory', 'id', 'x-amz-expected-bucket-owner'],
  GetBucketLifecycleConfiguration: ['GET bucket?lifecycle', '', 'x-amz-expected-bucket-owner'],
  GetBucketLocation: ['GET bucket?location', '', 'x-amz-expected-bucket-owner'],
  GetBucketLogging: ['GET bucket?logging', '', 'x-amz-expected-bucket-owner'],
  GetBucketMetadataConfiguration: [
    'GET bucket?metadataConfiguration',
    '',
    'x-amz-expected-bucket-owner',
  ],
  GetBucketMetadataTableConfiguration: [
    'GET bucket?metadataTable',
    '',
    'x-amz-expected-bucket-owner',
  ],
  GetBucketMetricsConfiguration: ['GET bucket?metrics', 'id', 'x-amz-expected-bucket-owner'],
  GetBucketNotificationConfiguration: [
    'GET bucket?notification',
    '',
    'x-amz-expected-bucket-owner',
  ],
  GetBucketOwnershipControls: ['GET bucket?ownershipControls', '', 'x-amz-expected-bucket-owner'],
  GetBucketPolicy: ['GET bucket?policy', '', 'x-amz-expected-bucket-owner'],
  GetBucketPolicyStatus: ['GET bucket?policyStatus', '', 'x-amz-expected-bucket-owner'],
  GetBucketReplication: ['GET bucket?replication', '', 'x-amz-expected-bucket-owner'],
  GetBucketRequestPayment: ['GET bucket?requestPayment', '', 'x-amz-expected-bucket-owner'],
  GetBucketTagging: ['GET bucket?tagging', '', 'x-amz-expected-bucket-owner'],
  GetBucketVersioning: ['GET bucket?versioning', '', 'x-amz-expected-bucket-owner'],
  GetBucketWebsite: ['GET bucket?website', '', 'x-amz-expected-bucket-owner'],
  GetObject: [
    'GET object',
    'partNumber response-cache-control response-content-disposition response-content-encoding response-content-language response-content-type response-expires versionId',
    'if-match if-modified-since if-none-match if-unmodified-since range x-amz-checksum-mode x-amz-expected-bucket-owner x-amz-request-payer x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5',
  ],
  GetObjectAcl: ['GET object?acl', 'versionId', 'x-amz-expected-bucket-owner x-amz-request-payer'],
  GetObjectAnnotation: [
    'GET object?annotation',
    'annotationName versionId',
    'x-amz-checksum-mode x-amz-expected-bucket-owner x-amz-request-payer',
  ],
  GetObjectAttributes: [
    'GET object?attributes',
    'versionId',
    'x-amz-expected-bucket-owner x-amz-max-parts x-amz-object-attributes x-amz-part-number-marker x-amz-request-payer x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5',
  ],
  GetObjectLegalHold: [
    'GET object?legal-hold',
    'versionId',
    'x-amz-expected-bucket-owner x-amz-request-payer',
  ],
  GetObjectLockConfiguration: ['GET bucket?object-lock', '', 'x-amz-expected-bucket-owner'],
  GetObjectRetention: [
    'GET object?retention',
    'versionId',
    'x-amz-expected-bucket-owner x-amz-request-payer',
  ],
  GetObjectTagging: [
    'GET object?tagging',
    'versionId',
    'x-amz-expected-bucket-owner x-amz-request-payer',
  ],
  GetObjectTorrent: ['GET object?torrent', '', 'x-amz-expected-bucket-owner x-amz-request-payer'],
  GetPublicAccessBlock: ['GET bucket?publicAccessBlock', '', 'x-amz-expected-bucket-owner'],
  HeadBucket: ['HEAD bucket', '', 'x-amz-expected-bucket-owner'],
  HeadObject: [
    'HEAD object',
    'partNumber response-cache-control response-content-disposition response-content-encoding response-content-language response-content-type response-expires versionId',
    'if-match if-modified-since if-none-match if-unmodified-since range x-amz-checksum-mode x-amz-expected-bucket-owner x-amz-request-payer x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5',
  ],
  ListBucketAnalyticsConfigurations: [
    'GET bucket?analytics',
    'continuation-token',
    'x-amz-expected-bucket-owner',
  ],
  ListBucketIntelligentTieringConfigurations: [
    'GET bucket?intelligent-tiering',
    'continuation-token',
    'x-amz-expected-bucket-owner',
  ],
  ListBucketInventoryConfigurations: [
    'GET bucket?inventory',
    'continuation-token',
    'x-amz-expected-bucket-owner',
  ],
  ListBucketMetricsConfigurations: [
    'GET bucket?metrics',
    'continuation-token',
    'x-amz-expected-bucket-owner',
  ],
  ListBuckets: ['GET service', 'bucket-region continuation-token max-buckets prefix', ''],
  ListDirectoryBuckets: ['GET service', 'continuation-token max-directory-buckets', ''],
  ListMultipartUploads: [
    'GET bucket?uploads',
    'delimiter encoding-type key-marker max-uploads prefix upload-id-marker',
    'x-amz-expected-bucket-owner x-amz-request-payer',
  ],
  ListObjectAnnotations: [
    'GET object?annotation',
    'annotation-prefix continuation-token max-annotation-results versionId',
    'x-amz-expected-bucket-owner x-amz-request-payer',
  ],
  ListObjectVersions: [
    'GET bucket?versions',
    'delimiter encoding-type key-marker max-keys prefix version-id-marker',
    'x-amz-expected-bucket-owner x-amz-optional-object-attributes x-amz-request-payer',
  ],
  ListObjects: [
    'GET bucket',
    'delimiter encoding-type marker max-keys prefix',
    'x-amz-expected-bucket-owner x-amz-optional-object-attributes x-amz-request-payer',
  ],
  ListObjectsV2: [
    'GET bucket?list-type=2',
    'continuation-token delimiter encoding-type fetch-owner max-keys prefix start-after',
    'x-amz-expected-bucket-owner x-amz-optional-object-attributes x-amz-request-payer',
  ],
  ListParts: [
    'GET object',
    'max-parts part-number-marker uploadId',
    'x-amz-expected-bucket-owner x-amz-request-payer x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5',
  ],
  PutBucketAbac: [
    'PUT bucket?abac',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  PutBucketAccelerateConfiguration: [
    'PUT bucket?accelerate',
    '',
    'x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  PutBucketAcl: [
    'PUT bucket?acl',
    '',
    'content-md5 x-amz-acl x-amz-expected-bucket-owner x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write x-amz-grant-write-acp x-amz-sdk-checksum-algorithm',
  ],
  PutBucketAnalyticsConfiguration: ['PUT bucket?analytics', 'id', 'x-amz-expected-bucket-owner'],
  PutBucketCors: [
    'PUT bucket?cors',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  PutBucketEncryption: [
    'PUT bucket?encryption',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  PutBucketIntelligentTieringConfiguration: [
    'PUT bucket?intelligent-tiering',
    'id',
    'x-amz-expected-bucket-owner',
  ],
  PutBucketInventoryConfiguration: ['PUT bucket?inventory', 'id', 'x-amz-expected-bucket-owner'],
  PutBucketLifecycleConfiguration: [
    'PUT bucket?lifecycle',
    '',
    'x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm x-amz-transition-default-minimum-object-size',
  ],
  PutBucketLogging: [
    'PUT bucket?logging',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  PutBucketMetricsConfiguration: ['PUT bucket?metrics', 'id', 'x-amz-expected-bucket-owner'],
  PutBucketNotificationConfiguration: [
    'PUT bucket?notification',
    '',
    'x-amz-expected-bucket-owner x-amz-skip-destination-validation',
  ],
  PutBucketOwnershipControls: [
    'PUT bucket?ownershipControls',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  PutBucketPolicy: [
    'PUT bucket?policy',
    '',
    'content-md5 x-amz-confirm-remove-self-bucket-access x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  PutBucketReplication: [
    'PUT bucket?replication',
    '',
    'content-md5 x-amz-bucket-object-lock-token x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  PutBucketRequestPayment: [
    'PUT bucket?requestPayment',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  PutBucketTagging: [
    'PUT bucket?tagging',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  PutBucketVersioning: [
    'PUT bucket?versioning',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-mfa x-amz-sdk-checksum-algorithm',
  ],
  PutBucketWebsite: [
    'PUT bucket?website',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  PutObject: [
    'PUT object',
    '',
    'cache-control content-disposition content-encoding content-language content-length content-md5 content-type expires if-match if-none-match x-amz-acl x-amz-checksum-crc32 x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-md5 x-amz-checksum-sha1 x-amz-checksum-sha256 x-amz-checksum-sha512 x-amz-checksum-xxhash128 x-amz-checksum-xxhash3 x-amz-checksum-xxhash64 x-amz-expected-bucket-owner x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write-acp x-amz-meta-* x-amz-object-lock-event-hold x-amz-object-lock-event-hold-duration-days x-amz-object-lock-event-hold-duration-years x-amz-object-lock-legal-hold x-amz-object-lock-mode x-amz-object-lock-retain-until-date x-amz-request-payer x-amz-sdk-checksum-algorithm x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id x-amz-server-side-encryption-bucket-key-enabled x-amz-server-side-encryption-context x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5 x-amz-storage-class x-amz-tagging x-amz-website-redirect-location x-amz-write-offset-bytes',
  ],
  PutObjectAcl: [
    'PUT object?acl',
    'versionId',
    'content-md5 x-amz-acl x-amz-expected-bucket-owner x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write x-amz-grant-write-acp x-amz-request-payer x-amz-sdk-checksum-algorithm',
  ],
  PutObjectAnnotation: [
    'PUT object?annotation',
    'annotationName versionId',
    'content-md5 x-amz-checksum-crc32 x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-md5 x-amz-checksum-sha1 x-amz-checksum-sha256 x-amz-checksum-sha512 x-amz-checksum-xxhash128 x-amz-checksum-xxhash3 x-amz-checksum-xxhash64 x-amz-expected-bucket-owner x-amz-object-if-match x-amz-request-payer x-amz-sdk-checksum-algorithm',
  ],
  PutObjectLegalHold: [
    'PUT object?legal-hold',
    'versionId',
    'content-md5 x-amz-expected-bucket-owner x-amz-request-payer x-amz-sdk-checksum-algorithm',
  ],
  PutObjectLockConfiguration: [
    'PUT bucket?object-lock',
    '',
    'content-md5 x-amz-bucket-object-lock-token x-amz-expected-bucket-owner x-amz-request-payer x-amz-sdk-checksum-algorithm',
  ],
  PutObjectRetention: [
    'PUT object?retention',
    'versionId',
    'content-md5 x-amz-bypass-governance-retention x-amz-expected-bucket-owner x-amz-request-payer x-amz-sdk-checksum-algorithm',
  ],
  PutObjectTagging: [
    'PUT object?tagging',
    'versionId',
    'content-md5 x-amz-expected-bucket-owner x-amz-request-payer x-amz-sdk-checksum-algorithm',
  ],
  PutPublicAccessBlock: [
    'PUT bucket?publicAccessBlock',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  RenameObject: [
    'PUT object?renameObject',
    '',
    'if-match if-modified-since if-none-match if-unmodified-since x-amz-client-token x-amz-rename-source x-amz-rename-source-if-match x-amz-rename-source-if-modified-since x-amz-rename-source-if-none-match x-amz-rename-source-if-unmodified-since',
  ],
  RestoreObject: [
    'POST object?restore',
    'versionId',
    'x-amz-expected-bucket-owner x-amz-request-payer x-amz-sdk-checksum-algorithm',
  ],
  SelectObjectContent: [
    'POST object?select&select-type=2',
    '',
    'x-amz-expected-bucket-owner x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5',
  ],
  UpdateBucketMetadataAnnotationTableConfiguration: [
    'PUT bucket?metadataAnnotationTable',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  UpdateBucketMetadataInventoryTableConfiguration: [
    'PUT bucket?metadataInventoryTable',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  UpdateBucketMetadataJournalTableConfiguration: [
    'PUT bucket?metadataJournalTable',
    '',
    'content-md5 x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm',
  ],
  UpdateObjectEncryption: [
    'PUT object?encryption',
    'versionId',
    'content-md5 x-amz-expected-bucket-owner x-amz-request-payer x-amz-sdk-checksum-algorithm',
  ],
  UploadPart: [
    'PUT object',
    'partNumber uploadId',
    'content-length content-md5 x-amz-checksum-crc32 x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-md5 x-amz-checksum-sha1 x-amz-checksum-sha256 x-amz-checksum-sha512 x-amz-checksum-xxhash128 x-amz-checksum-xxhash3 x-amz-checksum-xxhash64 x-amz-expected-bucket-owner x-amz-request-payer x-amz-sdk-checksum-algorithm x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5',
  ],
  UploadPartCopy: [
    'PUT object',
    'partNumber uploadId',
    'x-amz-copy-source x-amz-copy-source-if-match x-amz-copy-source-if-modified-since x-amz-copy-source-if-none-match x-amz-copy-source-if-unmodified-since x-amz-copy-source-range x-amz-copy-source-server-side-encryption-customer-algorithm x-amz-copy-source-server-side-encryption-customer-key x-amz-copy-source-server-side-encryption-customer-key-md5 x-amz-expected-bucket-owner x-amz-request-payer x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5 x-amz-source-expected-bucket-owner',
  ],
  WriteGetObjectResponse: [
    'POST /WriteGetObjectResponse',
    '',
    'content-length x-amz-fwd-error-code x-amz-fwd-error-message x-amz-fwd-header-accept-ranges x-amz-fwd-header-cache-control x-amz-fwd-header-content-disposition x-amz-fwd-header-content-encoding x-amz-fwd-header-content-language x-amz-fwd-header-content-range x-amz-fwd-header-content-type x-amz-fwd-header-etag x-amz-fwd-header-expires x-amz-fwd-header-last-modified x-amz-fwd-header-x-amz-checksum-crc32 x-amz-fwd-header-x-amz-checksum-crc32c x-amz-fwd-header-x-amz-checksum-crc64nvme x-amz-fwd-header-x-amz-checksum-md5 x-amz-fwd-header-x-amz-checksum-sha1 x-amz-fwd-header-x-amz-checksum-sha256 x-amz-fwd-header-x-amz-checksum-sha512 x-amz-fwd-header-x-amz-checksum-xxhash128 x-amz-fwd-header-x-amz-checksum-xxhash3 x-amz-fwd-header-x-amz-checksum-xxhash64 x-amz-fwd-header-x-amz-delete-marker x-amz-fwd-header-x-amz-expiration x-amz-fwd-header-x-amz-missing-meta x-amz-fwd-header-x-amz-mp-parts-count x-amz-fwd-header-x-amz-object-lock-legal-hold x-amz-fwd-header-x-amz-object-lock-mode x-amz-fwd-header-x-amz-object-lock-retain-until-date x-amz-fwd-header-x-amz-replication-status x-amz-fwd-header-x-amz-request-charged x-amz-fwd-header-x-amz-restore x-amz-fwd-header-x-amz-server-side-encryption x-amz-fwd-header-x-amz-server-side-encryption-aws-kms-key-id x-amz-fwd-header-x-amz-server-side-encryption-bucket-key-enabled x-amz-fwd-header-x-amz-server-side-encryption-customer-algorithm x-amz-fwd-header-x-amz-server-side-encryption-customer-key-md5 x-amz-fwd-header-x-amz-storage-class x-amz-fwd-header-x-amz-tagging-count x-amz-fwd-header-x-amz-version-id x-amz-fwd-status x-amz-meta-* x-amz-request-route x-amz-request-token',
  ],
}
