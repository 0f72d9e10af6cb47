/**
 * The one table of S3 operations: which request is which, what it may carry, which right it wants, who
 * answers. The router, the gate, `GET /?capabilities` and docs/s3-compatibility.md all come from it.
 *
 * What a request carries beyond its row (a query parameter, an x-amz-* header, a condition) is refused
 * with 501, never passed over (S3.md, rule 1).
 */

import { capabilitiesResponse } from './compatibility.ts'
import type { Handler, Level, Method, Operation } from './operation.ts'
import { getObjectAttributes } from './s3/attributes.ts'
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  headBucket,
  listBuckets,
} from './s3/bucket.ts'
import { completeMultipartUpload } from './s3/complete.ts'
import { copyObject } from './s3/copy.ts'
import { deleteObject, deleteObjects } from './s3/delete.ts'
import { getObject, headObject } from './s3/get.ts'
import { listObjects, listObjectsV2, listObjectVersions } from './s3/list.ts'
import {
  abortMultipartUpload,
  createMultipartUpload,
  listMultipartUploads,
  listParts,
  uploadPart,
  uploadPartCopy,
} from './s3/multipart.ts'
import { putObject } from './s3/put.ts'
import {
  bucketHas,
  bucketLacks,
  deleteObjectTagging,
  getBucketAcl,
  getObjectAcl,
  getObjectTagging,
  objectLockMissing,
  putAcl,
  removeFromBucket,
} from './s3/unconfigured.ts'

/** Query parameters that any request may carry. `x-id` names the operation in AWS's SDKs. */
export const COMMON_QUERY: ReadonlySet<string> = new Set(['x-id'])

/** x-amz-* headers that any request may carry: signatures, bodies' framing, SDKs' small talk. */
export const COMMON_HEADERS: ReadonlySet<string> = new Set([
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-user-agent',
  'x-amz-api-version',
  'x-amz-expected-bucket-owner',
  'x-amz-decoded-content-length',
  'x-amz-trailer',
  'x-amz-request-payer',
])

const CHECKSUMS = [
  'x-amz-sdk-checksum-algorithm',
  'x-amz-checksum-algorithm',
  'x-amz-checksum-crc32',
  'x-amz-checksum-crc32c',
  'x-amz-checksum-crc64nvme',
  'x-amz-checksum-sha1',
  'x-amz-checksum-sha256',
]
const STORED = ['x-amz-meta-*', 'x-amz-storage-class', 'x-amz-acl']
const COPY_SOURCE = [
  'x-amz-copy-source',
  'x-amz-copy-source-if-match',
  'x-amz-copy-source-if-none-match',
  'x-amz-copy-source-if-modified-since',
  'x-amz-copy-source-if-unmodified-since',
  'x-amz-source-expected-bucket-owner',
]
const WRITE_CONDITIONS = ['if-match', 'if-none-match']
const READ_CONDITIONS = [
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
]
const OVERRIDES = [
  'response-content-type',
  'response-content-language',
  'response-expires',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
]
const LISTING = ['prefix', 'delimiter', 'encoding-type']

interface Extras {
  readonly marks?: readonly string[]
  readonly markHeader?: string
  readonly query?: readonly string[]
  readonly headers?: readonly string[]
  readonly conditions?: readonly string[]
  /** When the right differs from `s3:` and the operation's name. */
  readonly action?: string
  readonly versionAction?: string
  readonly resource?: Level
  readonly authorizedBy?: 'handler'
  readonly answersUnconfigured?: boolean
}

function row(
  name: string,
  method: Method,
  level: Level,
  run: Handler | undefined,
  extras: Extras = {},
): Operation {
  return {
    service: 's3',
    name,
    method,
    level,
    marks: extras.marks ?? [],
    markHeader: extras.markHeader,
    query: new Set(extras.query),
    headers: new Set(extras.headers),
    conditions: new Set(extras.conditions),
    action: extras.action ?? `s3:${name}`,
    versionAction: extras.versionAction,
    resource: extras.resource ?? level,
    authorizedBy: extras.authorizedBy ?? 'gate',
    run,
    answersUnconfigured: extras.answersUnconfigured ?? false,
  }
}

const service: readonly Operation[] = [
  row('ListBuckets', 'GET', 'service', listBuckets, {
    action: 's3:ListAllMyBuckets',
    query: ['max-buckets', 'continuation-token', 'prefix', 'bucket-region'],
  }),
  // Shoal's own: what of S3 is there.
  row(
    'GetCapabilities',
    'GET',
    'service',
    () => Promise.resolve(capabilitiesResponse(OPERATIONS)),
    {
      marks: ['capabilities'],
    },
  ),
]

const buckets: readonly Operation[] = [
  row('CreateBucket', 'PUT', 'bucket', createBucket, {
    headers: [
      'x-amz-acl',
      'x-amz-bucket-object-lock-enabled',
      'x-amz-object-ownership',
      ...CHECKSUMS,
    ],
  }),
  row('HeadBucket', 'HEAD', 'bucket', headBucket, { action: 's3:ListBucket' }),
  row('DeleteBucket', 'DELETE', 'bucket', deleteBucket),
  row('GetBucketLocation', 'GET', 'bucket', getBucketLocation, { marks: ['location'] }),
  row('ListObjects', 'GET', 'bucket', listObjects, {
    action: 's3:ListBucket',
    query: [...LISTING, 'marker', 'max-keys'],
    headers: ['x-amz-optional-object-attributes'],
  }),
  row('ListObjectsV2', 'GET', 'bucket', listObjectsV2, {
    marks: ['list-type=2'],
    action: 's3:ListBucket',
    query: [...LISTING, 'start-after', 'continuation-token', 'max-keys', 'fetch-owner'],
    headers: ['x-amz-optional-object-attributes'],
  }),
  row('ListObjectVersions', 'GET', 'bucket', listObjectVersions, {
    marks: ['versions'],
    action: 's3:ListBucketVersions',
    query: [...LISTING, 'key-marker', 'version-id-marker', 'max-keys'],
    headers: ['x-amz-optional-object-attributes'],
  }),
  row('ListMultipartUploads', 'GET', 'bucket', listMultipartUploads, {
    marks: ['uploads'],
    action: 's3:ListBucketMultipartUploads',
    query: [...LISTING, 'key-marker', 'upload-id-marker', 'max-uploads'],
  }),
  row('DeleteObjects', 'POST', 'bucket', deleteObjects, {
    marks: ['delete'],
    action: 's3:DeleteObject',
    resource: 'object',
    // Each key by itself: a denied key is a row of the answer.
    authorizedBy: 'handler',
    headers: CHECKSUMS,
  }),
]

const objects: readonly Operation[] = [
  row('PutObject', 'PUT', 'object', putObject, {
    headers: [...STORED, ...CHECKSUMS],
    conditions: WRITE_CONDITIONS,
  }),
  row('CopyObject', 'PUT', 'object', copyObject, {
    markHeader: 'x-amz-copy-source',
    action: 's3:PutObject',
    headers: [
      ...COPY_SOURCE,
      ...STORED,
      'x-amz-metadata-directive',
      'x-amz-tagging-directive',
      'x-amz-checksum-algorithm',
    ],
    conditions: WRITE_CONDITIONS,
  }),
  row('GetObject', 'GET', 'object', getObject, {
    query: [...OVERRIDES, 'partNumber', 'versionId'],
    headers: ['x-amz-checksum-mode'],
    conditions: READ_CONDITIONS,
  }),
  row('HeadObject', 'HEAD', 'object', headObject, {
    action: 's3:GetObject',
    query: [...OVERRIDES, 'partNumber', 'versionId'],
    headers: ['x-amz-checksum-mode'],
    conditions: READ_CONDITIONS,
  }),
  row('DeleteObject', 'DELETE', 'object', deleteObject, {
    query: ['versionId'],
    headers: ['x-amz-if-match-size', 'x-amz-if-match-last-modified-time'],
    conditions: ['if-match'],
  }),
  row('GetObjectAttributes', 'GET', 'object', getObjectAttributes, {
    marks: ['attributes'],
    query: ['versionId'],
    headers: ['x-amz-object-attributes', 'x-amz-max-parts', 'x-amz-part-number-marker'],
  }),
]

const uploads: readonly Operation[] = [
  row('CreateMultipartUpload', 'POST', 'object', createMultipartUpload, {
    marks: ['uploads'],
    action: 's3:PutObject',
    headers: [
      ...STORED,
      'x-amz-checksum-algorithm',
      'x-amz-sdk-checksum-algorithm',
      'x-amz-checksum-type',
    ],
  }),
  row('UploadPart', 'PUT', 'object', uploadPart, {
    marks: ['partNumber', 'uploadId'],
    action: 's3:PutObject',
    headers: CHECKSUMS,
  }),
  row('UploadPartCopy', 'PUT', 'object', uploadPartCopy, {
    marks: ['partNumber', 'uploadId'],
    markHeader: 'x-amz-copy-source',
    action: 's3:PutObject',
    headers: [...COPY_SOURCE, 'x-amz-copy-source-range'],
  }),
  row('CompleteMultipartUpload', 'POST', 'object', completeMultipartUpload, {
    marks: ['uploadId'],
    action: 's3:PutObject',
    headers: [...CHECKSUMS, 'x-amz-checksum-type', 'x-amz-mp-object-size'],
    conditions: WRITE_CONDITIONS,
  }),
  row('AbortMultipartUpload', 'DELETE', 'object', abortMultipartUpload, { marks: ['uploadId'] }),
  row('ListParts', 'GET', 'object', listParts, {
    marks: ['uploadId'],
    action: 's3:ListMultipartUploadParts',
    query: ['max-parts', 'part-number-marker'],
  }),
]

/** Answers as S3 does when nothing is configured. */
function probe(
  name: string,
  level: Level,
  mark: string,
  run: Handler,
  extras: Extras & { method?: Method } = {},
): Operation {
  return row(name, extras.method ?? 'GET', level, run, {
    ...extras,
    marks: [mark],
    answersUnconfigured: true,
  })
}

const VERSION = { query: ['versionId'] }

const probes: readonly Operation[] = [
  probe('GetBucketVersioning', 'bucket', 'versioning', bucketHas('VersioningConfiguration')),
  probe('GetBucketAcl', 'bucket', 'acl', getBucketAcl),
  probe('PutBucketAcl', 'bucket', 'acl', putAcl, {
    method: 'PUT',
    headers: ['x-amz-acl', ...CHECKSUMS],
  }),
  probe('GetBucketPolicy', 'bucket', 'policy', bucketLacks('NoSuchBucketPolicy')),
  probe('GetBucketPolicyStatus', 'bucket', 'policyStatus', bucketLacks('NoSuchBucketPolicy')),
  probe('GetBucketTagging', 'bucket', 'tagging', bucketLacks('NoSuchTagSet')),
  probe('GetBucketCors', 'bucket', 'cors', bucketLacks('NoSuchCORSConfiguration'), {
    action: 's3:GetBucketCORS',
  }),
  probe(
    'GetBucketEncryption',
    'bucket',
    'encryption',
    bucketLacks('ServerSideEncryptionConfigurationNotFoundError'),
    { action: 's3:GetEncryptionConfiguration' },
  ),
  probe(
    'GetBucketLifecycleConfiguration',
    'bucket',
    'lifecycle',
    bucketLacks('NoSuchLifecycleConfiguration'),
    { action: 's3:GetLifecycleConfiguration' },
  ),
  probe('GetBucketWebsite', 'bucket', 'website', bucketLacks('NoSuchWebsiteConfiguration')),
  probe('GetBucketLogging', 'bucket', 'logging', bucketHas('BucketLoggingStatus')),
  probe(
    'GetBucketNotificationConfiguration',
    'bucket',
    'notification',
    bucketHas('NotificationConfiguration'),
    { action: 's3:GetBucketNotification' },
  ),
  probe(
    'GetBucketReplication',
    'bucket',
    'replication',
    bucketLacks('ReplicationConfigurationNotFoundError'),
    { action: 's3:GetReplicationConfiguration' },
  ),
  probe(
    'GetBucketAccelerateConfiguration',
    'bucket',
    'accelerate',
    bucketHas('AccelerateConfiguration'),
    { action: 's3:GetAccelerateConfiguration' },
  ),
  probe(
    'GetBucketRequestPayment',
    'bucket',
    'requestPayment',
    bucketHas('RequestPaymentConfiguration', '<Payer>BucketOwner</Payer>'),
  ),
  probe(
    'GetObjectLockConfiguration',
    'bucket',
    'object-lock',
    bucketLacks('ObjectLockConfigurationNotFoundError'),
    { action: 's3:GetBucketObjectLockConfiguration' },
  ),
  probe(
    'GetPublicAccessBlock',
    'bucket',
    'publicAccessBlock',
    bucketLacks('NoSuchPublicAccessBlockConfiguration'),
    { action: 's3:GetBucketPublicAccessBlock' },
  ),
  probe(
    'GetBucketOwnershipControls',
    'bucket',
    'ownershipControls',
    bucketLacks('OwnershipControlsNotFoundError'),
  ),
  removal('DeleteBucketPolicy', 'policy'),
  removal('DeleteBucketTagging', 'tagging', 's3:PutBucketTagging'),
  removal('DeleteBucketCors', 'cors', 's3:PutBucketCORS'),
  removal('DeleteBucketEncryption', 'encryption', 's3:PutEncryptionConfiguration'),
  removal('DeleteBucketLifecycle', 'lifecycle', 's3:PutLifecycleConfiguration'),
  removal('DeleteBucketWebsite', 'website'),
  removal('DeleteBucketReplication', 'replication', 's3:PutReplicationConfiguration'),
  removal('DeletePublicAccessBlock', 'publicAccessBlock', 's3:PutBucketPublicAccessBlock'),
  removal('DeleteBucketOwnershipControls', 'ownershipControls', 's3:PutBucketOwnershipControls'),
  probe('GetObjectAcl', 'object', 'acl', getObjectAcl, VERSION),
  probe('PutObjectAcl', 'object', 'acl', putAcl, {
    method: 'PUT',
    headers: ['x-amz-acl', ...CHECKSUMS],
    ...VERSION,
  }),
  probe('GetObjectTagging', 'object', 'tagging', getObjectTagging, VERSION),
  probe('DeleteObjectTagging', 'object', 'tagging', deleteObjectTagging, {
    method: 'DELETE',
    ...VERSION,
  }),
  probe('GetObjectRetention', 'object', 'retention', objectLockMissing, VERSION),
  probe('GetObjectLegalHold', 'object', 'legal-hold', objectLockMissing, VERSION),
]

function removal(name: string, mark: string, action = `s3:${name}`): Operation {
  return probe(name, 'bucket', mark, removeFromBucket, { method: 'DELETE', action })
}

/** Known to S3, not to Shoal: 501, whatever the request carries. */
function missing(name: string, method: Method, level: Level, mark?: string): Operation {
  return row(name, method, level, undefined, mark === undefined ? {} : { marks: [mark] })
}

const absent: readonly Operation[] = [
  missing('PostObject', 'POST', 'bucket'),
  missing('CreateSession', 'GET', 'bucket', 'session'),
  missing('PutBucketVersioning', 'PUT', 'bucket', 'versioning'),
  missing('PutBucketPolicy', 'PUT', 'bucket', 'policy'),
  missing('PutBucketTagging', 'PUT', 'bucket', 'tagging'),
  missing('PutBucketCors', 'PUT', 'bucket', 'cors'),
  missing('PutBucketEncryption', 'PUT', 'bucket', 'encryption'),
  missing('PutBucketLifecycleConfiguration', 'PUT', 'bucket', 'lifecycle'),
  missing('PutBucketWebsite', 'PUT', 'bucket', 'website'),
  missing('PutBucketLogging', 'PUT', 'bucket', 'logging'),
  missing('PutBucketNotificationConfiguration', 'PUT', 'bucket', 'notification'),
  missing('PutBucketReplication', 'PUT', 'bucket', 'replication'),
  missing('PutBucketAccelerateConfiguration', 'PUT', 'bucket', 'accelerate'),
  missing('PutBucketRequestPayment', 'PUT', 'bucket', 'requestPayment'),
  missing('PutObjectLockConfiguration', 'PUT', 'bucket', 'object-lock'),
  missing('PutPublicAccessBlock', 'PUT', 'bucket', 'publicAccessBlock'),
  missing('PutBucketOwnershipControls', 'PUT', 'bucket', 'ownershipControls'),
  ...['analytics', 'inventory', 'metrics', 'intelligent-tiering'].flatMap((mark) => {
    const words = mark.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    const kind = `Bucket${words.join('')}Configuration`
    return [
      missing(`Get${kind}`, 'GET', 'bucket', mark),
      missing(`Put${kind}`, 'PUT', 'bucket', mark),
      missing(`Delete${kind}`, 'DELETE', 'bucket', mark),
    ]
  }),
  missing('PutObjectTagging', 'PUT', 'object', 'tagging'),
  missing('PutObjectRetention', 'PUT', 'object', 'retention'),
  missing('PutObjectLegalHold', 'PUT', 'object', 'legal-hold'),
  missing('GetObjectTorrent', 'GET', 'object', 'torrent'),
  missing('RestoreObject', 'POST', 'object', 'restore'),
  missing('SelectObjectContent', 'POST', 'object', 'select'),
  missing('RenameObject', 'PUT', 'object', 'renameObject'),
]

export const OPERATIONS: readonly Operation[] = [
  ...service,
  ...buckets,
  ...objects,
  ...uploads,
  ...probes,
  ...absent,
]
