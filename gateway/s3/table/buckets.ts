/** Operations on buckets and their settings, as entries of the table (Operation says what the fields mean). */

import type { Operation } from '../operation.ts'
import { ACL_HEADERS } from '../acl-grants.ts'
import { getBucketAcl, putBucketAcl } from '../acl.ts'
import { deleteBucketTagging, getBucketTagging, putBucketTagging } from '../bucket-tags.ts'
import { createBucket, deleteBucket, getBucketLocation, headBucket } from '../bucket.ts'
import {
  deleteBucketEncryption,
  getBucketEncryption,
  putBucketEncryption,
} from '../bucket-encryption.ts'
import { deleteBucketCors, getBucketCors, putBucketCors } from '../cors.ts'
import { deleteObjects } from '../delete.ts'
import { deleteBucketLifecycle, getBucketLifecycle, putBucketLifecycle } from '../lifecycle.ts'
import { listObjects, listObjectsV2 } from '../list.ts'
import { listObjectVersions } from '../list-versions.ts'
import { getBucketLogging, putBucketLogging } from '../logging.ts'
import { listMultipartUploads } from '../multipart.ts'
import { getBucketNotification, putBucketNotification } from '../notification.ts'
import { getObjectLockConfiguration, putObjectLockConfiguration } from '../object-lock.ts'
import {
  deleteBucketOwnershipControls,
  getBucketOwnershipControls,
  putBucketOwnershipControls,
} from '../ownership.ts'
import {
  deleteBucketPolicy,
  deletePublicAccessBlock,
  getBucketPolicy,
  getBucketPolicyStatus,
  getPublicAccessBlock,
  putBucketPolicy,
  putPublicAccessBlock,
} from '../policy.ts'
import { deleteBucketWebsite, getBucketWebsite, putBucketWebsite } from '../website.ts'
import { getBucketVersioning, putBucketVersioning } from '../versioning.ts'
import { CHECKSUMS, LISTING, defineOperation } from './define.ts'

/** Operations on buckets, on their listings, and DeleteObjects, which AWS addresses to the bucket. */
export const BUCKET_OPERATIONS: readonly Operation[] = [
  defineOperation('CreateBucket', 'PUT', 'bucket', createBucket, {
    headers: [
      ...ACL_HEADERS,
      'x-amz-bucket-object-lock-enabled',
      'x-amz-object-ownership',
      'x-amz-bucket-namespace',
      ...CHECKSUMS,
    ],
  }),
  defineOperation('HeadBucket', 'HEAD', 'bucket', headBucket, { action: 's3:ListBucket' }),
  defineOperation('DeleteBucket', 'DELETE', 'bucket', deleteBucket),
  defineOperation('GetBucketLocation', 'GET', 'bucket', getBucketLocation, { marks: ['location'] }),
  defineOperation('ListObjects', 'GET', 'bucket', listObjects, {
    action: 's3:ListBucket',
    query: [...LISTING, 'marker', 'max-keys'],
    headers: ['x-amz-optional-object-attributes'],
    misplaced: {
      'continuation-token': 'continuation-token only supported in REST.GET.BUCKET with list-type=2',
      'start-after': 'startAfter only supported in REST.GET.BUCKET with list-type=2',
    },
  }),
  defineOperation('ListObjectsV2', 'GET', 'bucket', listObjectsV2, {
    marks: ['list-type=2'],
    action: 's3:ListBucket',
    query: [...LISTING, 'start-after', 'continuation-token', 'max-keys', 'fetch-owner'],
    headers: ['x-amz-optional-object-attributes'],
    misplaced: { marker: 'Marker unsupported with REST.GET.BUCKET in list-type=2' },
  }),
  defineOperation('ListObjectVersions', 'GET', 'bucket', listObjectVersions, {
    marks: ['versions'],
    action: 's3:ListBucketVersions',
    query: [...LISTING, 'key-marker', 'version-id-marker', 'max-keys'],
    headers: ['x-amz-optional-object-attributes'],
  }),
  defineOperation('ListMultipartUploads', 'GET', 'bucket', listMultipartUploads, {
    marks: ['uploads'],
    action: 's3:ListBucketMultipartUploads',
    query: [...LISTING, 'key-marker', 'upload-id-marker', 'max-uploads'],
  }),
  defineOperation('DeleteObjects', 'POST', 'bucket', deleteObjects, {
    marks: ['delete'],
    action: 's3:DeleteObject',
    versionAction: 's3:DeleteObjectVersion',
    resource: 'object',
    // Each key is authorised separately: a denied key is an entry of the answer.
    authorizedBy: 'handler',
    headers: [...CHECKSUMS, 'x-amz-bypass-governance-retention'],
  }),
]

/**
 * Operations on the settings of a bucket. Those that change who may use it are audited. Removing a setting needs the
 * right to put it where AWS has no right of its own for that.
 */
export const SETTING_OPERATIONS: readonly Operation[] = [
  defineOperation('GetBucketVersioning', 'GET', 'bucket', getBucketVersioning, {
    marks: ['versioning'],
  }),
  defineOperation('PutBucketVersioning', 'PUT', 'bucket', putBucketVersioning, {
    marks: ['versioning'],
    headers: CHECKSUMS,
  }),
  defineOperation('GetBucketPolicy', 'GET', 'bucket', getBucketPolicy, { marks: ['policy'] }),
  defineOperation('PutBucketPolicy', 'PUT', 'bucket', putBucketPolicy, {
    marks: ['policy'],
    audited: true,
    headers: [...CHECKSUMS, 'x-amz-confirm-remove-self-bucket-access'],
  }),
  defineOperation('DeleteBucketPolicy', 'DELETE', 'bucket', deleteBucketPolicy, {
    marks: ['policy'],
    audited: true,
  }),
  defineOperation('GetBucketPolicyStatus', 'GET', 'bucket', getBucketPolicyStatus, {
    marks: ['policyStatus'],
  }),
  defineOperation('GetPublicAccessBlock', 'GET', 'bucket', getPublicAccessBlock, {
    marks: ['publicAccessBlock'],
    action: 's3:GetBucketPublicAccessBlock',
  }),
  defineOperation('PutPublicAccessBlock', 'PUT', 'bucket', putPublicAccessBlock, {
    marks: ['publicAccessBlock'],
    action: 's3:PutBucketPublicAccessBlock',
    audited: true,
    headers: CHECKSUMS,
  }),
  defineOperation('DeletePublicAccessBlock', 'DELETE', 'bucket', deletePublicAccessBlock, {
    marks: ['publicAccessBlock'],
    action: 's3:PutBucketPublicAccessBlock',
    audited: true,
  }),
  defineOperation('GetBucketAcl', 'GET', 'bucket', getBucketAcl, { marks: ['acl'] }),
  defineOperation('PutBucketAcl', 'PUT', 'bucket', putBucketAcl, {
    marks: ['acl'],
    audited: true,
    headers: [...ACL_HEADERS, ...CHECKSUMS],
  }),
  defineOperation('GetBucketOwnershipControls', 'GET', 'bucket', getBucketOwnershipControls, {
    marks: ['ownershipControls'],
  }),
  defineOperation('PutBucketOwnershipControls', 'PUT', 'bucket', putBucketOwnershipControls, {
    marks: ['ownershipControls'],
    audited: true,
    headers: CHECKSUMS,
  }),
  defineOperation(
    'DeleteBucketOwnershipControls',
    'DELETE',
    'bucket',
    deleteBucketOwnershipControls,
    { marks: ['ownershipControls'], action: 's3:PutBucketOwnershipControls', audited: true },
  ),
  defineOperation('GetBucketLifecycleConfiguration', 'GET', 'bucket', getBucketLifecycle, {
    marks: ['lifecycle'],
    action: 's3:GetLifecycleConfiguration',
  }),
  defineOperation('PutBucketLifecycleConfiguration', 'PUT', 'bucket', putBucketLifecycle, {
    marks: ['lifecycle'],
    action: 's3:PutLifecycleConfiguration',
    headers: [...CHECKSUMS, 'x-amz-transition-default-minimum-object-size'],
  }),
  defineOperation('DeleteBucketLifecycle', 'DELETE', 'bucket', deleteBucketLifecycle, {
    marks: ['lifecycle'],
    action: 's3:PutLifecycleConfiguration',
  }),
  defineOperation('GetBucketNotificationConfiguration', 'GET', 'bucket', getBucketNotification, {
    marks: ['notification'],
    action: 's3:GetBucketNotification',
  }),
  defineOperation('PutBucketNotificationConfiguration', 'PUT', 'bucket', putBucketNotification, {
    marks: ['notification'],
    action: 's3:PutBucketNotification',
    headers: [...CHECKSUMS, 'x-amz-skip-destination-validation'],
  }),
  defineOperation('GetBucketCors', 'GET', 'bucket', getBucketCors, {
    marks: ['cors'],
    action: 's3:GetBucketCORS',
  }),
  defineOperation('PutBucketCors', 'PUT', 'bucket', putBucketCors, {
    marks: ['cors'],
    action: 's3:PutBucketCORS',
    headers: CHECKSUMS,
  }),
  defineOperation('DeleteBucketCors', 'DELETE', 'bucket', deleteBucketCors, {
    marks: ['cors'],
    action: 's3:PutBucketCORS',
  }),
  defineOperation('GetBucketWebsite', 'GET', 'bucket', getBucketWebsite, { marks: ['website'] }),
  defineOperation('PutBucketWebsite', 'PUT', 'bucket', putBucketWebsite, {
    marks: ['website'],
    headers: CHECKSUMS,
  }),
  defineOperation('DeleteBucketWebsite', 'DELETE', 'bucket', deleteBucketWebsite, {
    marks: ['website'],
  }),
  defineOperation('GetBucketLogging', 'GET', 'bucket', getBucketLogging, { marks: ['logging'] }),
  defineOperation('PutBucketLogging', 'PUT', 'bucket', putBucketLogging, {
    marks: ['logging'],
    headers: CHECKSUMS,
  }),
  defineOperation('GetObjectLockConfiguration', 'GET', 'bucket', getObjectLockConfiguration, {
    marks: ['object-lock'],
    action: 's3:GetBucketObjectLockConfiguration',
  }),
  defineOperation('PutObjectLockConfiguration', 'PUT', 'bucket', putObjectLockConfiguration, {
    marks: ['object-lock'],
    action: 's3:PutBucketObjectLockConfiguration',
    headers: CHECKSUMS,
    ignored: { 'x-amz-bucket-object-lock-token': 'object lock is enabled without one' },
  }),
  defineOperation('GetBucketEncryption', 'GET', 'bucket', getBucketEncryption, {
    marks: ['encryption'],
    action: 's3:GetEncryptionConfiguration',
  }),
  defineOperation('PutBucketEncryption', 'PUT', 'bucket', putBucketEncryption, {
    marks: ['encryption'],
    action: 's3:PutEncryptionConfiguration',
    headers: CHECKSUMS,
  }),
  defineOperation('DeleteBucketEncryption', 'DELETE', 'bucket', deleteBucketEncryption, {
    marks: ['encryption'],
    action: 's3:PutEncryptionConfiguration',
  }),
  defineOperation('GetBucketTagging', 'GET', 'bucket', getBucketTagging, { marks: ['tagging'] }),
  defineOperation('PutBucketTagging', 'PUT', 'bucket', putBucketTagging, {
    marks: ['tagging'],
    headers: CHECKSUMS,
  }),
  defineOperation('DeleteBucketTagging', 'DELETE', 'bucket', deleteBucketTagging, {
    marks: ['tagging'],
    action: 's3:PutBucketTagging',
  }),
]
